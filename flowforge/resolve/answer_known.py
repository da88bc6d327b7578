"""What already stands in a conflicted file: an answer may use it without being asked where it comes from."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from flowforge.core.conflict import Conflict, Hunk, Side

TOKEN: Final = re.compile(r"[^\W\d]\w*|\d[\w.]*|[^\w\s]")
TELLING: Final = 8  # characters of a line; shorter ones stand anywhere


class Known:
    """The file as all its versions have it. Lines are compared without the whitespace around them."""

    def __init__(self, conflict: Conflict) -> None:
        self.path = conflict.path
        self._conflict = conflict
        parts = [part for part in conflict.segments if isinstance(part, bytes)]
        for hunk in conflict.hunks:
            parts += [hunk.base, hunk.upstream, hunk.commit]
        parts += [text for side in Side if (text := conflict.text(side)) is not None]
        self.text = b"\n".join(parts).decode(errors="replace")
        self.tokens = frozenset(TOKEN.findall(self.text))
        self.characters = frozenset(
            self.text.replace("\r\n", "\n")
        )  # so a bare CR is known only where one stands
        self.lines = frozenset(line.strip() for line in self.text.splitlines())
        self.indents = frozenset(map(indent, filter(str.strip, self.text.splitlines())))
        self.indents_of: dict[str, set[str]] = {}
        for line in self.text.splitlines():
            self.indents_of.setdefault(line.strip(), set()).add(indent(line))

    def around(self, index: int) -> tuple[str, str]:
        """The last line before a hunk and the first one after it that say something; "" where there is none."""
        at = next(
            n for n, s in enumerate(self._conflict.segments) if isinstance(s, Hunk) and s.index == index
        )
        before, after = (plain_lines(part) for part in self._beside(at))
        return (before[-1] if before else ""), (after[0] if after else "")

    def of_other_hunks(self, index: int) -> frozenset[str]:
        """Telling lines that stand in other hunks of the file, and neither in this one nor between the hunks."""
        here = {line for hunk in self._conflict.hunks if hunk.index == index for line in lines_of(hunk)}
        here |= {
            line for part in self._conflict.segments if isinstance(part, bytes) for line in plain_lines(part)
        }
        others = (hunk for hunk in self._conflict.hunks if hunk.index != index)
        return frozenset(line for hunk in others for line in lines_of(hunk) if len(line) >= TELLING) - here

    def between(self) -> str:
        """What stands between the hunks, its lines each on its own and without the whitespace around them."""
        parts = (part for part in self._conflict.segments if isinstance(part, bytes))
        return "\n" + "\n".join(line for part in parts for line in plain_lines(part)) + "\n"

    def _beside(self, at: int) -> tuple[bytes, bytes]:
        segments = self._conflict.segments
        found = [segments[n] if 0 <= n < len(segments) else b"" for n in (at - 1, at + 1)]
        before, after = (part if isinstance(part, bytes) else b"" for part in found)
        return before, after


def plain_lines(text: bytes | str) -> Sequence[str]:
    """The lines that say something, without the whitespace around them."""
    whole = text if isinstance(text, str) else text.decode(errors="replace")
    return [line.strip() for line in whole.splitlines() if line.strip()]


def lines_of(hunk: Hunk) -> Iterator[str]:
    for side in Side:
        yield from plain_lines(hunk.side(side))


def indent(line: str) -> str:
    """With what a line is indented: "" | spaces | tabs | both."""
    white = line[: len(line) - len(line.lstrip(" \t"))]
    if not white:
        return ""
    return "both" if len(set(white)) > 1 else "tabs" if white[0] == "\t" else "spaces"
