"""What each side changed outside the hunks, where git merged it by itself, as small diffs of a stretch of rows.

A side's own text and git's merge with that side's hunks put in differ in what the other side changed cleanly. So the
shown text with these diffs taken back is the stretch as each version has it, whole.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Conflict, Side, split_lines
from flowforge.merge.lines import match
from flowforge.merge.rowtext import Range, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Diffs without lines around, numbered from the first shown line, with one side's hunks put in.

    `commit`: what the commit changed beside the hunks, against upstream's own text; `upstream`: what upstream did,
    against the commit's; `both`: what both changed alike, against base's.
    """

    commit: str = ""
    upstream: str = ""
    both: str = ""


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines `old` of a side's own text, which are `new` (range of lines) in git's merge with that side's hunks."""

    old: tuple[bytes, ...]
    new: Range
    text: tuple[bytes, ...]


@dataclass(frozen=True)
class Changes:
    """All clean changes of a file, by the side whose own text they are told against."""

    rows: Rows
    blocks: dict[Side, list[_Block]]

    def told(self, shown: Range) -> Told:
        texts = {side: "\n".join(self._diff(side, shown)) for side in self.blocks}
        return Told(
            commit=texts.get(Side.UPSTREAM, ""),
            upstream=texts.get(Side.COMMIT, ""),
            both=texts.get(Side.BASE, ""),
        )

    def own_lines(self, side: Side, shown: Range) -> Range:
        """The lines (1-based, inclusive) of a side's own text where rows stand; (0, 0) where it has none."""
        if side not in self.blocks:
            return 0, 0
        starts = self.rows.lines[side]
        first, last = self._own(side, starts[shown[0]]), self._own(side, starts[shown[1]])
        return (first + 1, last) if last > first else (0, 0)

    def _own(self, side: Side, line: int) -> int:
        """A line of git's merge as the line of the side's own text."""
        for block in reversed(self.blocks[side]):
            if block.new[1] <= line:
                return line + self._shift(side, block)
        return line

    def _shift(self, side: Side, last: _Block) -> int:
        blocks = self.blocks[side]
        upto = blocks[: blocks.index(last) + 1]
        return sum(len(block.old) - (block.new[1] - block.new[0]) for block in upto)

    def _diff(self, side: Side, shown: Range) -> Iterator[str]:
        low, high = self.rows.lines[side][shown[0]], self.rows.lines[side][shown[1]]
        shift = 0
        for block in self.blocks[side]:
            start, end = block.new
            if end <= low or start >= high:
                continue
            new = end - start
            yield f"@@ -{start - low + 1 + shift},{len(block.old)} +{start - low + 1},{new} @@"
            yield from ("-" + _shown(line) for line in block.old)
            yield from ("+" + _shown(line) for line in block.text)
            shift += len(block.old) - new


def changes_of(conflict: Conflict, rows: Rows) -> Changes:
    blocks: dict[Side, list[_Block]] = {}
    for side in (Side.UPSTREAM, Side.COMMIT, Side.BASE):
        own = conflict.text(side) if side is not Side.BASE or conflict.base is not None else b""
        if own is None:
            continue
        own, merged = _ended(own), _ended(rows.text(side))
        blocks[side] = [] if own == merged else list(_blocks(split_lines(own), split_lines(merged)))
    known = {_at(rows, side, one) for side in (Side.UPSTREAM, Side.COMMIT) for one in blocks.get(side, ())}
    if Side.BASE in blocks:
        blocks[Side.BASE] = [one for one in blocks[Side.BASE] if _at(rows, Side.BASE, one) not in known]
    return Changes(rows, blocks)


def _ended(text: bytes) -> bytes:
    """With a last line end: git ends the last line of a hunk whether the side did or not."""
    return text if text.endswith(b"\n") or not text else text + b"\n"


def _at(rows: Rows, side: Side, block: _Block) -> tuple[int, tuple[bytes, ...], tuple[bytes, ...]]:
    """A change as it is whichever side's own text it is told against: its first row, and what it does."""
    return bisect_right(rows.lines[side], block.new[0]) - 1, block.old, block.text


def _blocks(own: Sequence[bytes], merged: Sequence[bytes]) -> Iterator[_Block]:
    """What differs, in lines of both."""
    a = b = 0
    for i, j in [*match(own, merged), (len(own), len(merged))]:
        if i > a or j > b:
            yield _Block(tuple(own[a:i]), (b, j), tuple(merged[b:j]))
        a, b = i + 1, j + 1


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "replace").removesuffix("\n")
