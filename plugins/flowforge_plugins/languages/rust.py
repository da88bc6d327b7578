"""Rust."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_RUST = Language(
    id="rust",
    globs=("*.rs",),
    grammar="tree_sitter_rust:language",
    entities=(
        EntityRule(node="function_item", kind="function"),
        EntityRule(node="function_signature_item", kind="function"),
        EntityRule(node="struct_item", kind="type", body="body"),
        EntityRule(node="union_item", kind="type", body="body"),
        EntityRule(node="enum_item", kind="type", body="body"),
        EntityRule(node="type_item", kind="type"),
        EntityRule(node="associated_type", kind="type"),
        EntityRule(node="trait_item", kind="trait", body="body"),
        EntityRule(
            node="impl_item",
            kind="impl of a trait",
            name="type",
            signature=("trait",),
            body="body",
            when="trait",
            counted=False,
        ),
        EntityRule(node="impl_item", kind="impl", name="type", body="body", counted=False),
        EntityRule(node="mod_item", kind="module", body="body"),
        EntityRule(
            node="foreign_mod_item", kind="foreign", name="extern_modifier", body="body", counted=False
        ),
        EntityRule(node="const_item", kind="constant", ordered=True),
        EntityRule(node="static_item", kind="constant", ordered=True),
        EntityRule(node="macro_definition", kind="macro", ordered=True),  # in force from its line on
        EntityRule(node="field_declaration", kind="field", ordered=True),  # derives compare in order
        EntityRule(node="enum_variant", kind="variant", ordered=True),
    ),
    imports=("use_declaration",),
    import_source="argument/path",
    import_names="argument/list",
    prefixes=("attribute_item",),
    comments=("line_comment", "block_comment"),
    atoms=(
        "string_literal",
        "raw_string_literal",
        "char_literal",
        "integer_literal",
        "lifetime",
        "line_comment",
        "block_comment",
    ),
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_RUST]
