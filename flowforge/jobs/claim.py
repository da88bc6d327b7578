"""Have a job: in Postgres or not at all. Whatever the doorbell said, this decides."""

from uuid import UUID

from flowforge.core.job import Job
from flowforge.jobs import measure
from flowforge.jobs.tell import SILENT, Teller
from flowforge.store import jobs as table
from flowforge.store import schedule, stages
from flowforge.store.database import Database
from flowforge.store.errors import Duplicate, once_more
from flowforge.store.scope import Actor, Scope

LEASE = 15.0  # seconds


def claim(
    database: Database, identity: UUID, owner: str, *, lease: float = LEASE, teller: Teller = SILENT
) -> Job | None:
    """Claim the job for `owner`; None when it is gone, held, not due, or another job writes its ref now.

    The attempt is counted here, before anything runs, so a job that kills its worker cannot do so forever.

    Raises:
        Temporary: the database is away; nothing was claimed, or the lease runs out by itself.
    """
    return once_more(lambda: _claimed(database, identity, owner, lease, teller))


def _claimed(database: Database, identity: UUID, owner: str, lease: float, teller: Teller) -> Job | None:
    try:
        with database.transaction(Scope.system(), actor=Actor(kind="worker")) as transaction:
            moved = table.claim(transaction, identity, owner, lease)
            if moved is None:
                schedule.unring(transaction, identity)  # if it is still queued, its slot is not taken by it
                return None
            stages.open_execution(
                transaction,
                organization=moved.job.organization,
                job=identity,
                attempt=moved.job.attempts,
                fence=moved.job.fence,
                worker=owner,
            )
            teller.moved(transaction, moved)
            transaction.after_commit(lambda: measure.claimed(teller.telemetry, moved.job, lease))
            return moved.job
    except Duplicate:  # two jobs of one ref in the same moment: the index let one of them through
        decline(database, identity)
        return None


def decline(database: Database, identity: UUID) -> None:
    """Let the relay ring for the job again as soon as it may run: this worker does not take it.

    Raises:
        Temporary: the database is away; the sweep does it later.
    """
    with database.transaction(Scope.system(), actor=Actor(kind="worker")) as transaction:
        schedule.unring(transaction, identity)
