"""TypeScript, with and without JSX: two grammars, one set of facts."""

from collections.abc import Sequence
from dataclasses import replace

from flowforge.plugin import EntityRule, Language, hookimpl

_CALL_BODY = "arguments/arrow_function|function_expression/body"

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
        EntityRule(node="type_alias_declaration", kind="type"),
        EntityRule(node="internal_module", kind="namespace", body="body"),
        EntityRule(node="module", kind="module", body="body"),
        EntityRule(node="method_definition", kind="method", signature=("static", "get|set", "parameters")),
        EntityRule(node="method_signature", kind="method", signature=("parameters",)),
        EntityRule(node="abstract_method_signature", kind="method", signature=("parameters",)),
        EntityRule(node="public_field_definition", kind="field", ordered=True),
        EntityRule(node="property_signature", kind="field"),
        EntityRule(
            node="lexical_declaration", kind="variable", name="variable_declarator/name", ordered=True
        ),
        EntityRule(
            node="variable_declaration", kind="variable", name="variable_declarator/name", ordered=True
        ),
        EntityRule(node="assignment_expression", kind="assignment", name="left", ordered=True),
        EntityRule(  # a test, a suite, a task: declared by a plain call, so its place has no meaning
            node="call_expression",
            kind="call",
            name="arguments/string",
            signature=("function",),
            body=_CALL_BODY,
            when=f"identifier&{_CALL_BODY}",
        ),
        EntityRule(  # a handler of something: the first route that fits wins, for one
            node="call_expression",
            kind="call",
            name="arguments/string",
            signature=("function",),
            body=_CALL_BODY,
            when=_CALL_BODY,
            ordered=True,
        ),
    ),
    imports=("import_statement",),
    import_source="source",
    import_names="import_clause/named_imports",
    wrappers=("export_statement", "expression_statement", "ambient_declaration"),
    prefixes=("decorator",),
    atoms=("string", "template_string", "regex", "comment"),
    line_comment="//",
)

_TSX = replace(_TYPESCRIPT, id="tsx", globs=("*.tsx",), grammar="tree_sitter_typescript:language_tsx")


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_TYPESCRIPT, _TSX]
