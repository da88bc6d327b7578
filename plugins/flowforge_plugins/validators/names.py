"""Python: names that a merge lost, imports it left unused, definitions it doubled, calls it made unfit.

Each line of such a result can stand in a side: one removed an import, the other began to use it. So every new
trouble counts, whoever wrote its line.
"""

import ast
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyflakes import checker, messages

from flowforge.plugin import CheckedFile, Finding, Level, split_lines
from flowforge_plugins.validators.facts import Declared, Doubled, Facts, Rules, broken
from flowforge_plugins.validators.python_calls import misfits

_LOST = (messages.UndefinedName, messages.UndefinedLocal, messages.UndefinedExport)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LARGEST = 1 << 20  # bytes; above, reading takes longer than a check may


def check(file: CheckedFile) -> Iterator[Finding]:
    return broken(file, Rules(facts=facts, lost=lambda _declared, _result: True, invented=Level.ERROR))


def facts(text: bytes) -> Facts | None:
    """The facts of a module; None where it is no Python (the syntax check's to tell)."""
    tree = parsed(text)
    if tree is None:
        return None
    nodes = tuple(ast.walk(tree))
    told = sorted(checker.Checker(tree, filename="result").messages, key=lambda m: (m.lineno, m.col))
    twice = list(_twice(tree.body, ""))
    found = {doubled.key.rpartition("/")[2] for doubled in twice}
    twice += [
        Doubled(key=str(m.message_args[0]), line=m.lineno, certain=False)
        for m in told
        if isinstance(m, messages.RedefinedWhileUnused) and str(m.message_args[0]) not in found
    ]
    return Facts(
        declared=tuple(declared(tree, nodes, text)),
        unresolved=_first(told, _LOST),
        unused=_first(told, (messages.UnusedImport,)),
        doubled=twice,
        misfits=tuple(misfits(tree, nodes)),
    )


def parsed(text: bytes) -> ast.Module | None:
    if len(text) > _LARGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _first(told: Sequence[messages.Message], kinds: tuple[type[messages.Message], ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for message in told:
        if isinstance(message, kinds):
            found.setdefault(str(message.message_args[0]), message.lineno)
    return found


def _twice(body: Sequence[ast.stmt], path: str) -> Iterator[Doubled]:
    """Functions and classes that stand twice in one body, decorated ones apart: those may be meant so."""
    seen: set[str] = set()
    for node in body:
        if not isinstance(node, _DEFINITIONS):
            continue
        if node.name in seen and not node.decorator_list:
            yield Doubled(key=f"{path}/{node.name}", line=node.lineno, certain=False)
        seen.add(node.name)
        if isinstance(node, ast.ClassDef):
            yield from _twice(node.body, f"{path}/{node.name}")


@dataclass(frozen=True, kw_only=True)
class _Lines:
    lines: Sequence[bytes]

    def of(self, node: ast.stmt) -> bytes:
        return b"".join(self.lines[node.lineno - 1 : node.end_lineno])


def declared(tree: ast.Module, nodes: Sequence[ast.AST], text: bytes) -> Iterator[Declared]:
    """Every name that a module gives a meaning anywhere, those of its top level first."""
    lines = _Lines(lines=split_lines(text))
    for node in tree.body:
        yield from _declared(node, lines, top=True)
    for inner in nodes:
        if isinstance(inner, ast.stmt):
            yield from _declared(inner, lines, top=False)
        elif isinstance(inner, ast.arg):
            yield Declared(name=inner.arg, kind="parameter", line=inner.lineno)
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield Declared(name=inner.id, kind="variable", line=inner.lineno)
        elif isinstance(inner, ast.ExceptHandler) and inner.name:
            yield Declared(name=inner.name, kind="variable", line=inner.lineno)


def _declared(node: ast.stmt, lines: _Lines, *, top: bool) -> Iterator[Declared]:
    if isinstance(node, _DEFINITIONS):
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        yield Declared(name=node.name, kind=kind, line=node.lineno, text=lines.of(node), top=top)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for local, full in imported(node):
            yield Declared(name=local, kind="import", line=node.lineno, top=top)
            yield Declared(name=full, kind="import", line=node.lineno, top=top)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and top:
        for target in node.targets if isinstance(node, ast.Assign) else (node.target,):
            if isinstance(target, ast.Name):
                yield Declared(
                    name=target.id, kind="variable", line=node.lineno, text=lines.of(node), top=top
                )


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """(local name, the whole as pyflakes says it) of each imported name."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.asname or alias.name.partition(".")[0], _as(alias.name, alias.name, alias.asname)
            continue
        module = "." * node.level + (node.module or "")
        full = module + ("" if module.endswith(".") else ".") + alias.name
        yield alias.asname or alias.name, _as(full, alias.name, alias.asname)


def _as(full: str, name: str, alias: str | None) -> str:
    return f"{full} as {alias}" if alias and alias != name else full
