"""Kotlin."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_KOTLIN = Language(
    id="kotlin",
    globs=("*.kt", "*.kts"),
    grammar="tree_sitter_kotlin:language",
    entities=(
        EntityRule(node="class_declaration", kind="class", body="class_body|enum_class_body"),
        EntityRule(node="object_declaration", kind="class", body="class_body"),
        EntityRule(node="companion_object", kind="companion", name="", body="class_body", counted=False),
        EntityRule(
            node="function_declaration",
            kind="function",
            signature=("user_type|nullable_type", "function_value_parameters"),  # the type that it extends
        ),
        EntityRule(
            node="secondary_constructor",
            kind="constructor",
            name="",
            signature=("function_value_parameters",),
        ),
        EntityRule(
            node="property_declaration",
            kind="property",
            name="variable_declaration/identifier",
            signature=("user_type|nullable_type",),
            ordered=True,
        ),
        EntityRule(node="anonymous_initializer", kind="initializer", name="", ordered=True, counted=False),
        EntityRule(node="enum_entry", kind="constant", name="identifier", ordered=True),
        EntityRule(node="type_alias", kind="type", name="type"),
    ),
    imports=("import",),
    comments=("line_comment", "block_comment"),
    atoms=(
        "string_literal",
        "multiline_string_literal",
        "character_literal",
        "line_comment",
        "block_comment",
    ),
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_KOTLIN]
