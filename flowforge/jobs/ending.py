"""What becomes of a job whose pipeline has stopped, decided from facts. Nothing is written here.

The promises that are kept here: `cancelled` means that the remote was not and will not be changed by this job; an
outcome that is unknown is asked again and never assumed; only what may pass is tried again.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Event, Result, final_event
from flowforge.core.pipeline import WAITED
from flowforge.jobs.session import Stop

RETRIED = frozenset({Reason.MODEL_UNAVAILABLE, Reason.INFRASTRUCTURE})
RETRY_DELAY = 5.0  # seconds, where the stage named none
LONGEST_PAUSE = (
    600.0  # seconds between two looks at whether an outage is over, where the stage named no longer one
)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known when the pipeline has stopped; the last three are read under the job's row lock."""

    ending: Ending
    stop: Stop
    delay: float = 0.0  # seconds after which the last stage says a retry may help; 0 = it says nothing
    may_ask: bool = (
        False  # the pipeline stopped at a question that is kept; else a job that needs a person has ended
    )
    attempts_left: bool = True
    waited: float = 0.0  # seconds for which the job has waited for what passes by itself
    patience: float = 0.0  # seconds for which it may; then its attempts count
    cancel_requested: bool = False
    superseded_by: UUID | None = None  # the stop was asked for by a newer job of its group
    pushed: bool = False  # an intent of this job is known to have landed
    unsettled: bool = False  # an intent whose outcome nobody knows
    decided: Ending | None = (
        None  # how it ends, whatever came of this attempt: a person said no, or nobody anything
    )


@dataclass(frozen=True, kw_only=True)
class Next:
    """The move to make."""

    event: Event
    ending: Ending
    delay: float = 0.0  # seconds before a job that is handed back may run again
    give_back: bool = False  # this attempt does not count


def decide(facts: Facts) -> Next | None:
    """The next move, or None when this worker has nothing to say any more."""
    if facts.stop is Stop.LOST:
        return None
    if facts.stop is Stop.DRAINED:
        return Next(event=Event.HAND_BACK, ending=drained(), give_back=True)
    again = _again(facts)
    if again is not None:
        return again
    if facts.decided is not None or facts.cancel_requested:
        return _from_outside(facts)
    if facts.may_ask and not facts.unsettled and facts.ending.result is not Result.SUCCESS:
        return Next(event=Event.ASK, ending=asked(facts.ending))
    ending = _no_cancellation(facts.ending)  # nobody asked for one, so a stage was killed by something else
    return Next(event=final_event(ending.result), ending=ending)


def _again(facts: Facts) -> Next | None:
    """Hand back what may end otherwise next time."""
    ended_well = facts.ending.result in {Result.SUCCESS, Result.SKIP}
    if not ended_well and _waits(facts):
        return Next(event=Event.HAND_BACK, ending=facts.ending, delay=_pause(facts), give_back=True)
    if ended_well or not facts.attempts_left:
        return None
    knowable = facts.ending.reason is not Reason.REMOTE_MOVED  # what is there now no longer tells what was
    unknown = facts.unsettled and not facts.pushed and knowable
    passing = facts.ending.reason in RETRIED or facts.delay > 0
    if unknown or (passing and not facts.cancel_requested):
        return Next(event=Event.HAND_BACK, ending=facts.ending, delay=facts.delay or RETRY_DELAY)
    return None


def _waits(facts: Facts) -> bool:
    """Whether the job waits for something that is away, which is no fault of its own."""
    passing = facts.ending.reason in WAITED and facts.delay > 0
    # a batch has an end of its own
    patient = facts.waited < facts.patience or facts.ending.reason is Reason.BATCH_PENDING
    return passing and not facts.cancel_requested and patient


def _pause(facts: Facts) -> float:
    """Longer, the longer it has waited: a job that waits for an outage must not run for ever."""
    return max(facts.delay, RETRY_DELAY, min(LONGEST_PAUSE, facts.waited / 4))


def _from_outside(facts: Facts) -> Next:
    """The end that persons have asked for; a no that was said first stands."""
    if facts.decided is not None:
        return Next(event=Event.FAIL, ending=facts.decided)
    if facts.ending.result in {Result.SUCCESS, Result.SKIP}:
        if facts.superseded_by is not None:  # nobody asked for a cancel; the newer job runs after this one
            return Next(event=Event.SUCCEED, ending=facts.ending)
        late = "the cancel came too late: " + (
            "the branch had been pushed" if facts.pushed else "the job had come to its end"
        )
        ending = replace(facts.ending, reason=Reason.CANCEL_TOO_LATE, sentence=late)
        return Next(event=Event.SUCCEED, ending=ending)
    if facts.pushed or facts.unsettled:
        return Next(event=Event.FAIL, ending=_no_cancellation(facts.ending))
    return given_up(facts.superseded_by)


def _no_cancellation(ending: Ending) -> Ending:
    return replace(ending, result=Result.ERROR) if ending.result is Result.CANCELLATION else ending


def given_up(superseded_by: UUID | None) -> Next:
    """The end of a job that shall not go on and has changed nothing on the remote."""
    if superseded_by is None:
        return Next(event=Event.CANCEL, ending=cancelled())
    return Next(event=Event.SUPERSEDE, ending=superseded(superseded_by))


def superseded(newer: UUID) -> Ending:
    return Ending(
        result=Result.CANCELLATION,
        reason=Reason.SUPERSEDED,
        sentence=f"the newer job {newer} of its group took its place; it changed nothing on the remote",
        next_action=f"follow the newer job: flowforge job watch {newer}",
    )


def cancelled() -> Ending:
    return Ending(
        result=Result.CANCELLATION,
        reason=Reason.CANCELLED,
        sentence="the job was cancelled; it changed nothing on the remote",
        next_action="submit it again, or retry it, if it is wanted after all",
    )


def asked(ending: Ending) -> Ending:
    """What a waiting job says of itself, whichever stage asked."""
    return replace(
        ending,
        reason=Reason.DECISION_NEEDED,
        next_action="look at the question, then approve, edit or reject it: flowforge job show JOB",
    )


def rejected() -> Ending:
    return Ending(
        result=Result.FAILURE,
        reason=Reason.REJECTED,
        sentence="a person rejected what the job asked about; it pushed nothing more",
        next_action="change the branch and submit it again, or resolve it by hand; a retry asks once more",
    )


def unanswered() -> Ending:
    return Ending(
        result=Result.FAILURE,
        reason=Reason.DECISION_EXPIRED,
        sentence="nobody decided in time; it pushed nothing more",
        next_action="retry the job, and decide while it waits; the setting decision_hours says how long that is",
    )


def drained() -> Ending:
    return Ending(
        result=Result.CANCELLATION,
        reason=Reason.DRAINED,
        sentence="its worker is being stopped; another goes on from the last finished stage",
    )


def lease_expired(owner: str) -> Ending:
    return Ending(
        result=Result.ERROR,
        reason=Reason.LEASE_EXPIRED,
        sentence=f"worker {owner!r} stopped renewing its lease; another goes on from the last finished stage",
    )


def exhausted(attempts: int) -> Ending:
    return Ending(
        result=Result.ERROR,
        reason=Reason.ATTEMPTS_EXHAUSTED,
        sentence=f"{attempts} attempts ended without an answer: the job kills or loses its workers",
        next_action="read the log of the last attempt; retry the job once its cause is mended",
    )


def bug(error: BaseException) -> Ending:
    return Ending(
        result=Result.ERROR,
        reason=Reason.INTERNAL_ERROR,
        sentence=f"FlowForge itself failed: {type(error).__name__}",
        next_action="report it with the worker's log around this job's id",
    )
