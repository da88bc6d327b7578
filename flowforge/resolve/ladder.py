"""The ladder: rungs from cheap and certain to dear and doubtful, climbed for each conflict.

Pure: a rung is a function handed in, and what may act on its own is the policy's word. Each rung sees the
conflict with the hunks that lower rungs answered already folded in, so answers of different rungs fit each
other; an answer for the whole path stands instead of all of them. A rung that fails is noted and passed; a conflict that is left open says what every rung said.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

from flowforge.core.account import NO_ACCOUNT, Account
from flowforge.core.conflict import (
    Abstain,
    Candidate,
    Conflict,
    Hunk,
    HunkAnswer,
    Resolution,
    Segment,
    Side,
    Unresolved,
    WholeAnswer,
    misfit,
    resolve_whole,
    resolve_with,
)
from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.resolve.policy import Action, Paths, Policy
from flowforge.resolve.sentences import hand_back

_Answer = TypeVar("_Answer", HunkAnswer, WholeAnswer)


class Need(StrEnum):
    """What a rung needs of a conflict before it is worth asking."""

    ALL_SIDES = "all_sides"  # a base text too: not a file that both sides added


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One step: its word in pipelines, the rule or resolver behind it, and the function.

    `ask` may raise the errors of the house (a timeout of the pool, a broken plugin) or anything else; the
    ladder notes it and goes on. It must answer with indexes of the conflict it was handed, or for its whole path.
    """

    name: str  # memory, mechanical, lockfile, document, structural, model, or a plugin's word
    resolver: str  # which resolver of that rung, for notes
    ask: Callable[[Conflict], Candidate | Abstain]
    covers: Callable[[str], bool] = lambda _path: True  # by path
    needs: frozenset[Need] = frozenset()
    whole: bool = False  # asked about conflicts without hunks too
    hunks: bool = True  # asked about conflicts with hunks

    def fits(self, conflict: Conflict) -> bool:
        return self.covers(conflict.path) and (self.hunks if conflict.resolvable else self.whole)


@dataclass(frozen=True, kw_only=True)
class Note:
    """What one resolver said about one conflict, for reports and metrics."""

    path: str
    rung: str
    resolver: str
    outcome: str  # answered | partly | abstained | failed | off
    why: str  # typed word: the abstention's, or the error's reason
    sentence: str
    account: Account = NO_ACCOUNT


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the ladder made of the conflicts of one commit.

    A resolution with an answer that is not `confirmed` is a proposal: tests must pass, or a person agree,
    before it may be pushed. Paths in `approve` need a person whatever the tests say.
    """

    resolutions: tuple[Resolution, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    approve: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def proposals(self) -> tuple[Resolution, ...]:
        return tuple(r for r in self.resolutions if any(not answer.confirmed for answer in r.given))


@dataclass(kw_only=True)
class _Climb:
    """One conflict on its way up."""

    conflict: Conflict
    open: Conflict
    answers: list[HunkAnswer] = field(default_factory=list)
    whole: WholeAnswer | None = None
    notes: list[Note] = field(default_factory=list)

    @property
    def resolution(self) -> Resolution | None:
        if self.whole is not None:
            return resolve_whole(self.conflict, self.whole)
        if self.open.hunks or not self.answers:
            return None
        return resolve_with(self.conflict, self.answers)

    def note(self, rung: Rung, outcome: str, why: str, sentence: str, account: Account = NO_ACCOUNT) -> None:
        self.notes.append(
            Note(
                path=self.conflict.path,
                rung=rung.name,
                resolver=rung.resolver,
                outcome=outcome,
                why=why,
                sentence=sentence,
                account=account,
            )
        )


def climb(conflicts: Sequence[Conflict], rungs: Sequence[Rung], policy: Policy) -> Answers:
    """Answer what the rungs can and the policy allows; hand back the rest, each with a plain sentence.

    Raises:
        FlowForgeError: `cancelled` or `lease_lost` from a rung: the job is over.
        Temporary: an outage that a rung met (a model's, the pool's); the job waits for its end.
    """
    resolutions: list[Resolution] = []
    unresolved: list[Unresolved] = []
    notes: list[Note] = []
    for conflict in conflicts:
        sentence = _refusal(conflict, policy.paths)
        if sentence:
            unresolved.append(Unresolved(conflict=conflict, sentence=sentence))
            continue
        climbed = _climb(conflict, rungs, policy)
        notes.extend(climbed.notes)
        resolution = climbed.resolution
        if resolution is None:
            unresolved.append(_unresolved(climbed))
        else:
            resolutions.append(resolution)
    return Answers(
        resolutions=tuple(resolutions),
        unresolved=tuple(unresolved),
        approve=tuple(r.conflict.path for r in resolutions if _needs_a_yes(r, policy.paths)),
        notes=tuple(notes),
    )


def _needs_a_yes(resolution: Resolution, paths: Paths) -> bool:
    """A path that the pipeline wants to be asked about, or an answer that wants a person itself."""
    asked = any(map(paths.asks, resolution.conflict.paths))
    return asked or any(answer.approval for answer in resolution.given)


def _refusal(conflict: Conflict, paths: Paths) -> str:
    """Why no rung may be asked at all; "" when they may. Of a rename, no name may be forbidden."""
    forbidden = next((why for path in conflict.paths if (why := paths.forbids(path))), "")
    if not forbidden or conflict.resolvable:
        return forbidden
    return f"{hand_back(conflict)}; {forbidden}"


def _climb(conflict: Conflict, rungs: Sequence[Rung], policy: Policy) -> _Climb:
    state = _Climb(conflict=conflict, open=conflict)
    for rung in rungs:
        if state.resolution is not None:
            break
        if not rung.fits(conflict):
            continue
        if Need.ALL_SIDES in rung.needs and conflict.base is None:
            state.note(rung, "abstained", "no_base", "both sides added this file, so there is no base text")
            continue
        _step(state, rung, policy)
    return state


def _step(state: _Climb, rung: Rung, policy: Policy) -> None:
    try:
        said = rung.ask(state.open)
    except Exception as error:
        if _ends_the_climb(error):
            raise
        state.note(rung, "failed", _reason(error), f"{rung.resolver} failed: {_sentence(error)}")
        return
    if isinstance(said, Abstain):
        state.note(rung, "abstained", said.why, said.sentence, said.account)
        return
    problem = _misfit(state.open, said)
    if problem:
        state.note(rung, "failed", Reason.PLUGIN_FAILED, f"{rung.resolver} {problem}")
        return
    _take(state, rung, said, policy)


def _ends_the_climb(error: Exception) -> bool:
    """The job is over, or an outage will pass: a job that waits for it beats one handed back because of it."""
    over = isinstance(error, FlowForgeError) and error.reason in {Reason.CANCELLED, Reason.LEASE_LOST}
    return over or isinstance(error, Temporary)


def _take(state: _Climb, rung: Rung, said: Candidate, policy: Policy) -> None:
    if said.whole is not None:
        _take_whole(state, rung, said.whole, policy)
        return
    allowed = [_judged(answer, policy, state.conflict) for answer in said.answers]
    taken = [_ended(state.conflict, answer) for answer in allowed if answer is not None]
    if not taken:
        _off(state, rung, sorted({answer.rule for answer in said.answers}), policy)
        return
    state.answers.extend(taken)
    state.open = fold(state.open, taken)
    left = len(state.open.hunks)
    outcome = "partly" if left else "answered"
    state.note(rung, outcome, "", f"answered {len(taken)} of {len(taken) + left} open hunks: {taken[0].why}")
    for one in said.left:
        state.note(rung, "abstained", one.why, one.sentence, one.account)


def _take_whole(state: _Climb, rung: Rung, answer: WholeAnswer, policy: Policy) -> None:
    state.whole = _judged(answer, policy, state.conflict)
    if state.whole is None:
        _off(state, rung, [answer.rule], policy)
    else:
        state.note(rung, "answered", "", f"answered the whole path: {answer.why}")


def _off(state: _Climb, rung: Rung, rules: Sequence[str], policy: Policy) -> None:
    named = ", ".join(_with_record(policy, rung, rule, state.conflict) for rule in rules)
    state.note(rung, "off", "off", f"an answer by {named or rung.name} was found but is switched off here")


def _with_record(policy: Policy, rung: Rung, rule: str, conflict: Conflict) -> str:
    known = policy.standing(rung.name, rule, conflict.path, whole=not conflict.resolvable)
    return f"{rule} ({known.record})" if known is not None else rule


def _judged(answer: _Answer, policy: Policy, conflict: Conflict) -> _Answer | None:
    path, whole = conflict.path, not conflict.resolvable
    action = policy.action(answer.rung, answer.rule, path, whole=whole)
    if action is Action.OFF:
        return None
    acts = answer.confirmed and action is Action.ACT
    known = policy.standing(answer.rung, answer.rule, path, whole=whole)
    why = f"{answer.why}; {known.sentence(answer.rung, acts=acts)}" if known is not None else answer.why
    return replace(answer, confirmed=acts, why=why)


def _ended(conflict: Conflict, answer: HunkAnswer) -> HunkAnswer:
    """Git ends every hunk with a line end, also at the end of a file that has none: take it away again there.

    Whether the result has a final line end is decided by three ways, like anything else.
    """
    *_, last, rest = conflict.segments
    if rest or not isinstance(last, Hunk) or last.index != answer.index:
        return answer
    base, upstream, commit = (_ends_a_line(conflict.text(side)) for side in Side)
    wanted = commit if base == upstream else upstream
    return (
        answer if wanted or not answer.text.endswith(b"\n") else replace(answer, text=_chomped(answer.text))
    )


def _ends_a_line(text: bytes | None) -> bool:
    return not text or text.endswith(b"\n")


def _chomped(text: bytes) -> bytes:
    return text[:-2] if text.endswith(b"\r\n") else text[:-1]


def fold(conflict: Conflict, answers: Sequence[HunkAnswer]) -> Conflict:
    """The same conflict with these hunks answered: their texts become bytes between the hunks left.

    Hunks keep their index, so answers to the folded conflict are answers to the whole one.
    """
    texts = {answer.index: answer.text for answer in answers}
    segments: list[Segment] = [b""]
    for segment in conflict.segments:
        plain = texts.get(segment.index) if isinstance(segment, Hunk) else segment
        if isinstance(segment, Hunk) and plain is None:
            segments += [segment, b""]
        else:
            segments[-1] = _plain(segments[-1]) + (plain if isinstance(plain, bytes) else b"")
    return replace(conflict, segments=tuple(segments))


def _plain(segment: Segment) -> bytes:
    return segment if isinstance(segment, bytes) else b""


def _misfit(conflict: Conflict, said: object) -> str:
    """What is wrong with an answer's shape; a plugin may return anything."""
    if not isinstance(said, Candidate):
        return f"answered {type(said).__name__}, not Candidate or Abstain"
    if said.whole is not None:
        return misfit(conflict, said.whole) if not said.answers else "answered hunks and the whole path"
    indexes = [answer.index for answer in said.answers]
    if not indexes:
        return "offered no answer and did not abstain"
    open_ = {hunk.index for hunk in conflict.hunks}
    if len(set(indexes)) != len(indexes) or not open_.issuperset(indexes):
        return f"answered hunks {indexes}, open are {sorted(open_)}"
    return ""


def _unresolved(state: _Climb) -> Unresolved:
    if not state.conflict.resolvable:
        return Unresolved(
            conflict=state.conflict, sentence=hand_back(state.conflict), tried=_tried(state.notes)
        )
    total, left = len(state.conflict.hunks), len(state.open.hunks)
    where = ", ".join(str(hunk.line) for hunk in state.open.hunks[:5])
    part = f"{left} of {total} places" if total > 1 else "its one place"
    sentence = (
        f"{state.conflict.path!r} was changed on both sides and no rung could answer {part}"
        f" (from line {where} of git's merged text): a person must decide{_refused(state.notes)}"
    )
    return Unresolved(
        conflict=state.conflict,
        sentence=sentence,
        tried=_tried(state.notes),
        reasons={note.rung: note.why for note in state.notes if note.why},
        accounts={note.rung: note.account for note in state.notes if not note.account.empty},
        answers=tuple(state.answers),
    )


def _refused(notes: Sequence[Note]) -> str:
    """What was wrong with the answer that came last, where one was given and not accepted."""
    last = next((note for note in reversed(notes) if note.outcome != "answered"), None)
    return f"; {last.sentence}" if last is not None and last.account.findings else ""


def _tried(notes: Sequence[Note]) -> Mapping[str, str]:
    tried: dict[str, list[str]] = {}
    for note in notes:
        tried.setdefault(note.rung, []).append(note.sentence)
    return {rung: "; ".join(dict.fromkeys(sentences)) for rung, sentences in tried.items()}


def _reason(error: Exception) -> str:
    return error.reason.value if isinstance(error, FlowForgeError) else Reason.PLUGIN_FAILED.value


def _sentence(error: Exception) -> str:
    return error.sentence if isinstance(error, FlowForgeError) else f"{type(error).__name__}: {error}"
