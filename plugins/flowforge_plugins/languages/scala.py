"""Scala, 2 and 3."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_SIGNATURE = ("type_parameters", "parameters")

_SCALA = Language(
    id="scala",
    globs=("*.scala", "*.sc"),
    grammar="tree_sitter_scala:language",
    entities=(
        EntityRule(node="class_definition", kind="class", body="body"),
        EntityRule(node="trait_definition", kind="class", body="body"),
        EntityRule(node="enum_definition", kind="class", body="body"),
        EntityRule(node="object_definition", kind="object", body="body"),  # a class may have one of its name
        EntityRule(node="package_object", kind="object", body="body"),
        EntityRule(node="function_definition", kind="function", signature=_SIGNATURE),
        EntityRule(node="function_declaration", kind="function", signature=_SIGNATURE),
        EntityRule(node="given_definition", kind="given"),
        EntityRule(node="type_definition", kind="type"),
        EntityRule(node="val_definition", kind="value", name="pattern", ordered=True),
        EntityRule(node="var_definition", kind="value", name="pattern", ordered=True),
        EntityRule(node="val_declaration", kind="value", ordered=True),
        EntityRule(node="var_declaration", kind="value", ordered=True),
        EntityRule(
            node="enum_case_definitions",
            kind="case",
            name="simple_enum_case|full_enum_case/name",
            ordered=True,
        ),
    ),
    imports=("import_declaration",),
    import_names="namespace_selectors",
    comments=("comment", "block_comment"),
    atoms=("string", "interpolated_string", "character_literal", "comment", "block_comment"),
    line_comment="//",
    indentation=True,
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_SCALA]
