"""Go."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_RECEIVER = "receiver/parameter_declaration/type"

_GO = Language(
    id="go",
    globs=("*.go",),
    grammar="tree_sitter_go:language",
    entities=(
        EntityRule(node="function_declaration", kind="function"),
        EntityRule(node="method_declaration", kind="method", signature=(_RECEIVER,)),
        EntityRule(
            node="type_declaration",
            kind="types",
            name="",
            signature=("type_spec|type_alias/name",),
            when="(",
            body=".",
        ),
        EntityRule(
            node="type_declaration",
            kind="type",
            name="type_spec/name",
            body="type_spec/interface_type",
            when="type_spec/interface_type",
        ),
        EntityRule(node="type_declaration", kind="type", name="type_spec|type_alias/name"),
        EntityRule(
            node="const_declaration",
            kind="constants",
            name="",
            signature=("const_spec/name",),
            when="(",
            body=".",
            ordered=True,
        ),
        EntityRule(node="const_declaration", kind="constant", name="const_spec/name", ordered=True),
        EntityRule(
            node="var_declaration",
            kind="variables",
            name="",
            signature=("var_spec_list/var_spec/name",),
            when="var_spec_list",
            body="var_spec_list",
        ),
        EntityRule(node="var_declaration", kind="variable", name="var_spec/name", ordered=True),
        EntityRule(node="method_elem", kind="method"),
        EntityRule(node="type_spec", kind="type"),
        EntityRule(node="const_spec", kind="constant", ordered=True),
        EntityRule(node="var_spec", kind="variable", ordered=True),
    ),
    imports=("import_declaration", "import_spec"),
    import_containers=("import_spec_list",),
    import_source="path|import_spec/path|.",
    atoms=("interpreted_string_literal", "raw_string_literal", "rune_literal", "comment"),
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_GO]
