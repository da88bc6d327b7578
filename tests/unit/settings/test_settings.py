"""Settings from the environment, a file and defaults, and their documentation."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from flowforge.core.errors import Broken, Reason
from flowforge.core.places import config_file
from flowforge.settings import Settings, read_settings

DOCUMENT = Path(__file__).parents[3] / "config" / "default.yaml"
NOWHERE = Path("/nonexistent/config.toml")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FLOWFORGE_{name.upper()}", raising=False)


def documented() -> dict[str, str]:
    return dict(re.findall(r"^# ([a-z_]+): (.+)$", DOCUMENT.read_text(), flags=re.MULTILINE))


def written(value: object) -> str:
    """A default as default.yaml writes it."""
    if isinstance(value, SecretStr):
        return f'"{value.get_secret_value()}"'
    if value is None or value == "":
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_setting_is_documented_with_its_default() -> None:
    defaults = {name: written(field.default) for name, field in Settings.model_fields.items()}
    assert documented() == defaults


def test_every_line_of_the_document_is_a_comment() -> None:
    assert all(line.startswith("#") or not line for line in DOCUMENT.read_text().splitlines())


def test_the_environment_wins_over_the_file_and_arguments_over_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "c.toml"
    file.write_text('port = 1\nhost = "from.file"\nlog_level = "debug"\ngit_hosts = ["a", "b"]\n')
    monkeypatch.setenv("FLOWFORGE_PORT", "2")
    monkeypatch.setenv("FLOWFORGE_HOST", "from.env")
    settings = read_settings(file, port=3)
    assert (settings.port, settings.host, settings.log_level) == (3, "from.env", "debug")
    assert settings.git_hosts == ("a", "b")


def test_lists_are_written_with_commas_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_GIT_PROTOCOLS", "https, file,")
    assert read_settings(NOWHERE).git_protocols == ("https", "file")


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_PORT", "")
    assert read_settings(NOWHERE).port == 8080


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = 70000", "FLOWFORGE_PORT"),
        ("prot = 1", "FLOWFORGE_PROT"),
        ("worker_threads = 0", "FLOWFORGE_WORKER_THREADS"),
        ('sandbox = "docker"', "FLOWFORGE_SANDBOX"),
        ("renew_seconds = 10", "half of lease_seconds"),
        ("port = ", "is no TOML"),
        ("port = 0\nworker_threads = -1\nlog_format = 1", "FLOWFORGE_LOG_FORMAT"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(Broken, match=re.escape(said)) as caught:
        read_settings(file)
    assert caught.value.reason is Reason.CONFIGURATION


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('database_url = ["hunter22"]')
    with pytest.raises(Broken) as caught:
        read_settings(file)
    assert "hunter22" not in str(caught.value)


def test_secrets_are_hidden_but_known_to_the_mask() -> None:
    settings = read_settings(NOWHERE, model_key="hunter22", database_url="postgresql://a:b@c/d")
    assert "hunter22" not in repr(settings)
    assert set(settings.secrets()) == {"hunter22", "postgresql://a:b@c/d"}


def test_a_provider_is_handed_its_key_under_its_own_name() -> None:
    settings = read_settings(NOWHERE, model_key="k", model_timeout=5, model_command="/bin/ask, --now")
    handed = settings.model_settings("anthropic_api_key")
    assert handed == {
        "base_url": "",
        "timeout": "5",
        "effort": "",
        "command": '["/bin/ask", "--now"]',
        "command_env": "[]",
        "anthropic_api_key": "k",
    }
    assert "k" not in settings.model_settings("").values()


def test_the_file_is_found_by_name_then_by_custom() -> None:
    assert config_file({"FLOWFORGE_CONFIG": "/x.toml", "HOME": "/h"}) == Path("/x.toml")
    assert config_file({"HOME": "/h"}) == Path("/h/.config/flowforge/config.toml")
    assert config_file({"HOME": "/h", "XDG_CONFIG_HOME": "/c"}) == Path("/c/flowforge/config.toml")


def test_settings_need_no_database_driver() -> None:
    code = (
        "import sys, flowforge.settings; print(sorted({'peewee', 'psycopg2', 'falcon'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_help_page_names_every_setting_with_its_default() -> None:
    page = (DOCUMENT.parents[1] / "flowforge" / "docs" / "settings.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", page, flags=re.MULTILINE))
    told = {name: "not set" if value == '""' else f"`{value}`" for name, value in documented().items()}
    assert rows == told
