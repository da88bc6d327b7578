"""Cancel a job. The job's row lock orders it against the intent to push: whoever holds the row first has won."""

from uuid import UUID

from flowforge.core.access import Operation, Principal, may
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Event, Job, State
from flowforge.jobs.ending import Next, cancelled, rejected
from flowforge.jobs.questions import end_of
from flowforge.jobs.run import move
from flowforge.jobs.tell import SILENT, Teller
from flowforge.store import decisions
from flowforge.store import jobs as table
from flowforge.store.transaction import Transaction


def cancel(transaction: Transaction, principal: Principal, identity: UUID, teller: Teller = SILENT) -> Job:
    """Cancel at once what has no worker; ask the worker of what has one. Cancelling twice changes nothing more.

    No stage runs after a cancel of what has no worker, `finally` neither: it must hold where no worker is alive. A
    job that was rejected, or that nobody decided on in time, keeps that end. One whose push is meant, made or unknown goes on to its end: it is then `success` with `cancel_too_late`,
    or, where the remote was not changed after all, cancelled.

    Returns:
        the job: cancelled, or with `cancel_requested`.

    Raises:
        Refused: not_allowed, not_found, conflict_of_state (it has ended otherwise).
    """
    if not may(principal, Operation.CONTROL):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not cancel jobs",
            next_action="use a token with the scope control, or ask for the role user",
        )
    job = table.lock(transaction, identity)
    if job is None:
        raise not_found(identity)
    if job.state is State.CANCELLED:
        return job
    if job.final:
        raise Refused(
            Reason.CONFLICT_OF_STATE,
            f"job {identity} cannot be cancelled: it has ended as {job.state}",
            next_action="nothing is left to stop",
        )
    return _cancel_open(transaction, job, teller)


def not_found(identity: UUID) -> Refused:
    return Refused(
        Reason.NOT_FOUND, f"there is no job {identity}", next_action="list yours: flowforge job list"
    )


def _cancel_open(transaction: Transaction, job: Job, teller: Teller) -> Job:
    decided = end_of(decisions.last(transaction, job.id))
    if decided is not None and job.state is State.QUEUED:  # only its `finally` was left, and need not run
        moved = move(transaction, job, Next(event=Event.DEAD, ending=decided), teller)
        return job if moved is None else moved.job
    pushes = table.pushes(transaction, job.id)
    if job.state is not State.RUNNING and not pushes.pushed and not pushes.unsettled:
        moved = table.end(transaction, job, State.CANCELLED, cancelled())
        if moved is not None:
            teller.moved(transaction, moved)
            return moved.job
    if job.state is State.WAITING:  # an earlier stage has pushed, so it cannot end as cancelled
        moved = move(transaction, job, Next(event=Event.EXPIRE, ending=rejected()), teller)
        return job if moved is None else moved.job
    seq = table.request_cancel(transaction, job.id)
    if seq is not None:
        teller.news(transaction, job.id, seq)
    return table.get(transaction, job.id) or job
