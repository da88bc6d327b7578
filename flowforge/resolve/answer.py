"""Whether a model's answer may become a candidate: a pure check, hunk by hunk, against what the sides say.

Where an action names a side, that side's bytes are taken and the answer's text is never used. Text of the
model's own must keep every change of both sides or name what it dropped, may bring only a little that is new
(`answer_text`) and nothing that no merge needs (`answer_brings`). What passes is still a proposal: `confirmed` is
False, and `approval` says where a person must agree whatever tests say (`answer_person`).
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from flowforge.core.account import Account
from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, Side
from flowforge.hooks.contracts import ModelAnswer
from flowforge.resolve.answer_brings import Asked, brought, echo
from flowforge.resolve.answer_ends import fit_line_ends
from flowforge.resolve.answer_known import Known
from flowforge.resolve.answer_person import approval
from flowforge.resolve.answer_shape import Action, Entry, Flaw, Problem, read_entries
from flowforge.resolve.answer_text import (
    characters,
    false_notes,
    length,
    losses,
    markers,
    new_names,
    novelty,
    undeclared,
)

RUNG: Final = "model"
MAX_WHY: Final = 600  # characters of a sentence that people read
_MOST: Final = 300  # characters of one note of many

NOTHING: Final = Asked()

Look = Callable[[Conflict, Candidate], Problem | None]  # what is wrong with the file that an answer makes


def sees_nothing(_conflict: Conflict, _candidate: Candidate) -> Problem | None:
    """Where nobody looks at files."""
    return None


def check(
    conflict: Conflict, text: str, asked: Collection[int] = (), said: Asked = NOTHING
) -> Candidate | Abstain | Problem:
    """Judge the JSON text of an answer to the hunks of `conflict` that were asked about; none named: all.

    `said` is what stood in the question and may not come back.

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
    known = Known(conflict)
    answers: list[HunkAnswer] = []
    for entry in sorted(entries, key=lambda entry: entry.id):
        judged = _judge(hunks[entry.id], entry, known, said)
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
    conflict: Conflict, answer: ModelAnswer, asked: Collection[int] = (), said: Asked = NOTHING
) -> Candidate | Abstain | Problem:
    """As `check`, after looking at how the model stopped."""
    if answer.stop == "refusal":
        return Abstain(why="model_refused", sentence="the model declined to answer this conflict")
    if answer.stop != "end":
        return Problem(flaw=Flaw.CUT_OFF, sentence=f"the answer is not whole (it stopped for: {answer.stop})")
    return check(conflict, answer.text, asked, said)


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


def _judge(hunk: Hunk, entry: Entry, known: Known, said: Asked) -> HunkAnswer | Problem | None:
    """One hunk: an answer, what is wrong with it, or None for an abstention."""
    notes = "\n".join([entry.why, *entry.kept, *entry.elsewhere, *(d.what + d.why for d in entry.dropped)])
    problem = characters(entry.id, notes, known.characters | set("\r\n\t")) or echo(
        entry, f"{entry.text}\n{notes}", known, said
    )
    if problem is not None:
        return problem
    match entry.action:
        case Action.ABSTAIN:
            return None
        case Action.UPSTREAM | Action.COMMIT:
            return _one_side(hunk, entry, known, Side(entry.action.value))
        case Action.BOTH:
            return _both(hunk, entry, known)
        case Action.MERGED:
            return _merged(hunk, entry, known)


def _one_side(hunk: Hunk, entry: Entry, known: Known, side: Side) -> HunkAnswer | Problem:
    chosen = hunk.side(side)
    if entry.text and not _same(entry.text, chosen):
        return _disagrees(entry, f"the action is {entry.action.value!r}, its text is not that side's")
    other = Side.COMMIT if side is Side.UPSTREAM else Side.UPSTREAM
    changed = hunk.side(other) not in {hunk.base, chosen}
    if changed and not any(dropped.side == other for dropped in entry.dropped):
        return undeclared(entry, f"taking {side.value} gives up the change of {other.value}")
    return _answer(hunk, entry, chosen, known)


def _both(hunk: Hunk, entry: Entry, known: Known) -> HunkAnswer | Problem:
    if hunk.base.strip():
        return Problem(
            flaw=Flaw.BOTH_WITH_BASE,
            sentence=f"hunk {entry.id} has base text, which 'both' would repeat: use 'merged'",
            hunk=entry.id,
        )
    orders = (_join(hunk.upstream, hunk.commit), _join(hunk.commit, hunk.upstream))
    if not entry.text:
        return _answer(hunk, entry, orders[0], known)
    for joined in orders:
        if _same(entry.text, joined):
            return _answer(hunk, entry, joined, known)
    return _disagrees(entry, "the action is 'both', its text is not one side after the other")


def _join(first: bytes, second: bytes) -> bytes:
    return first if not second else first + (b"" if not first or first.endswith(b"\n") else b"\n") + second


def _merged(hunk: Hunk, entry: Entry, known: Known) -> HunkAnswer | Problem:
    text = fit_line_ends(entry.text, hunk)
    problem = (
        markers(entry.id, text, known)
        or characters(entry.id, text.replace("\r\n", "\n"), known.characters | set("\n\t"))
        or length(entry.id, text, hunk)
    )
    if problem is not None:
        return problem
    names = new_names(entry.id, text, known)
    if isinstance(names, Problem):
        return names
    return (
        brought(entry, text, hunk, known)
        or novelty(entry.id, text, hunk, known, names)
        or losses(hunk, entry, text)
        or false_notes(hunk, entry, text)
        or _answer(hunk, entry, text.encode(), known, names)
    )


def _same(text: str, side: bytes) -> bool:
    """Equal but for line ends, which JSON text often loses."""
    return text.replace("\r\n", "\n").rstrip("\n") == side.decode(errors="replace").replace(
        "\r\n", "\n"
    ).rstrip("\n")


def _answer(hunk: Hunk, entry: Entry, text: bytes, known: Known, names: tuple[str, ...] = ()) -> HunkAnswer:
    account = Account(
        kept=tuple(map(_note, entry.kept)),
        dropped=tuple(_note(f"{d.what} of {d.side} ({d.why})") for d in entry.dropped),
        elsewhere=tuple(map(_note, entry.elsewhere)),
        new_names=names,
    )
    return HunkAnswer(
        index=entry.id,
        text=text,
        rung=RUNG,
        rule=entry.action.value,
        why=_why(entry, account),
        confirmed=False,
        approval=approval(hunk, entry, text, known),
        account=account,
    )


def _why(entry: Entry, account: Account) -> str:
    parts: Mapping[str, str] = {
        "kept": "; ".join(account.kept),
        "dropped": "; ".join(account.dropped),
        "new names": ", ".join(account.new_names),
        "also needs": "; ".join(account.elsewhere),
    }
    notes = [_plain(entry.why) or "no reason given"]
    notes += [f"{name}: {said}" for name, said in parts.items() if said]
    return _short(" | ".join(notes), MAX_WHY)


def _note(text: str) -> str:
    return _short(_plain(text), _MOST)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _plain(text: str) -> str:
    """One line without anything a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _disagrees(entry: Entry, what: str) -> Problem:
    return Problem(flaw=Flaw.TEXT_DISAGREES, sentence=f"hunk {entry.id}: {what}", hunk=entry.id)
