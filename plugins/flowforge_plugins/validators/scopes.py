"""Scopes of a syntax tree: what is declared where, and which used names nothing in reach declares.

Generous on purpose: a name is in reach from anywhere in its scope, before its declaration too. What is called
lost by this is lost; what is not may be.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from tree_sitter import Language, Node, Parser

from flowforge_plugins.validators.facts import Declared, Doubled, Facts, Misfit

LARGEST = 1 << 20  # bytes; above, walking a tree takes longer than a check may
_MOST_NODES = 400_000
HERE, INNER, FUNCTION = "here", "inner", "function"


@dataclass(frozen=True, slots=True)
class Bound:
    """A name that a node declares: in the scope it stands in, in its own, or in the function's around it."""

    node: Node  # of the name
    kind: str
    where: str = HERE
    name: str = ""  # where it is not the node's text
    whole: Node | None = None  # the definition
    unique: bool = False  # whether the language refuses a second one in this scope


@dataclass(frozen=True, slots=True)
class Call:
    """A call by a plain name: how many arguments, or None where that cannot be told."""

    name: str
    count: int | None
    node: Node


@dataclass(frozen=True, slots=True)
class Callee:
    """How many arguments a function takes."""

    name: str
    least: int
    most: int | None
    node: Node


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """What the walker must know of a language."""

    load: str  # "module:function"
    scopes: frozenset[str]  # node types that open one
    functions: frozenset[str]  # those of them that a hoisted name belongs to
    names: frozenset[str]  # leaf types that are names
    bind: Mapping[str, Callable[[Node], Iterator[Bound]]]  # by node type
    use: Callable[[Node], str | None]  # the key that a name uses, None where it uses none
    skip: frozenset[str] = frozenset()  # subtrees in which no name is used
    open: frozenset[str] = frozenset()  # node types whose presence says that names may come from elsewhere
    members: Mapping[str, Callable[[Node], str]] = field(default_factory=dict)  # node type -> key in its body
    members_certain: bool = False  # whether the language refuses a member twice
    callee: Mapping[str, Callable[[Node], Callee | None]] = field(default_factory=dict)
    call: Mapping[str, Callable[[Node], Call | None]] = field(default_factory=dict)
    overloads: bool = False  # whether functions of one name differ in their parameters
    implied: frozenset[str] = frozenset()  # names that are used without being named
    builtin: frozenset[str] = frozenset()  # names that need no declaration


@dataclass(slots=True)
class _Scope:
    outer: "_Scope | None"
    function: bool
    path: str
    names: dict[str, list[Bound]] = field(default_factory=dict)
    members: dict[str, list[Node]] = field(default_factory=dict)


@dataclass(slots=True)
class _Walk:
    grammar: Grammar
    text: bytes
    taken: set[int] = field(default_factory=set)  # first bytes of names that declare
    scopes: list[_Scope] = field(default_factory=list)
    uses: list[tuple[str, int, _Scope]] = field(default_factory=list)
    callees: list[Callee] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    open: bool = False

    def file(self, root: Node) -> None:
        top = self._scope(None, function=True, path="")
        todo: list[tuple[Node, _Scope]] = [(root, top)]
        passed = 0
        while todo:
            node, scope = todo.pop()
            passed += 1
            if passed > _MOST_NODES:
                raise OverflowError
            kind = node.type
            inner = self._node(node, kind, scope)
            if kind not in self.grammar.skip:
                todo.extend((child, inner) for child in reversed(node.named_children))

    def _node(self, node: Node, kind: str, scope: _Scope) -> _Scope:
        grammar = self.grammar
        if kind in grammar.names:
            if node.start_byte not in self.taken and (key := grammar.use(node)) is not None:
                self.uses.append((key, node.start_point[0] + 1, scope))
            if kind not in grammar.bind:
                return scope
        self.open = self.open or kind in grammar.open
        found = list(grammar.bind[kind](node)) if kind in grammar.bind else ()
        inner = scope
        if kind in grammar.scopes:
            path = scope.path + "".join(f"/{self.name(one)}" for one in found if one.whole is not None)
            inner = self._scope(scope, function=kind in grammar.functions, path=path)
        for one in found:
            self.taken.add(one.node.start_byte)
            place = inner if one.where == INNER else _function(scope) if one.where == FUNCTION else scope
            place.names.setdefault(self.name(one), []).append(one)
        if kind in grammar.members and (key := grammar.members[kind](node)):
            scope.members.setdefault(key, []).append(node)
        if kind in grammar.callee and (callee := grammar.callee[kind](node)) is not None:
            self.callees.append(callee)
        if kind in grammar.call and (call := grammar.call[kind](node)) is not None:
            self.calls.append(call)
        return inner

    def _scope(self, outer: _Scope | None, *, function: bool, path: str) -> _Scope:
        self.scopes.append(_Scope(outer=outer, function=function, path=path))
        return self.scopes[-1]

    def name(self, bound: Bound) -> str:
        return bound.name or words(bound.node)


def _function(scope: _Scope) -> _Scope:
    while not scope.function and scope.outer is not None:
        scope = scope.outer
    return scope


def words(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node is not None else ""


@cache
def _parser(load: str) -> Parser:
    module, _, function = load.partition(":")
    return Parser(Language(getattr(importlib.import_module(module), function)()))


def root_of(grammar: Grammar, text: bytes) -> Node | None:
    """The tree of a text that parses and is no larger than a check may read."""
    if len(text) > LARGEST:
        return None
    root = _parser(grammar.load).parse(text).root_node
    return None if root.has_error else root


def facts(grammar: Grammar, text: bytes) -> Facts | None:
    """The facts of a file; None where it does not parse, or is too large."""
    root = root_of(grammar, text)
    if root is None:
        return None
    walk = _Walk(grammar, text)
    try:
        walk.file(root)
    except OverflowError:
        return None
    used, unresolved = _resolved(walk)
    return Facts(
        declared=tuple(_declared(walk)),
        unresolved=unresolved,
        unused=_unused(walk, used, text),
        doubled=tuple(_doubled(walk)),
        misfits=tuple(_misfits(walk)),
        open=walk.open,
    )


def _resolved(walk: _Walk) -> tuple[set[str], dict[str, int]]:
    """All names that are used, and those of them that nothing in reach declares, with their first line."""
    used: set[str] = set()
    unresolved: dict[str, int] = {}
    for name, line, place in walk.uses:
        used.add(name)
        scope: _Scope | None = place
        while scope is not None and name not in scope.names:
            scope = scope.outer
        if scope is None and name not in walk.grammar.builtin:
            unresolved.setdefault(name, line)
    return used, unresolved


def _declared(walk: _Walk) -> Iterator[Declared]:
    for number, scope in enumerate(walk.scopes):
        for name, bounds in scope.names.items():
            first = bounds[0]
            text = (first.whole.text or b"") if first.whole is not None else b""
            line = first.node.start_point[0] + 1
            yield Declared(name=name, kind=first.kind, line=line, text=text, top=not number)
        for key, nodes in scope.members.items():
            line = nodes[0].start_point[0] + 1
            yield Declared(name=key, kind="method", line=line, text=nodes[0].text or b"")


def _unused(walk: _Walk, used: set[str], text: bytes) -> dict[str, int]:
    """Imports whose name is used nowhere; one that stands in the text a second time, in a comment too, may be."""
    unused = {}
    for name, bounds in walk.scopes[0].names.items():
        if bounds[0].kind != "import" or name in used or name in walk.grammar.implied:
            continue
        bare = name.removesuffix("()").encode()
        if bare and text.count(bare) <= (bounds[0].whole or bounds[0].node).text.count(bare):  # type: ignore[union-attr]  # a node of a parsed text has one
            unused[name] = bounds[0].node.start_point[0] + 1
    return unused


def _doubled(walk: _Walk) -> Iterator[Doubled]:
    for scope in walk.scopes:
        for name, bounds in scope.names.items():
            unique = [one for one in bounds if one.unique]
            if len(unique) > 1:
                line = unique[-1].node.start_point[0] + 1
                yield Doubled(key=f"{scope.path}/{name}", line=line, certain=True)
        for key, nodes in scope.members.items():
            if len(nodes) > 1:
                line = nodes[-1].start_point[0] + 1
                yield Doubled(key=f"{scope.path}/{key}", line=line, certain=walk.grammar.members_certain)


def _misfits(walk: _Walk) -> Iterator[Misfit]:
    """Calls by a name that is declared in this file only as a function that does not take so many arguments."""
    callees: dict[str, list[Callee]] = {}
    for callee in walk.callees:
        callees.setdefault(callee.name, []).append(callee)
    times: dict[str, int] = {}
    for scope in walk.scopes:
        for name, bounds in scope.names.items():
            times[name] = times.get(name, 0) + len(bounds)
    for call in walk.calls:
        known = callees.get(call.name, [])
        alone = len(known) == times.get(call.name, 0) and (len(known) == 1 or walk.grammar.overloads)
        if call.count is None or not known or not alone or any(_takes(one, call.count) for one in known):
            continue
        yield Misfit(
            name=call.name,
            shape=str(call.count),
            line=call.node.start_point[0] + 1,
            why=f"it takes {_span(known)} arguments, and is given {call.count}",
            defined=known[0].node.start_point[0] + 1,
            certain=not walk.open or not walk.grammar.overloads,
        )


def _takes(callee: Callee, count: int) -> bool:
    return callee.least <= count and (callee.most is None or count <= callee.most)


def _span(known: Sequence[Callee]) -> str:
    return " or ".join(
        str(one.least) if one.least == one.most else f"{one.least} to {one.most or 'any number of'}"
        for one in known
    )
