"""Which parts of a change go into one question: whole files where they are small, else whole hunks, never half a line.

A question has room for so many characters. Files keep their order, and what belongs to one file stays together as far
as it fits; a hunk that is too large by itself is cut where a new part seems to begin.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flowforge.resolve.suitable import MAX_LINE
from flowforge.review.change import ChangedFile

ROOM: Final = 24_000  # characters of the shown lines of one question
WHOLE: Final = 9_000  # characters of a file that is shown as a whole
AROUND: Final = 15  # lines shown before and after an introduced one
MARGIN: Final = 10  # columns before each line: its number and a sign
MAX_REMOVED: Final = 40  # lines that are shown where they were taken away
MAX_REMOVED_LINE: Final = 200  # characters; of what is gone a longer line is not shown

_HEAD: Final = re.compile(r"[^\W\d]|\$")  # how a line begins that opens a definition
_OPENS: Final = 300  # lines before a hunk in which its definition is looked for


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Lines `start`..`end` of a file, and `head`, the line above them that opens what they stand in (0 = none)."""

    file: ChangedFile
    start: int
    end: int
    head: int = 0

    @property
    def introduced(self) -> frozenset[int]:
        return frozenset(number for number in self.file.introduced if self.start <= number <= self.end)

    @property
    def size(self) -> int:
        return _size(self.file, range(self.start, self.end + 1)) + MARGIN * 4


Portion = tuple[Piece, ...]


def portions(files: Sequence[ChangedFile], room: int = ROOM) -> tuple[Portion, ...]:
    """All introduced lines of all files, each in one portion."""
    made: list[Portion] = []
    open_: list[Piece] = []
    left = room
    for file in files:
        pieces = list(pieces_of(file, room))
        whole = sum(piece.size for piece in pieces)
        if open_ and left < whole <= room:  # begin anew rather than cut a file in two
            made.append(tuple(open_))
            open_, left = [], room
        for piece in pieces:
            if open_ and piece.size > left:
                made.append(tuple(open_))
                open_, left = [], room
            open_.append(piece)
            left -= piece.size
    return (*made, tuple(open_)) if open_ else tuple(made)


def pieces_of(file: ChangedFile, room: int = ROOM) -> Iterator[Piece]:
    """The whole file, or its hunks."""
    count = len(file.lines)
    if not file.introduced:
        return
    if _size(file, range(1, count + 1)) <= min(WHOLE, room):
        yield Piece(file=file, start=1, end=count)
        return
    for start, end in _hunks(file):
        yield from _cut(file, start, end, room)


def _hunks(file: ChangedFile) -> Iterator[tuple[int, int]]:
    """Runs of introduced lines with the lines around them; runs whose surroundings meet are one."""
    start = end = 0
    for number in sorted(file.introduced):
        if start and number - AROUND <= end + 1:
            end = min(number + AROUND, len(file.lines))
            continue
        if start:
            yield start, end
        start, end = max(1, number - AROUND), min(number + AROUND, len(file.lines))
    if start:
        yield start, end


def _cut(file: ChangedFile, start: int, end: int, room: int) -> Iterator[Piece]:
    """One hunk, in as many pieces as it needs; those without an introduced line are left out."""
    while start <= end:
        last = _fits(file, start, end, room)
        if last < end:
            last = _seam(file, start, last)
        piece = Piece(file=file, start=start, end=last, head=_head(file, start))
        if piece.introduced:
            yield piece
        start = last + 1


def _fits(file: ChangedFile, start: int, end: int, room: int) -> int:
    """The last line up to which a piece has room; always one line at least."""
    left = room - MARGIN * 4
    for number in range(start, end + 1):
        left -= _size(file, range(number, number + 1))
        if left < 0:
            return max(start, number - 1)
    return end


def _seam(file: ChangedFile, start: int, last: int) -> int:
    """Where to cut at or before `last`: in its second half before the line that stands furthest left."""
    middle = start + (last - start) // 2
    best, least = last, MAX_LINE
    for number in range(last + 1, middle + 1, -1):
        line = file.lines[number - 1]
        indent = len(line) - len(line.lstrip()) if line.strip() else MAX_LINE
        if indent < least:
            best, least = number - 1, indent
    return best


def _head(file: ChangedFile, start: int) -> int:
    """The nearest line above that stands at the left and begins like a definition; 0 where there is none."""
    above = range(start - 1, max(0, start - _OPENS), -1)
    return next((number for number in above if _HEAD.match(file.lines[number - 1])), 0)


def _size(file: ChangedFile, numbers: range) -> int:
    """Characters of lines as they are shown, with those that were taken away before them."""
    size = 0
    for number in numbers:
        size += sum(MARGIN + len(line) for line in removed_shown(file, number))
        size += MARGIN + min(len(file.lines[number - 1]), MAX_LINE)
    return size


def removed_shown(file: ChangedFile, number: int) -> tuple[str, ...]:
    """Lines that the change took away right before line `number`, as far as they are shown."""
    gone = [line for line in file.removed.get(number, ()) if len(line) <= MAX_REMOVED_LINE]
    return tuple(gone[:MAX_REMOVED])
