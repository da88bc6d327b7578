"""PHP."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_PHP = Language(
    id="php",
    globs=("*.php", "*.phpt"),
    grammar="tree_sitter_php:language_php",
    entities=(
        EntityRule(node="class_declaration", kind="class", body="body"),
        EntityRule(node="interface_declaration", kind="class", body="body"),
        EntityRule(node="trait_declaration", kind="class", body="body"),
        EntityRule(node="enum_declaration", kind="class", body="body"),
        EntityRule(node="namespace_definition", kind="namespace", body="body", when="body", counted=False),
        EntityRule(node="function_definition", kind="function"),
        EntityRule(node="method_declaration", kind="method"),
        EntityRule(node="property_declaration", kind="field", name="property_element/name", ordered=True),
        EntityRule(node="const_declaration", kind="constant", name="const_element/name", ordered=True),
        EntityRule(node="enum_case", kind="case", ordered=True),
    ),
    imports=("namespace_use_declaration",),
    import_source="namespace_use_clause|namespace_name/qualified_name|.",
    import_names="namespace_use_group",
    atoms=("string", "encapsed_string", "heredoc", "nowdoc", "text", "comment"),
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_PHP]
