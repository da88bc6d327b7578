"""Conflict markers that were left in a result. A line that a side had literally is that project's own text."""

import re
from collections import Counter
from collections.abc import Iterator

from flowforge.core.conflict import split_lines
from flowforge.core.verdict import Finding, Level
from flowforge.hooks.contracts import CheckedFile

_MARKER = re.compile(rb"(<{7,}|\|{7,}|={7,}|>{7,})(?: .*|)$")


def check(file: CheckedFile) -> Iterator[Finding]:
    """Find markers. A row of `=` alone may be a heading: it is an error only beside another marker."""
    found = list(_new_markers(file))
    certain = any(kind != b"=" for _number, kind in found)
    for number, kind in found:
        yield Finding(
            rule="conflict-marker" if certain else "maybe-conflict-marker",
            level=Level.ERROR if certain else Level.WARNING,
            message=f"a line of {kind.decode()!r} looks like a conflict marker that no side had",
            path=file.path,
            start=number,
            end=number,
        )


def _new_markers(file: CheckedFile) -> Iterator[tuple[int, bytes]]:
    """(line, character) of each line like a marker, beyond as many as the fullest side had of it."""
    if not _may_hold_one(file.text):
        return
    had: Counter[bytes] = Counter()
    for side in (file.base, file.upstream, file.commit):
        had |= Counter(line for line in _lines(side or b"") if _MARKER.match(line))
    for number, line in enumerate(_lines(file.text), start=1):
        if _MARKER.match(line) is None:
            continue
        had[line] -= 1
        if had[line] < 0:
            yield number, line[:1]


def _may_hold_one(text: bytes) -> bool:
    return any(mark * 7 in text for mark in (b"<", b"|", b"=", b">"))


def _lines(text: bytes) -> list[bytes]:
    return [line.rstrip(b"\r\n") for line in split_lines(text)]
