"""Why a job that has not ended is not running: one typed code, one sentence, what would change it, and about when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from flowforge.core.decision import QuestionKind
from flowforge.core.errors import Reason
from flowforge.core.job import Job, State
from flowforge.jobs import pause
from flowforge.store import decisions, pauses, queue
from flowforge.store.pauses import Pause
from flowforge.store.queue import Before, Standing
from flowforge.store.transaction import Row, Transaction

ALIVE = 15.0  # seconds since a worker's last beat within which it counts as alive
CAP = 50  # jobs of one organization that run at a time, unless it or the settings say otherwise


class WhyCode(StrEnum):
    NEW = "new"  # its pipeline is not read yet
    DECISION = "decision"  # a person must decide
    PAUSED = "paused"  # a person stopped its organization, repository or target
    BUDGET = "budget"  # no money is left for it
    DELAYED = "delayed"  # its time has not come
    REF_BUSY = "ref_busy"  # another job writes its branch first
    GROUP_BUSY = "group_busy"  # another job of its concurrency group comes first
    NO_WORKER = "no_worker"  # nobody is there to run it
    STARTING = "starting"  # a worker was called for it
    CAPPED = "capped"  # its organization has all slots that it may have
    LEASE_LOST = "lease_lost"  # its worker fell silent
    POSITION = "position"  # others come before it


@dataclass(frozen=True, kw_only=True)
class Why:
    code: WhyCode
    sentence: str
    changes: str  # what would change it
    estimated_start: datetime | None = None  # None where the repository has no history, or a person must act


_NOTHING = "nothing is needed"
_STATES = {
    State.PENDING: Why(code=WhyCode.NEW, sentence="its pipeline is not read yet", changes=_NOTHING),
    State.WAITING: Why(
        code=WhyCode.DECISION, sentence="a person must decide", changes="decide what it asks, or cancel it"
    ),
}
_ENDS = {
    Reason.REJECTED.value: "a person rejected it",
    Reason.DECISION_EXPIRED.value: "nobody decided in time",
}
_OPEN = frozenset({State.QUEUED, State.RUNNING})


def why(transaction: Transaction, job: Job, *, alive: float = ALIVE, cap: int = CAP) -> Why | None:
    """Why the job is not running; None when it is, or has ended."""
    return whys(transaction, [job], alive=alive, cap=cap).get(job.id)


def whys(
    transaction: Transaction, jobs: Sequence[Job], *, alive: float = ALIVE, cap: int = CAP
) -> Mapping[UUID, Why]:
    """Those of the jobs that are open and not running, with why. One question for all of them.

    They are of one organization, and those that are queued follow one another in the order of their turns.
    """
    found = {job.id: _STATES[job.state] for job in jobs if job.state in _STATES}
    waiting = [job.id for job in jobs if job.state is State.WAITING]
    if waiting:
        found |= {row["job"]: asking(row) for row in decisions.open_of(transaction, waiting)}
    asked = [job.id for job in jobs if job.state in _OPEN]
    stands = queue.standings(transaction, jobs[0].organization, asked, alive=alive, cap=cap) if asked else {}
    known = (
        {one.id: one for one in pauses.all_of(transaction)} if any(s.pause for s in stands.values()) else {}
    )
    for job in jobs:
        standing = stands.get(job.id)
        told = (
            explain(job, standing, known.get(standing.pause) if standing.pause else None)
            if standing
            else None
        )
        if told is not None:
            found[job.id] = told
    return found


def asking(row: Row) -> Why:
    """Of a waiting job, by its open question: what a person must do, and what happens if nobody does."""
    writes = row["kind"] == QuestionKind.RESOLVE
    must, way = ("write what no rung could answer", "edit") if writes else ("approve it", "approve")
    return Why(
        code=WhyCode.DECISION,
        sentence=f"a person must {must}, by {row['expires_at']:%Y-%m-%d %H:%M} UTC; undecided it ends then",
        changes=f"{way} or reject it, as its question says (flowforge job show {row['job']}), or cancel it",
    )


def explain(job: Job, stands: Standing, paused: Pause | None = None) -> Why | None:
    """Of an open job: the first of the reasons that holds, the most lasting one first; None when it runs."""
    if job.state is State.RUNNING:
        return _silent(job) if stands.lost else None
    told = _held(job, stands, paused) or _behind(job, stands, paused) or _called(job, stands, paused)
    return _decided(told or _in_line(job, stands), stands)


def _decided(told: Why, stands: Standing) -> Why:
    """Of a job whose end is decided already, that only the rest of it is waited for."""
    how = _ENDS.get(stands.reason or "")
    return (
        replace(told, sentence=f"{how}, and its `finally` stages are left: {told.sentence}") if how else told
    )


def _silent(job: Job) -> Why:
    return Why(
        code=WhyCode.LEASE_LOST,
        sentence=f"its worker {job.owner!r} has stopped renewing its lease",
        changes="nothing is needed: another worker goes on within seconds",
    )


def _held(job: Job, stands: Standing, paused: Pause | None) -> Why | None:
    """What only a person or the time ends."""
    if paused is not None:
        return Why(
            code=WhyCode.PAUSED,
            sentence=pause.sentence(paused),
            changes=pause.resumed(paused),
        )
    if stands.reason == Reason.BUDGET_EXHAUSTED:
        return Why(
            code=WhyCode.BUDGET,
            sentence="the budget for the model is exhausted",
            changes="a higher budget, or the next period",
            estimated_start=job.run_after,
        )
    if stands.delayed and job.run_after is not None:
        return Why(
            code=WhyCode.DELAYED,
            sentence=f"it is not to run before {job.run_after:%Y-%m-%d %H:%M:%S} UTC",
            changes="nothing is needed: the time will come",
            estimated_start=job.run_after,
        )
    return None


def _behind(job: Job, stands: Standing, _paused: Pause | None) -> Why | None:
    """Another job that must end, or have its turn, first."""
    if stands.ref is not None:
        verb = "is writing" if stands.ref.running else "comes first and writes"
        return Why(
            code=WhyCode.REF_BUSY,
            sentence=f"job {stands.ref.job} {verb} {job.branch!r}, and only one job may at a time",
            changes="it runs when that job has ended, or is cancelled",
            estimated_start=after(stands.ref, stands.median, stands.now),
        )
    if stands.group is not None:
        verb = "runs" if stands.group.running else "comes first"
        return Why(
            code=WhyCode.GROUP_BUSY,
            sentence=f"job {stands.group.job} {verb} in its concurrency group {job.concurrency_group!r}",
            changes="it runs when that job has ended, or is cancelled",
            estimated_start=after(stands.group, stands.median, stands.now),
        )
    return None


def _called(_job: Job, stands: Standing, _paused: Pause | None) -> Why | None:
    if stands.slots == 0:
        return Why(
            code=WhyCode.NO_WORKER, sentence="no worker is alive", changes="start one: flowforge serve worker"
        )
    if stands.rung:
        return Why(
            code=WhyCode.STARTING,
            sentence="a worker was called for it",
            changes=_NOTHING,
            estimated_start=stands.now,
        )
    return None


def _in_line(_job: Job, stands: Standing) -> Why:
    """Nothing but others of its organization stands before it."""
    jobs = "1 job comes" if stands.ahead == 1 else f"{stands.ahead} jobs come"
    place = f"{jobs} before it" if stands.ahead else "it comes next"
    told = Why(
        code=WhyCode.POSITION,
        sentence=f"{place} in your organization; {stands.slots} can run at a time",
        changes="more workers, or a higher priority" if stands.ahead else "it runs when a slot is free",
        estimated_start=in_turn(stands),
    )
    if stands.taken >= stands.cap:
        cap = f"your organization has {stands.taken} jobs at work, and may have {stands.cap} at a time"
        return replace(
            told,
            code=WhyCode.CAPPED,
            sentence=f"{cap}; {place.replace('job comes', 'job waits').replace('jobs come', 'jobs wait')}",
            changes="it runs when some of those have ended; an operator can raise the cap",
        )
    if stands.reason == Reason.LEASE_EXPIRED:
        return replace(
            told,
            code=WhyCode.LEASE_LOST,
            sentence=f"its worker fell silent; {place}",
            changes="nothing is needed: another worker goes on from the last finished stage",
        )
    return told


def after(before: Before, median: timedelta | None, now: datetime) -> datetime | None:
    """When a line of jobs that run one after another has come to its end: each takes as long as its like did."""
    if median is None:
        return None
    starts = before.started_at + median if before.running and before.started_at is not None else now
    return max(now, starts) + before.queued * median


def in_turn(stands: Standing) -> datetime | None:
    """When a slot is free for the job, if slots come free as often as jobs of its repository used to end."""
    usable = min(stands.slots, stands.cap)
    if stands.median is None or usable <= 0:
        return None
    late = stands.ahead - max(0, usable - stands.taken)
    return stands.now if late < 0 else stands.now + (late + 1) * stands.median / usable
