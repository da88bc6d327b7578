"""What an answer may not lose, and not bring back, however it was made: for rungs that merge by meaning.

A key's value is theirs to decide; a comment, a heading or a line that is no key is easily dropped with it.
"""

import re
from collections import Counter

from flowforge.core.conflict import Hunk, split_lines
from flowforge.merge.doubt import Doubt

_WORD = re.compile(rb"[\w\x80-\xff]+")
_TELLING = 4  # bytes of a line without its whitespace; shorter ones stand anywhere


def check_losses(hunk: Hunk, text: bytes) -> None:
    """Check that one hunk's answer has every word that one side added and the other left alone, and no line that
    one side removed and the other left alone. A separator at a line's end belongs to its neighbours.

    Raises:
        Doubt: `lost`, `resurrected`.
    """
    base, upstream, commit, result = (Counter(_WORD.findall(t)) for t in _texts(hunk, text))
    for word in sorted(upstream.keys() | commit.keys()):
        one, two = upstream[word] - base[word], commit[word] - base[word]
        if min(one, two) >= 0 and result[word] < base[word] + max(one, two):
            raise Doubt("lost", f"the merged text would lose {_show(word)}, which one side added")
    bare = [b"".join(t.split()) for t in _texts(hunk, text)]
    for line in sorted({b"".join(line.split()).rstrip(b",;") for line in split_lines(hunk.base)}):
        before, *sides, after = (t.count(line) for t in bare) if line else (0, 0, 0, 0)
        least, most = sorted(count - before for count in sides)
        if len(line) > _TELLING and least < 0 and most == 0 and after > before + least:
            raise Doubt(
                "resurrected", f"the merged text would bring back {_show(line)}, which one side removed"
            )


def _texts(hunk: Hunk, text: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    return hunk.base, hunk.upstream, hunk.commit, text


def _show(what: bytes) -> str:
    return repr(what[:80].decode("utf-8", "replace"))
