"""What runs next, and what must be taken back: the statements of the relay and the sweep, and the workers' beat."""

from dataclasses import dataclass
from uuid import UUID

from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Job, PriorityClass, priority_class
from flowforge.store.jobs import job_of
from flowforge.store.transaction import Transaction

_SLOTS = """
SELECT coalesce(sum(slots), 0) FROM workers
WHERE NOT draining AND seen_at > now() - make_interval(secs => %(alive)s)
"""

_PICK = """
-- Ring for the jobs that run next, as many as there are free slots. Between organizations the one with the fewest
-- slots comes first, of several the one whose last start is longest ago: no backlog stands before a newcomer, however
-- old or urgent it is. Within one its turns decide, and of the jobs that write one ref, or are of one group, only the
-- first. `queued` jobs with a run_after in the future, with a writer of their ref or a member of their group at work,
-- that are paused, or of an organization at its cap, stay. What is paused or not due holds up nobody behind it.
WITH alive AS MATERIALIZED (
    SELECT id, slots FROM workers
    WHERE NOT draining AND seen_at > now() - make_interval(secs => %(alive)s)),
taken AS MATERIALIZED (
    SELECT organization, repository, ref_key, concurrency_group, state, owner FROM jobs WHERE state = 'running'
    UNION ALL
    SELECT organization, repository, ref_key, concurrency_group, state, owner FROM jobs
    WHERE state = 'queued' AND rung_at IS NOT NULL),
halted AS MATERIALIZED (
    SELECT coalesce(array_agg(organization) FILTER (WHERE repository IS NULL), '{}') AS organizations,
           coalesce(array_agg(repository) FILTER (WHERE repository IS NOT NULL AND target IS NULL), '{}')
               AS repositories,
           coalesce(array_agg(concat(repository, ' ', target)) FILTER (WHERE target IS NOT NULL), '{}') AS targets
    FROM pauses),
free AS MATERIALIZED (
    SELECT greatest(0, least(%(most)s, (SELECT coalesce(sum(slots), 0) FROM alive)
        - (SELECT count(*) FROM taken WHERE state = 'queued' OR owner IN (SELECT id FROM alive)))) AS slots),
ready AS (
    SELECT j.id, j.turn_at, o.id AS organization, coalesce((o.settings ->> 'max_running')::int, %(cap)s) AS cap,
           coalesce(t.n, 0) + row_number() OVER (PARTITION BY o.id ORDER BY j.turn_at, j.id) AS share
    FROM organizations o
    LEFT JOIN (SELECT organization, count(*) AS n FROM taken GROUP BY organization) t ON t.organization = o.id
    CROSS JOIN LATERAL (
        SELECT id, turn_at FROM jobs q
        WHERE q.organization = o.id AND q.state = 'queued' AND q.rung_at IS NULL
          AND (q.run_after IS NULL OR q.run_after <= now())
          AND q.repository <> ALL ((SELECT repositories FROM halted)::uuid[])
          AND concat(q.repository, ' ', q.target) <> ALL ((SELECT targets FROM halted)::text[])
          AND (q.ref_key = '' OR (
               NOT EXISTS (SELECT FROM taken w WHERE w.repository = q.repository AND w.ref_key = q.ref_key)
               AND NOT EXISTS (SELECT FROM jobs e WHERE e.repository = q.repository AND e.ref_key = q.ref_key
                               AND e.state = 'queued' AND (e.turn_at, e.id) < (q.turn_at, q.id)
                               AND (e.run_after IS NULL OR e.run_after <= now())
                               AND concat(e.repository, ' ', e.target) <> ALL ((SELECT targets FROM halted)::text[]))))
          AND (q.concurrency_group = '' OR (
               NOT EXISTS (SELECT FROM taken w WHERE w.repository = q.repository
                           AND w.concurrency_group = q.concurrency_group)
               AND NOT EXISTS (SELECT FROM jobs e WHERE e.repository = q.repository
                               AND e.concurrency_group = q.concurrency_group AND e.concurrency_group <> ''
                               AND e.state = 'queued' AND (e.turn_at, e.id) < (q.turn_at, q.id)
                               AND (e.run_after IS NULL OR e.run_after <= now())
                               AND concat(e.repository, ' ', e.target) <> ALL ((SELECT targets FROM halted)::text[]))))
        ORDER BY q.turn_at, q.id LIMIT (SELECT slots FROM free)) j
    WHERE (SELECT slots FROM free) > 0 AND o.id <> ALL ((SELECT organizations FROM halted)::uuid[])),
waiting AS MATERIALIZED (
    SELECT w.organization, (SELECT max(x.started_at) FROM job_executions x WHERE x.organization = w.organization
                            AND x.started_at > now() - interval '1 day') AS served
    FROM (SELECT DISTINCT organization FROM ready) w),
chosen AS (
    SELECT id, share, served, turn_at FROM ready JOIN waiting USING (organization) WHERE share <= cap
    ORDER BY share, served NULLS FIRST, turn_at, id LIMIT (SELECT slots FROM free)),
ordered AS MATERIALIZED (SELECT array_agg(id ORDER BY share, served NULLS FIRST, turn_at, id) AS ids FROM chosen),
-- The last two conditions hold unless another relay was faster. They are written so that only the primary key serves
-- the update: with fresh rows and old statistics the planner would walk the whole queue for each of the chosen.
rung AS (
    UPDATE jobs SET rung_at = now() FROM ordered
    WHERE jobs.id = ANY(ordered.ids) AND concat(jobs.state) = 'queued' AND jobs.rung_at IS NOT DISTINCT FROM NULL
    RETURNING jobs.id, jobs.priority, array_position(ordered.ids, jobs.id) AS place)
SELECT rung.id, rung.priority, rung.place, free.slots AS free FROM free LEFT JOIN rung ON true ORDER BY rung.place
"""

_UNRING = """
-- Nobody heard: these may be rung again.
UPDATE jobs SET rung_at = NULL WHERE id = ANY(%(jobs)s::uuid[]) AND state = 'queued' AND rung_at IS NOT NULL
"""

_STALE_RINGS = """
-- A ring that led to no claim within `after` seconds was lost on its way.
UPDATE jobs SET rung_at = NULL
WHERE state = 'queued' AND rung_at < now() - make_interval(secs => %(after)s) RETURNING id
"""

_EXPIRED = """
-- Running jobs whose owner is silent, locked for this transaction; a lease that is being renewed is left alone.
SELECT * FROM jobs WHERE state = 'running' AND lease_until < now()
ORDER BY lease_until LIMIT %(most)s FOR UPDATE SKIP LOCKED
"""

_EXHAUSTED = """
-- Queued jobs that used up their attempts without an answer.
SELECT * FROM jobs WHERE state = 'queued' AND attempts >= max_attempts
LIMIT %(most)s FOR UPDATE SKIP LOCKED
"""

_BEAT = """
-- A worker is alive, with so many slots.
INSERT INTO workers (id, host, version, slots, draining) VALUES (%(id)s, %(host)s, %(version)s, %(slots)s, %(draining)s)
ON CONFLICT (id) DO UPDATE SET seen_at = now(), slots = excluded.slots, draining = excluded.draining
"""

_GONE = """
-- A worker has ended; the others' slots are all there is.
DELETE FROM workers WHERE id = %(id)s
"""

_FORGET = """
-- Workers that were killed leave their row; a day is long enough to look at it.
DELETE FROM workers WHERE seen_at < now() - interval '1 day'
"""

_LOST_EXECUTION = """
-- The attempt under this fence ended without a word from its worker.
UPDATE job_executions SET status = %(status)s, error = %(error)s, completed_at = now(),
       duration_ms = extract(epoch FROM now() - started_at) * 1000
WHERE job = %(job)s AND fence = %(fence)s AND completed_at IS NULL
"""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker process as it announces itself."""

    id: str
    host: str
    version: str
    slots: int


@dataclass(frozen=True, kw_only=True)
class Picked:
    """What one choice has found."""

    jobs: tuple[tuple[UUID, PriorityClass], ...]  # in the order to ring in
    room: bool  # whether a job that came now could run at once


def slots(transaction: Transaction, alive: float) -> int:
    """Slots of the workers that were seen within `alive` seconds."""
    return int(transaction.value(_SLOTS, alive=alive))


def pick(transaction: Transaction, *, alive: float, most: int, cap: int) -> Picked:
    """Mark the jobs that run next as rung, at most `most`.

    `cap` is for organizations whose settings have no `max_running`.
    """
    rows = transaction.prepared(_PICK, alive=alive, most=most, cap=cap)
    jobs = tuple((row["id"], priority_class(row["priority"])) for row in rows if row["id"] is not None)
    return Picked(jobs=jobs, room=rows[0]["free"] > len(jobs) or len(jobs) == most)


def unring(transaction: Transaction, *jobs: UUID) -> int:
    return transaction.run(_UNRING, jobs=list(jobs))


def clear_stale_rings(transaction: Transaction, after: float) -> int:
    return len(transaction.rows(_STALE_RINGS, after=after))


def expired(transaction: Transaction, most: int) -> list[Job]:
    return [job_of(row) for row in transaction.rows(_EXPIRED, most=most)]


def exhausted(transaction: Transaction, most: int) -> list[Job]:
    return [job_of(row) for row in transaction.rows(_EXHAUSTED, most=most)]


def beat(transaction: Transaction, worker: Worker, *, draining: bool) -> None:
    transaction.run(
        _BEAT, id=worker.id, host=worker.host, version=worker.version, slots=worker.slots, draining=draining
    )


def gone(transaction: Transaction, worker: str) -> None:
    transaction.run(_GONE, id=worker)


def forget_workers(transaction: Transaction) -> None:
    transaction.run(_FORGET)


def close_execution(transaction: Transaction, job: Job, status: str, ending: Ending | None = None) -> None:
    """End the row of the attempt that runs under the job's fence."""
    reason = ending.reason if ending is not None else Reason.DONE
    error = "" if ending is None or reason is Reason.DONE else f"{reason}: {ending.sentence}"
    transaction.run(_LOST_EXECUTION, job=job.id, fence=job.fence, status=status, error=error)
