"""Start the jobs of schedules whose time has come: each time once, however many relays run.

A time is one transaction: the schedule's row is locked, past other relays; its job is stored with a key made of the
schedule and the time; the next time is written. Who dies in between has done nothing. Times that were missed, by a
relay that was away, are made up for once, not as often as they were missed.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from flowforge.core.access import Principal
from flowforge.core.errors import FlowForgeError, Reason, Refused, Temporary
from flowforge.core.failpoint import failpoint
from flowforge.core.job import State
from flowforge.jobs.cron import next_due
from flowforge.jobs.schedules import request_of
from flowforge.jobs.submit import Door, submit
from flowforge.jobs.sweep import RELAY
from flowforge.store import schedules as table
from flowforge.store.database import Database
from flowforge.store.schedules import Due
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction

MOST = 50  # times acted on before the relay rings again
LOOK = 30.0  # seconds after which to look again although no minute has begun: clocks are set, rows are written by hand

_WAITS = frozenset({State.PENDING, State.QUEUED})

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a time: a job, or why there is none."""

    job: UUID | None = None
    reason: str = ""
    sentence: str = ""


@dataclass(kw_only=True)
class Starter:
    """Looks when a minute begins, as no schedule can be due before; between two looks it costs nothing."""

    database: Database  # of role ff_system
    door: Door
    most: int = MOST
    clock: Callable[[], float] = time.monotonic
    _next_look: float = field(default=float("-inf"))

    def __call__(self) -> int:
        """Act on the times that have come, at most `most`; returns how many.

        Raises:
            Temporary: the database is away; what was not done is still due.
        """
        if self.clock() < self._next_look:
            return 0
        for acted in range(self.most):
            pause = start_next(self.database, self.door)
            if pause is not None:
                self._next_look = self.clock() + min(pause, LOOK)
                return acted
        return self.most


def start_next(database: Database, door: Door) -> float | None:
    """Act on the time that is due for the longest; where none is, return the seconds until one can be.

    Raises:
        Temporary: the database is away; nothing was changed.
    """
    due: Due | None = None
    try:
        with database.transaction(Scope.system(), actor=RELAY) as transaction:
            due = table.take_due(transaction)
            if due is None:
                return table.seconds_to_the_minute(transaction)
            outcome = start(transaction, due, door)
            _note(transaction, due, outcome)
            failpoint("schedule.noted")
    except Temporary:
        raise
    except FlowForgeError as error:
        _give_up(database, due, error, Outcome(reason=error.reason, sentence=error.sentence))
    except Exception as error:
        log.exception("schedule %s: a bug in its start", due and due.schedule.id)
        sentence = f"FlowForge itself failed: {type(error).__name__}"
        _give_up(database, due, error, Outcome(reason=Reason.INTERNAL_ERROR, sentence=sentence))
    return None


def start(transaction: Transaction, due: Due, door: Door) -> Outcome:
    """Submit the job of one time, unless the one before it still waits: that one will do the same work."""
    schedule = due.schedule
    if due.last_state in _WAITS:
        return Outcome(
            reason=Reason.CONFLICT_OF_STATE,
            sentence=f"job {schedule.last_job} of an earlier time has not begun yet; it does this one's work too",
        )
    if not due.present:
        return Outcome(
            reason=Reason.NOT_ALLOWED,
            sentence="the user in whose name it acts is switched off; whoever changes the schedule takes it over",
        )
    principal = Principal(organization=schedule.organization, user=schedule.user_id, role=due.role)
    request = request_of(schedule, key_of(schedule.id, due.due))
    try:
        with transaction.savepoint():
            return Outcome(job=submit(transaction, principal, request, door).id)
    except Refused as error:
        return Outcome(
            reason=error.reason, sentence=f"{error.sentence}; {error.next_action}".removesuffix("; ")
        )


def key_of(schedule: UUID, due: datetime) -> str:
    """The idempotency key of a time."""
    return f"schedule:{schedule}:{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _note(transaction: Transaction, due: Due, outcome: Outcome) -> None:
    schedule, next_at = due.schedule, None
    try:
        next_at = next_due(schedule.cron, schedule.timezone, due.now)
    except (
        Refused
    ) as error:  # a zone that this machine does not know: nothing to wait for until somebody changes it
        outcome = Outcome(job=outcome.job, reason=error.reason, sentence=error.sentence)
    table.acted(transaction, due, next_at, job=outcome.job, reason=outcome.reason, error=outcome.sentence)
    if outcome.reason:
        log.info("schedule %s: %s", schedule.id, outcome.sentence)


def _give_up(database: Database, due: Due | None, error: Exception, outcome: Outcome) -> None:
    """One schedule's trouble is not that of the others: note it, and let its next time come."""
    if due is None:
        raise error
    with database.transaction(Scope.system(), actor=RELAY) as transaction:
        _note(transaction, due, outcome)
