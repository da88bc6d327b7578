"""Whether FlowForge lost anything: lines that one side added or removed, and nobody took back.

Git's own merges cannot: they apply both sides' changes. An answer can, when it takes one side of a hunk. So only
files with answers are looked at, and it is told as a warning: a person may have meant it.
"""

import re
from collections import Counter
from collections.abc import Iterator

from flowforge.core.conflict import split_lines
from flowforge.core.verdict import Finding, Level
from flowforge.hooks.contracts import CheckedFile

_WORD = re.compile(rb"[\w\x80-\xff]+")
_TELLING = 4  # bytes of a line without its whitespace; shorter ones (braces, `end`) stand anywhere
_SHOWN = 20  # findings


def check(file: CheckedFile) -> Iterator[Finding]:
    if not file.resolved or file.upstream is None or file.commit is None:
        return
    texts = (file.base or b"", file.upstream, file.commit, file.text)
    found = [*_lost(file, *map(_words, texts)), *_resurrected(file, *map(_lines, texts))]
    yield from found[:_SHOWN]


Counts = Counter[bytes]


def _lost(
    file: CheckedFile, base: Counts, upstream: Counts, commit: Counts, result: Counts
) -> Iterator[Finding]:
    """Lines that a side added, and of whose words the result lacks some: one merged with another line has all."""
    standing = _lines(file.text)
    for who, text, one, two in (
        ("upstream", file.upstream, upstream, commit),
        ("the commit", file.commit, commit, upstream),
    ):
        lines = _lines(text or b"") - _lines(file.base or b"")
        for line in sorted(lines - standing):
            missing = [
                word
                for word in _WORD.findall(line)
                if one[word] > base[word] <= two[word]
                and result[word] < one[word] + max(0, two[word] - one[word])
            ]
            if missing:
                words = ", ".join(sorted({repr(word.decode("utf-8", "replace")) for word in missing})[:5])
                message = f"{who} added a line that is not here: {_shown(line)} (missing: {words})"
                yield _told(file, "lost-line", message)


def _resurrected(
    file: CheckedFile, base: Counts, upstream: Counts, commit: Counts, result: Counts
) -> Iterator[Finding]:
    for line in sorted(base):
        for who, one, two in (("upstream", upstream, commit), ("the commit", commit, upstream)):
            if one[line] < base[line] == two[line] and result[line] > one[line]:
                message = f"{who} removed a line that is here again: {_shown(line)}"
                yield _told(file, "resurrected-line", message)


def _told(file: CheckedFile, rule: str, message: str) -> Finding:
    start, end = file.resolved[0]
    return Finding(
        rule=rule, level=Level.WARNING, message=message, path=file.path, start=start, end=max(start, end)
    )


def _shown(line: bytes) -> str:
    return repr(line[:80].decode("utf-8", "replace"))


def _lines(text: bytes) -> Counts:
    bare = (line.strip() for line in split_lines(text))
    return Counter(line for line in bare if len(line) > _TELLING)


def _words(text: bytes) -> Counts:
    return Counter(_WORD.findall(text))
