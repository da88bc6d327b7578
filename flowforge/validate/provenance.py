"""Whether FlowForge invented anything: lines of a resolved file that stand in no side.

Outside the answered hunks every byte is git's own merge, which only ever takes lines from sides, so a new line
there is an error. Inside, joining both sides' changes within one line makes lines that are in no side, honestly;
so there a new line is told as a note where it is only laid out anew, and as a warning where its words are new.
Files that git merged alone are not looked at.
"""

import re
from collections.abc import Iterator

from flowforge.core.conflict import split_lines
from flowforge.core.verdict import Finding, Level
from flowforge.hooks.contracts import CheckedFile

_WORD = re.compile(rb"\w+", re.ASCII)
_SHOWN = 20  # findings; a wholly new file needs no thousand of them


def check(file: CheckedFile) -> Iterator[Finding]:
    if not file.resolved or not file.introduced:
        return
    lines = split_lines(file.text)
    known = _words(file)
    numbers = sorted(number for number in file.introduced if lines[number - 1].strip())
    for number in numbers[:_SHOWN]:
        yield _told(file, number, lines[number - 1], known)
    if len(numbers) > _SHOWN:
        rest = numbers[_SHOWN:]
        yield from (f for f in (_told(file, n, lines[n - 1], known) for n in rest) if f.level is Level.ERROR)


def _told(file: CheckedFile, number: int, line: bytes, known: frozenset[bytes]) -> Finding:
    level, rule, message = _judged(file, number, line, known)
    return Finding(rule=rule, level=level, message=message, path=file.path, start=number, end=number)


def _judged(file: CheckedFile, number: int, line: bytes, known: frozenset[bytes]) -> tuple[Level, str, str]:
    if not any(start <= number <= end for start, end in file.resolved):
        return Level.ERROR, "changed-outside-hunks", "this line is in no side and in no answered hunk"
    invented = sorted({word for word in _WORD.findall(line) if word not in known})
    if not invented:
        return Level.NOTE, "new-arrangement", "this line is in no side; all its words are"
    shown = ", ".join(word.decode() for word in invented[:5])
    return Level.WARNING, "new-words", f"words that no side has: {shown}"


def _words(file: CheckedFile) -> frozenset[bytes]:
    sides = (file.base, file.upstream, file.commit)
    return frozenset(word for side in sides if side for word in _WORD.findall(side))
