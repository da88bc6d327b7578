"""The code around each hunk: the function or class that it stands in, whole, as git has merged it so far.

Git's merged text differs between the sides in the hunks only, so one text with the hunks in their places tells all
three versions of what stands around; what a side changed there outside the hunks is told as a small diff. A hunk in no
function is told with the whole statements beside it. Runs in a child process, as all reading of code that somebody may
have written to be slow to read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from flowforge.core.conflict import Conflict, Hunk, Side
from flowforge.hooks.contracts import EntityRule, Language
from flowforge.merge.entities import Piece, file_body, open_piece
from flowforge.merge.rowtext import Part, Range, Rows, rows_of
from flowforge.merge.sides import MAX_BYTES
from flowforge.merge.syntax import Edit, Node, Source, find, parse, reparse
from flowforge.merge.told import Changes, Told, changes_of

ENTITY = 24_000  # bytes; a larger function is told in part: its head, and the statements around the hunk
OUTER_LINES = 60  # a function of so few lines is told whole, though the hunk lies in a function inside it
BESIDE = 8  # lines on each side that are told of a hunk in no function, in whole statements
_STATEMENTS = 1500  # bytes of what stands around a hunk inside one long statement
_DOCUMENT = 1 << 17  # bytes of a text for readers that is taken apart: grammars of markup are slow
_HEAD_LINES = 3
_DEEPEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The code around some hunks. `parts` in order: text, hunks by index, None where lines are left out."""

    hunks: tuple[int, ...]
    parts: tuple[Part, ...]
    rows: Range = (0, 0)  # of git's merged text, a hunk being one row
    changed: Told = field(default_factory=Told)  # beside the hunks, by either side
    lines: Range = (0, 0)  # of the hunks in upstream's own file, 1-based and inclusive; (0, 0): not known
    whole: bool = True  # False: the function or class is larger than what is told


@dataclass(frozen=True, slots=True)
class _Found:
    """Rows around one hunk, the rows without which an entity would be cut, and the heads of what holds it."""

    rows: Range
    must: Range | None = None
    heads: tuple[Range, ...] = ()
    whole: bool = True


def around(conflict: Conflict, language: Language | None, entity: int = ENTITY) -> tuple[Place, ...]:
    """The places of all hunks, in order; hunks that stand in one function share theirs.

    `entity`: bytes of the largest function that is told whole. Without a grammar, and in files larger than are
    parsed, it is the lines beside each hunk.
    """
    rows = rows_of(conflict)
    readers = _readers(rows, language)
    found = [_find(rows, readers, rows.at[hunk.index], entity) for hunk in conflict.hunks]
    changes = changes_of(conflict, rows)
    return tuple(_place(rows, group, changes) for group in _groups(found))


def beside(conflict: Conflict) -> tuple[Place, ...]:
    """The lines beside each hunk: what can be told without reading more than lines."""
    rows = rows_of(conflict)
    found = [_Found(rows.near(rows.at[hunk.index], BESIDE)) for hunk in conflict.hunks]
    return tuple(_place(rows, group, None) for group in _groups(found))


def _readers(rows: Rows, language: Language | None) -> list["_Reader"]:
    size = max(rows.starts[side][-1] for side in Side)
    if language is None or not language.grammar or size > (_DOCUMENT if language.document else MAX_BYTES):
        return []
    upstream = parse(rows.text(Side.UPSTREAM), language)
    others = [(side, _other(rows, upstream, side)) for side in (Side.COMMIT, Side.BASE)]
    return [_Reader(rows, side, source) for side, source in ((Side.UPSTREAM, upstream), *others)]


def _other(rows: Rows, upstream: Source, side: Side) -> Source:
    """Another side's text as a tree: it differs from upstream's in the hunks only."""
    edits = []
    for hunk, at in reversed([(rows.rows[at], at) for at in sorted(rows.at.values())]):
        if isinstance(hunk, Hunk) and hunk.upstream != hunk.side(side):
            start, line = rows.starts[Side.UPSTREAM][at], rows.lines[Side.UPSTREAM][at]
            edits.append(Edit(start, line, hunk.upstream, hunk.side(side)))
    return reparse(upstream, rows.text(side), edits)


def _find(rows: Rows, readers: Sequence["_Reader"], at: int, entity: int) -> _Found:
    found = [reader.find(at) for reader in readers]
    if not found:
        return _Found(rows.near(at, BESIDE))
    must = _joined(one.must for one in found if one.must is not None)
    first = next((one for one in found if one.must is not None), found[0])
    if must is None:
        return first
    if rows.size(must) <= entity:
        return replace(first, rows=must)
    narrow = next(
        one for one in (*(reader.statements(at, entity) for reader in readers), rows.near(at, BESIDE)) if one
    )
    head = (must[0], min(must[0] + _HEAD_LINES, narrow[0]))
    return _Found(narrow, must, (*first.heads, head), whole=False)


def _joined(ranges: Iterable[Range]) -> Range | None:
    known = list(ranges)
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def _groups(found: Sequence[_Found]) -> Iterator[list[_Found]]:
    """Those of hunks whose rows overlap or touch."""
    group: list[_Found] = []
    for one in found:
        if group and one.rows[0] > max(other.rows[1] for other in group):
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _place(rows: Rows, group: Sequence[_Found], changes: Changes | None) -> Place:
    shown = _joined(one.rows for one in group) or (0, 0)
    heads = sorted({head for one in group for head in one.heads if head[0] < head[1] <= shown[0]})
    inside = {index: at for index, at in rows.at.items() if shown[0] <= at < shown[1]}
    return Place(
        hunks=tuple(inside),
        parts=tuple(_parts(rows, [*heads, shown])),
        rows=shown,
        changed=changes.told(shown) if changes else Told(),
        lines=_lines(rows, changes, list(inside.values())) if changes else (0, 0),
        whole=all(one.whole for one in group),
    )


def _lines(rows: Rows, changes: Changes, hunks: Sequence[int]) -> Range:
    """Upstream's own lines of the hunks; where it has none there, the lines beside them."""
    low, high = min(hunks), max(hunks) + 1
    found = changes.own_lines(Side.UPSTREAM, (low, high))
    return (
        found
        if found[1]
        else changes.own_lines(Side.UPSTREAM, (max(0, low - 1), min(len(rows.rows), high + 1)))
    )


def _parts(rows: Rows, stretches: Sequence[Range]) -> Iterator[Part]:
    at = stretches[0][0]
    for low, high in stretches:
        if low > at:
            yield None
        yield from rows.parts((max(low, at), high))
        at = max(at, high)


class _Reader:
    """One side's text of the merge as a tree."""

    def __init__(self, rows: Rows, side: Side, source: Source) -> None:
        self.rows, self.side, self.source = rows, side, source
        self.body = file_body(source)

    def find(self, at: int) -> _Found:
        """What stands around the hunk in row `at`."""
        span = self.rows.span(self.side, (at, at + 1))
        body = self.body
        heads: tuple[Range, ...] = ()
        for _ in range(_DEEPEST):
            piece = next((piece for piece in body.pieces if _holds(piece, span)), None)
            if piece is None:
                return self._between(body.pieces, at, heads)
            inner = open_piece(piece)
            if inner is None or not inner.header.end <= span[0] or not span[1] <= inner.footer.start:
                return self._in(piece, body.pieces, at, heads)
            heads = (*heads, self._head(piece, inner.header.end))
            body = inner
        return self._between((), at, heads)

    def _head(self, piece: Piece, end: int) -> Range:
        """The first lines of a container, without the comments above it."""
        start = min(piece.node.start_byte, end - 1) if piece.node is not None else piece.span.start
        low, high = self.rows.covering(self.side, start, end)
        return low, min(high, low + _HEAD_LINES)

    def _in(self, piece: Piece, pieces: Sequence[Piece], at: int, heads: tuple[Range, ...]) -> _Found:
        """Inside one piece that has no parts: a function is whole, of anything else the statements around."""
        rows = self.rows.covering(self.side, piece.span.start, piece.span.end)
        if rows == (at, at + 1):
            return self._between(pieces, at, heads)
        inner = self._definition(piece, at) if rows[1] - rows[0] > OUTER_LINES else None
        if inner is not None:
            head = (rows[0], min(rows[0] + _HEAD_LINES, inner[0]))
            return _Found(inner, inner, (*heads, head))
        if (piece.rule is not None and not piece.rule.ordered) or self.rows.size(rows) <= _STATEMENTS:
            return _Found(rows, rows, heads)
        return _Found(self.statements(at, _STATEMENTS) or self.rows.near(at, BESIDE), None, heads)

    def _definition(self, piece: Piece, at: int) -> Range | None:
        """The smallest function or class around the hunk inside a long piece, where it is not the piece itself."""
        node = self._smallest(at)
        while node is not None and node.start_byte >= piece.span.start:
            rule = next((rule for rule in self.source.language.entities if _defines(node, rule)), None)
            rows = self.rows.covering(self.side, node.start_byte, node.end_byte)
            if rule is not None and rows[0] < at < rows[1] - 1:
                return None if piece.node is not None and node.id == piece.node.id else rows
            node = node.parent
        return None

    def _smallest(self, at: int) -> Node | None:
        start, end = self.rows.span(self.side, (at, at + 1))
        text = self.source.text
        while start < end and text[start : start + 1].isspace():
            start += 1
        while end > start and text[end - 1 : end].isspace():
            end -= 1
        return self.source.root.descendant_for_byte_range(start, end)

    def statements(self, at: int, most: int) -> Range | None:
        """The largest piece of syntax around the hunk of at most so many bytes, or the statements beside it."""
        node = self._smallest(at)
        best: Range | None = None
        while node is not None:
            rows = self.rows.covering(self.side, node.start_byte, max(node.end_byte, node.start_byte + 1))
            if self.rows.size(rows) > most:
                break
            best, node = rows, node.parent
        if node is None or (best is not None and best[0] < at < best[1] - 1):
            return best
        spans = [(child.start_byte, child.end_byte) for child in node.named_children]
        return self._with_neighbours(at, (at, at + 1), spans, BESIDE * 2, most)

    def _between(self, pieces: Sequence[Piece], at: int, heads: tuple[Range, ...]) -> _Found:
        """Among the pieces of a container: those that the hunk cuts must be whole; others where they are small."""
        start, end = self.rows.span(self.side, (at, at + 1))
        cut = [
            self.rows.covering(self.side, piece.span.start, piece.span.end)
            for piece in pieces
            if piece.span.start < start < piece.span.end or piece.span.start < end < piece.span.end
        ]
        must = _joined([*cut, (at, at + 1)]) or (at, at + 1)
        spans = [(piece.span.start, piece.span.end) for piece in pieces]
        rows = self._with_neighbours(at, must, spans, BESIDE, _STATEMENTS)
        return _Found(rows, must if cut else None, heads)

    def _with_neighbours(self, at: int, must: Range, spans: Sequence[Range], lines: int, most: int) -> Range:
        """`must` and what stands whole beside it, in so many lines on each side."""
        low, high = must
        ranges = [self.rows.covering(self.side, start, end) for start, end in spans if start < end]
        for start, _ in reversed([one for one in ranges if one[1] <= must[0]]):
            if must[0] - start > lines or self.rows.size((start, must[0])) > most // 2:
                break
            low = start
        for _, end in [one for one in ranges if one[0] >= must[1]]:
            if end - must[1] > lines or self.rows.size((must[1], end)) > most // 2:
                break
            high = end
        near = self.rows.near(at, 2)
        return min(low, near[0]) if low == must[0] else low, max(high, near[1]) if high == must[1] else high


def _holds(piece: Piece, span: Range) -> bool:
    """Whether a piece holds a span and more; an empty one has to lie inside."""
    start, end = piece.span.start, piece.span.end
    if span[0] == span[1]:
        return start < span[0] < end
    return start <= span[0] and span[1] <= end


def _defines(node: Node, rule: EntityRule) -> bool:
    """Whether the node is a function, a class or the like, which has a name."""
    if rule.node != node.type or rule.ordered or not rule.name:
        return False
    return find(node, rule.name) is not None and (
        not rule.when or all(find(node, p) is not None for p in rule.when.split("&"))
    )
