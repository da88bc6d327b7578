"""JavaScript."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_CALL_BODY = "arguments/arrow_function|function_expression/body"

_JAVASCRIPT = Language(
    id="javascript",
    globs=("*.js", "*.jsx", "*.mjs", "*.cjs"),
    grammar="tree_sitter_javascript:language",
    entities=(
        EntityRule(node="function_declaration", kind="function"),
        EntityRule(node="generator_function_declaration", kind="function"),
        EntityRule(node="class_declaration", kind="class", body="body"),
        EntityRule(node="method_definition", kind="method", signature=("static", "get|set")),
        EntityRule(node="field_definition", kind="field", name="property", ordered=True),
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
    wrappers=("export_statement", "expression_statement"),
    prefixes=("decorator",),
    comments=("comment", "html_comment"),
    atoms=("string", "template_string", "regex", "comment"),
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_JAVASCRIPT]
