"""Where the logs of finished jobs are kept once they left the table of chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from flowforge.store.transaction import Transaction

_OF = """
SELECT job, reference, index_at, stored, size, removed_at IS NOT NULL AS removed FROM log_archives WHERE job = %(job)s
"""

_DUE = """
-- Finished jobs that still have chunks: from one job with chunks to the next, so that no long log is walked through.
WITH RECURSIVE held (job, n) AS (
    (SELECT job, 1 FROM log_chunks WHERE job > %(after)s ORDER BY job LIMIT 1)
    UNION ALL
    SELECT (SELECT c.job FROM log_chunks c WHERE c.job > held.job ORDER BY c.job LIMIT 1), n + 1
    FROM held WHERE held.job IS NOT NULL AND n < %(limit)s)
SELECT held.job, j.organization,
       j.completed_at IS NOT NULL AND j.completed_at <= now() - make_interval(secs => %(rest)s)
           AND NOT EXISTS (SELECT FROM log_archives a WHERE a.job = held.job) AS due
FROM held JOIN jobs j ON j.id = held.job ORDER BY held.job
"""

_ADD = """
-- Note where a log went, and when its job ended, from where its time runs; no row where another has noted it.
INSERT INTO log_archives (organization, job, reference, index_at, stored, size, at)
SELECT organization, id, %(reference)s, %(index_at)s, %(stored)s, %(size)s, completed_at FROM jobs
WHERE id = %(job)s
ON CONFLICT (job) DO NOTHING RETURNING job
"""

_LAPSE = """
-- Logs that are still in chunks when their time is over: from here on nobody reads them, and the chunks can be deleted.
-- From one job with chunks to the next, as above, and only through the ids of old jobs: once their chunks are deleted,
-- the first ones are others.
WITH RECURSIVE held (job, n) AS (
    (SELECT job, 1 FROM log_chunks WHERE job < ff_first_id(now() - make_interval(days => %(days)s))
     ORDER BY job LIMIT 1)
    UNION ALL
    SELECT (SELECT c.job FROM log_chunks c
            WHERE c.job > held.job AND c.job < ff_first_id(now() - make_interval(days => %(days)s))
            ORDER BY c.job LIMIT 1), n + 1
    FROM held WHERE held.job IS NOT NULL AND n < %(limit)s)
INSERT INTO log_archives (organization, job, reference, index_at, stored, size, at, removed_at)
SELECT j.organization, j.id, '', 0, 0,
       (SELECT sum(octet_length(c.bytes)) FROM log_chunks c WHERE c.job = j.id), j.completed_at, now()
FROM held JOIN jobs j ON j.id = held.job
WHERE j.completed_at < now() - make_interval(days => %(days)s)
  AND NOT EXISTS (SELECT FROM log_archives a WHERE a.job = j.id)
ON CONFLICT (job) DO NOTHING
"""

_CLEAR = "DELETE FROM log_chunks WHERE job = %(job)s"

_REMOVE = """
-- Logs whose time is over: from here on nobody reads them, and what is left of them can be deleted.
UPDATE log_archives SET removed_at = coalesce(removed_at, now())
WHERE job IN (SELECT job FROM log_archives
              WHERE reference <> '' AND at < now() - make_interval(days => %(days)s)
              ORDER BY at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING job, reference, index_at, stored, size, true AS removed
"""

_FORGET = "UPDATE log_archives SET reference = '' WHERE job = %(job)s AND removed_at IS NOT NULL"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Where a log went; see `jobs.packed` for what lies there."""

    job: UUID
    reference: str  # of the artifact; "" once its time was over
    index_at: int  # bytes before its index
    stored: int  # bytes of the artifact
    size: int  # bytes of the log
    removed: bool = False  # its time was over


@dataclass(frozen=True, kw_only=True)
class Held:
    """A job that has chunks."""

    job: UUID
    organization: UUID
    due: bool  # it ended long enough ago


def of_job(transaction: Transaction, job: UUID) -> Archive | None:
    row = transaction.row(_OF, job=job)
    return Archive(**row) if row else None


def held(transaction: Transaction, after: UUID, limit: int, rest: float) -> Sequence[Held]:
    """At most `limit` jobs with chunks, by id from `after` on; due are those that ended `rest` seconds ago."""
    return [Held(**row) for row in transaction.rows(_DUE, after=after, limit=limit, rest=rest)]


def add(transaction: Transaction, archive: Archive) -> bool:
    """Note where a log went; False where that is noted already."""
    return transaction.value(_ADD, **vars(archive)) is not None


def clear(transaction: Transaction, job: UUID) -> int:
    """Delete a job's chunks; returns how many there were."""
    return transaction.run(_CLEAR, job=job)


def lapse(transaction: Transaction, days: int, limit: int) -> int:
    """Note as removed the logs that were never moved, of jobs that ended more than so many days ago, among the first
    `limit` that have chunks; returns how many.
    """
    return transaction.run(_LAPSE, days=days, limit=limit)


def expire(transaction: Transaction, days: int, limit: int) -> Sequence[Archive]:
    """Take away logs of jobs that ended more than so many days ago; what lies in the artifact store is then to be deleted."""
    return [Archive(**row) for row in transaction.rows(_REMOVE, days=days, limit=limit)]


def forget(transaction: Transaction, job: UUID) -> None:
    """The artifact is gone."""
    transaction.run(_FORGET, job=job)
