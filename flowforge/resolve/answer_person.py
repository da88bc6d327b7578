"""Answers that are well made, and that a person must agree to whatever tests say.

Tests pass without what a merge gave up, and a constant that nobody wrote looks like any other.
"""

import re
from collections.abc import Iterator
from typing import Final

from flowforge.core.conflict import Hunk, Side
from flowforge.resolve.answer_known import TOKEN, Known, plain_lines
from flowforge.resolve.answer_shape import Entry
from flowforge.resolve.answer_text import lost_words

_TEST: Final = re.compile(
    r"(async\s+)?def\s+test|class\s+Test|func\s+(\([^)]*\)\s*)?Test|@Test\b|#\[(tokio::)?test\]"
    r"|(it|test|describe|specify|scenario)\s*[(\"']|assert|expect\s*\(|self\.assert"
)


def approval(hunk: Hunk, entry: Entry, text: bytes, known: Known) -> str:
    """Why a person must agree, as the end of a sentence; "" where they need not."""
    return "; ".join(dict.fromkeys(_reasons(hunk, entry, text.decode(errors="replace"), known)))


def _reasons(hunk: Hunk, entry: Entry, text: str, known: Known) -> Iterator[str]:
    if next(lost_words(hunk, Side.UPSTREAM, text), None) is not None:
        yield "it gives up what upstream changed"
    if any(_TEST.match(line) for line in _given_up(hunk, text)):
        yield "it gives up a test"
    numbers = [word for word in TOKEN.findall(text) if word[0].isdigit() and word not in known.tokens]
    if numbers:
        yield f"it brings the number {numbers[0][:20]}, which no side has"
    if entry.elsewhere:
        yield "it needs edits in other places"


def _given_up(hunk: Hunk, text: str) -> Iterator[str]:
    """Lines that a side added, or that both left alone, and that are not there."""
    standing = set(plain_lines(text))
    base, upstream, commit = (plain_lines(hunk.side(side)) for side in Side)
    for line in dict.fromkeys((*base, *upstream, *commit)):
        wanted = line in upstream and line in commit if line in base else True
        if wanted and line not in standing:
            yield line
