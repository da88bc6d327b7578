"""The statements over `schedules`: kept by an organization, taken by whichever relay comes first."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from flowforge.core.access import Role
from flowforge.core.job import State
from flowforge.store.transaction import Row, Transaction

_ADD = """
INSERT INTO schedules (id, organization, user_id, repository, name, branch, target, task, cron, timezone, priority,
                       environment, max_attempts, next_at)
VALUES (%(id)s, %(organization)s, %(user)s, %(repository)s, %(name)s, %(branch)s, %(target)s, %(task)s, %(cron)s,
        %(timezone)s, %(priority)s, %(environment)s, %(max_attempts)s, %(next_at)s)
RETURNING *
"""

_ONE = "SELECT * FROM schedules WHERE id = %(id)s"

_LOCKED = "SELECT * FROM schedules WHERE id = %(id)s FOR UPDATE"

_LIST = """
-- A page by name, of all repositories or of one.
SELECT * FROM schedules
WHERE name > %(after)s AND (%(repository)s::uuid IS NULL OR repository = %(repository)s)
  AND (%(name)s::text IS NULL OR name = %(name)s)
ORDER BY name LIMIT %(limit)s
"""

_CHANGE = """
-- All that may be changed, as it shall be from now on. Old trouble is not trouble of the new form.
UPDATE schedules SET user_id = %(user)s, name = %(name)s, branch = %(branch)s, target = %(target)s, task = %(task)s,
       cron = %(cron)s, timezone = %(timezone)s, priority = %(priority)s, environment = %(environment)s,
       max_attempts = %(max_attempts)s, is_active = %(is_active)s, next_at = %(next_at)s, last_reason = '',
       last_error = '', updated_at = now()
WHERE id = %(id)s RETURNING *
"""

_REMOVE = "DELETE FROM schedules WHERE id = %(id)s"

_TAKE = """
-- The schedule that is due for the longest, locked: no other relay sees it until its next time is set.
SELECT s.*, now() AS now, u.role, u.is_active AS present, j.state AS last_state
FROM schedules s JOIN users u ON u.id = s.user_id LEFT JOIN jobs j ON j.id = s.last_job
WHERE s.next_at <= now() ORDER BY s.next_at, s.id LIMIT 1 FOR UPDATE OF s SKIP LOCKED
"""

_ACTED = """
-- Its time was acted on: with a job, or with a reason why there is none.
UPDATE schedules SET next_at = %(next_at)s, last_due_at = %(due)s, last_job = coalesce(%(job)s, last_job),
       last_reason = %(reason)s, last_error = %(error)s
WHERE id = %(id)s AND next_at = %(due)s
"""

_PAUSE = """
-- Seconds from this transaction's time, at which nothing was due, to the next full minute, when something can be.
SELECT 60 - extract(second FROM now())::float8
"""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One row; times are aware, UTC, from Postgres."""

    id: UUID
    organization: UUID
    user_id: UUID
    repository: UUID
    name: str
    branch: str
    target: str  # "" = the repository's default branch when it is due
    task: str
    cron: str
    timezone: str
    priority: int
    environment: Mapping[str, str]
    max_attempts: int
    is_active: bool
    next_at: datetime | None  # None: it is paused, or cannot be due any more
    last_due_at: datetime | None
    last_job: UUID | None
    last_reason: str  # why the last time started no job, "" = it did
    last_error: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Due:
    """A schedule whose time has come, and what decides whether it starts a job."""

    schedule: Schedule
    due: datetime
    now: datetime
    role: Role  # of its user
    present: bool  # its user may still sign in
    last_state: State | None  # of its last job


_COLUMNS = tuple(field.name for field in fields(Schedule))


def _schedule(row: Row) -> Schedule:
    return Schedule(**{name: row[name] for name in _COLUMNS})


def now(transaction: Transaction) -> datetime:
    """The database's own time."""
    moment: datetime = transaction.value("SELECT now()")
    return moment


def add(transaction: Transaction, values: Mapping[str, object]) -> Schedule:
    """Store a schedule.

    Raises:
        Duplicate: the organization has one of this name.
        MissingReference: there is no such repository or user in it.
    """
    row = transaction.row(_ADD, **values)
    if row is None:
        raise RuntimeError("an insert gave no row back")
    return _schedule(row)


def get(transaction: Transaction, identity: UUID, *, lock: bool = False) -> Schedule | None:
    row = transaction.row(_LOCKED if lock else _ONE, id=identity)
    return None if row is None else _schedule(row)


def page(
    transaction: Transaction,
    *,
    limit: int,
    after: str = "",
    repository: UUID | None = None,
    name: str | None = None,
) -> list[Schedule]:
    """Schedules by name, those whose names follow `after`."""
    rows = transaction.rows(_LIST, after=after, repository=repository, name=name, limit=limit)
    return [_schedule(row) for row in rows]


def change(transaction: Transaction, schedule: Schedule) -> Schedule:
    """Store the schedule as it is handed in; what relays note about it stays theirs, old trouble is cleared.

    Raises:
        Duplicate: another has this name.
    """
    wanted = {**vars(schedule), "user": schedule.user_id}
    row = transaction.row(_CHANGE, **wanted)
    if row is None:
        raise RuntimeError("a schedule that is locked cannot be found")
    return _schedule(row)


def remove(transaction: Transaction, identity: UUID) -> bool:
    return transaction.run(_REMOVE, id=identity) == 1


def take_due(transaction: Transaction) -> Due | None:
    """The one that is due for the longest and that no other relay has in its hands."""
    row = transaction.row(_TAKE)
    if row is None:
        return None
    return Due(
        schedule=_schedule(row),
        due=row["next_at"],
        now=row["now"],
        role=Role.__members__.get(row["role"].upper(), Role.VIEWER),  # one that only a newer version knows
        present=row["present"],
        last_state=None if row["last_state"] is None else State(row["last_state"]),
    )


def acted(
    transaction: Transaction,
    due: Due,
    next_at: datetime | None,
    *,
    job: UUID | None = None,
    reason: str = "",
    error: str = "",
) -> None:
    """Note what became of a time, and when the next one is."""
    transaction.run(
        _ACTED, id=due.schedule.id, due=due.due, next_at=next_at, job=job, reason=reason, error=error
    )


def seconds_to_the_minute(transaction: Transaction) -> float:
    return float(transaction.value(_PAUSE))
