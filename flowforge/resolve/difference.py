"""How an answer differs from what people committed, where it does: the first that fits, from people's choice to ours.

Pure. A difference is no fault by itself: somebody who takes one side whole, lays lines out anew or changes something
elsewhere in the file has merged otherwise, and perhaps not better. The classes tell these apart from merges that need
words which no side has, and from answers that kept or dropped what people did not.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum

from flowforge.core.conflict import Conflict, Hunk, HunkAnswer, Resolution, Side

_TOKENS = re.compile(rb"\w+|[^\w\s]")


class Difference(StrEnum):
    ELSEWHERE = "elsewhere"  # equal in every place that conflicted: people changed something else in the file
    LAYOUT = "layout"  # the same words, cut into other lines or in other order
    PLACE = "place"  # of a whole path: the same text at another of the conflict's paths
    MODE = "mode"  # of a whole path: the same text, executable or not
    TOOK_UPSTREAM = "took_upstream"  # people took one side as it is
    TOOK_COMMIT = "took_commit"
    TOOK_BASE = "took_base"
    REMOVED = "removed"  # of a whole path: people kept nothing, although both sides had something
    NEW_WORDS = "new_words"  # people wrote words that no side has
    LESS = "less"  # people's text lacks words of the answer
    MORE = "more"  # the answer lacks words of people's text
    OTHERWISE = "otherwise"  # both
    NO_PLACE = "no_place"  # it differs where it is not known which of people's text belongs to it

    @property
    def words(self) -> str:
        """For a table or a page: why an answer is not what people committed."""
        return _WORDS_OF[self]


_WORDS_OF = {
    Difference.ELSEWHERE: "people also changed what did not conflict",
    Difference.LAYOUT: "the same words in other lines",
    Difference.PLACE: "people put the same at another path",
    Difference.MODE: "people gave the same another mode",
    Difference.TOOK_UPSTREAM: "people took upstream's text whole",
    Difference.TOOK_COMMIT: "people took the commit's text whole",
    Difference.TOOK_BASE: "people went back to the text before",
    Difference.REMOVED: "people removed what both sides had",
    Difference.NEW_WORDS: "people wrote words that no side has",
    Difference.LESS: "people kept less",
    Difference.MORE: "people kept more",
    Difference.OTHERWISE: "people chose other words of the sides",
    Difference.NO_PLACE: "it is not known which of their text belongs there",
}
_GRAVEST = tuple(Difference)  # of several places, the last one here speaks for the file


def difference(hunk: Hunk, answer: bytes, human: bytes) -> Difference:
    """The class of an answer that differs from people's text for its hunk."""
    wrote = Counter(_words(human))
    answered = Counter(_words(answer))
    if wrote == answered:
        return Difference.LAYOUT
    side = _side(hunk, human)
    if side is not None:
        return side
    known = Counter[bytes]()
    for text in (hunk.base, hunk.upstream, hunk.commit):
        known |= Counter(_words(text))
    if wrote - known:
        return Difference.NEW_WORDS
    if not wrote - answered:
        return Difference.LESS
    return Difference.OTHERWISE if answered - wrote else Difference.MORE


def of_file(found: Iterable[Difference | None], *, placed: bool) -> Difference:
    """The class of a file that differs, from those of its hunks; None: the hunk is equal.

    `placed`: people's text for every hunk was found.
    """
    differing = [one for one in found if one is not None]
    if differing:
        return max(differing, key=_GRAVEST.index)
    return Difference.ELSEWHERE if placed else Difference.NO_PLACE


def of_resolution(resolution: Resolution, texts: Mapping[int, bytes], equal: Iterable[int]) -> Difference:
    """The class of one that differs. `texts`: people's, by hunk index; `equal`: the hunks whose answer is theirs."""
    same = frozenset(equal)
    hunks = {hunk.index: hunk for hunk in resolution.conflict.hunks}
    found = (
        None if answer.index in same else _of_answer(hunks[answer.index], answer, texts.get(answer.index))
        for answer in resolution.answers
    )
    return of_file(found, placed=len(texts) == len(hunks))


def of_path(conflict: Conflict, result: bytes, human: bytes) -> Difference:
    """The class of an answer for a whole path."""
    base, upstream, commit = (conflict.text(side) or b"" for side in Side)
    return difference(Hunk(index=0, base=base, upstream=upstream, commit=commit), result, human)


def _of_answer(hunk: Hunk, answer: HunkAnswer, human: bytes | None) -> Difference | None:
    return None if human is None else difference(hunk, answer.text, human)


def _side(hunk: Hunk, human: bytes) -> Difference | None:
    wrote = _words(human)
    sides = (
        (hunk.upstream, Difference.TOOK_UPSTREAM),
        (hunk.commit, Difference.TOOK_COMMIT),
        (hunk.base, Difference.TOOK_BASE),
    )
    return next((name for text, name in sides if _words(text) == wrote), None)


def _words(text: bytes) -> list[bytes]:
    return _TOKENS.findall(text)
