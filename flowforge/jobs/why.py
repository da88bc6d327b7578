"""Why a job that has not ended is not running: one typed code, one sentence, and what would change it."""

from dataclasses import dataclass
from enum import StrEnum

from flowforge.core.job import Job, State
from flowforge.store.schedule import Standing, standing
from flowforge.store.transaction import Transaction

ALIVE = 15.0  # seconds since a worker's last beat within which it counts as alive


class WhyCode(StrEnum):
    NEW = "new"
    DECISION = "decision"
    DELAYED = "delayed"
    REF_BUSY = "ref_busy"
    NO_WORKER = "no_worker"
    POSITION = "position"
    STARTING = "starting"


@dataclass(frozen=True, kw_only=True)
class Why:
    code: WhyCode
    sentence: str
    changes: str  # what would change it


_NOTHING = "nothing is needed"
_STATES = {
    State.PENDING: Why(code=WhyCode.NEW, sentence="its pipeline is not read yet", changes=_NOTHING),
    State.WAITING: Why(
        code=WhyCode.DECISION, sentence="a person must decide", changes="approve or reject it, or cancel it"
    ),
}


def why(transaction: Transaction, job: Job) -> Why | None:
    """Why the job is not running; None when it is, or has ended."""
    if job.state is not State.QUEUED:
        return _STATES.get(job.state)
    stands = standing(transaction, job.id, ALIVE)
    return None if stands is None else explain(job, stands)


def explain(job: Job, stands: Standing) -> Why:
    """Of a queued job: the first of the reasons that holds, the most lasting one first."""
    if stands.delayed and job.run_after is not None:
        return Why(
            code=WhyCode.DELAYED,
            sentence=f"it is tried again at {job.run_after:%Y-%m-%d %H:%M:%S} UTC",
            changes="nothing is needed: the time will come",
        )
    if stands.writer is not None:
        return Why(
            code=WhyCode.REF_BUSY,
            sentence=f"job {stands.writer} is writing {job.branch!r}, and only one job may at a time",
            changes="it runs when that job has ended, or is cancelled",
        )
    if stands.slots == 0:
        return Why(
            code=WhyCode.NO_WORKER,
            sentence="no worker is alive",
            changes="start one: flowforge serve worker",
        )
    if stands.rung:
        return Why(code=WhyCode.STARTING, sentence="a worker was called for it", changes=_NOTHING)
    jobs = "1 job comes" if stands.ahead == 1 else f"{stands.ahead} jobs come"
    return Why(
        code=WhyCode.POSITION,
        sentence=f"{jobs} before it in your organization; {stands.slots} can run at a time",
        changes="more workers, or a higher priority",
    )
