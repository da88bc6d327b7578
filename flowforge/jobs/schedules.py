"""Schedules as people keep them: add, change, pause, resume, remove. `jobs.due` starts their jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from flowforge.core.access import Operation, Principal, may
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import DEFAULT_PRIORITY, JobRequest
from flowforge.jobs.cron import next_due
from flowforge.jobs.submit import Door, check
from flowforge.store import schedules as table
from flowforge.store.audit import write_audit
from flowforge.store.errors import Duplicate
from flowforge.store.schedules import Schedule
from flowforge.store.transaction import Transaction

TRIGGER = "schedule"
MOST = 500  # schedules of one organization


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A schedule as somebody asks for it."""

    repository: UUID
    name: str
    branch: str
    cron: str
    timezone: str = "UTC"
    target: str = ""
    task: str = ""
    priority: int = DEFAULT_PRIORITY
    environment: Mapping[str, str] = field(default_factory=dict)
    max_attempts: int = 3


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What to change in a schedule; None leaves a field as it is."""

    name: str | None = None
    branch: str | None = None
    target: str | None = None
    task: str | None = None
    cron: str | None = None
    timezone: str | None = None
    priority: int | None = None
    environment: Mapping[str, str] | None = None
    max_attempts: int | None = None
    is_active: bool | None = None


def add(transaction: Transaction, principal: Principal, wanted: Wanted, door: Door) -> Schedule:
    """Store a schedule, active. Its jobs are submitted in the name of whoever added it.

    Raises:
        Refused: not_allowed, invalid_schedule, never_due, unknown_timezone, conflict_of_state (the name is taken,
            or there are too many), and whatever `submit` would refuse today.
    """
    user = _allowed(principal)
    if len(table.page(transaction, limit=MOST)) >= MOST:
        raise Refused(
            Reason.CONFLICT_OF_STATE,
            f"your organization has {MOST} schedules, which is the most it may have",
            next_action="remove one that is not needed: flowforge schedule list",
        )
    check(transaction, request_of(wanted), door.check_ref)
    values: Mapping[str, object] = {
        **vars(wanted),
        "id": door.new_id(),
        "organization": principal.organization,
        "user": user,
        "next_at": next_due(wanted.cron, wanted.timezone, table.now(transaction)),
    }
    try:
        added = table.add(transaction, values)
    except Duplicate as error:
        raise _taken(wanted.name) from error
    _audit(transaction, added, "add", {"name": added.name, "cron": added.cron, "timezone": added.timezone})
    return added


def change(
    transaction: Transaction, principal: Principal, identity: UUID, changes: Changes, door: Door
) -> Schedule:
    """Change what `changes` names. From now on it acts in the name of whoever changed it.

    Its next time is computed anew when it is resumed or gets another cron expression or zone: what was missed
    while it was paused is not made up for. Pausing asks for nothing else to be right.

    Raises:
        Refused: not_found, and as `add`.
    """
    before = table.get(transaction, identity, lock=True)
    if before is None:
        raise missing(identity)
    user = _allowed(principal)
    given = {name: value for name, value in vars(changes).items() if value is not None}
    wanted = replace(before, **given, user_id=user)
    if wanted.is_active:
        check(transaction, request_of(wanted), door.check_ref)
    elif {"cron", "timezone"} & given.keys():
        next_due(wanted.cron, wanted.timezone, table.now(transaction))  # or it could not be resumed
    try:
        after = table.change(transaction, replace(wanted, next_at=_next(transaction, before, wanted)))
    except Duplicate as error:
        raise _taken(wanted.name) from error
    _audit(transaction, after, "update", {"changed": sorted(given)})
    return after


def remove(transaction: Transaction, identity: UUID) -> Schedule:
    """Remove a schedule; jobs that it has started go on.

    Raises:
        Refused: not_found.
    """
    found = table.get(transaction, identity, lock=True)
    if found is None:
        raise missing(identity)
    table.remove(transaction, identity)
    _audit(transaction, found, "remove", {"name": found.name})
    return found


def get(transaction: Transaction, identity: UUID) -> Schedule:
    """One schedule.

    Raises:
        Refused: not_found; another organization's is answered the same.
    """
    found = table.get(transaction, identity)
    if found is None:
        raise missing(identity)
    return found


def request_of(wanted: Wanted | Schedule, key: str = "") -> JobRequest:
    """The job that a schedule asks for when it is due."""
    return JobRequest(
        repository=wanted.repository,
        branch=wanted.branch,
        target=wanted.target,
        task=wanted.task,
        priority=wanted.priority,
        environment=wanted.environment,
        max_attempts=wanted.max_attempts,
        idempotency_key=key,
        trigger=TRIGGER,
    )


def _next(transaction: Transaction, before: Schedule, wanted: Schedule) -> datetime | None:
    if not wanted.is_active:
        return None
    if before.next_at is not None and (before.cron, before.timezone) == (wanted.cron, wanted.timezone):
        return before.next_at
    return next_due(wanted.cron, wanted.timezone, table.now(transaction))


def _allowed(principal: Principal) -> UUID:
    """The user in whose name the schedule will act: who may not submit now may not have it done later."""
    if principal.user is None or not (
        may(principal, Operation.CONFIGURE) and may(principal, Operation.SUBMIT)
    ):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not keep schedules",
            next_action="use a token of a maintainer with the scopes configure and submit",
        )
    return principal.user


def _audit(transaction: Transaction, schedule: Schedule, what: str, details: Mapping[str, object]) -> None:
    write_audit(
        transaction,
        organization=schedule.organization,
        action=f"schedule.{what}",
        resource="schedule",
        resource_id=schedule.id,
        details=details,
    )


def _taken(name: str) -> Refused:
    return Refused(
        Reason.CONFLICT_OF_STATE,
        f"there is a schedule named {name!r} already",
        next_action="choose another name, or change that one",
    )


def missing(identity: UUID) -> Refused:
    return Refused(
        Reason.NOT_FOUND,
        f"there is no schedule {str(identity)!r}",
        next_action="list yours: flowforge schedule list",
    )
