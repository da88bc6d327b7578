"""Imports as a set: names that both sides add to one import statement, and where a new import stands."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise

from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Piece, Role
from flowforge.merge.names import bound
from flowforge.merge.syntax import Node, find

_MAX_LINE = 79  # a single-line import is not made longer than this: how to fold it is the project's taste


def merge_names(base: Piece, upstream: Piece, commit: Piece) -> bytes:
    """One import statement whose names both sides changed.

    Raises:
        Doubt: the statements differ in more than their names, or are laid out in a way not understood.
    """
    lists = [_Names.of(piece) for piece in (base, upstream, commit)]
    old, one, two = (names.items for names in lists)
    if any(not names.same_frame(lists[1]) for names in lists):
        raise Doubt("import_changed", "both sides changed more of one import than its names")
    kept = [name for name in one if name in two or name not in old]
    fresh = [name for name in two if name not in old and name not in one]
    order = _order([old, one, two])
    for name in fresh:
        kept.insert(_place(kept, name, two, order), name)
    if len(kept) == 0:
        raise Doubt("import_changed", "nothing would be left of an import that both sides changed")
    return lists[1].render(kept)


class _Names:
    """The names of one import statement and the text around them."""

    def __init__(self, text: bytes, spans: Sequence[tuple[int, int]]) -> None:
        self.items = [text[start:end] for start, end in spans]
        self.before, self.after = text[: spans[0][0]], text[spans[-1][1] :]
        gaps = {text[end:start] for (_, end), (start, _) in pairwise(spans)}
        self.gap = b", " if not gaps else min(gaps)
        if len(gaps) > 1 or self.gap.strip() != b",":
            raise Doubt("import_layout", "the names of an import are not laid out evenly")

    @classmethod
    def of(cls, piece: Piece) -> "_Names":
        language = piece.span.source.language
        node = piece.node
        holder = find(node, language.import_names) if node is not None and language.import_names else None
        if node is None or holder is None:
            raise Doubt("import_changed", "both sides changed one import")
        source = find(node, language.import_source) if language.import_source else None
        spans = [_relative(n, piece) for n in holder.named_children if source is None or n.id != source.id]
        if not spans or any(n.type in language.comments for n in holder.named_children):
            raise Doubt("import_layout", "an import that both sides changed has comments among its names")
        return cls(piece.text, spans)

    def same_frame(self, other: "_Names") -> bool:
        """The same statement around the names. A single name may stand on a line of its own or not."""
        return (self.before, self.after) == (other.before, other.after)

    def render(self, names: Sequence[bytes]) -> bytes:
        text = self.before + self.gap.join(names) + self.after
        if b"\n" not in self.gap and max(len(line) for line in text.splitlines()) > _MAX_LINE:
            raise Doubt("import_layout", "an import with the names of both sides is too long for one line")
        return text


def _relative(node: Node, piece: Piece) -> tuple[int, int]:
    return node.start_byte - piece.span.start, node.end_byte - piece.span.start


def brought(row: Iterable[Piece]) -> frozenset[bytes]:
    """All names that these imports bring."""
    return frozenset(name for piece in row for name in bound(piece))


def check_bound(upstream: Sequence[Piece], commit: Sequence[Piece]) -> None:
    """Two imports that one side each added must not bring the same name from different places.

    Raises:
        Doubt: `same_name_added`.
    """
    names = [brought(row) for row in (upstream, commit)]
    for name in sorted(names[0] & names[1]):
        word = name.decode("utf-8", "replace")
        raise Doubt("same_name_added", f"each side imports {word!r} from another place")


Order = Callable[[bytes], object]
OfPiece = Callable[[Piece], object]
_ORDERS: tuple[Order, ...] = (lambda name: name, lambda name: (name.lower(), name))


def _order(lists: Sequence[Sequence[bytes]]) -> Order | None:
    """The order that all lists keep, if they keep one."""
    return next((key for key in _ORDERS if all(is_sorted(names, key) for names in lists)), None)


def is_sorted(names: Sequence[bytes], key: Order) -> bool:
    return list(names) == sorted(names, key=key)  # type: ignore[arg-type]  # keys are bytes or tuples of them


def sorted_by(upstream: Sequence[Piece], commit: Sequence[Piece]) -> OfPiece | None:
    """The order in which both sides keep a block of imports, if it is one that we know."""
    for order in _ORDERS:
        for read in (_statement, _source):
            blocks = [[read(piece) for piece in block] for block in (upstream, commit)]
            if all(is_sorted(names, order) for names in blocks):
                return partial(_rank, order, read)
    return None


def _rank(order: Order, read: Callable[[Piece], bytes], piece: Piece) -> object:
    return order(read(piece))


def _statement(piece: Piece) -> bytes:
    return b" ".join((piece.node.text or b"").split()) if piece.node is not None else piece.text


def _source(piece: Piece) -> bytes:
    return piece.key[1]


def block_of(row: Sequence[Piece], part: slice) -> Sequence[Piece]:
    """The imports around `part` of a row that no blank line parts from it."""
    start, stop = part.start, part.stop
    while start and row[start - 1].role is Role.IMPORT and not row[start].lead:
        start -= 1
    while stop < len(row) and row[stop].role is Role.IMPORT and not row[stop].lead:
        stop += 1
    return row[start:stop]


def _place(kept: Sequence[bytes], name: bytes, two: Sequence[bytes], order: Order | None) -> int:
    if order is not None:
        return next((i for i, other in enumerate(kept) if order(other) > order(name)), len(kept))  # type: ignore[operator]
    at = two.index(name)
    return kept.index(two[at - 1]) + 1 if at and two[at - 1] in kept else len(kept)
