"""Java."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_JAVA = Language(
    id="java",
    globs=("*.java",),
    grammar="tree_sitter_java:language",
    entities=(
        EntityRule(node="class_declaration", kind="class", body="body"),
        EntityRule(node="interface_declaration", kind="class", body="body"),
        EntityRule(node="record_declaration", kind="class", body="body"),
        EntityRule(node="enum_declaration", kind="class", body="body"),
        EntityRule(node="annotation_type_declaration", kind="class", body="body"),
        EntityRule(node="method_declaration", kind="method", signature=("parameters",)),
        EntityRule(node="constructor_declaration", kind="constructor", signature=("parameters",)),
        EntityRule(node="compact_constructor_declaration", kind="constructor"),
        EntityRule(node="annotation_type_element_declaration", kind="method"),
        EntityRule(node="field_declaration", kind="field", name="declarator/name", ordered=True),
        EntityRule(node="constant_declaration", kind="field", name="declarator/name", ordered=True),
        EntityRule(node="enum_constant", kind="constant", ordered=True),
        EntityRule(node="static_initializer", kind="initializer", name="", ordered=True),
    ),
    imports=("import_declaration",),
    transparent=("enum_body_declarations",),
    comments=("line_comment", "block_comment"),
    atoms=("string_literal", "character_literal", "line_comment", "block_comment"),
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_JAVA]
