"""The names of one import statement: which of them the result has, in which order, on which lines."""

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import pairwise

from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Piece, Role, file_body
from flowforge.merge.syntax import Node, Source, find

_MAX_LINE = 79  # an import on one line is not made longer than this, or than the file's longest line
_LONGEST = 120  # longer lines of a file are no rule of its own
_WIDTHS = (79, 80, 88, 99, 100, 119, 120)  # where people and their tools fold

Order = Callable[[bytes], object]
ORDERS: tuple[Order, ...] = (lambda name: name, lambda name: (name.lower(), name))


def merge_names(base: Piece | None, upstream: Piece, commit: Piece) -> bytes:
    """One import statement to which both sides added names, or that both added (`base` is None).

    Raises:
        Doubt: `import_changed`: the statements differ in more than their names, or a side took names away;
            `import_layout`: the order or the lines of its names would be a guess.
    """
    one, two = NameList.of(upstream), NameList.of(commit)
    old = NameList.of(base) if base is not None else None
    if any(names.frame != one.frame for names in (two, *([old] if old else []))):
        raise Doubt("import_changed", "both sides changed more of one import than its names")
    if old is not None and set(old.items) - set(one.items) != set(old.items) - set(two.items):
        raise Doubt("import_changed", "one side took names away from an import that the other changed")
    above = _three(old.above if old else b"", one.above, two.above)
    names = _merged(old.items if old else [], one.items, two.items, upstream.span.source)
    return above + _render(names, old, one, two)


def _three(base: bytes, upstream: bytes, commit: bytes) -> bytes:
    """The comments above an import: whoever changed them."""
    if upstream != commit and base not in {upstream, commit}:
        raise Doubt("import_changed", "both sides changed what stands above an import")
    return commit if upstream == base else upstream


def _merged(old: Sequence[bytes], one: Sequence[bytes], two: Sequence[bytes], source: Source) -> list[bytes]:
    """Upstream's names with the commit's among them; `source` is upstream's file."""
    _check_things(old, one, two)
    added = [name for name in one if name not in old and name not in two]
    fresh = [name for name in two if name not in old and name not in one]
    kept = [name for name in one if name in two or name not in old]
    if not fresh:
        return kept
    if not added:
        return [name for name in two if name in kept or name in fresh]
    shown = [one, two] if max(len(one), len(two)) > _TELLING else [one, two, *_lists(source)]
    order = _order(shown)
    if order is None:
        raise Doubt("import_layout", "both sides added names to an import, which are in no order")
    return sorted([*kept, *fresh], key=order)  # type: ignore[arg-type]  # one kind of key


def _check_things(old: Sequence[bytes], one: Sequence[bytes], two: Sequence[bytes]) -> None:
    """One thing under two names, or a part beside the whole, is a decision."""
    names = [[name for name in side if name not in old] for side in (one, two)]
    things = [{_ALIAS.sub(b"", name): name for name in side} for side in names]
    for thing in things[0].keys() & things[1].keys():
        if things[0][thing] != things[1][thing]:
            raise Doubt("same_name_added", "each side imports one thing under a name of its own")
    if names[0] != names[1] and any(name in {b"*", b"_"} for side in names for name in side):
        raise Doubt("same_name_added", "one side imports all of what the other imports a part of")


_ALIAS = re.compile(rb"\s+(?:as|=>)\s+[\w$]+$")
_TELLING = 2  # so few names are in order by chance; the file's other imports tell


def _lists(source: Source) -> list[Sequence[bytes]]:
    """The names of each import of a file that has several."""
    found: list[Sequence[bytes]] = []
    for piece in file_body(source).pieces:
        if piece.role is Role.IMPORT:
            with suppress(Doubt):
                found.append(NameList.of(piece).items)
    return [names for names in found if len(names) > 1]


def _order(lists: Sequence[Sequence[bytes]]) -> Order | None:
    """The order that all lists keep, if they keep one and show it."""
    if max(len(names) for names in lists) == 1:
        return None
    return next((key for key in ORDERS if all(is_sorted(names, key) for names in lists)), None)


def is_sorted(names: Sequence[bytes], key: Order) -> bool:
    return list(names) == sorted(names, key=key)  # type: ignore[arg-type]  # keys are bytes or tuples of them


class NameList:
    """The names of one import statement and the text around them."""

    def __init__(self, text: bytes, spans: Sequence[tuple[int, int]], above: int, piece: Piece) -> None:
        self.items = [text[start:end] for start, end in spans]
        self.above = text[:above]
        self.before, self.after = text[above : spans[0][0]], text[spans[-1][1] :]
        self.gaps = [text[end:start] for (_, end), (start, _) in pairwise(spans)]
        self.piece = piece
        if any(gap.strip() != b"," for gap in self.gaps):
            raise Doubt("import_layout", "the names of an import are not laid out evenly")

    @classmethod
    def of(cls, piece: Piece) -> "NameList":
        language = piece.span.source.language
        node = piece.node
        holder = find(node, language.import_names) if node is not None and language.import_names else None
        if node is None or holder is None:
            raise Doubt("import_changed", "both sides changed one import")
        source = find(node, language.import_source) if language.import_source else None
        nodes = [n for n in holder.named_children if source is None or n.id != source.id]
        if not nodes or any(n.type in language.comments for n in holder.named_children):
            raise Doubt("import_layout", "an import that both sides changed has comments among its names")
        return cls(piece.text, [_relative(n, piece) for n in nodes], _relative(node, piece)[0], piece)

    @property
    def frame(self) -> tuple[bytes, bytes]:
        """The statement around the names, without what only lays them out: whitespace, a last comma, brackets."""
        before, after = b" ".join(self.before.split()), b"".join(self.after.split()).removeprefix(b",")
        if before.endswith(b"(") and after.startswith(b")"):
            before, after = before[:-1].rstrip(), after[1:]
        return before, after

    @property
    def layout(self) -> tuple[bytes, bytes, frozenset[bytes]]:
        return self.before, self.after, frozenset(self.gaps)

    @property
    def lines(self) -> bool:
        """Whether the names stand on several lines, or alone on one."""
        return b"\n" in self.before or any(b"\n" in gap for gap in self.gaps)


def _longest(piece: Piece) -> int:
    """The length of the file's longest line that begins as this statement does."""
    word = (
        piece.span.source.text[piece.node.start_byte :].split(None, 1)[0] if piece.node is not None else b""
    )
    return max(len(line) for line in piece.span.source.text.splitlines() if line.lstrip().startswith(word))


def _relative(node: Node, piece: Piece) -> tuple[int, int]:
    return node.start_byte - piece.span.start, node.end_byte - piece.span.start


def _render(names: Sequence[bytes], old: NameList | None, one: NameList, two: NameList) -> bytes:
    """The names in the layout of a side, of the one that changed it, else the one with more lines.

    Raises:
        Doubt: `import_layout`: no side shows how these names are laid out, or there are several ways.
    """
    sides = [two, one] if old is not None and old.layout == one.layout else [one, two]
    if old is None or old.layout not in {one.layout, two.layout}:
        sides.sort(key=lambda side: not side.lines)
    gaps = [gap for side in (one, two) for gap in side.gaps]
    for side in sides:
        texts = set(_laid_out(side, names, gaps))
        if texts:
            return _only(texts)
    raise Doubt("import_layout", "neither side shows how an import with the names of both is laid out")


def _only(texts: AbstractSet[bytes]) -> bytes:
    if len(texts) > 1:
        raise Doubt("import_layout", "the names of an import may be laid out in several ways")
    return next(iter(texts))


def _laid_out(side: NameList, names: Sequence[bytes], gaps: Sequence[bytes]) -> Iterator[bytes]:
    if len(set(side.gaps)) > 1 or (side.gaps and side.lines and b"\n" not in side.before + side.gaps[0]):
        yield from _filled(side, names)
        return
    if not side.lines:
        gap = (side.gaps or [gap for gap in gaps if b"\n" not in gap] or [b", "])[0]
        text = side.before + gap.join(names) + side.after
        if max(len(line) for line in text.splitlines()) <= max(
            _MAX_LINE, min(_longest(side.piece), _LONGEST)
        ):
            yield text
    elif b"\n" in side.before:
        indent = side.before[side.before.rindex(b"\n") :]
        gap = (side.gaps or [b"," + indent])[0]
        if b"\n" in gap:
            yield side.before + gap.join(names) + side.after


def _filled(side: NameList, names: Sequence[bytes]) -> Iterator[bytes]:
    """Names that fill lines, at each width at which this side's own names come out as they stand."""
    breaks = {gap for gap in side.gaps if b"\n" in gap}
    if len(breaks) != 1:
        return
    fold = breaks.pop()
    for width in _WIDTHS:
        if _fill(side, side.items, fold, width) == side.before + _own(side) + side.after:
            text = _fill(side, names, fold, width)
            if fold in text:
                yield text


def _own(side: NameList) -> bytes:
    return side.items[0] + b"".join(g + n for g, n in zip(side.gaps, side.items[1:], strict=True))


def _fill(side: NameList, names: Sequence[bytes], fold: bytes, width: int) -> bytes:
    text, tail = side.before, side.after.split(b"\n", 1)[0]
    for place, name in enumerate(names):
        gap = b"" if place == 0 else b", "
        line = len(text) - text.rfind(b"\n") - 1
        end = len(tail) if place == len(names) - 1 else 1
        text += (fold if place and line + len(gap + name) + end > width else gap) + name
    return text + side.after
