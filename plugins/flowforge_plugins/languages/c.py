"""C. Headers are left to C++, whose grammar reads both."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl

_INNERMOST = "declarator|function_declarator*"  # C++ has no field for what a reference refers to
_GROUPS = tuple(
    EntityRule(
        node=node,
        kind="group",
        name=name,
        body=".",
        opener=name,
        closer="#endif",
        ordered=True,
        counted=False,
    )
    for node, name in (("preproc_ifdef", "name"), ("preproc_if", "condition"))
)


def _prototypes(node: str, names: str, signature: tuple[str, ...]) -> tuple[EntityRule, ...]:
    """Functions that are declared; a pointer to one has its name in parentheses, and is a variable."""
    deeper = "declarator/declarator|function_declarator"
    return tuple(
        EntityRule(
            node=node,
            kind="prototype",
            name=_INNERMOST,
            signature=signature,
            when=f"{declarator}/parameters&{declarator}/{names}",
        )
        for declarator in ("declarator", deeper)
    )


def entities(names: str, *, overloads: bool) -> tuple[EntityRule, ...]:
    """What C and C++ share; `names` are the node types that name a function, joined by "|"."""
    signature = ("declarator",) if overloads else ()
    return (
        EntityRule(node="function_definition", kind="function", name=_INNERMOST, signature=signature),
        *_prototypes("declaration", names, signature),
        EntityRule(node="declaration", kind="variable", name=_INNERMOST, ordered=True),
        EntityRule(node="struct_specifier", kind="type", body="body", when="body"),
        EntityRule(node="union_specifier", kind="type", body="body", when="body"),
        EntityRule(node="enum_specifier", kind="type", body="body", when="body"),
        EntityRule(node="struct_specifier", kind="forward"),
        EntityRule(node="type_definition", kind="type", name=_INNERMOST, body="type/body"),
        *_prototypes("field_declaration", names, signature),
        EntityRule(node="field_declaration", kind="field", name=_INNERMOST, ordered=True, when="declarator"),
        EntityRule(node="enumerator", kind="constant", ordered=True),
        EntityRule(node="preproc_def", kind="macro", ordered=True),  # values that are counted on by hand
        EntityRule(node="preproc_function_def", kind="macro"),
        EntityRule(node="linkage_specification", kind="linkage", name="value", body="body", counted=False),
        *_GROUPS,
    )


ATOMS = ("string_literal", "char_literal", "system_lib_string", "preproc_arg", "comment")

_C = Language(
    id="c",
    globs=("*.c",),
    grammar="tree_sitter_c:language",
    entities=entities("identifier|field_identifier", overloads=False),
    imports=("preproc_include",),
    import_source="path",
    import_opaque=True,
    atoms=ATOMS,
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_C]
