"""What JavaScript and TypeScript have in common. No plugin of its own: both languages' files take it from here."""

from flowforge.plugin import EntityRule

_CALL_BODY = "arguments/arrow_function|function_expression/body"

VARIABLES = (
    EntityRule(node="lexical_declaration", kind="variable", name="variable_declarator/name", ordered=True),
    EntityRule(node="variable_declaration", kind="variable", name="variable_declarator/name", ordered=True),
    EntityRule(node="assignment_expression", kind="assignment", name="left", ordered=True),
)
CALLS = (
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
)
IMPORT_NAMES = "import_clause/named_imports"
WRAPPERS = ("export_statement", "expression_statement")
ATOMS = ("string", "template_string", "regex", "comment")
