"""Whether a model's answer may become a candidate: a pure check, hunk by hunk, against what the sides say.

Where an action names a side, that side's bytes are taken and the answer's text is never used. Text of the
model's own must keep every change of both sides or name what it dropped, may bring only a little that is new,
and may hold no character that hides something. What passes is still a proposal: `confirmed` is False.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, Side
from flowforge.hooks.contracts import ModelAnswer
from flowforge.resolve.answer_shape import Action, Dropped, Entry, Flaw, Problem, read_entries

RUNG: Final = "model"
MAX_NEW_NAMES: Final = 4  # identifiers that stand in no side
MAX_NEW_LINES: Final = 6  # lines that stand in no side, beside one for each changed line of the sides
MAX_WHY: Final = 600  # characters of a sentence that people read

_TOKEN: Final = re.compile(r"[^\W\d]\w*|\d[\w.]*|[^\w\s]")
_MARKER: Final = re.compile(r"(<{7,}|\|{7,}|={7,}|>{7,})(\s|$)")
_HIDDEN: Final = frozenset({"Cf", "Co", "Cn", "Zl", "Zp"})  # bidi, zero width, private use, odd separators


def check(conflict: Conflict, text: str, asked: Collection[int] = ()) -> Candidate | Abstain | Problem:
    """Judge the JSON text of an answer to the hunks of `conflict` that were asked about; none named: all.

    Returns a Candidate for the hunks that were answered (others were abstained from), Abstain where none was,
    or the first Problem found.
    """
    entries = read_entries(text)
    if isinstance(entries, Problem):
        return entries
    problem = _count(asked or [hunk.index for hunk in conflict.hunks], entries)
    if problem is not None:
        return problem
    hunks = {hunk.index: hunk for hunk in conflict.hunks}
    known = _Known(conflict)
    answers: list[HunkAnswer] = []
    for entry in sorted(entries, key=lambda entry: entry.id):
        judged = _judge(hunks[entry.id], entry, known)
        if isinstance(judged, Problem):
            return judged
        if judged is not None:
            answers.append(judged)
    if not answers:
        why = "; ".join(dict.fromkeys(_plain(entry.why) for entry in entries if entry.why))
        return Abstain(
            why="model_abstained", sentence=f"the model gave no answer: {why or 'no reason given'}"
        )
    return Candidate(answers=tuple(answers))


def judge(
    conflict: Conflict, answer: ModelAnswer, asked: Collection[int] = ()
) -> Candidate | Abstain | Problem:
    """As `check`, after looking at how the model stopped."""
    if answer.stop == "refusal":
        return Abstain(why="model_refused", sentence="the model declined to answer this conflict")
    if answer.stop != "end":
        return Problem(flaw=Flaw.CUT_OFF, sentence=f"the answer is not whole (it stopped for: {answer.stop})")
    return check(conflict, answer.text, asked)


def _count(asked: Collection[int], entries: Collection[Entry]) -> Problem | None:
    wanted = sorted(asked)
    seen: set[int] = set()
    for entry in entries:
        if entry.id not in wanted:
            sentence = f"there is no hunk {entry.id}; the hunks are {wanted}"
            return Problem(flaw=Flaw.UNKNOWN_HUNK, sentence=sentence, hunk=entry.id)
        if entry.id in seen:
            sentence = f"hunk {entry.id} is answered twice"
            return Problem(flaw=Flaw.REPEATED_HUNK, sentence=sentence, hunk=entry.id)
        seen.add(entry.id)
    missing = [index for index in wanted if index not in seen]
    if missing:
        sentence = f"hunk {missing[0]} has no answer; answer each, with 'abstain' where unsure"
        return Problem(flaw=Flaw.MISSING_HUNK, sentence=sentence, hunk=missing[0])
    return None


class _Known:
    """What already stands in the file: an answer may use it without being asked where it comes from."""

    def __init__(self, conflict: Conflict) -> None:
        texts = [segment for segment in conflict.segments if isinstance(segment, bytes)]
        for hunk in conflict.hunks:
            texts += [hunk.base, hunk.upstream, hunk.commit]
        texts += [text for side in Side if (text := conflict.text(side)) is not None]
        whole = b"\n".join(texts).decode(errors="replace")
        self.tokens = frozenset(_TOKEN.findall(whole))
        self.characters = frozenset(
            whole.replace("\r\n", "\n")
        )  # so a bare CR is known only where one stands
        self.lines = frozenset(line.strip() for line in whole.splitlines())


def _judge(hunk: Hunk, entry: Entry, known: _Known) -> HunkAnswer | Problem | None:
    """One hunk: an answer, what is wrong with it, or None for an abstention."""
    notes = [entry.why, *entry.kept, *entry.elsewhere, *(d.what + d.why for d in entry.dropped)]
    problem = _characters(entry.id, "".join(notes), known.characters | set("\r\n\t"))
    if problem is not None:
        return problem
    match entry.action:
        case Action.ABSTAIN:
            return None
        case Action.UPSTREAM | Action.COMMIT:
            return _one_side(hunk, entry, Side(entry.action.value))
        case Action.BOTH:
            return _both(hunk, entry)
        case Action.MERGED:
            return _merged(hunk, entry, known)


def _one_side(hunk: Hunk, entry: Entry, side: Side) -> HunkAnswer | Problem:
    chosen = hunk.side(side)
    if entry.text and not _same(entry.text, chosen):
        return _disagrees(entry, f"the action is {entry.action.value!r}, its text is not that side's")
    other = Side.COMMIT if side is Side.UPSTREAM else Side.UPSTREAM
    changed = hunk.side(other) not in {hunk.base, chosen}
    if changed and not any(dropped.side == other for dropped in entry.dropped):
        return _lost(entry, f"taking {side.value} gives up the change of {other.value}")
    return _answer(entry, chosen, ())


def _both(hunk: Hunk, entry: Entry) -> HunkAnswer | Problem:
    if hunk.base.strip():
        return Problem(
            flaw=Flaw.BOTH_WITH_BASE,
            sentence=f"hunk {entry.id} has base text, which 'both' would repeat: use 'merged'",
            hunk=entry.id,
        )
    orders = (_join(hunk.upstream, hunk.commit), _join(hunk.commit, hunk.upstream))
    if not entry.text:
        return _answer(entry, orders[0], ())
    for joined in orders:
        if _same(entry.text, joined):
            return _answer(entry, joined, ())
    return _disagrees(entry, "the action is 'both', its text is not one side after the other")


def _join(first: bytes, second: bytes) -> bytes:
    return first if not second else first + (b"" if not first or first.endswith(b"\n") else b"\n") + second


def _merged(hunk: Hunk, entry: Entry, known: _Known) -> HunkAnswer | Problem:
    text = _fit_line_ends(entry.text, hunk)
    problem = (
        _markers(entry.id, text, known)
        or _characters(entry.id, text.replace("\r\n", "\n"), known.characters | set("\n\t"))
        or _length(entry.id, text, hunk)
    )
    if problem is not None:
        return problem
    names = _new_names(text, known)
    if isinstance(names, Problem):
        return Problem(flaw=names.flaw, sentence=f"hunk {entry.id}: {names.sentence}", hunk=entry.id)
    return (
        _novelty(entry.id, text, hunk, known, names)
        or _losses(hunk, entry, text)
        or _answer(entry, text.encode(), names)
    )


def _fit_line_ends(text: str, hunk: Hunk) -> str:
    """The sides' line ends, and a last one as the sides merge it: JSON text often lacks both."""
    sides = [side for side in (hunk.upstream, hunk.commit, hunk.base) if side]
    if text and not text.endswith("\n") and _ends_with_line_end(hunk):
        text += "\n"
    if sides and all(side.count(b"\r\n") == side.count(b"\n") > 0 for side in sides) and "\r" not in text:
        text = text.replace("\n", "\r\n")
    return text if any(b"\r" in side for side in sides) else text.replace("\r\n", "\n")


def _ends_with_line_end(hunk: Hunk) -> bool:
    """The three-way merge of "has a last line end"; a side without text has no say."""
    said = [side.endswith(b"\n") for side in (hunk.upstream, hunk.commit) if side]
    if len(set(said)) == 1:
        return said[0]
    return not hunk.base.endswith(b"\n") if said and hunk.base else True


def _markers(hunk: int, text: str, known: _Known) -> Problem | None:
    for line in text.splitlines():
        if _MARKER.match(line.strip()) and line.strip() not in known.lines:
            return Problem(
                flaw=Flaw.MARKERS, sentence=f"the text of hunk {hunk} holds a conflict marker", hunk=hunk
            )
    return None


def _characters(hunk: int, text: str, allowed: Collection[str]) -> Problem | None:
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


def _length(hunk: int, text: str, sides: Hunk) -> Problem | None:
    most = 2 * (len(sides.base) + len(sides.upstream) + len(sides.commit)) + 400
    if len(text.encode()) <= most:
        return None
    sentence = f"the text of hunk {hunk} is longer than its sides explain ({most} bytes at most)"
    return Problem(flaw=Flaw.TOO_LONG, sentence=sentence, hunk=hunk)


def _new_names(text: str, known: _Known) -> tuple[str, ...] | Problem:
    """Identifiers that stand nowhere in the file's three versions."""
    new = dict.fromkeys(token for token in _TOKEN.findall(text) if token not in known.tokens)
    names = tuple(token for token in new if token[0].isalpha() or token[0] == "_")
    strange = [name for name in names if any(not c.isascii() and c not in known.characters for c in name)]
    if strange:
        return Problem(flaw=Flaw.LOOKALIKE, sentence=f"the name {strange[0]!a} has letters of no side")
    return names


def _novelty(hunk: int, text: str, sides: Hunk, known: _Known, names: tuple[str, ...]) -> Problem | None:
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


def _losses(hunk: Hunk, entry: Entry, text: str) -> Problem | None:
    """A change of a side that is not in the text must stand in `dropped`, by the side's name and in words."""
    base, result = _count_words(hunk.base), _count_words(text.encode())
    sides = {side: _count_words(hunk.side(side)) for side in (Side.UPSTREAM, Side.COMMIT)}
    for side, other in ((Side.UPSTREAM, Side.COMMIT), (Side.COMMIT, Side.UPSTREAM)):
        for word in sorted(base | sides[side]):
            lost = _lost_word(word, base, sides[side], sides[other], result)
            if lost and not _declared(word, side, entry.dropped):
                return _lost(entry, f"{word!r} of {side.value} {lost}")
    return None


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


def _count_words(text: bytes) -> Counter[str]:
    """Names and numbers; punctuation moves around in any merge."""
    tokens = _TOKEN.findall(text.decode(errors="replace"))
    return Counter(token for token in tokens if token[0].isalnum() or token[0] == "_")


def _declared(token: str, side: Side, dropped: Iterable[Dropped]) -> bool:
    return any(entry.side == side and token in _TOKEN.findall(entry.what) for entry in dropped)


def _same(text: str, side: bytes) -> bool:
    """Equal but for line ends, which JSON text often loses."""
    return text.replace("\r\n", "\n").rstrip("\n") == side.decode(errors="replace").replace(
        "\r\n", "\n"
    ).rstrip("\n")


def _answer(entry: Entry, text: bytes, names: tuple[str, ...]) -> HunkAnswer:
    parts: Mapping[str, str] = {
        "kept": "; ".join(entry.kept),
        "dropped": "; ".join(f"{d.what} of {d.side} ({d.why})" for d in entry.dropped),
        "new names": ", ".join(names),
        "also needs": "; ".join(entry.elsewhere),
    }
    notes = [_plain(entry.why) or "no reason given"]
    notes += [f"{name}: {_plain(said)}" for name, said in parts.items() if said]
    why = " | ".join(notes)
    return HunkAnswer(
        index=entry.id,
        text=text,
        rung=RUNG,
        rule=entry.action.value,
        why=why if len(why) <= MAX_WHY else why[: MAX_WHY - 1] + "…",
        confirmed=False,
    )


def _plain(text: str) -> str:
    """One line without anything a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _disagrees(entry: Entry, what: str) -> Problem:
    return Problem(flaw=Flaw.TEXT_DISAGREES, sentence=f"hunk {entry.id}: {what}", hunk=entry.id)


def _lost(entry: Entry, what: str) -> Problem:
    sentence = f"hunk {entry.id}: {what}, and 'dropped' does not say so"
    return Problem(flaw=Flaw.LOST_CHANGE, sentence=sentence, hunk=entry.id)
