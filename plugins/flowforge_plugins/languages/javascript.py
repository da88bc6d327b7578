"""JavaScript."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl
from flowforge_plugins.languages import ecmascript

_JAVASCRIPT = Language(
    id="javascript",
    globs=("*.js", "*.jsx", "*.mjs", "*.cjs"),
    grammar="tree_sitter_javascript:language",
    entities=(
        EntityRule(node="function_declaration", kind="function"),
        EntityRule(node="generator_function_declaration", kind="function"),
        EntityRule(node="class_declaration", kind="class", body="body"),
        EntityRule(node="method_definition", kind="method", signature=("static", "get|set")),
        EntityRule(
            node="field_definition", kind="field", name="property", signature=("static",), ordered=True
        ),
        *ecmascript.VARIABLES,
        *ecmascript.CALLS,
    ),
    imports=("import_statement",),
    import_source="source",
    import_names=ecmascript.IMPORT_NAMES,
    wrappers=ecmascript.WRAPPERS,
    prefixes=("decorator",),
    comments=("comment", "html_comment"),
    atoms=ecmascript.ATOMS,
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_JAVASCRIPT]
