"""undo: put a ref back to what it was before a job's push, if the remote still has exactly what that job pushed.

The same protocol as push: the intent is durable before the remote is touched, the lease is exact, and an attempt
that finds the ref restored already has nothing left to do. The pushed commits are not lost: the remote keeps them for
a while, and the job that made them shows their ids.
"""

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.git.bundle import read_bundle
from flowforge.git.push import PushOutcome, push
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.undoing import UNDO, Replaced, Undoing

_GONE = {Reason.NOT_FOUND, Reason.INFRASTRUCTURE, Reason.INTERNAL_ERROR}  # no such bundle, or a damaged one


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    undoing = tools.undo
    result, work = _put_back(spec, undoing, work, tools)
    if undoing is not None:
        tools.memory.take_back(undoing.answers)
    return result, work


def _put_back(spec: StageSpec, undoing: Undoing | None, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    if undoing is None:
        raise Refused(
            Reason.PIPELINE_INVALID,
            "this job undoes no other",
            next_action="undo a job that has pushed: flowforge job undo JOB",
        )
    _await_deadline(undoing)
    tip = tools.mirror.ls_remote(undoing.ref)
    if tip not in undoing.pushes:
        return _not_there(spec.id, undoing, tip, tools), work
    before = undoing.pushes[tip]
    old = before.old.strip("0") and before.old
    if old:
        _bring(undoing, before, tools)
    if tools.recorder.push_intent(undoing.ref, tip, before.old):
        raise _moved(undoing, tip)  # it was undone, and somebody has brought it back since
    outcome = push(
        tools.mirror,
        ref=undoing.ref,
        old=tip,
        new=old,
        own=frozenset(filter(None, [old])),
        may_send=tools.recorder.may_push,
        place=UNDO,
    )
    tools.recorder.push_settled(undoing.ref, before.old, outcome.status)
    return told(spec.id, undoing, tip, before, outcome), work


def _await_deadline(undoing: Undoing) -> None:
    """A push that a former owner may still have under way must be over, or it would land after the undo."""
    if undoing.wait > 0:
        raise Temporary(
            Reason.BUSY,
            f"a push of job {undoing.job} may still be under way; the undo waits until it cannot be",
            delay=undoing.wait,
            next_action="nothing: the job goes on by itself",
        )


def _not_there(stage: str, undoing: Undoing, tip: str, tools: Tools) -> StageResult:
    """The remote has something else than the job pushed: what was there before, or a person's work."""
    meant = tools.recorder.own_shas(undoing.ref)
    olds = {replaced.old for replaced in undoing.pushes.values()}
    if (tip or _zeros(olds)) in olds:
        if meant:
            for sha in meant:
                tools.recorder.push_settled(undoing.ref, sha, "already")
            return _undone(stage, undoing, next(iter(undoing.pushes)), tip)
        return StageResult(
            stage=stage,
            result=Result.SUCCESS,
            reason=Reason.UP_TO_DATE,
            sentence=f"{_short(undoing)} is where it was before the push already; nothing was changed",
        )
    raise _moved(undoing, tip)


def _zeros(olds: set[str]) -> str:
    return next((old for old in olds if not old.strip("0")), "?")


def _bring(undoing: Undoing, before: Replaced, tools: Tools) -> None:
    """Have the old commits here: what the bundle builds on is reachable from what was pushed.

    Where there is no whole bundle (an older version kept none of its own accord), the remote may still have them: a
    commit that no branch leads to is kept there for a while, and most hosts give it to who knows its id.

    Raises:
        Refused: backup_missing.
    """
    tools.mirror.fetch_all([_short(undoing)])
    why = _unbundled(undoing, before, tools) if before.bundle else "no bundle of it was kept"
    if not why or tools.mirror.has(before.old) or tools.mirror.fetch_commit(before.old):
        return
    raise _gone(undoing, f"{why}, and the remote does not give it any more")


def _unbundled(undoing: Undoing, before: Replaced, tools: Tools) -> str:
    """Why the bundle does not bring the old tip, "" where it has."""
    bundle = tools.workspace / "before-push.bundle"
    try:
        undoing.fetch(before.bundle, bundle)
        tips = read_bundle(tools.mirror, bundle)
    except FlowForgeError as error:
        if error.reason not in _GONE or not isinstance(error, Refused | Broken):
            raise
        return error.sentence
    return "" if before.old in tips.values() else "its bundle holds another commit"


def told(stage: str, undoing: Undoing, tip: str, before: Replaced, outcome: PushOutcome) -> StageResult:
    """The outcome in words; an unknown one is asked again, never assumed."""
    match outcome.status:
        case "pushed" | "already":
            return _undone(stage, undoing, tip, outcome.tip)
        case "moved":
            raise _moved(undoing, outcome.tip)
        case "rejected":
            raise outcome.error or Refused(
                Reason.PUSH_REJECTED,
                f"the remote refused to take {_short(undoing)} back to {before.old[:10]}: {outcome.detail}",
                next_action="look at the remote's branch protection and hooks",
                evidence=outcome.detail,
            )
        case _:
            raise Temporary(
                Reason.REPOSITORY_UNREACHABLE,
                f"the remote did not say whether it took {_short(undoing)} back",
                delay=10,
                next_action="FlowForge asks the remote again by itself",
            )


def _undone(stage: str, undoing: Undoing, pushed: str, tip: str) -> StageResult:
    how = f"is back at {tip[:10]}" if tip else "is deleted again: there was none before the push"
    return StageResult(
        stage=stage,
        result=Result.SUCCESS,
        reason=Reason.UNDONE,
        sentence=f"{_short(undoing)} {how}; {pushed[:10]}, which job {undoing.job} had pushed, is not on it any more",
        outputs={"ref": undoing.ref, "old": pushed, "new": tip, "undoes": undoing.job},
    )


def _moved(undoing: Undoing, tip: str) -> Refused:
    where = f"is at {tip[:10]}" if tip else "is gone"
    return Refused(
        Reason.REMOTE_MOVED,
        f"{_short(undoing)} {where}, which job {undoing.job} did not push; nothing was changed",
        next_action="somebody has gone on from the push: take it back by hand, if it must be",
    )


def _gone(undoing: Undoing, why: str) -> Refused:
    return Refused(
        Reason.BACKUP_MISSING,
        f"what {_short(undoing)} was before the push cannot be had any more: {why}",
        next_action="reset the branch by hand; the job that pushed shows the old commit",
    )


def _short(undoing: Undoing) -> str:
    return undoing.ref.removeprefix("refs/heads/")
