"""Questions about jobs: one, a page, its events, its log, its stages, its next change."""

import base64
import binascii
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import Job, State
from flowforge.jobs.cancel import not_found
from flowforge.jobs.log import LogPage, LogQuery, read_log
from flowforge.store import events as story
from flowforge.store import jobs as table
from flowforge.store import stages
from flowforge.store.database import Database
from flowforge.store.events import JobEvent
from flowforge.store.scope import Scope
from flowforge.store.transaction import Row, Transaction

_POLL = 1.0  # seconds between looks while no signal can be heard


@dataclass(frozen=True, kw_only=True)
class Page:
    """Jobs, newest first; `cursor` asks for the next page and is "" on the last."""

    jobs: tuple[Job, ...]
    cursor: str


def get(transaction: Transaction, identity: UUID) -> Job:
    """One job.

    Raises:
        Refused: not_found; another organization's job is as unknown as one that never was.
    """
    job = table.get(transaction, identity)
    if job is None:
        raise not_found(identity)
    return job


def page(
    transaction: Transaction,
    *,
    limit: int,
    cursor: str = "",
    state: State | None = None,
    repository: UUID | None = None,
    branch: str | None = None,
) -> Page:
    """A page of the organization's jobs, newest first.

    Raises:
        Refused: invalid_request, a cursor that no page gave.
    """
    after = read_cursor(cursor) if cursor else None
    found = table.page(
        transaction, limit=limit + 1, state=state, repository=repository, branch=branch, after=after
    )
    jobs = tuple(found[:limit])
    return Page(jobs=jobs, cursor=write_cursor(jobs[-1]) if len(found) > limit else "")


def write_cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(f"{job.created_at.isoformat()} {job.id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        at, _, identity = text.partition(" ")
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError("no zone")  # noqa: TRY301 (as bad as any other nonsense)
        return moment, UUID(identity)
    except (ValueError, binascii.Error) as error:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"{cursor[:80]!r} is no cursor of this list",
            next_action="take it from the Link header or next_cursor of the page before, or begin without",
        ) from error


def events(transaction: Transaction, identity: UUID, *, after: int = 0, limit: int = 200) -> list[JobEvent]:
    """Events with a number greater than `after`, in order; an `after` from the future gives none.

    Raises:
        Refused: not_found.
    """
    get(transaction, identity)
    return story.after(transaction, identity, after, limit)


def log(
    transaction: Transaction,
    identity: UUID,
    *,
    offset: int = 0,
    limit: int = 1 << 20,
    artifacts: Artifacts | None = None,
    **chosen: Any,
) -> LogPage:
    """At most `limit` bytes of the log from `offset` on; beyond its end there is nothing, which is no error.

    `chosen` is what else `jobs.log.LogQuery` takes.

    Raises:
        Refused: not_found.
        Broken, Temporary: as `jobs.log.read_log`.
    """
    job = get(transaction, identity)
    return read_log(transaction, job, LogQuery(offset=offset, limit=limit, **chosen), artifacts)


def stage_runs(transaction: Transaction, identity: UUID) -> list[Row]:
    """The last run of each stage, in the order of the plan.

    Raises:
        Refused: not_found.
    """
    get(transaction, identity)
    return stages.last_runs(transaction, identity)


def wait(
    database: Database,
    scope: Scope,
    identity: UUID,
    seconds: float,
    hear: Callable[[UUID, int, float], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Job:
    """The job at its next change of state; as it is when it is final or time is up. Holds no connection.

    `hear(job, number, timeout)` waits for a signal (see `queues.notify.Signals.wait`); while it cannot, this looks
    once a second.

    Raises:
        Refused: not_found.
    """
    until = clock() + seconds
    first = found = _look(database, scope, identity)
    while not found.final and found.state is first.state and (left := until - clock()) > 0:
        try:
            hear(identity, 1 << 62, min(left, _POLL))  # no number is that high: only a fresh signal counts
        except Temporary:
            sleep(min(left, _POLL))
        found = _look(database, scope, identity)
    return found


def _look(database: Database, scope: Scope, identity: UUID) -> Job:
    with database.transaction(scope, read_only=True) as transaction:
        return get(transaction, identity)
