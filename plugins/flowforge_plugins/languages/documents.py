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
    Language(id="yaml", globs=("*.yaml", "*.yml"), line_comment="#", indentation=True),
    Language(id="toml", globs=("*.toml",), line_comment="#"),
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return _DOCUMENTS
