"""C++: what C has, and more."""

from collections.abc import Sequence

from flowforge.plugin import EntityRule, Language, hookimpl
from flowforge_plugins.languages import c

_NAMES = "identifier|field_identifier|qualified_identifier|operator_name|destructor_name|template_function"

_CPP = Language(
    id="cpp",
    globs=("*.cpp", "*.cc", "*.cxx", "*.c++", "*.h", "*.hpp", "*.hh", "*.hxx", "*.ipp", "*.tpp", "*.inl"),
    grammar="tree_sitter_cpp:language",
    entities=(
        EntityRule(node="class_specifier", kind="type", body="body", when="body"),
        EntityRule(node="class_specifier", kind="forward"),
        EntityRule(node="alias_declaration", kind="type"),
        EntityRule(node="concept_definition", kind="type"),
        EntityRule(
            node="field_declaration", kind="type", name="type/name", body="type/body", when="type/body"
        ),
        EntityRule(node="namespace_definition", kind="namespace", body="body", counted=False),
        EntityRule(
            node="namespace_definition", kind="unnamed namespace", name="", body="body", counted=False
        ),
        *c.entities(_NAMES, overloads=True),
    ),
    imports=("preproc_include",),
    import_source="path",
    import_opaque=True,
    wrappers=("template_declaration",),
    labels=("access_specifier",),
    atoms=(*c.ATOMS, "raw_string_literal"),
    line_comment="//",
)


@hookimpl
def register_languages() -> Sequence[Language]:
    return [_CPP]
