"""Questions about the queue: how long it is, who comes next, and what stands between a job and its start.

Asked within one organization, they count what is its own; slots are the installation's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flowforge.core.job import Job
from flowforge.store.jobs import job_of
from flowforge.store.transaction import Transaction

RECENT = 50  # ended jobs of a repository whose durations count

_ALIVE = "NOT draining AND seen_at > now() - make_interval(secs => %(alive)s)"

_BEFORE = """
    LEFT JOIN LATERAL (
        SELECT e.id, e.state, e.started_at,
               count(*) FILTER (WHERE e.state = 'queued') OVER () AS queued
        FROM jobs e WHERE e.repository = j.repository AND e.{key} = j.{key} AND e.{key} <> '' AND e.id <> j.id
          AND (e.state = 'running' OR e.state = 'queued' AND (e.turn_at, e.id) < (j.turn_at, j.id)
                                      AND (e.run_after IS NULL OR e.run_after <= now()))
        ORDER BY e.state = 'running' DESC, e.turn_at, e.id LIMIT 1) AS {name} ON true
"""

_STANDING = f"""
-- What stands between each of these jobs and its start.
SELECT j.id, now() AS now, coalesce(j.reason, '') AS reason, coalesce(j.run_after > now(), false) AS delayed,
       j.rung_at IS NOT NULL AS rung, coalesce(j.state = 'running' AND j.lease_until < now(), false) AS lost,
       (SELECT count(*) FROM jobs e WHERE e.state = 'queued' AND e.organization = j.organization
          AND (e.turn_at, e.id) < (j.turn_at, j.id)) AS ahead,
       (SELECT count(*) FROM jobs t WHERE t.organization = j.organization AND t.state = 'running')
         + (SELECT count(*) FROM jobs t WHERE t.organization = j.organization AND t.state = 'queued'
              AND t.rung_at IS NOT NULL) AS taken,
       (SELECT coalesce((o.settings ->> 'max_running')::int, %(cap)s) FROM organizations o WHERE o.id = j.organization)
         AS cap,
       (SELECT coalesce(sum(slots), 0) FROM workers WHERE {_ALIVE}) AS slots,
       paused.id AS pause,
       ref.id AS ref_job, ref.state = 'running' AS ref_running, ref.started_at AS ref_started,
       coalesce(ref.queued, 0) AS ref_queued,
       grp.id AS group_job, grp.state = 'running' AS group_running, grp.started_at AS group_started,
       coalesce(grp.queued, 0) AS group_queued,
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.completed_at - d.started_at))
        FROM (SELECT completed_at, started_at FROM jobs d WHERE d.repository = j.repository
                AND d.state IN ('success', 'failed') AND d.started_at IS NOT NULL
              ORDER BY d.completed_at DESC LIMIT {RECENT}) AS d) AS median
FROM jobs j
    LEFT JOIN LATERAL (
        SELECT p.id FROM pauses p WHERE p.organization = j.organization
          AND (p.repository IS NULL OR p.repository = j.repository) AND (p.target IS NULL OR p.target = j.target)
        ORDER BY p.repository NULLS FIRST, p.target NULLS FIRST LIMIT 1) AS paused ON true
    {_BEFORE.format(key="ref_key", name="ref")}
    {_BEFORE.format(key="concurrency_group", name="grp")}
WHERE j.id = ANY(%(jobs)s::uuid[])
"""  # noqa: S608 (our own constants)

_OVERVIEW = f"""
-- How long the queue is, by class of priority, and what serves it.
SELECT count(*) FILTER (WHERE state = 'queued' AND priority >= 7) AS high,
       count(*) FILTER (WHERE state = 'queued' AND priority BETWEEN 4 AND 6) AS normal,
       count(*) FILTER (WHERE state = 'queued' AND priority <= 3) AS low,
       min(queued_at) FILTER (WHERE state = 'queued') AS oldest,
       count(*) FILTER (WHERE state = 'running') AS running,
       count(*) FILTER (WHERE state = 'waiting') AS waiting,
       (SELECT coalesce(sum(slots), 0) FROM workers WHERE {_ALIVE}) AS slots,
       (SELECT count(*) FROM workers WHERE {_ALIVE}) AS workers,
       (SELECT coalesce((o.settings ->> 'max_running')::int, %(cap)s) FROM organizations o
          WHERE o.id = %(organization)s) AS cap
FROM jobs WHERE organization = %(organization)s AND state IN ('queued', 'running', 'waiting')
"""  # noqa: S608 (our own constants)

_NEXT = """
-- The queued jobs whose turn is next.
SELECT * FROM jobs WHERE organization = %(organization)s AND state = 'queued' ORDER BY turn_at, id LIMIT %(limit)s
"""


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
    transaction: Transaction, jobs: Sequence[UUID], *, alive: float, cap: int
) -> dict[UUID, Standing]:
    """By job. `cap` is for organizations whose settings name none; `alive` as for `schedule.slots`."""
    rows = transaction.rows(_STANDING, jobs=list(jobs), alive=alive, cap=cap)
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


def _before(row: dict[str, object], name: str) -> Before | None:
    job, started, queued = row[f"{name}_job"], row[f"{name}_started"], row[f"{name}_queued"]
    if not isinstance(job, UUID) or not isinstance(queued, int):
        return None
    return Before(
        job=job,
        running=bool(row[f"{name}_running"]),
        started_at=started if isinstance(started, datetime) else None,
        queued=queued,
    )


def overview(transaction: Transaction, organization: UUID, *, alive: float, cap: int) -> Overview:
    row = transaction.row(_OVERVIEW, organization=organization, alive=alive, cap=cap)
    return Overview(**(row or {}))


def following(transaction: Transaction, organization: UUID, limit: int) -> list[Job]:
    """The organization's queued jobs in the order of their turns."""
    return [job_of(row) for row in transaction.rows(_NEXT, organization=organization, limit=limit)]
