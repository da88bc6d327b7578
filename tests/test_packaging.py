"""What is shipped is what was declared: packages, data, entry points, and a lock that fits the declarations."""

import configparser
import re
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
LOCK = (ROOT / "config" / "requirements.lock").read_text()


def words(section: str, option: str) -> list[str]:
    return [line.strip() for line in SETUP[section][option].splitlines() if line.strip()]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


LOCKED = {
    canonical(n): Version(v) for n, v in re.findall(r"^([\w.\-]+)(?:\[[^]]*\])?==(\S+)", LOCK, re.MULTILINE)
}


@pytest.mark.parametrize(
    "line", [*words("options", "install_requires"), *words("options.extras_require", "embedded")]
)
def test_the_lock_fits_what_is_declared(line: str) -> None:
    wanted = Requirement(line)
    if wanted.marker is None or wanted.marker.evaluate({"python_version": "3.11"}):
        assert LOCKED[canonical(wanted.name)] in wanted.specifier


def test_every_locked_version_has_a_hash_and_no_place_to_fetch_it_from() -> None:
    pins = re.split(r"^(?=[\w.\-]+(?:\[[^]]*\])?==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(pins) == len(LOCKED) > 50
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in LOCK


def test_every_package_of_the_tree_is_shipped() -> None:
    known = set(words("options", "packages"))
    found = {
        str(path.parent.relative_to(ROOT)).replace("/", ".")
        for path in (ROOT / "flowforge").rglob("__init__.py")
    }
    plugins = ROOT / "plugins"
    found |= {
        str(path.parent.relative_to(plugins)).replace("/", ".") for path in plugins.rglob("__init__.py")
    }
    assert found <= known
    assert known - found == {"flowforge_config", "flowforge_pipelines"}


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("flowforge_config", "prices.yaml"),
        ("flowforge_config", "default.yaml"),
        ("flowforge_config", "prompts/resolve.prompt.txt"),
        ("flowforge_config", "prompts/resolve.commit.txt"),
        ("flowforge_pipelines", "rebase.yaml"),
        ("flowforge.docs", "cli.md"),
    ],
)
def test_data_is_found_through_its_package(package: str, name: str) -> None:
    assert files(package).joinpath(name).is_file()
