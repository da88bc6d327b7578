"""Which version of a manifest is the project's own."""

import pytest

from flowforge.merge.ownversions import is_own


@pytest.mark.parametrize(
    ("path", "before", "text", "own"),
    [
        ("package.json", '{\n  "name": "a",\n', '  "version": "1.0.0",\n', True),
        ("package.json", '{\n  "a": {\n    "b": {\n', '      "version": "1.0.0",\n', False),
        ("package.json", '{\n  "dependencies": {\n', '    "versions": "1.0.0",\n', False),
        ("pyproject.toml", "[project]\nname = 'a'\n", "version = '1.0'\n", True),
        ("pyproject.toml", "[tool.x]\n", "version = '1.0'\n", False),
        ("Cargo.toml", "[package]\n", 'version = "1.0.0"\n', True),
        ("Cargo.toml", "[package]\n\n[dependencies.a]\n", 'version = "1.0.0"\n', False),
        ("gradle.properties", "", "version=1.0-SNAPSHOT\n", True),
        ("gradle.properties", "", "kotlinVersion=1.0\n", False),
        ("pom.xml", "<project>\n  <!-- <a> -->\n", "  <version>1.0</version>\n", True),
        (
            "pom.xml",
            "<project>\n <parent>\n  <artifactId>a</artifactId>\n",
            "  <version>1.0</version>\n",
            True,
        ),
        ("pom.xml", "<project>\n <dependency>\n", "  <version>1.0</version>\n", False),
        ("pom.xml", "<project>\n <dependency>\n </dependency>\n <x/>\n", " <version>1.0</version>\n", True),
        ("pom.xml", "</a>", "<version>1.0</version>", False),
        ("a.csproj", "<Project>\n<PropertyGroup>\n", "<Version>1.0</Version>\n", True),
        ("setup.py", "setup(\n", "    version='1.0',\n", True),
        ("build.gradle.kts", "plugins {\n}\n", 'version = "1.0"\n', True),
        ("requirements.txt", "", "version==1.0\n", False),
    ],
)
def test_a_projects_own_version_is_told_from_a_dependencys(
    path: str, before: str, text: str, own: bool
) -> None:
    assert is_own(path, before.encode(), text.encode()) is own
