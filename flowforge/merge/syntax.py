"""Source texts as syntax trees. The one place that knows tree-sitter.

Grammars are imported on first use and kept for the life of the process; a grammar that cannot be imported is
the installation's fault and raises `Broken`.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

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


def find(node: Node, path: str) -> Node | None:
    """Follow an `EntityRule` path (see there) from `node`."""
    at: Node | None = node
    for step in path.split("/"):
        at = _step(at, step.split("|")) if at is not None else None
    return at


def _step(node: Node, names: Sequence[str]) -> Node | None:
    for name in names:
        if name == ".":
            return node
        found = node.child_by_field_name(name)
        if found is None:
            found = next((child for child in node.children if child.type == name), None)
        if found is not None:
            return found
    return None


def leaves(source: Source, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of the smallest nodes in `start`..`end` (bytes), in order; atoms of the language stay whole.

    Spans are clipped to the range; whitespace and empty nodes are left out.
    """
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
            yield low, high
