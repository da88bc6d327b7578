"""Take back what was lost on the way: rings nobody heard, leases nobody renews, jobs that used up their attempts."""

from dataclasses import dataclass

from flowforge.core.job import Ending, Event, Job
from flowforge.jobs.decide import expire
from flowforge.jobs.ending import Next, exhausted, given_up, lease_expired
from flowforge.jobs.questions import end_of
from flowforge.jobs.run import move
from flowforge.jobs.tell import SILENT, Teller
from flowforge.store import decisions, schedule
from flowforge.store import jobs as table
from flowforge.store.database import Database
from flowforge.store.jobs import Pushes
from flowforge.store.scope import Actor, Scope

EVERY = 5.0  # seconds between sweeps
RING_LOST = 10.0  # seconds after which a ring that led to no claim is rung again
_MOST = 100  # jobs a sweep takes back in one transaction

RELAY = Actor(kind="relay")


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep took back."""

    rings: int = 0
    leases: int = 0
    dead: int = 0
    undecided: int = 0

    def __bool__(self) -> bool:
        return bool(self.rings or self.leases or self.dead or self.undecided)


def sweep(database: Database, *, ring_lost: float = RING_LOST, teller: Teller = SILENT) -> Swept:
    """Clear stale rings, hand back jobs whose lease ran out, and end those without attempts left.

    Any number of relays may sweep at once: each row is locked by one of them.

    Raises:
        Temporary: the database is away; nothing was changed.
    """
    with database.transaction(Scope.system(), actor=RELAY) as transaction:
        rings = schedule.clear_stale_rings(transaction, ring_lost)
        lapsed = schedule.expired(transaction, _MOST)
        for job in lapsed:
            move(transaction, job, after_silence(job, table.pushes(transaction, job.id)), teller)
        spent = schedule.exhausted(transaction, _MOST)
        for job in spent:
            decided = end_of(decisions.last(transaction, job.id))
            then = after_attempts(job, table.pushes(transaction, job.id), decided)
            move(transaction, job, then, teller)
        overdue = decisions.overdue(transaction, _MOST)
        for job in overdue:
            expire(transaction, job, teller)
        schedule.forget_workers(transaction)
    return Swept(rings=rings, leases=len(lapsed), dead=len(spent), undecided=len(overdue))


def after_silence(job: Job, pushes: Pushes) -> Next:
    """What becomes of a running job whose owner fell silent.

    A cancelled one ends here: its owner can write no intent any more. With a push that was meant, another worker
    must first ask the remote what became of it.
    """
    if job.cancel_requested and not pushes.pushed and not pushes.unsettled:
        return given_up(job.superseded_by)
    return Next(event=Event.HAND_BACK, ending=lease_expired(job.owner))


def after_attempts(job: Job, pushes: Pushes, decided: Ending | None = None) -> Next:
    """What becomes of a queued job that has no attempt left; what a person decided stands."""
    if decided is not None:
        return Next(event=Event.DEAD, ending=decided)
    if job.cancel_requested and not pushes.pushed and not pushes.unsettled:
        return given_up(job.superseded_by)
    return Next(event=Event.DEAD, ending=exhausted(job.attempts))
