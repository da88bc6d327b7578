"""Imports as a set: names that both sides add to one import statement, and where a new import stands."""

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
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
    for one, two in product(upstream, commit):
        if _renamed(one, two):
            raise Doubt("same_name_added", f"each side imports {_show(_thing(one))} under a name of its own")
        if _covers(one, two) or _covers(two, one):
            raise Doubt("same_name_added", "one side imports all of what the other imports a part of")


_ALIAS = re.compile(rb"\s+(?:as|=>)\s+[\w$]+$")


_DEEPER = re.compile(rb"[\w$](?:\.|::|\\)")


def _renamed(one: Piece, two: Piece) -> bool:
    """Whether both import one thing, as an import with an alias says, or one whose source is all that it names."""
    language = one.span.source.language
    if language.import_source and not language.import_names and not language.import_opaque:
        return one.key[1] == two.key[1]
    return _thing(one) == _thing(two)


def _thing(piece: Piece) -> bytes:
    return _ALIAS.sub(b"", _statement(piece).rstrip(b" ;"))


def _covers(one: Piece, two: Piece) -> bool:
    """Whether `one` is a wildcard import of the place that `two` imports from."""
    whole, part = _statement(one).rstrip(b" ;"), _statement(two).rstrip(b" ;")
    place = whole.rstrip(b"*_")
    return whole.endswith((b"*", b"._")) and part.startswith(place) and not _DEEPER.search(part, len(place))


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
    for one, two in product(upstream, commit):
        if _module(one) is None or _module(one) != _module(two):
            continue
        if two.key in made or any(one.key == key for key, _ in made.values()):
            raise Doubt("import_layout", "several imports of one module were added")
        made[two.key] = one.key, merge_names(None, one, two)
    return made


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
