"""Places at which a parser had to guess, in files that are read all the same.

Grammars have limits: a macro that looks like nothing in C, a dialect, a syntax newer than the grammar. Such a
place says nothing about the rest of its file. A merge may work beside it, never at it, and makes no new one.
"""

from collections import Counter
from collections.abc import Sequence

from flowforge.merge.syntax import Node, Source

MANY = 200  # in one text; with more the file is something else than its name says
Faults = Counter[tuple[str, bytes]]


def faults(source: Source) -> Faults:
    """What the parser could not read, and what it missed; a few more than `MANY` at most."""
    found: Faults = Counter()
    todo = [source.root]
    while todo and found.total() <= MANY:
        node = todo.pop()
        if node.is_error or node.is_missing:
            found[node.type, source.text[node.start_byte : node.end_byte]] += 1
        elif node.has_error:
            todo.extend(node.children)
    return found


def adds_faults(result: Source, sides: Sequence[Source]) -> bool:
    """Whether a merged text has a fault that none of the sides has, or one of theirs more often."""
    if not result.has_error:
        return False
    known: Faults = Counter()
    for side in sides:
        known |= faults(side)
    return not faults(result) <= known


def at_fault(root: Node, start: int, end: int) -> bool:
    """Whether the parser guessed at `start`..`end`, or at what stands directly beside it."""
    node = root
    while node.has_error:
        near = [child for child in node.children if child.start_byte <= end and start <= child.end_byte]
        wrong = next((child for child in near if child.has_error or child.is_missing), None)
        if wrong is None:
            return node.is_error
        alone = len(near) == 1 and wrong.start_byte < start and end < wrong.end_byte
        if not alone or wrong.is_error:
            return True
        node = wrong
    return False
