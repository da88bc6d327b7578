"""Documents: facts only, for path matching and checks; merging by key is the document rung's work."""

from collections.abc import Sequence

from flowforge.plugin import Language, hookimpl

_DOCUMENTS = (
    Language(
        id="json",
        globs=("*.json", "*.webmanifest"),
        grammar="tree_sitter_json:language",
        atoms=("string",),
        commutative=("object",),
        separators={"object": ","},
    ),
    Language(
        id="yaml",
        globs=("*.yaml", "*.yml"),
        line_comment="#",
        indentation=True,
    ),
    Language(id="toml", globs=("*.toml", "Pipfile"), grammar="tree_sitter_toml:language", line_comment="#"),
    Language(id="properties", globs=("*.properties",), line_comment="#"),
    Language(id="ini", globs=("*.ini", "setup.cfg", "tox.ini", ".flake8", ".coveragerc"), line_comment="#"),
    Language(
        id="requirements",
        globs=(
            "requirements*.txt",
            "requirements*.in",
            "requirements/**/*.txt",
            "requirements/**/*.in",
            "constraints*.txt",
        ),
        line_comment="#",
    ),
    Language(id="gomod", globs=("go.mod",), line_comment="//"),
    Language(id="gradle", globs=("*.gradle",), line_comment="//"),
    Language(id="xml", globs=("*.xml", "*.pom", "*.csproj", "*.props", "*.xsd")),
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return _DOCUMENTS
