"""JavaScript's and TypeScript's scopes. What is lexical (const, let, class, import) may stand once in a scope."""

from collections.abc import Iterator
from dataclasses import replace

from tree_sitter import Node

from flowforge.plugin import CheckedFile, Finding
from flowforge_plugins.validators.facts import Declared, Facts, Rules, broken
from flowforge_plugins.validators.scopes import (
    FUNCTION,
    HERE,
    INNER,
    Bound,
    Call,
    Callee,
    Grammar,
    facts,
    words,
)

_BUILTIN = (
    "Array Boolean Date Error JSON Map Math Number Object Promise RegExp Set String Symbol arguments "
    "console document exports globalThis module process require setTimeout clearTimeout undefined "
    "window"
)
_NAMES = ("identifier", "shorthand_property_identifier_pattern")
_GLUE = frozenset({"rest_pattern", "array_pattern", "object_pattern"})
_INSIDE = {"pair_pattern": "value", "assignment_pattern": "left", "object_assignment_pattern": "left"}


def check(file: CheckedFile) -> Iterator[Finding]:
    grammar = GRAMMARS[file.language]
    return broken(file, Rules(facts=lambda text: facts(grammar, text), lost=_certain))


def facts_of(language: str, text: bytes) -> Facts | None:
    return facts(GRAMMARS[language], text)


def _certain(_declared: Declared, _result: Facts) -> bool:
    return True


def _pattern(node: Node | None, kind: str, where: str = HERE, *, unique: bool = False) -> Iterator[Bound]:
    """The names that a pattern declares; defaults in it are uses, and left alone."""
    todo = [node] if node is not None else []
    while todo:
        at = todo.pop()
        if at.type in _NAMES:
            whole = node.parent if node is not None else None
            yield Bound(at, kind, where, whole=whole if unique or kind == "variable" else None, unique=unique)
        elif at.type in _GLUE:
            todo.extend(at.named_children)
        elif at.type in _INSIDE and (inner := at.child_by_field_name(_INSIDE[at.type])) is not None:
            todo.append(inner)


def _import(node: Node) -> Iterator[Bound]:
    """The default, the namespace, and each name of a clause."""
    for child in node.named_children:
        if child.type == "identifier":
            yield Bound(child, "import", whole=node.parent, unique=True)
        elif child.type == "namespace_import":
            yield from (Bound(n, "import", whole=node.parent, unique=True) for n in child.named_children[-1:])


def _specifier(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("alias") or node.child_by_field_name("name")
    if name is not None and name.type == "identifier":
        yield Bound(name, "import", whole=node, unique=True)


def _required(node: Node) -> Iterator[Bound]:
    yield from (
        Bound(n, "import", whole=node, unique=True) for n in node.named_children if n.type == "identifier"
    )


def _function(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "function", whole=node)


def _own_name(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "function", INNER)


def _class(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None:
        yield Bound(name, "class", whole=node, unique=True)


def _type(node: Node) -> Iterator[Bound]:
    name = node.child_by_field_name("name")
    if name is not None and name.type in {"identifier", "type_identifier"}:
        yield Bound(name, "class", whole=node)


def _variable(node: Node) -> Iterator[Bound]:
    parent = node.parent
    name = node.child_by_field_name("name")
    if parent is not None and parent.type == "variable_declaration":
        yield from _pattern(name, "variable", FUNCTION)
        return
    callback = node.child_by_field_name("value")
    kind = "function" if callback is not None and callback.type == "arrow_function" else "variable"
    yield from (replace(one, whole=node) for one in _pattern(name, kind, unique=True))


def _for(node: Node) -> Iterator[Bound]:
    kind = node.child_by_field_name("kind")
    if kind is not None:
        where = FUNCTION if kind.type == "var" else INNER
        yield from _pattern(node.child_by_field_name("left"), "parameter", where)


def _parameters(node: Node) -> Iterator[Bound]:
    for child in node.named_children:
        yield from _pattern(child, "parameter")


def _parameter(node: Node) -> Iterator[Bound]:
    yield from _pattern(node.child_by_field_name("pattern"), "parameter")


def _arrow(node: Node) -> Iterator[Bound]:
    yield from _pattern(node.child_by_field_name("parameter"), "parameter", INNER)


def _catch(node: Node) -> Iterator[Bound]:
    yield from _pattern(node.child_by_field_name("parameter"), "parameter", INNER)


def _type_name(node: Node) -> Iterator[Bound]:
    """Names of types that a type declares: parameters, `infer`, mapped keys, index signatures."""
    name = node.child_by_field_name("name")
    for one in [name] if name is not None else node.named_children[:1]:
        if one.type in {"identifier", "type_identifier"}:
            yield Bound(one, "parameter", FUNCTION if node.type == "infer_type" else HERE)


def _use(node: Node) -> str | None:
    parent = node.parent
    if parent is None:
        return None
    kind = parent.type
    if kind.startswith("jsx_") and words(node)[:1].islower() and kind != "jsx_expression":
        return None
    if kind == "export_specifier":
        statement = parent.parent.parent if parent.parent is not None else None
        elsewhere = statement is not None and statement.child_by_field_name("source") is not None
        return None if elsewhere or parent.child_by_field_name("name") != node else words(node)
    if kind in {"namespace_export", "import_specifier", "nested_identifier", "nested_type_identifier"}:
        first = parent.named_children[0] == node and kind.startswith("nested")
        return words(node) if first else None
    return words(node)


def _member(node: Node) -> str:
    """A method with a body; getters, setters and static ones are others."""
    name, body = node.child_by_field_name("name"), node.parent
    if name is None or name.type == "computed_property_name" or body is None or body.type != "class_body":
        return ""
    kinds = [child.type for child in node.children if child.type in {"static", "get", "set"}]
    return " ".join((*kinds, words(name)))


def _callee(node: Node) -> Callee | None:
    """A function of TypeScript: JavaScript takes any number of arguments."""
    name, value = node.child_by_field_name("name"), node
    if node.type == "variable_declarator":
        found = node.child_by_field_name("value")
        if found is None or found.type != "arrow_function" or node.child_by_field_name("type") is not None:
            return None
        value = found
    parameters = value.child_by_field_name("parameters")
    if name is None or parameters is None:
        return None
    places = [one for one in parameters.named_children if one.type.endswith("_parameter")]
    places = [one for one in places if words(one.child_by_field_name("pattern")) != "this"]
    needed = [
        one for one in places if one.type == "required_parameter" and one.child_by_field_name("value") is None
    ]
    endless = any(
        (p := one.child_by_field_name("pattern")) is not None and p.type == "rest_pattern" for one in places
    )
    return Callee(words(name), len(needed) - endless, None if endless else len(places), node)


def _call(node: Node) -> Call | None:
    function, arguments = node.child_by_field_name("function"), node.child_by_field_name("arguments")
    if (
        function is None
        or function.type != "identifier"
        or arguments is None
        or arguments.type != "arguments"
    ):
        return None
    given = [one for one in arguments.named_children if one.type != "comment"]
    return Call(
        words(function), None if any(one.type == "spread_element" for one in given) else len(given), node
    )


_SCOPES = frozenset(
    {
        "arrow_function",
        "catch_clause",
        "class",
        "class_body",
        "class_declaration",
        "class_static_block",
        "for_in_statement",
        "for_statement",
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "method_definition",
        "statement_block",
        "switch_body",
    }
)
_FUNCTIONS = frozenset(
    {
        "arrow_function",
        "class_static_block",
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "method_definition",
    }
)

JAVASCRIPT = Grammar(
    load="tree_sitter_javascript:language",
    scopes=_SCOPES,
    functions=_FUNCTIONS,
    names=frozenset({"identifier", "shorthand_property_identifier", "type_identifier"}),
    bind={
        "import_clause": _import,
        "import_specifier": _specifier,
        "function_declaration": _function,
        "generator_function_declaration": _function,
        "function_expression": _own_name,
        "generator_function": _own_name,
        "class_declaration": _class,
        "class": _own_name,
        "variable_declarator": _variable,
        "for_in_statement": _for,
        "formal_parameters": _parameters,
        "arrow_function": _arrow,
        "catch_clause": _catch,
    },
    use=_use,
    members={"method_definition": _member},
    implied=frozenset({"React"}),
    builtin=frozenset(_BUILTIN.split()),
)

TYPESCRIPT = replace(
    JAVASCRIPT,
    load="tree_sitter_typescript:language_typescript",
    scopes=_SCOPES
    | {
        "abstract_class_declaration",
        "abstract_method_signature",
        "call_signature",
        "conditional_type",
        "construct_signature",
        "constructor_type",
        "function_signature",
        "function_type",
        "interface_declaration",
        "method_signature",
        "object_type",
        "type_alias_declaration",
    },
    functions=_FUNCTIONS | {"type_alias_declaration", "conditional_type"},
    bind={
        **JAVASCRIPT.bind,
        "abstract_class_declaration": _class,
        "enum_declaration": _type,
        "function_signature": _function,
        "import_alias": _required,
        "import_require_clause": _required,
        "index_signature": _type_name,
        "infer_type": _type_name,
        "interface_declaration": _type,
        "internal_module": _type,
        "mapped_type_clause": _type_name,
        "module": _type,
        "optional_parameter": _parameter,
        "required_parameter": _parameter,
        "type_alias_declaration": _type,
        "type_parameter": _type_name,
    },
    callee={"function_declaration": _callee, "variable_declarator": _callee},
    call={"call_expression": _call},
)

GRAMMARS = {
    "javascript": JAVASCRIPT,
    "typescript": TYPESCRIPT,
    "tsx": replace(TYPESCRIPT, load="tree_sitter_typescript:language_tsx"),
}
