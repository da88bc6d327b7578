"""Merge three rows of pieces: contents by key, order by three-way matching of the keys.

Where a piece is and what it holds are decided apart, so one side may move or reorder what the other edits.
What cannot be decided is noted with the places it concerns and filled with upstream's text; the caller answers
only the hunks that no such place touches.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from flowforge.core.conflict import split_lines
from flowforge.merge import checks, imports
from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Body, Key, Piece, Role, Span, identify, open_piece
from flowforge.merge.importnames import merge_names
from flowforge.merge.lines import Changed, Chunk, chunk_text, diff3
from flowforge.merge.placed import COMMIT, Placed, in_order
from flowforge.merge.syntax import leaves
from flowforge.merge.tokens import Token, cut, merge_tokens
from flowforge.merge.wording import rule_of

# Rules, the most doubtful first: what a place was decided by, beside those of `wording` and "other definitions changed".
OPEN_IMPORTS = "imports of a file with open places"
UNKNOWN_IMPORTS = "imports of unknown names"
NAMES = "names of an import"
JOINED = "added imports made one"
DEFINITIONS = "added definitions"
REPLACED = "imports beside removed ones"
IMPORTS = "added imports"

OF_IMPORTS = frozenset({NAMES, JOINED, REPLACED, IMPORTS})

# Tokens that both sides kept between their edits: edits with fewer than APART between are close together, and
# those with only one between are as good as touching.
APART = 8
TOUCHING = 2

Row = Sequence[Piece]
Spans = tuple[Span, Span, Span]  # base, upstream, commit


@dataclass(frozen=True, slots=True)
class Open:
    """A place that was not decided, and why."""

    spans: Spans
    doubt: Doubt


@dataclass(frozen=True, slots=True)
class Used:
    """A rule that decided a place."""

    rule: str
    spans: Spans


@dataclass(frozen=True)
class _Side:
    """One version of a container, by key and by place."""

    row: Row
    low: int

    def span(self, part: slice, whole: Span) -> Span:
        start = self.row[part.start - 1].span.end if part.start else self.low
        end = self.row[part.stop - 1].span.end if part.stop > part.start else start
        return Span(whole.source, start, end)


@dataclass
class Weaver:
    """Merges three versions of a file; `tick` raises `Doubt` when time is up."""

    tick: Callable[[], None]
    open: list[Open] = field(default_factory=list)
    used: list[Used] = field(default_factory=list)

    def bodies(self, base: Body, upstream: Body, commit: Body) -> bytes:
        """The merged text of a container."""
        self.tick()
        bodies = base, upstream, commit
        header = self.text((base.header, upstream.header, commit.header))
        rows = identify(*(body.pieces for body in bodies))
        row = _Rows(self, bodies, rows).merge()
        tail = _three(base.tail, upstream.tail, commit.tail)
        footer = self.text((base.footer, upstream.footer, commit.footer))
        return header + row + tail + footer

    def piece(self, base: Piece, upstream: Piece, commit: Piece) -> bytes:
        """The merged text of one piece that all three have."""
        texts = base.text, upstream.text, commit.text
        easy = _easy(*texts)
        if easy is not None:
            return easy
        inner = open_piece(base), open_piece(upstream), open_piece(commit)
        if inner[0] is not None and inner[1] is not None and inner[2] is not None:
            return self.bodies(inner[0], inner[1], inner[2])
        spans = base.span, upstream.span, commit.span
        if base.role is Role.IMPORT:
            return self.attempt(spans, lambda: self._names(spans, (base, upstream, commit)))
        return self.text(spans)

    def _names(self, spans: Spans, pieces: tuple[Piece, Piece, Piece]) -> bytes:
        text = merge_names(*pieces)
        self.used.append(Used(NAMES, spans))
        return text

    def text(self, spans: Spans) -> bytes:
        """Lines, then tokens where lines conflict."""
        texts = [span.text for span in spans]
        easy = _easy(*texts)
        return easy if easy is not None else self.attempt(spans, lambda: self.lines(spans))

    def attempt(self, spans: Spans, merge: Callable[[], bytes]) -> bytes:
        """`merge()`, or upstream's text and a note that this place is open."""
        try:
            return merge()
        except Doubt as doubt:
            if doubt.why == "out_of_time":
                raise
            self.open.append(Open(spans, doubt))
            return spans[1].text

    def lines(self, spans: Spans) -> bytes:
        self.tick()
        lines = [split_lines(span.text) for span in spans]
        starts = [_offsets(span.start, side) for span, side in zip(spans, lines, strict=True)]
        parts: list[bytes] = []
        for chunk in diff3(*lines):
            ranges = chunk.base, chunk.upstream, chunk.commit
            text = chunk_text(
                chunk.changed, *(b"".join(side[part]) for side, part in zip(lines, ranges, strict=True))
            )
            if text is None:
                places = [
                    Span(span.source, offsets[part.start], offsets[part.stop])
                    for span, offsets, part in zip(spans, starts, ranges, strict=True)
                ]
                text = self._tokens((places[0], places[1], places[2]))
            parts.append(text)
        return b"".join(parts)

    def _tokens(self, spans: Spans) -> bytes:
        base, upstream, commit = (_cut(span) for span in spans)
        merged = merge_tokens(base, upstream, commit)
        if merged.apart < TOUCHING:
            raise Doubt("same_tokens", "both sides changed words with a single one between")
        checks.check_words((base, upstream, commit), near=merged.apart < APART)
        self.used.append(Used(rule_of(merged), spans))
        return merged.text


@dataclass
class _Rows:
    """One container on its way."""

    weaver: Weaver
    bodies: tuple[Body, Body, Body]
    rows: tuple[Row, ...]
    placed: list[Placed] = field(default_factory=list)
    taken: set[Key] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.known: tuple[dict[Key, Piece], ...] = tuple(
            {piece.key: piece for piece in row if piece.role is not Role.PLAIN} for row in self.rows
        )
        labels = [[piece.key for piece in row if piece.label] for row in self.rows]
        self.relabelled = tuple(side != labels[0] for side in labels)

    def merge(self) -> bytes:
        for chunk in diff3(*([piece.key for piece in row] for row in self.rows)):
            self._chunk(chunk)
        return b"".join(in_order(self.placed))

    def _chunk(self, chunk: Chunk) -> None:
        base, upstream, commit = (
            row[part] for row, part in zip(self.rows, (chunk.base, chunk.upstream, chunk.commit), strict=True)
        )
        if chunk.changed is Changed.NOBODY:
            for b, u, c in zip(base, upstream, commit, strict=True):
                text = self.weaver.piece(b, u, c)
                self.placed.append(Placed(u.key, _three(b.lead, u.lead, c.lead), text))
                self.taken.add(u.key)
            return
        mark = len(self.placed)
        try:
            self._changed(chunk, base, upstream, commit)
        except Doubt as doubt:
            self.taken.difference_update(p.key for p in self.placed[mark:])
            del self.placed[mark:]
            if doubt.why == "out_of_time":
                raise
            self.weaver.open.append(Open(self._spans(chunk), doubt))
            self.placed.extend(Placed(u.key, u.lead, u.text) for u in upstream)

    def _changed(self, chunk: Chunk, base: Row, upstream: Row, commit: Row) -> None:
        if chunk.changed is Changed.CONFLICT and any(
            p.role is Role.PLAIN for p in (*base, *upstream, *commit)
        ):
            self._as_text(chunk, base, upstream, commit)
            return
        self._check_removed(base, 1, 2)
        self._check_removed(base, 2, 1)
        self._check_labels(base, upstream, self.relabelled[2])
        self._check_labels(base, commit, self.relabelled[1])
        if chunk.changed is Changed.COMMIT:
            for piece in commit:
                self._place(piece, 2, 1)
            return
        start = len(self.placed)
        for piece in upstream:
            self._place(piece, 1, 2)
        if chunk.changed is Changed.CONFLICT:
            self._insert(chunk, start)
            self._place_moved(base, commit)

    def _as_text(self, chunk: Chunk, base: Row, upstream: Row, commit: Row) -> None:
        """Statements among what both sides changed: merge the stretch as text."""
        spans = self._spans(chunk)
        keys = [{p.key for p in row if p.role is not Role.PLAIN} for row in (base, upstream, commit)]
        for here, known in zip(keys, self.known, strict=True):
            if any(key in known and key not in here for other in keys for key in other):
                raise Doubt("moved", "a definition was moved among statements that both sides changed")
        if (keys[1] & keys[2]) - keys[0]:
            raise Doubt("same_name_added", "both sides added one definition among statements")
        text = self.weaver.lines(spans)
        self.placed.append(Placed(("", text, b""), b"", text))

    def _check_labels(self, base: Row, row: Row, relabelled: bool) -> None:
        """What one side added may not come under a label that the other put, took or moved."""
        old = {*self.known[0], *(piece.key for piece in base)}
        if relabelled and any(piece.key not in old for piece in row if not piece.label):
            raise Doubt(
                "relabelled", "one side changed a label such as `private` beside what the other added"
            )

    def _check_removed(self, base: Row, remover: int, keeper: int) -> None:
        for piece in base:
            kept = self.known[keeper].get(piece.key)
            if piece.key in self.known[remover] or kept is None:
                continue
            if kept.text != piece.text:
                who, other = ("upstream", "the commit") if remover == 1 else ("the commit", "upstream")
                name = piece.key[1].decode("utf-8", "replace")
                raise Doubt("deleted_and_changed", f"{who} removed {name!r}, which {other} changed")

    def _place(self, piece: Piece, own: int, other: int) -> None:
        """Put one piece of side `own` into the result, merged with what the other side made of it."""
        before, theirs = self.known[0].get(piece.key), self.known[other].get(piece.key)
        if piece.role is Role.PLAIN or (before is None and theirs is None):
            self.placed.append(Placed(piece.key, piece.lead, piece.text, added=own))
            return
        if piece.key in self.taken:
            return
        self.taken.add(piece.key)
        if before is None:
            if theirs is not None and theirs.text != piece.text:
                name = piece.key[1].decode("utf-8", "replace")
                raise Doubt("same_name_added", f"both sides added {name!r}, differently")
            self.placed.append(Placed(piece.key, piece.lead, piece.text))
            return
        if theirs is None:
            return  # removed by the other side; `_check_removed` saw that this one left it alone
        upstream, commit = (piece, theirs) if own == 1 else (theirs, piece)
        self.placed.append(Placed(piece.key, piece.lead, self.weaver.piece(before, upstream, commit)))

    def _place_moved(self, base: Row, commit: Row) -> None:
        """Put what the commit moved here from elsewhere; upstream's pieces, its own moves too, stand already."""
        here = {piece.key for piece in base}
        for piece in commit:
            if piece.key in self.known[0] and piece.key in self.known[1] and piece.key not in here:
                self._place(piece, 2, 1)

    def _insert(self, chunk: Chunk, start: int) -> None:
        """Put what the commit added among upstream's pieces, which stand from `start`; upstream's come first.

        Imports keep the sorted order that both sides keep.
        """
        upstream, commit = self.rows[1][chunk.upstream], self.rows[2][chunk.commit]
        added = [p for p in upstream if p.key not in self.known[0] and p.key not in self.known[2]]
        fresh = [p for p in commit if p.key not in self.known[0] and p.key not in self.known[1]]
        if any(p.ordered for p in added) and any(p.ordered for p in fresh):
            raise Doubt("two_ordered_inserts", "both sides added something at one place where order matters")
        imported = all(p.role is Role.IMPORT for p in (*fresh, *added))
        if imported:
            fresh = self._join(chunk, added, fresh, start)
        if fresh and added:
            self.weaver.used.append(Used(self._rule(chunk, added, fresh), self._spans(chunk)))
        alike = bool(added and fresh) and added[0].lead == fresh[0].lead
        order = self._import_order(chunk) if imported and alike else None
        ranks = self._ranks(order, start) if order is not None else []
        followed = dict(zip([p.key for p in commit[1:]], [p.key for p in commit], strict=False))
        first = next((i for i, p in enumerate(upstream) if p.key in self.known[0]), len(upstream))
        later = {p.key for p in added}
        laters = later, later & {p.key for p in upstream[:first]}
        if imported and added and fresh and len(fresh[0].lead) < len(added[0].lead):
            laters = set(), set()  # the commit's are of the group above, upstream's begin a new one
        for piece in fresh:
            if order is not None:
                at = start + imports.sorted_place(ranks, order(piece))
            else:
                at = self._after(followed.get(piece.key), start, laters)
            self.placed.insert(at, Placed(piece.key, piece.lead, piece.text, added=COMMIT))
            after = self.placed[at + 1] if at + 1 < len(self.placed) else None
            if after is not None and followed.get(after.key) == piece.key:
                after.lead = self.known[2][after.key].lead  # they are neighbours on the commit's side too

    def _join(self, chunk: Chunk, added: Row, fresh: Row, start: int) -> list[Piece]:
        """Make imports of one module that both sides added one; the others of `fresh` are left."""
        made = imports.joined(added, fresh)
        texts = dict(made.values())
        for placed in self.placed[start:]:
            placed.text = texts.get(placed.key, placed.text)
        if made:
            self.weaver.used.append(Used(JOINED, self._spans(chunk)))
        return [piece for piece in fresh if piece.key not in made]

    def _rule(self, chunk: Chunk, added: Row, fresh: Row) -> str:
        """The rule by which both sides' additions are kept."""
        changed = chunk.base.stop > chunk.base.start
        if any(piece.role is not Role.IMPORT for piece in (*added, *fresh)):
            if changed:
                raise Doubt("context_changed", "both sides added something beside what one of them removed")
            checks.check_twins(added, fresh)
            return DEFINITIONS
        imports.check_bound(added, fresh)
        imports.check_style(added, fresh)
        imports.check_removed(*(self._removed(chunk, side) for side in (1, 2)))
        return REPLACED if changed else IMPORTS

    def _removed(self, chunk: Chunk, side: int) -> set[Key]:
        return {piece.key for piece in self.rows[0][chunk.base]} - self.known[side].keys()

    def _import_order(self, chunk: Chunk) -> imports.OfPiece | None:
        upstream = imports.block_of(self.rows[1], chunk.upstream)
        return imports.sorted_by(upstream, imports.block_of(self.rows[2], chunk.commit))

    def _ranks(self, order: imports.OfPiece, start: int) -> list[object]:
        known = self.known[1] | self.known[2]
        return [order(known[placed.key]) for placed in self.placed[start:]]

    def _after(self, key: Key | None, start: int, later: tuple[AbstractSet[Key], AbstractSet[Key]]) -> int:
        """The place after the piece `key` and after what upstream added there, or else the first.

        `later`: all that upstream added, and what stands before anything that only the commit removed.
        """
        places = range(len(self.placed) - 1, start - 1, -1)
        found = next((i for i in places if self.placed[i].key == key), None)
        if found is not None and self.placed[found].added == COMMIT:
            return found + 1
        at = start if found is None else found + 1
        while at < len(self.placed) and self.placed[at].key in later[found is None]:
            at += 1
        return at

    def _spans(self, chunk: Chunk) -> Spans:
        parts = chunk.base, chunk.upstream, chunk.commit
        base, upstream, commit = (
            _Side(row, body.header.end).span(part, body.header)
            for row, body, part in zip(self.rows, self.bodies, parts, strict=True)
        )
        return base, upstream, commit


def _three(base: bytes, upstream: bytes, commit: bytes) -> bytes:
    """Blank lines: whoever changed them; upstream's where both did."""
    return commit if base == upstream else upstream


def _easy(base: bytes, upstream: bytes, commit: bytes) -> bytes | None:
    if upstream in {commit, base}:
        return commit
    return upstream if base == commit else None


def _offsets(start: int, lines: Sequence[bytes]) -> list[int]:
    offsets = [start]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    return offsets


def _cut(span: Span) -> list[Token]:
    node = span.source.root.descendant_for_byte_range(span.start, span.end)
    if node is not None and span.source.has_error and node.has_error:
        raise Doubt("does_not_parse", "the changed place does not parse on one side")
    return cut(span.text, leaves(span.source, span.start, span.end), span.start)
