"""Take a job's push back: a child job whose one stage puts the ref back, if nobody has gone on from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from flowforge.core.access import Operation, Principal, may
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job, State
from flowforge.git.push import DEADLINE
from flowforge.jobs.cancel import not_found
from flowforge.jobs.memory import answers_of
from flowforge.jobs.submit import Checked, Door, store
from flowforge.pipeline.undoing import PIPELINE, UNDO, Replaced, Undoing
from flowforge.store import jobs as table
from flowforge.store import stages
from flowforge.store.transaction import Row, Transaction

MARGIN = 5.0  # seconds beyond a push's own deadline, for killing it
_OPEN = {"intended", "unknown"}  # nobody knows what became of it
_LANDED = {"pushed", "already"}
_HEADS = "refs/heads/"


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What one job meant to push to one ref, and what may have landed of it."""

    ref: str
    replaced: Mapping[str, Replaced]  # by new commit
    wait: float  # seconds until none of these pushes can be under way any more


def undo(
    transaction: Transaction,
    principal: Principal,
    identity: UUID,
    door: Door,
    *,
    ref: str = "",
    idempotency_key: str = "",
) -> Job:
    """Submit the job that takes back what `identity` pushed; `ref` chooses where it pushed to several.

    Whether the remote still has that push is found out by the worker, at the moment that counts.

    Raises:
        Refused: not_allowed, not_found, conflict_of_state (the job has not ended, pushed nothing, or is undone or
            being undone already), invalid_request (several refs and none named, or another one).
    """
    if not may(principal, Operation.CONTROL):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not undo jobs",
            next_action="use a token with the scope control, or ask for the role user",
        )
    parent = table.lock(transaction, identity)  # two undos at once: one makes the child, the other sees it
    if parent is None:
        raise not_found(identity)
    chosen = _chosen(parent, pushed_refs(stages.pushed(transaction, parent.id)), ref)
    request = _request(parent, chosen.ref, idempotency_key)
    if not _again(transaction, principal, idempotency_key):
        _refuse_twice(transaction, parent, request.branch)
    child = store(transaction, principal, request, door, source=PIPELINE.source)
    if chosen.wait > 0 and child.attempts == 0:
        table.delay(transaction, child.id, chosen.wait)
    return child


def pushed_refs(rows: Sequence[Row]) -> Mapping[str, Pushed]:
    """What was pushed, or may have been, by ref. Rows as `store.stages.pushed` gives them.

    A push that was settled by the attempt that made it is over. Where attempts followed each other, or one is
    unsettled, a former owner may have been stopped in the middle: its deadline must have passed.
    """
    refs: dict[str, list[Row]] = {}
    for row in rows:
        refs.setdefault(row["ref"], []).append(row)
    return {ref: _pushed(ref, mine) for ref, mine in refs.items() if any(_may_stand(row) for row in mine)}


def undoing_of(transaction: Transaction, job: Job, fetch: Callable[[str, Path], object]) -> Undoing | None:
    """What an undo job takes back, as it stands now; None for any other job."""
    if job.trigger != UNDO or job.parent_job is None:
        return None
    ref = f"{_HEADS}{job.branch}"
    found = pushed_refs(stages.pushed(transaction, job.parent_job)).get(ref)
    return Undoing(
        job=str(job.parent_job),
        ref=ref,
        pushes=found.replaced if found else {},
        wait=found.wait if found else 0.0,
        fetch=fetch,
        answers=answers_of(transaction, job.parent_job),
    )


def _pushed(ref: str, rows: Sequence[Row]) -> Pushed:
    certain = len(rows) == 1 and rows[0]["outcome"] in _LANDED
    youngest = min(row["age"] for row in rows)
    return Pushed(
        ref=ref,
        replaced={row["new_sha"]: Replaced(old=row["old_sha"], bundle=row["bundle"]) for row in rows},
        wait=0.0 if certain else max(0.0, DEADLINE + MARGIN - youngest),
    )


def _may_stand(row: Row) -> bool:
    return row["outcome"] in _OPEN | _LANDED


def _chosen(parent: Job, refs: Mapping[str, Pushed], ref: str) -> Pushed:
    if not parent.final:
        raise _state(
            f"job {parent.id} is still {parent.state}",
            "wait until it has ended, or cancel it: then it pushes nothing",
        )
    if not refs and _has_pushed(parent):
        raise _state(
            f"what job {parent.id} pushed, and what stood there before, was forgotten after its time",
            "put the branch back by hand; the setting push_days says for how long it is kept",
        )
    if not refs:
        raise _state(f"job {parent.id} has pushed nothing", "nothing is left to undo")
    full = ref if not ref or ref.startswith("refs/") else f"{_HEADS}{ref}"
    if full in refs:
        return refs[full]
    if not ref and len(refs) == 1:
        return next(iter(refs.values()))
    names = ", ".join(repr(name.removeprefix(_HEADS)) for name in sorted(refs))
    said = (
        f"job {parent.id} has not pushed {ref!r}, but {names}" if ref else f"job {parent.id} pushed {names}"
    )
    raise Refused(Reason.INVALID_REQUEST, said, next_action="name the one to undo as `ref`")


def _has_pushed(job: Job) -> bool:
    """As far as its own row tells."""
    return job.ending is not None and job.ending.reason in {Reason.PUSHED, Reason.CANCEL_TOO_LATE}


def _request(parent: Job, ref: str, key: str) -> Checked:
    return Checked(
        repository=parent.repository,
        branch=ref.removeprefix(_HEADS),
        target=parent.target,
        task=UNDO,
        priority=parent.priority,
        trigger=UNDO,
        idempotency_key=key,
        parent_job=parent.id,
        max_attempts=max(parent.max_attempts, 3),
    )


def _again(transaction: Transaction, principal: Principal, key: str) -> bool:
    """Whether this very request may have been answered before; `store` tells."""
    return bool(key) and table.of_key(transaction, principal.organization, key) is not None


def _refuse_twice(transaction: Transaction, parent: Job, branch: str) -> None:
    for row in stages.undoings(transaction, parent.organization, parent.id, branch):
        state = State(row["state"])
        if state is State.SUCCESS:
            raise _state(f"job {row['id']} has undone job {parent.id} already", "nothing is left to undo")
        if state in {State.PENDING, State.QUEUED, State.RUNNING, State.WAITING}:
            raise _state(
                f"job {row['id']} is undoing job {parent.id}", f"follow it: flowforge job watch {row['id']}"
            )


def _state(sentence: str, next_action: str) -> Refused:
    return Refused(Reason.CONFLICT_OF_STATE, sentence, next_action=next_action)
