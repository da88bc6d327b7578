"""Source texts as syntax trees. The one place that knows tree-sitter.

Grammars are imported on first use and kept for the life of the process; a grammar that cannot be imported is
the installation's fault and raises `Broken`.
"""

import importlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import tree_sitter
from tree_sitter import Node

from flowforge.core.errors import Broken, Reason
from flowforge.hooks.contracts import Language

__all__ = ["Node", "Source", "find", "leaves", "parse"]


@lru_cache(maxsize=64)
def _grammar(load: str) -> tree_sitter.Language:
    module, _, function = load.partition(":")
    try:
        return tree_sitter.Language(getattr(importlib.import_module(module), function)())
    except Exception as error:
        raise Broken(
            Reason.PLUGIN_FAILED,
            f"the grammar {load!r} could not be loaded: {type(error).__name__}: {error}",
            next_action="install the grammar's package, or remove the language's plugin",
        ) from error


@dataclass(frozen=True)
class Source:
    """One text with its tree, parsed on first use."""

    text: bytes
    language: Language

    @cached_property
    def tree(self) -> tree_sitter.Tree:
        return tree_sitter.Parser(_grammar(self.language.grammar)).parse(self.text)

    @property
    def root(self) -> Node:
        return self.tree.root_node

    @property
    def has_error(self) -> bool:
        """Whether the parser had to guess. "No error" means that it parses, never that it is valid."""
        return self.root.has_error


def parse(text: bytes, language: Language) -> Source:
    return Source(text, language)


@dataclass(frozen=True, slots=True)
class Edit:
    """Whole lines that were replaced: where they began, in bytes and as a line, and where both texts end."""

    start: int
    line: int
    old: bytes
    new: bytes


def reparse(source: Source, text: bytes, edits: Sequence[Edit]) -> Source:
    """`text` as a tree, read anew only where it differs from `source`; `edits` from the last one to the first."""
    known = source.tree.copy()
    for edit in edits:
        known.edit(
            edit.start,
            edit.start + len(edit.old),
            edit.start + len(edit.new),
            (edit.line, 0),
            _end_point(edit.line, edit.old),
            _end_point(edit.line, edit.new),
        )
    made = Source(text, source.language)
    made.__dict__["tree"] = tree_sitter.Parser(_grammar(source.language.grammar)).parse(text, known)
    return made


def _end_point(line: int, text: bytes) -> tuple[int, int]:
    return line + text.count(b"\n"), len(text) - text.rfind(b"\n") - 1


def find(node: Node, path: str) -> Node | None:
    """Follow an `EntityRule` path (see there) from `node`."""
    at: Node | None = node
    for step in _steps(path):
        at = _step(at, step) if at is not None else None
    return at


@dataclass(frozen=True, slots=True)
class _Choice:
    """One name of a step; `texts` are those that the node at `inner` of the found child may have."""

    name: str
    inner: str = ""
    texts: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class _Step:
    choices: tuple[_Choice, ...]
    again: bool


_STEP = re.compile(r"((?:\[[^]]*]|[^/\[])+)(?:/|$)")
_CHOICE = re.compile(r"([^|\[]+)(?:\[([^]=]*)=([^]]*)])?(?:\||$)")


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[_Step, ...]:
    return tuple(
        _Step(tuple(_choices(step.removesuffix("*"))), again=step.endswith("*"))
        for step in _STEP.findall(path)
    )


def _choices(step: str) -> Iterator[_Choice]:
    for name, inner, texts in _CHOICE.findall(step):
        yield _Choice(name, inner, frozenset(text.encode() for text in texts.split("|") if text))


def _step(node: Node, step: _Step) -> Node | None:
    found = _child(node, step.choices)
    if not step.again:
        return found
    while found is not None and found.id != node.id:
        node = found
        found = _child(node, step.choices)
    return node


def _child(node: Node, choices: Sequence[_Choice]) -> Node | None:
    for choice in choices:
        if choice.name == ".":
            return node
        if choice.texts:
            found = next((child for child in _named(node, choice.name) if _says(child, choice)), None)
        else:
            found = node.child_by_field_name(choice.name)
            if found is None:
                found = next((child for child in node.children if child.type == choice.name), None)
        if found is not None:
            return found
    return None


def _named(node: Node, name: str) -> list[Node]:
    """All children in the field `name`, or of that type."""
    return node.children_by_field_name(name) or [child for child in node.children if child.type == name]


def _says(node: Node, choice: _Choice) -> bool:
    inner = find(node, choice.inner)
    return inner is not None and inner.text in choice.texts


class Leaf(NamedTuple):
    """A span of bytes; `atom`: a string or comment, by the language's facts."""

    start: int
    end: int
    atom: bool = False


def leaves(source: Source, start: int, end: int) -> Iterator[Leaf]:
    """Spans of the smallest nodes in `start`..`end` (bytes), in order; atoms of the language stay whole.

    Spans are clipped to the range; whitespace and empty nodes are left out. Text that no leaf covers, as some
    grammars have it, is a span of its own.
    """
    text, at = source.text, start
    for leaf in (*_leaf_spans(source, start, end), Leaf(end, end)):
        low, high, _ = leaf
        between = text[at:low]
        if between and not between.isspace():
            yield Leaf(at + len(between) - len(between.lstrip()), at + len(between.rstrip()))
        if low < high:
            yield leaf
        at = max(at, high)


def _leaf_spans(source: Source, start: int, end: int) -> Iterator[Leaf]:
    atoms = frozenset(source.language.atoms)
    top = source.root.descendant_for_byte_range(start, end) or source.root
    stack = [top]
    while stack:
        node = stack.pop()
        if node.child_count and node.type not in atoms:
            stack.extend(n for n in reversed(node.children) if n.end_byte > start and n.start_byte < end)
            continue
        low, high = max(node.start_byte, start), min(node.end_byte, end)
        if low < high and not source.text[low:high].isspace():
            yield Leaf(low, high, node.type in atoms)
