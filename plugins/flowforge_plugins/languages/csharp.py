"""C#."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_TYPES = (
    "class_declaration",
    "struct_declaration",
    "interface_declaration",
    "record_declaration",
    "enum_declaration",
)

_CSHARP = Language(
    id="csharp",
    globs=("*.cs", "*.csx"),
    grammar="tree_sitter_c_sharp:language",
    entities=(
        EntityRule(node="namespace_declaration", kind="namespace", body="body", counted=False),
        *(
            EntityRule(node=node, kind="type", signature=("type_parameter_list",), body="body")
            for node in _TYPES
        ),
        EntityRule(node="delegate_declaration", kind="type", signature=("parameters",)),
        EntityRule(
            node="method_declaration",
            kind="method",
            signature=("explicit_interface_specifier", "type_parameters", "parameters"),
        ),
        EntityRule(node="constructor_declaration", kind="constructor", signature=("modifier", "parameters")),
        EntityRule(node="destructor_declaration", kind="destructor"),
        EntityRule(node="operator_declaration", kind="operator", name="operator", signature=("parameters",)),
        EntityRule(
            node="conversion_operator_declaration", kind="conversion", name="type", signature=("parameters",)
        ),
        EntityRule(node="indexer_declaration", kind="indexer", name="", signature=("parameters",)),
        EntityRule(node="property_declaration", kind="property", signature=("explicit_interface_specifier",)),
        EntityRule(node="event_declaration", kind="event"),
        EntityRule(
            node="event_field_declaration", kind="event", name="variable_declaration/variable_declarator/name"
        ),
        EntityRule(
            node="field_declaration",
            kind="field",
            name="variable_declaration/variable_declarator/name",
            ordered=True,
        ),
        EntityRule(node="enum_member_declaration", kind="constant", ordered=True),
        EntityRule(
            node="preproc_if",
            kind="group",
            name="condition",
            body=".",
            opener="condition",
            closer="#endif",
            ordered=True,
            counted=False,
        ),
    ),
    imports=("using_directive",),
    import_opaque=True,
    atoms=(
        "string_literal",
        "verbatim_string_literal",
        "raw_string_literal",
        "interpolated_string_expression",
        "character_literal",
        "comment",
    ),
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_CSHARP]
