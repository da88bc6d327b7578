"""Packages added in the version that their kin had, where the other side raised all of these."""

from pathlib import Path

import pytest

from tests.unit.merge.documentcases import merged


def package(**wanted: str) -> str:
    rows = ",\n".join(f'    "{name.replace("_", "/")}": "{version}"' for name, version in wanted.items())
    return '{\n  "require": {\n' + rows + "\n  }\n}\n"


BASE = package(tide_a="^4.0", tide_c="^4.0")
RAISED = package(tide_a="^10.0", tide_c="^10.0")


@pytest.mark.parametrize("turned", [False, True])
def test_an_added_package_takes_the_version_of_its_kin(tmp_path: Path, turned: bool) -> None:
    sides = [RAISED, package(tide_a="^4.0", tide_b="^4.0", tide_c="^4.0")]
    one, two = sides[::-1] if turned else sides
    found = merged("composer.json", BASE, one, two, tmp_path)
    assert found == package(tide_a="^10.0", tide_b="^10.0", tide_c="^10.0")


@pytest.mark.parametrize(
    ("raised", "added", "kept"),
    [
        (package(tide_a="^5.0", tide_c="^6.0"), {"tide_b": "^4.0"}, "^4.0"),  # not to one version
        (package(tide_a="^5.0", tide_c="^4.0"), {"tide_b": "^4.0"}, "^4.0"),  # not all of them
        (RAISED, {"tide_b": "^3.0"}, "^3.0"),  # another version than theirs
        (RAISED, {"wind_b": "^4.0"}, "^4.0"),  # another family
        (RAISED, {"tide_b": "*"}, "*"),  # no version at all
    ],
)
def test_what_is_no_kin_keeps_its_version(
    tmp_path: Path, raised: str, added: dict[str, str], kept: str
) -> None:
    mine = package(tide_a="^4.0", **added, tide_c="^4.0")
    found = merged("composer.json", BASE, raised, mine, tmp_path)
    name = next(iter(added)).replace("_", "/")
    assert f'"{name}": "{kept}"' in found


def test_an_element_has_its_version_in_an_attribute(tmp_path: Path) -> None:
    def project(*packages: str) -> str:
        rows = "".join(
            f'    <PackageReference Include="Tide.{p[0]}" Version="{p[1:]}" />\n' for p in packages
        )
        return f"<Project>\n  <ItemGroup>\n{rows}  </ItemGroup>\n</Project>\n"

    found = merged(
        "x.csproj",
        project("A3.1.9", "C3.1.9"),
        project("A3.1.10", "C3.1.10"),
        project("A3.1.9", "B3.1.9", "C3.1.9"),
        tmp_path,
    )
    assert found == project("A3.1.10", "B3.1.10", "C3.1.10")
