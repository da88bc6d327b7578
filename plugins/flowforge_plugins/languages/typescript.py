"""TypeScript, with and without JSX: two grammars, one set of facts."""

from collections.abc import Sequence
from dataclasses import replace

from flowforge.plugin import EntityRule, Language, hookimpl
from flowforge_plugins.languages import ecmascript

_TYPESCRIPT = Language(
    id="typescript",
    globs=("*.ts", "*.mts", "*.cts"),
    grammar="tree_sitter_typescript:language_typescript",
    entities=(
        EntityRule(node="function_declaration", kind="function", signature=("parameters",)),
        EntityRule(node="function_signature", kind="function", signature=("parameters",), ordered=True),
        EntityRule(node="generator_function_declaration", kind="function"),
        EntityRule(node="class_declaration", kind="class", body="body"),
        EntityRule(node="abstract_class_declaration", kind="class", body="body"),
        EntityRule(node="interface_declaration", kind="interface", body="body"),
        EntityRule(node="enum_declaration", kind="enum", body="body"),
        EntityRule(node="enum_assignment", kind="constant", ordered=True),
        EntityRule(node="property_identifier", kind="constant", name=".", ordered=True),
        EntityRule(node="type_alias_declaration", kind="type"),
        EntityRule(node="internal_module", kind="namespace", body="body"),
        EntityRule(node="module", kind="module", body="body"),
        EntityRule(node="method_definition", kind="method", signature=("static", "get|set", "parameters")),
        EntityRule(node="method_signature", kind="method", signature=("parameters",)),
        EntityRule(node="abstract_method_signature", kind="method", signature=("parameters",)),
        EntityRule(node="public_field_definition", kind="field", signature=("static",), ordered=True),
        EntityRule(node="property_signature", kind="field"),
        *ecmascript.VARIABLES,
        *ecmascript.CALLS,
    ),
    imports=("import_statement",),
    import_source="source",
    import_names=ecmascript.IMPORT_NAMES,
    wrappers=(*ecmascript.WRAPPERS, "ambient_declaration"),
    prefixes=("decorator",),
    atoms=ecmascript.ATOMS,
    line_comment="//",
)

_TSX = replace(_TYPESCRIPT, id="tsx", globs=("*.tsx",), grammar="tree_sitter_typescript:language_tsx")


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_TYPESCRIPT, _TSX]
