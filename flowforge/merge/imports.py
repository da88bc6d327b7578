"""Imports as a set: names that both sides add to one import statement, and where a new import stands."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from itertools import product

from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Key, Piece, Role
from flowforge.merge.importnames import ORDERS, NameList, Order, is_sorted, merge_names
from flowforge.merge.names import bound
from flowforge.merge.syntax import find


def brought(row: Iterable[Piece]) -> frozenset[bytes]:
    """All names that these imports bring."""
    return frozenset(name for piece in row for name in bound(piece))


def check_bound(upstream: Sequence[Piece], commit: Sequence[Piece]) -> None:
    """Two imports that one side each added must not bring one name, or one thing under two names.

    Raises:
        Doubt: `same_name_added`.
    """
    names = [brought(row) for row in (upstream, commit)]
    for name in sorted(names[0] & names[1]):
        raise Doubt("same_name_added", f"each side imports {_show(name)} from another place")
    for thing in sorted(_things(upstream) & _things(commit)):
        raise Doubt("same_name_added", f"each side imports {_show(thing)} under a name of its own")
    for side, other in ((upstream, commit), (commit, upstream)):
        whole = [place for piece in side if (place := _whole(piece))]
        if len(whole) * len(other) > _PAIRS:
            raise Doubt("same_name_added", "there are too many new imports to tell which of them are covered")
        if any(_covers(place, piece) for place, piece in product(whole, other)):
            raise Doubt("same_name_added", "one side imports all of what the other imports a part of")


_PAIRS = 10_000
_ALIAS = re.compile(rb"\s+(?:as|=>)\s+[\w$]+$")
_DEEPER = re.compile(rb"[\w$](?:\.|::|\\)")


def _things(row: Iterable[Piece]) -> set[bytes]:
    """What these import, aliases left out."""
    return {_thing(piece) for piece in row}


def _thing(piece: Piece) -> bytes:
    language = piece.span.source.language
    if language.import_source and not language.import_names and not language.import_opaque:
        return piece.key[1]  # its source is all that it names
    return _ALIAS.sub(b"", _statement(piece).rstrip(b" ;"))


def _whole(piece: Piece) -> bytes:
    """The place of a wildcard import, b"" for any other."""
    text = _statement(piece).rstrip(b" ;")
    return text.rstrip(b"*_") if text.endswith((b"*", b"._")) else b""


def _covers(place: bytes, piece: Piece) -> bool:
    text = _statement(piece).rstrip(b" ;")
    return text.startswith(place) and not _DEEPER.search(text, len(place))


def check_style(upstream: Sequence[Piece], commit: Sequence[Piece]) -> None:
    """Imports that the sides write in different ways come from an old and a new style; people use one.

    Raises:
        Doubt: `import_layout`.
    """
    styles = {style for piece in (*upstream, *commit) if (style := _style(piece)) is not None}
    if len(styles) > 1:
        raise Doubt("import_layout", "the sides lay out their new imports in different ways")


def _style(piece: Piece) -> tuple[bool, bool] | None:
    """Whether a list of names on one line stands apart from its brackets, and whether a semicolon ends it."""
    found = _IN_BRACES.search(piece.text)
    return (found[1] == b" ", piece.text.rstrip().endswith(b";")) if found is not None else None


_IN_BRACES = re.compile(rb"\{( ?)[^\s{}][^\n{}]*\}")


def check_removed(upstream: AbstractSet[Key], commit: AbstractSet[Key]) -> None:
    """Each side took other imports away: what is left beside what they added is what neither saw.

    Raises:
        Doubt: `both_removed`.
    """
    if upstream and commit and upstream != commit:
        raise Doubt("both_removed", "each side removed different imports of one place")


def joined(upstream: Sequence[Piece], commit: Sequence[Piece]) -> dict[Key, tuple[Key, bytes]]:
    """Imports of one module that both sides added, made one: the commit's key -> upstream's, and the text of both.

    Raises:
        Doubt: they are of one module and cannot be made one.
    """
    made: dict[Key, tuple[Key, bytes]] = {}
    modules = [_by_module(row) for row in (upstream, commit)]
    for module in [module for module in modules[0] if module in modules[1]]:
        if len(modules[0][module]) > 1 or len(modules[1][module]) > 1:
            raise Doubt("import_layout", "several imports of one module were added")
        one, two = modules[0][module][0], modules[1][module][0]
        made[two.key] = one.key, merge_names(None, one, two)
    return made


def _by_module(row: Iterable[Piece]) -> dict[tuple[bytes, bytes], list[Piece]]:
    found: dict[tuple[bytes, bytes], list[Piece]] = {}
    for piece in row:
        module = _module(piece)
        if module is not None:
            found.setdefault(module, []).append(piece)
    return found


def _module(piece: Piece) -> tuple[bytes, bytes] | None:
    """The statement around a list of names, None where it has no such list."""
    node, language = piece.node, piece.span.source.language
    holder = find(node, language.import_names) if node is not None and language.import_names else None
    if node is None or holder is None:
        return None
    if holder.id == node.id and find(node, language.import_source) is None:
        return None
    return NameList.of(piece).frame


def _show(name: bytes) -> str:
    return repr(name.decode("utf-8", "replace"))


OfPiece = Callable[[Piece], object]


def sorted_by(upstream: Sequence[Piece], commit: Sequence[Piece]) -> OfPiece | None:
    """The order in which both sides keep a block of imports, if it is one that we know."""
    for order in ORDERS:
        for read in (_statement, _source):
            blocks = [[read(piece) for piece in block] for block in (upstream, commit)]
            if all(is_sorted(names, order) for names in blocks):
                return partial(_rank, order, read)
    return None


def sorted_place(ranks: list[object], rank: object) -> int:
    """The place of a new import among others of these ranks, where it is put too."""
    at = bisect_right(ranks, _Rank(rank), key=_Rank)
    ranks.insert(at, rank)
    return at


@dataclass(frozen=True, slots=True)
class _Rank:
    """A rank that can be compared: all of one order are of one kind."""

    of: object

    def __lt__(self, other: "_Rank") -> bool:
        return bool(self.of < other.of)  # type: ignore[operator]  # bytes, or tuples of them


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
