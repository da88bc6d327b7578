"""Python."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_PYTHON = Language(
    id="python",
    globs=("*.py", "*.pyi", "*.pyw"),
    grammar="tree_sitter_python:language",
    entities=(
        EntityRule(node="function_definition", kind="function"),
        EntityRule(node="class_definition", kind="class", body="body"),
        EntityRule(node="assignment", kind="variable", name="left", ordered=True),
        EntityRule(node="type_alias_statement", kind="variable", name="left", ordered=True),
        EntityRule(  # what only a type checker sees: imports, for the most part
            node="if_statement",
            kind="group",
            name="condition",
            body="consequence",
            when="condition[.=TYPE_CHECKING|typing.TYPE_CHECKING|t.TYPE_CHECKING]",
            ordered=True,
            counted=False,
        ),
    ),
    imports=("import_statement", "import_from_statement", "future_import_statement"),
    import_source="module_name",
    import_names=".",
    wrappers=("decorated_definition", "expression_statement"),
    atoms=("string", "comment"),
    line_comment="#",
    indentation=True,
    commutative=("set",),
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_PYTHON]
