"""Questions about the queue: how long it is, who comes next, and what stands between a job and its start.

Asked within one organization, they count what is its own; slots are the installation's.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flowforge.core.job import Job
from flowforge.store.jobs import job_of
from flowforge.store.transaction import Row, Transaction

RECENT = 50  # ended jobs of a repository whose durations count

_ALIVE = "NOT draining AND seen_at > now() - make_interval(secs => %(alive)s)"

# Those that a worker was called for, and the others, are two indexes; together they are the queue, in the order of turns.
_UNRUNG = "organization = %(organization)s AND state = 'queued' AND rung_at IS NULL"
_RUNG = "organization = %(organization)s AND state = 'queued' AND rung_at IS NOT NULL"

_LINE = """
    SELECT e.id, e.place, e.first, e.running, e.started_at
    FROM (SELECT DISTINCT repository, {key} FROM asked WHERE {key} <> '') k
    CROSS JOIN LATERAL (
        SELECT id, row_number() OVER line - 1 AS place, first_value(id) OVER line AS first,
               first_value(state = 'running') OVER line AS running, first_value(started_at) OVER line AS started_at
        FROM jobs WHERE repository = k.repository AND {key} = k.{key} AND {key} <> ''
          AND (state = 'running' OR state = 'queued' AND (run_after IS NULL OR run_after <= now())
               AND concat(repository, ' ', target) <> ALL ((SELECT targets FROM halted)::text[]))
        WINDOW line AS (ORDER BY state = 'running' DESC, turn_at, id)) e
    WHERE e.place > 0 AND e.id = ANY(%(jobs)s::uuid[])
"""

_STANDING = f"""
-- What stands between each of these jobs and its start. They follow one another in the queue of one organization, so
-- the first one's place tells the others'. What they share is looked up once, and a line of those that write one ref,
-- or are of one group, is walked once: who runs, then who may run, by turns. What is paused or not due is in no line.
WITH asked AS MATERIALIZED (
    SELECT id, organization, repository, target, state, reason, run_after, rung_at, lease_until, ref_key,
           concurrency_group, turn_at, array_position(%(jobs)s::uuid[], id) - 1 AS place
    FROM jobs WHERE organization = %(organization)s AND id = ANY(%(jobs)s::uuid[])),
head AS MATERIALIZED (SELECT turn_at, id, place FROM asked WHERE state = 'queued' ORDER BY place LIMIT 1),
halted AS MATERIALIZED (
    SELECT coalesce(array_agg(concat(repository, ' ', target)), '{{}}') AS targets FROM pauses
    WHERE organization = %(organization)s AND target IS NOT NULL),
shared AS MATERIALIZED (
    SELECT (SELECT count(*) FROM jobs WHERE {_UNRUNG} AND (turn_at, id) < (SELECT turn_at, id FROM head))
             + (SELECT count(*) FROM jobs WHERE {_RUNG} AND (turn_at, id) < (SELECT turn_at, id FROM head))
             - coalesce((SELECT place FROM head), 0) AS ahead,
           (SELECT count(*) FROM jobs WHERE organization = %(organization)s AND state = 'running')
             + (SELECT count(*) FROM jobs WHERE {_RUNG}) AS taken,
           (SELECT coalesce((o.settings ->> 'max_running')::int, %(cap)s) FROM organizations o
              WHERE o.id = %(organization)s) AS cap,
           (SELECT coalesce(sum(slots), 0) FROM workers WHERE {_ALIVE}) AS slots),
medians AS MATERIALIZED (
    SELECT r.repository, (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.completed_at - d.started_at))
        FROM (SELECT completed_at, started_at FROM jobs WHERE repository = r.repository
                AND state IN ('success', 'failed') AND started_at IS NOT NULL
              ORDER BY completed_at DESC LIMIT {RECENT}) AS d) AS median
    FROM (SELECT DISTINCT repository FROM asked) AS r),
refs AS MATERIALIZED ({_LINE.format(key="ref_key")}),
grps AS MATERIALIZED ({_LINE.format(key="concurrency_group")})
SELECT j.id, now() AS now, coalesce(j.reason, '') AS reason, coalesce(j.run_after > now(), false) AS delayed,
       j.rung_at IS NOT NULL AS rung, coalesce(j.state = 'running' AND j.lease_until < now(), false) AS lost,
       s.ahead + j.place AS ahead, s.taken, s.cap, s.slots, m.median, paused.id AS pause,
       ref.first AS ref_job, ref.running AS ref_running, ref.started_at AS ref_started, ref.place AS ref_place,
       grp.first AS group_job, grp.running AS group_running, grp.started_at AS group_started, grp.place AS group_place
FROM asked j CROSS JOIN shared s
    LEFT JOIN medians m ON m.repository = j.repository
    LEFT JOIN refs AS ref ON ref.id = j.id
    LEFT JOIN grps AS grp ON grp.id = j.id
    LEFT JOIN LATERAL (
        SELECT p.id FROM pauses p WHERE p.organization = j.organization
          AND (p.repository IS NULL OR p.repository = j.repository) AND (p.target IS NULL OR p.target = j.target)
        ORDER BY p.repository NULLS FIRST, p.target NULLS FIRST LIMIT 1) AS paused ON true
"""  # noqa: S608 (our own constants)

_OVERVIEW = f"""
-- How long the queue is, by class of priority, and what serves it.
WITH queued AS (
    SELECT priority, queued_at FROM jobs WHERE {_UNRUNG}
    UNION ALL SELECT priority, queued_at FROM jobs WHERE {_RUNG})
SELECT count(*) FILTER (WHERE priority >= 7) AS high,
       count(*) FILTER (WHERE priority BETWEEN 4 AND 6) AS normal,
       count(*) FILTER (WHERE priority <= 3) AS low,
       min(queued_at) AS oldest,
       (SELECT count(*) FROM jobs WHERE organization = %(organization)s AND state = 'running') AS running,
       (SELECT count(*) FROM jobs WHERE organization = %(organization)s AND state = 'waiting') AS waiting,
       (SELECT coalesce(sum(slots), 0) FROM workers WHERE {_ALIVE}) AS slots,
       (SELECT count(*) FROM workers WHERE {_ALIVE}) AS workers,
       (SELECT coalesce((o.settings ->> 'max_running')::int, %(cap)s) FROM organizations o
          WHERE o.id = %(organization)s) AS cap
FROM queued
"""  # noqa: S608 (our own constants)

_NEXT = f"""
-- The queued jobs whose turn is next.
SELECT * FROM (
    (SELECT * FROM jobs WHERE {_UNRUNG} ORDER BY turn_at, id LIMIT %(limit)s)
    UNION ALL (SELECT * FROM jobs WHERE {_RUNG} ORDER BY turn_at, id LIMIT %(limit)s)) AS q
ORDER BY turn_at, id LIMIT %(limit)s
"""  # noqa: S608 (our own constants)


_NAMES = "SELECT id, name FROM repositories WHERE id = ANY(%(repositories)s::uuid[])"


@dataclass(frozen=True, kw_only=True)
class Before:
    """Another job that must end, or have its turn, first."""

    job: UUID
    running: bool
    started_at: datetime | None  # of the one that runs
    queued: int  # jobs of the same line that wait before this one


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What stands between an open job and its start."""

    now: datetime  # Postgres's
    ahead: int = 0  # queued jobs of the organization whose turn is earlier
    taken: int = 0  # slots that the organization has: jobs that run, and those a worker was called for
    cap: int = 1  # slots that it may have
    slots: int = 0  # of all workers that are alive
    pause: UUID | None = None
    ref: Before | None = None  # of the jobs that write the same ref
    group: Before | None = None  # of the jobs of the same concurrency group
    delayed: bool = False  # its run_after is not reached
    rung: bool = False  # a worker was called for it
    lost: bool = False  # it is said to run, but its worker is silent
    reason: str = ""  # why it was handed back
    median: timedelta | None = None  # how long jobs of its repository take


@dataclass(frozen=True, kw_only=True)
class Overview:
    high: int
    normal: int
    low: int
    oldest: datetime | None
    running: int
    waiting: int  # for a person's decision
    slots: int
    workers: int
    cap: int


def standings(
    transaction: Transaction, organization: UUID, jobs: Sequence[UUID], *, alive: float, cap: int
) -> dict[UUID, Standing]:
    """By job. Those that are queued follow one another, in the order of their turns, without a gap.

    `cap` is for organizations whose settings name none; `alive` as for `schedule.slots`.
    """
    rows = transaction.rows(_STANDING, organization=organization, jobs=list(jobs), alive=alive, cap=cap)
    same = ("now", "ahead", "taken", "cap", "slots", "pause", "delayed", "rung", "lost", "reason")
    return {
        row["id"]: Standing(
            **{name: row[name] for name in same},
            ref=_before(row, "ref"),
            group=_before(row, "group"),
            median=None if row["median"] is None else timedelta(seconds=float(row["median"])),
        )
        for row in rows
    }


def _before(row: Row, name: str) -> Before | None:
    """`place` counts all before it, the one that runs included."""
    if row[f"{name}_job"] is None:
        return None
    running = bool(row[f"{name}_running"])
    return Before(
        job=row[f"{name}_job"],
        running=running,
        started_at=row[f"{name}_started"],
        queued=row[f"{name}_place"] - running,
    )


def overview(transaction: Transaction, organization: UUID, *, alive: float, cap: int) -> Overview:
    row = transaction.row(_OVERVIEW, organization=organization, alive=alive, cap=cap)
    return Overview(**(row or {}))


def following(transaction: Transaction, organization: UUID, limit: int) -> list[Job]:
    """The organization's queued jobs in the order of their turns."""
    return [job_of(row) for row in transaction.rows(_NEXT, organization=organization, limit=limit)]


def names(transaction: Transaction, repositories: Collection[UUID]) -> dict[UUID, str]:
    rows = transaction.rows(_NAMES, repositories=list(repositories)) if repositories else []
    return {row["id"]: row["name"] for row in rows}
