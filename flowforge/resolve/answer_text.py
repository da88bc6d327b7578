"""What a text of the model's own must keep and may bring, by its characters, lines and words.

Each function gives the first `Problem` it finds, or None.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from flowforge.core.conflict import Hunk, Side
from flowforge.resolve.answer_known import TOKEN, Known
from flowforge.resolve.answer_shape import Dropped, Entry, Flaw, Problem

MAX_NEW_NAMES: Final = 4  # identifiers that stand in no side
MAX_NEW_LINES: Final = 6  # lines that stand in no side, beside one for each changed line of the sides

_MARKER: Final = re.compile(r"\W{0,4}?([<>|=])\1{3,}")  # any size, label or none, in a comment or not
_HIDDEN: Final = frozenset({"Cf", "Co", "Cn", "Zl", "Zp"})  # bidi, zero width, private use, odd separators


def markers(hunk: int, text: str, known: Known) -> Problem | None:
    for line in text.splitlines():
        if _MARKER.match(line.strip()) and line.strip() not in known.lines:
            sentence = f"the text of hunk {hunk} holds a conflict marker"
            return Problem(flaw=Flaw.MARKERS, sentence=sentence, hunk=hunk)
    return None


def characters(hunk: int, text: str, allowed: Collection[str]) -> Problem | None:
    for char in dict.fromkeys(text):
        if char in allowed:
            continue
        kind = unicodedata.category(char)
        if kind == "Cc":
            flaw = Flaw.CONTROL_CHARACTERS
        elif kind in _HIDDEN or "VARIATION SELECTOR" in unicodedata.name(char, ""):
            flaw = Flaw.HIDDEN_CHARACTERS
        else:
            continue
        sentence = f"hunk {hunk} brings the character U+{ord(char):04X}, which no side has"
        return Problem(flaw=flaw, sentence=sentence, hunk=hunk)
    return None


def length(hunk: int, text: str, sides: Hunk) -> Problem | None:
    most = 2 * (len(sides.base) + len(sides.upstream) + len(sides.commit)) + 400
    if len(text.encode()) <= most:
        return None
    sentence = f"the text of hunk {hunk} is longer than its sides explain ({most} bytes at most)"
    return Problem(flaw=Flaw.TOO_LONG, sentence=sentence, hunk=hunk)


def new_names(hunk: int, text: str, known: Known) -> tuple[str, ...] | Problem:
    """Identifiers that stand nowhere in the file's three versions."""
    new = dict.fromkeys(token for token in TOKEN.findall(text) if token not in known.tokens)
    names = tuple(token for token in new if token[0].isalpha() or token[0] == "_")
    strange = [name for name in names if any(not c.isascii() and c not in known.characters for c in name)]
    if strange:
        sentence = f"hunk {hunk}: the name {strange[0]!a} has letters of no side"
        return Problem(flaw=Flaw.LOOKALIKE, sentence=sentence, hunk=hunk)
    return names


def novelty(hunk: int, text: str, sides: Hunk, known: Known, names: tuple[str, ...]) -> Problem | None:
    lines = [line for line in map(str.strip, text.splitlines()) if line and line not in known.lines]
    most = MAX_NEW_LINES + min(_changed_lines(sides.upstream, sides), _changed_lines(sides.commit, sides))
    if len(names) > MAX_NEW_NAMES:
        what = f"{len(names)} names that stand in no side ({', '.join(names[:6])})"
    elif len(lines) > most:
        what = f"{len(lines)} lines that stand in no side, {most} at most"
    else:
        return None
    return Problem(flaw=Flaw.TOO_MUCH_NEW, sentence=f"hunk {hunk} brings {what}", hunk=hunk)


def _changed_lines(side: bytes, hunk: Hunk) -> int:
    base = set(hunk.base.splitlines())
    return sum(1 for line in side.splitlines() if line.strip() and line not in base)


def losses(hunk: Hunk, entry: Entry, text: str) -> Problem | None:
    """A change of a side that is not in the text must stand in `dropped`, by the side's name and in words."""
    for side in (Side.UPSTREAM, Side.COMMIT):
        for word, lost in lost_words(hunk, side, text):
            if not _declared(word, side, entry.dropped):
                return undeclared(entry, f"{word!r} of {side.value} {lost}")
    return None


def lost_words(hunk: Hunk, side: Side, text: str) -> Iterator[tuple[str, str]]:
    """Words of a side's change that a text does not honour, each with how it was lost."""
    other = Side.COMMIT if side is Side.UPSTREAM else Side.UPSTREAM
    base, result = count_words(hunk.base), count_words(text.encode())
    mine, others = count_words(hunk.side(side)), count_words(hunk.side(other))
    for word in sorted(base | mine):
        lost = _lost_word(word, base, mine, others, result)
        if lost:
            yield word, lost


def _lost_word(
    word: str, base: Counter[str], side: Counter[str], other: Counter[str], result: Counter[str]
) -> str:
    """How a side's change to a word was lost, by counting; "" when it was not.

    What a side added must be there, less what the other side took away; what it took away must not be back,
    unless the other side added some.
    """
    taken_by_other = max(0, base[word] - other[word])
    if side[word] > base[word] and result[word] < side[word] - taken_by_other:
        return "is not in the text as often as that side added it"
    if side[word] < base[word] >= other[word] and result[word] > min(side[word], other[word]):
        return "was removed by that side and is back"
    return ""


def count_words(text: bytes) -> Counter[str]:
    """Names and numbers; punctuation moves around in any merge."""
    tokens = TOKEN.findall(text.decode(errors="replace"))
    return Counter(token for token in tokens if token[0].isalnum() or token[0] == "_")


def _declared(token: str, side: Side, dropped: Iterable[Dropped]) -> bool:
    return any(entry.side == side and token in TOKEN.findall(entry.what) for entry in dropped)


def undeclared(entry: Entry, what: str) -> Problem:
    sentence = f"hunk {entry.id}: {what}, and 'dropped' does not say so"
    return Problem(flaw=Flaw.LOST_CHANGE, sentence=sentence, hunk=entry.id)


def false_notes(hunk: Hunk, entry: Entry, text: str) -> Problem | None:
    """Where a change was given up, `dropped` may name no word that only this side has and that still stands: a list
    of everything hides what it should tell.
    """
    result = count_words(text.encode())
    sides = (Side.UPSTREAM, Side.COMMIT)
    lost = {(side, word) for side in sides for word, _ in lost_words(hunk, side, text)}
    for side, other in (sides, sides[::-1]) if lost else ():
        own = count_words(hunk.side(side)).keys() - count_words(hunk.base + b"\n" + hunk.side(other)).keys()
        named = {word for note in entry.dropped if note.side == side for word in TOKEN.findall(note.what)}
        kept = sorted(word for word in named & own & result.keys() if (side, word) not in lost)
        if kept:
            sentence = f"hunk {entry.id}: 'dropped' names {kept[0]!r} of {side.value}, which was not dropped"
            return Problem(flaw=Flaw.FALSE_NOTE, sentence=sentence, hunk=entry.id)
    return None
