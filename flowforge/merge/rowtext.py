"""Git's merged text as rows, a line or a hunk each: the one measure in which all three versions stand in line."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from flowforge.core.conflict import Conflict, Hunk, Side, split_lines

Range = tuple[int, int]  # from, to, half-open
Part = str | int | None  # text of whole lines, the hunk of that index, or lines that are left out


@dataclass(frozen=True)
class Rows:
    """`rows` in order; `at` says in which row each hunk stands, by its index."""

    rows: tuple[bytes | Hunk, ...]
    at: Mapping[int, int]

    @cached_property
    def starts(self) -> Mapping[Side, list[int]]:
        """Where each row begins in each side's text, and where the text ends."""
        return {side: list(accumulate((len(row) for row in self._as(side)), initial=0)) for side in Side}

    @cached_property
    def lines(self) -> Mapping[Side, list[int]]:
        """At which line (from 0) each row begins in each side's text, and how many lines it has."""
        found = {}
        for side in Side:
            counts = [1] * len(self.rows)
            for row in self.at.values():
                counts[row] = len(split_lines(_said(self.rows[row], side)))
            found[side] = list(accumulate(counts, initial=0))
        return found

    def _as(self, side: Side) -> list[bytes]:
        texts = list(self.rows)
        for row in self.at.values():
            texts[row] = _said(self.rows[row], side)
        return texts  # type: ignore[return-value]  # every hunk has been replaced

    def text(self, side: Side, rows: Range | None = None) -> bytes:
        """The rows as one side has them; None: all."""
        if rows is None:
            return b"".join(self._as(side))
        return b"".join(_said(row, side) for row in self.rows[slice(*rows)])

    def span(self, side: Side, rows: Range) -> Range:
        """Rows as bytes of a side's text."""
        return self.starts[side][rows[0]], self.starts[side][rows[1]]

    def covering(self, side: Side, start: int, end: int) -> Range:
        """The rows that hold these bytes of a side's text; `end` is after `start`."""
        starts = self.starts[side]
        return bisect_right(starts, start) - 1, min(bisect_right(starts, end - 1), len(self.rows))

    def size(self, rows: Range) -> int:
        """Bytes of the rows as they are told, a hunk with all its sides."""
        return sum(_size(row) for row in self.rows[slice(*rows)])

    def near(self, row: int, lines: int) -> Range:
        """So many rows on each side of one, to a blank line where one is among the last half of them."""
        return self._edge(row, lines, -1), self._edge(row, lines, 1) + 1

    def _edge(self, row: int, lines: int, step: int) -> int:
        last = max(0, min(len(self.rows) - 1, row + step * lines))
        for at in range(row + step * (lines // 2), last + step, step):
            if not 0 < at < len(self.rows):
                break
            said = self.rows[at]
            if isinstance(said, bytes) and not said.strip():
                return at - step if at != row else at
        return last

    def parts(self, rows: Range) -> Iterator[Part]:
        """What is told of the rows: text, and hunks by their index."""
        lines: list[bytes] = []
        for row in self.rows[slice(*rows)]:
            if isinstance(row, bytes):
                lines.append(row)
                continue
            if lines:
                yield b"".join(lines).decode("utf-8", "replace")
                lines = []
            yield row.index
        if lines:
            yield b"".join(lines).decode("utf-8", "replace")


def rows_of(conflict: Conflict) -> Rows:
    rows: list[bytes | Hunk] = []
    at: dict[int, int] = {}
    for segment in conflict.segments:
        if isinstance(segment, Hunk):
            at[segment.index] = len(rows)
            rows.append(segment)
        else:
            rows.extend(split_lines(segment))
    return Rows(tuple(rows), at)


def _said(row: bytes | Hunk, side: Side) -> bytes:
    return row if isinstance(row, bytes) else row.side(side)


def _size(row: bytes | Hunk) -> int:
    return len(row) if isinstance(row, bytes) else len(row.base) + len(row.upstream) + len(row.commit)
