"""Go's scopes. An import that nothing uses, and a name declared twice, do not compile there."""

import re
from collections.abc import Iterator

from tree_sitter import Node

from flowforge.plugin import CheckedFile, Finding, Level
from flowforge_plugins.validators.facts import Declared, Facts, Rules, broken
from flowforge_plugins.validators.scopes import INNER, Bound, Call, Callee, Grammar, facts, words

_BUILTIN = (
    "any append bool byte cap clear close comparable copy delete error false float32 float64 int "
    "int16 int32 int64 int8 iota len make max min new nil panic print println recover rune string "
    "true uint uint16 uint32 uint64 uint8 uintptr"
)
_VERSION = re.compile(r"v\d+")


def check(file: CheckedFile) -> Iterator[Finding]:
    return broken(file, Rules(facts=facts_of, lost=_certain, unused=Level.ERROR))


def facts_of(text: bytes) -> Facts | None:
    return facts(GRAMMAR, text)


def _certain(declared: Declared, _result: Facts) -> bool:
    """What stood at the top may now stand in another file of its package; an import or a variable may not."""
    return declared.kind == "import" or not declared.top


def _import(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    path = node.child_by_field_name("path")
    if name is not None:
        if name.type == "package_identifier" and words(name) != "_":
            yield Bound(name, "import", whole=node, unique=True)
    elif path is not None:
        yield Bound(path, "import", name=package_of(words(path).strip('"`')), whole=node, unique=True)


def package_of(path: str) -> str:
    """The name that an import path most likely gives: what a file says of a package, only its source knows."""
    *before, last = path.split("/")
    if _VERSION.fullmatch(last) and before:
        last = before[-1]
    return re.sub(r"\.v\d+$|^go[-.]|[-.]go$", "", last)


def _function(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        once = words(name) not in {"init", "_"}
        yield Bound(name, "function", whole=node, unique=once)


def _names(node: Node) -> Iterator[Bound]:
    """Parameters."""
    yield from (Bound(name, "parameter") for name in node.children_by_field_name("name") if _real(name))


def _specs(node: Node) -> Iterator[Bound]:
    once = node.parent is not None and node.parent.type != "block"
    for name in node.children_by_field_name("name"):
        if _real(name):
            yield Bound(name, "variable", whole=node, unique=once)


def _type(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "class", whole=node, unique=True)


def _left(node: Node) -> Iterator[Bound]:
    """What `:=` declares."""
    left = node.child_by_field_name("left") or node.child_by_field_name("alias")
    if left is None or not any(child.type == ":=" for child in node.children):
        return
    where = INNER if node.type == "type_switch_statement" else "here"
    for name in left.named_children if left.type == "expression_list" else [left]:
        if name.type == "identifier" and _real(name):
            yield Bound(name, "variable", where)


def _real(node: Node) -> bool:
    return node.text != b"_"


def _use(node: Node) -> str | None:
    """A field's name in a literal is no use of it; a map's key that is a variable is taken for one."""
    parent = node.parent
    if parent is None or parent.type == "package_clause" or node.text == b"_":
        return None
    if parent.type == "literal_element" and parent.parent is not None:
        element = parent.parent
        if element.type == "keyed_element" and element.named_children[:1] == [parent]:
            return None
    return words(node)


def _method(node: Node) -> str:
    receiver = node.child_by_field_name("receiver")
    types = [n for n in _below(receiver) if n.type == "type_identifier"] if receiver is not None else []
    name = words(node.child_by_field_name("name"))
    return f"{words(types[0])}.{name}" if types and name != "_" else ""


def _below(node: Node) -> Iterator[Node]:
    todo = [node]
    while todo:
        at = todo.pop()
        yield at
        todo.extend(reversed(at.named_children))


def _callee(node: Node) -> Callee | None:
    name, parameters = node.child_by_field_name("name"), node.child_by_field_name("parameters")
    if name is None or parameters is None:
        return None
    least, endless = 0, False
    for one in parameters.named_children:
        if one.type == "variadic_parameter_declaration":
            endless = True
        elif one.type == "parameter_declaration":
            least += max(1, len(one.children_by_field_name("name")))
    return Callee(words(name), least, None if endless else least, node)


def _call(node: Node) -> Call | None:
    function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    if function is None or function.type != "identifier" or arguments is None:
        return None
    given = [one for one in arguments.named_children if one.type != "comment"]
    spread = any(one.type == "variadic_argument" for one in given)
    several = (
        len(given) == 1 and given[0].type == "call_expression"
    )  # f(g()), where g may return more than one
    return Call(words(function), None if spread or several else len(given), node)


GRAMMAR = Grammar(
    load="tree_sitter_go:language",
    scopes=frozenset(
        {
            "block",
            "communication_case",
            "default_case",
            "expression_case",
            "expression_switch_statement",
            "for_statement",
            "func_literal",
            "function_declaration",
            "function_type",
            "if_statement",
            "method_declaration",
            "method_elem",
            "select_statement",
            "type_alias",
            "type_case",
            "type_spec",
            "type_switch_statement",
        }
    ),
    functions=frozenset({"function_declaration", "method_declaration", "func_literal"}),
    names=frozenset({"identifier", "type_identifier", "package_identifier"}),
    bind={
        "import_spec": _import,
        "function_declaration": _function,
        "parameter_declaration": _names,
        "variadic_parameter_declaration": _names,
        "type_parameter_declaration": _names,
        "var_spec": _specs,
        "const_spec": _specs,
        "type_spec": _type,
        "type_alias": _type,
        "short_var_declaration": _left,
        "range_clause": _left,
        "receive_statement": _left,
        "type_switch_statement": _left,
    },
    use=_use,
    skip=frozenset({"package_clause"}),
    open=frozenset({"dot"}),
    members={"method_declaration": _method},
    members_certain=True,
    callee={"function_declaration": _callee},
    call={"call_expression": _call},
    builtin=frozenset(_BUILTIN.split()),
)
