"""Python: imported names, attributes of imported modules, and what a module offers."""

import ast
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping

from flowforge_plugins.validators.links import Links, Need
from flowforge_plugins.validators.names import declared, parsed

_ROOTS = ("", "src/", "lib/", "python/")


def links(path: str, text: bytes) -> Links | None:
    tree = parsed(text)
    if tree is None:
        return None
    nodes = tuple(ast.walk(tree))
    offers: dict[str, int] = {}
    for one in declared(
        tree, nodes, text
    ):  # names of inner scopes too: whoever reads too much accuses nobody
        offers.setdefault(one.name, one.line)
    stars = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes)
    return Links(
        needs=tuple(_needs(tree, path)),
        offers=offers,
        anything=stars or "__getattr__" in offers or b"globals()" in text,
    )


def _needs(tree: ast.Module, path: str) -> Iterator[Need]:
    guarded = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)}
    modules: dict[str, str] = {}
    bound: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound[node.id] += 1
        elif isinstance(node, ast.arg):
            bound[node.arg] += 1
        if id(node) in guarded or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            module = alias.name if isinstance(node, ast.Import) else _module(node)
            if isinstance(node, ast.Import):
                modules[alias.asname or alias.name] = module
                yield _need(path, module, "", node.lineno)
            elif alias.name != "*":
                modules[alias.asname or alias.name] = _join(module, alias.name)
                yield _need(path, module, alias.name, node.lineno)
    yield from _attributes(tree, path, {name: m for name, m in modules.items() if not bound[name]})


def _module(node: ast.ImportFrom) -> str:
    return "." * node.level + (node.module or "")


def _join(module: str, name: str) -> str:
    return module + name if module.endswith(".") else f"{module}.{name}"


def _attributes(tree: ast.Module, path: str, modules: Mapping[str, str]) -> Iterator[Need]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = _dotted(node.value)
            if owner in modules:
                yield _need(path, modules[owner], node.attr, node.lineno)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def _need(path: str, module: str, name: str, line: int) -> Need:
    return Need(places=_places(path, module), name=name, line=line, says=module)


def _places(path: str, module: str) -> tuple[str, ...]:
    up = len(module) - len(module.lstrip("."))
    inner = module.lstrip(".").replace(".", "/")
    if up:
        folder = posixpath.dirname(path)
        for _ in range(up - 1):
            folder = posixpath.dirname(folder)
        return (posixpath.normpath(posixpath.join(folder, inner)),)
    places = [root + inner for root in _ROOTS]
    return (*places, f"*/{inner}") if "/" in inner else tuple(places)
