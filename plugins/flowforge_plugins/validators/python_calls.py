"""Python calls whose arguments cannot fit a function of the same module: only where that is certain.

Certain means: the called name is bound once in the whole module, by an undecorated function (or a class without
bases, whose `__init__` is undecorated), and neither the call nor the function has a star.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowforge_plugins.validators.facts import Misfit

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, kw_only=True)
class _Callee:
    arguments: ast.arguments
    line: int
    bound: int = 0  # parameters that the call does not name: self


def misfits(tree: ast.Module, nodes: Sequence[ast.AST]) -> Iterator[Misfit]:
    bindings = _bindings(nodes)
    callees = {name: found for name, found in _callees(tree) if bindings[name] == 1}
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in callees:
            yield from _misfit(node, node.func.id, callees[node.func.id], certain=True)
        elif isinstance(node, ast.ClassDef) and not node.bases and not node.keywords:
            yield from _in_class(node)


def _in_class(node: ast.ClassDef) -> Iterator[Misfit]:
    """Calls of a class's own methods through `self`; a subclass may have others, so no more than a warning."""
    functions = [f for f in node.body if isinstance(f, _FUNCTIONS)]
    counts = Counter(f.name for f in functions)
    methods: Mapping[str, _Callee] = {
        f.name: _Callee(arguments=f.args, line=f.lineno, bound=1)
        for f in functions
        if not f.decorator_list and counts[f.name] == 1
    }
    inside = [inner for f in functions for inner in ast.walk(f)] if methods else []
    assigned = {n.attr for n in inside if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    for call in inside:
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        name = call.func.attr
        of_self = isinstance(call.func.value, ast.Name) and call.func.value.id == "self"
        if of_self and name in methods and name not in assigned:
            yield from _misfit(call, name, methods[name], certain=False)


def _callees(tree: ast.Module) -> Iterator[tuple[str, _Callee]]:
    for node in tree.body:
        if isinstance(node, _FUNCTIONS) and not node.decorator_list:
            yield node.name, _Callee(arguments=node.args, line=node.lineno)
        elif isinstance(node, ast.ClassDef) and not (node.bases or node.keywords or node.decorator_list):
            made = {f.name: f for f in node.body if isinstance(f, _FUNCTIONS)}
            begin = made.get("__init__")
            if begin is not None and not begin.decorator_list and "__new__" not in made:
                yield node.name, _Callee(arguments=begin.args, line=begin.lineno, bound=1)


def _bindings(nodes: Sequence[ast.AST]) -> Counter[str]:
    """How often each name is given a meaning, anywhere in the module."""
    counts: Counter[str] = Counter()
    for node in nodes:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            counts[node.name] += 1
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            counts[node.id] += 1
        elif isinstance(node, ast.arg):
            counts[node.arg] += 1
        elif isinstance(node, ast.alias):
            counts[node.asname or node.name.partition(".")[0]] += 1
        elif isinstance(node, ast.Global | ast.Nonlocal):
            counts.update(node.names)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            counts[node.name] += 1
    return counts


def _misfit(call: ast.Call, name: str, callee: _Callee, *, certain: bool) -> Iterator[Misfit]:
    if any(isinstance(word, ast.Starred) for word in call.args) or any(k.arg is None for k in call.keywords):
        return
    keywords = [word.arg for word in call.keywords if word.arg is not None]
    why = _why(len(call.args) + callee.bound, keywords, callee.arguments, callee.bound)
    if why:
        shape = f"{len(call.args)} {' '.join(sorted(keywords))}"
        line, defined = call.lineno, callee.line
        yield Misfit(name=name, shape=shape, line=line, why=why, defined=defined, certain=certain)


def _why(given: int, keywords: list[str], wanted: ast.arguments, bound: int) -> str:
    """Why the arguments do not fit; "" where they do."""
    places = [one.arg for one in (*wanted.posonlyargs, *wanted.args)]
    if given > len(places) and wanted.vararg is None:
        return f"it takes {len(places) - bound} arguments by place, and is given {given - bound}"
    by_name = {one.arg for one in (*wanted.args, *wanted.kwonlyargs)}
    strange = [word for word in keywords if word not in by_name]
    if strange and wanted.kwarg is None:
        return f"it has no parameter {strange[0]!r}"
    twice = [word for word in keywords if word in places[len(wanted.posonlyargs) : given]]
    if twice:
        return f"it is given {twice[0]!r} twice"
    needed = places[: len(places) - len(wanted.defaults)]
    needed_by_name = [
        one.arg for one, default in zip(wanted.kwonlyargs, wanted.kw_defaults, strict=True) if default is None
    ]
    missing = [word for word in (*needed[given:], *needed_by_name) if word not in keywords]
    return f"its parameter {missing[0]!r} is missing" if missing else ""
