"""Java's scopes. Methods and variables have names of their own kind: a method's is written with `()` here."""

from collections.abc import Iterator

from tree_sitter import Node

from flowforge.plugin import CheckedFile, Finding
from flowforge_plugins.validators.facts import Declared, Facts, Rules, broken
from flowforge_plugins.validators.scopes import (
    FUNCTION,
    INNER,
    Bound,
    Call,
    Callee,
    Grammar,
    facts,
    words,
)

_BUILTIN = (
    "Boolean Character Class Double Exception IllegalArgumentException IllegalStateException Integer "
    "Iterable Long Object Override RuntimeException String StringBuilder SuppressWarnings System "
    "Throwable java org com var"
)
_PARAMETERS = ("formal_parameter", "spread_parameter")
_NO_USES = {  # parent's type -> fields in which a name is none of this file's
    "field_access": ("field",),
    "element_value_pair": ("key",),
    "constructor_declaration": ("name",),
    "compact_constructor_declaration": ("name",),
}
_LABELS = ("labeled_statement", "break_statement", "continue_statement")


def check(file: CheckedFile) -> Iterator[Finding]:
    return broken(file, Rules(facts=facts_of, lost=_certain))


def facts_of(text: bytes) -> Facts | None:
    return facts(GRAMMAR, text)


def _certain(declared: Declared, result: Facts) -> bool:
    """A member may be inherited, and a type stand elsewhere in its package; an import or a local may not."""
    if declared.kind == "class":
        return False
    return declared.kind == "import" or not result.open


def _import(node: Node) -> Iterator[Bound]:
    path = next((child for child in node.named_children if child.type == "scoped_identifier"), None)
    name = path.child_by_field_name("name") if path is not None else None
    if name is None or any(child.type == "asterisk" for child in node.named_children):
        return
    if any(child.type == "static" for child in node.children):
        yield Bound(name, "import", name=words(name) + "()", whole=node)
    yield Bound(name, "import", whole=node, unique=False)


def _type(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "class", whole=node, unique=True)


def _method(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "function", name=words(name) + "()", whole=node)


def _variable(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "variable", whole=node.parent, unique=True)


def _parameter(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "parameter")


def _pattern(node: Node) -> Iterator[Bound]:
    """A pattern's variable reaches as far as the flow of control says: the whole method, here."""
    name = node.child_by_field_name("name")
    if name is None and node.type == "type_pattern":
        name = next((child for child in reversed(node.named_children) if child.type == "identifier"), None)
    if name is not None and name.type == "identifier":
        yield Bound(name, "variable", FUNCTION)


def _inner(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "variable", INNER)


def _lambda(node: Node) -> Iterator[Bound]:
    found = node.child_by_field_name("parameters")
    for name in (
        [found] if found is not None and found.type == "identifier" else found.named_children if found else ()
    ):
        if name.type == "identifier":
            yield Bound(name, "parameter", INNER)


def _type_parameter(node: Node) -> Iterator[Bound]:
    name = next(
        (child for child in node.named_children if child.type in {"type_identifier", "identifier"}), None
    )
    if name is not None:
        yield Bound(name, "class")


def _use(node: Node) -> str | None:
    parent = node.parent
    if parent is None or parent.type in _LABELS:
        return None
    if parent.type == "method_invocation" and parent.child_by_field_name("name") == node:
        return None if parent.child_by_field_name("object") is not None else words(node) + "()"
    if any(parent.child_by_field_name(field) == node for field in _NO_USES.get(parent.type, ())):
        return None
    if parent.type in {"scoped_identifier", "scoped_type_identifier"} and parent.named_children[0] != node:
        return None
    if parent.type == "method_reference" and parent.children[0] != node:
        return None
    return words(node)


def _signature(node: Node) -> str:
    parameters = node.child_by_field_name("parameters")
    name = words(node.child_by_field_name("name"))
    kinds = [
        "".join(words(child).split())
        for one in (parameters.named_children if parameters is not None else ())
        for child in [one.child_by_field_name("type") or one.named_children[0]]
        if one.type in _PARAMETERS
    ]
    spread = [
        one for one in (parameters.named_children if parameters else ()) if one.type == "spread_parameter"
    ]
    return f"{name}({', '.join(kinds)}{'...' if spread else ''})"


def _callee(node: Node) -> Callee | None:
    name, parameters = node.child_by_field_name("name"), node.child_by_field_name("parameters")
    if name is None or parameters is None:
        return None
    places = [one for one in parameters.named_children if one.type in _PARAMETERS]
    endless = any(one.type == "spread_parameter" for one in places)
    return Callee(words(name) + "()", len(places) - endless, None if endless else len(places), node)


def _call(node: Node) -> Call | None:
    name, arguments = node.child_by_field_name("name"), node.child_by_field_name("arguments")
    if name is None or arguments is None or node.child_by_field_name("object") is not None:
        return None
    given = [one for one in arguments.named_children if not one.type.endswith("comment")]
    return Call(words(name) + "()", len(given), node)


GRAMMAR = Grammar(
    load="tree_sitter_java:language",
    scopes=frozenset(
        {
            "annotation_type_body",
            "annotation_type_declaration",
            "block",
            "catch_clause",
            "class_body",
            "class_declaration",
            "compact_constructor_declaration",
            "constructor_body",
            "constructor_declaration",
            "enhanced_for_statement",
            "enum_body",
            "enum_declaration",
            "for_statement",
            "interface_body",
            "interface_declaration",
            "lambda_expression",
            "method_declaration",
            "record_declaration",
            "static_initializer",
            "switch_block_statement_group",
            "switch_rule",
            "try_with_resources_statement",
        }
    ),
    functions=frozenset(
        {"method_declaration", "constructor_declaration", "class_body", "compact_constructor_declaration"}
    ),
    names=frozenset({"identifier", "type_identifier"}),
    bind={
        "import_declaration": _import,
        "class_declaration": _type,
        "interface_declaration": _type,
        "enum_declaration": _type,
        "record_declaration": _type,
        "annotation_type_declaration": _type,
        "method_declaration": _method,
        "annotation_type_element_declaration": _method,
        "variable_declarator": _variable,
        "formal_parameter": _parameter,
        "catch_formal_parameter": _parameter,
        "resource": _parameter,
        "enum_constant": _parameter,
        "enhanced_for_statement": _inner,
        "lambda_expression": _lambda,
        "inferred_parameters": lambda _node: iter(()),
        "type_parameter": _type_parameter,
        "instanceof_expression": _pattern,
        "type_pattern": _pattern,
        "record_pattern_component": _pattern,
    },
    use=_use,
    skip=frozenset({"import_declaration", "package_declaration"}),
    open=frozenset({"asterisk", "superclass", "super_interfaces", "extends_interfaces"}),
    members={"method_declaration": _signature, "constructor_declaration": _signature},
    members_certain=True,
    callee={"method_declaration": _callee},
    call={"method_invocation": _call},
    overloads=True,
    builtin=frozenset(_BUILTIN.split()),
)
