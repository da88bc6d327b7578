"""Statements about concurrency groups: who is in one, who makes way, and what a repository's definition last said.

A group is decided upon under its advisory lock, taken in a statement of its own: what the next one sees was committed
before the lock was had. The lock ends with the transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flowforge.core.concurrency import Met
from flowforge.core.job import Ending, Job
from flowforge.store.jobs import Moved, job_of
from flowforge.store.transaction import Transaction

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(repository)s::text || ' ' || %(key)s, 0));"

_OPEN = f"""
-- Nobody else decides about this group until the transaction ends; one open job of it, a running one before others.
{_LOCK}
SELECT id FROM jobs WHERE repository = %(repository)s AND concurrency_group = %(key)s AND concurrency_group <> ''
AND state IN ('pending', 'queued', 'running', 'waiting')
ORDER BY state = 'running' DESC, turn_at, id LIMIT 1
"""  # noqa: S608 (our own constants)

_BEGUN = """
SELECT FROM push_intents p WHERE p.job = jobs.id
AND p.outcome IN ('intended', 'unknown', 'pushed', 'already')
"""

# Under the group's lock all others came before; their rows may bear a later time, as that is of a transaction's begin.
_OLDER = """
repository = %(repository)s AND concurrency_group = %(key)s AND concurrency_group <> '' AND id <> %(newer)s
"""

_MAKE_WAY = f"""
-- End the older jobs of the group that have no worker and whose push cannot have begun. They are locked by a statement
-- of their own, so that the next one sees what their workers wrote before.
SELECT id FROM jobs WHERE {_OLDER} AND state IN ('pending', 'queued', 'waiting') ORDER BY id FOR UPDATE;
UPDATE jobs SET state = 'superseded', superseded_by = %(newer)s, result = %(result)s, reason = %(reason)s,
                sentence = %(sentence)s, next_action = %(next_action)s
WHERE {_OLDER} AND state IN ('pending', 'queued', 'waiting') AND NOT EXISTS ({_BEGUN}) RETURNING *
"""  # noqa: S608 (our own constants)

_ASK_WAY = f"""
-- Ask the workers of those that are left to stop. One that was cancelled before stays cancelled.
WITH asked AS (UPDATE jobs SET cancel_requested = true, superseded_by = %(newer)s, last_seq = last_seq + 1
               WHERE {_OLDER} AND state IN ('queued', 'running') AND NOT cancel_requested
               RETURNING organization, id, last_seq)
INSERT INTO job_events (organization, job, seq, kind, data)
SELECT organization, id, last_seq, 'job.supersede_requested', jsonb_build_object('superseded_by', %(newer)s::text)
FROM asked RETURNING job, seq
"""  # noqa: S608 (our own constants)

_NOTE = """
-- Tell in the stories of open jobs why they wait now; those that somebody moves at this moment tell it by their move.
WITH told AS (UPDATE jobs SET last_seq = last_seq + 1
              WHERE id IN (SELECT id FROM jobs WHERE id = ANY(%(jobs)s::uuid[]) AND state = 'queued'
                           ORDER BY id FOR UPDATE SKIP LOCKED)
              RETURNING organization, id, last_seq)
INSERT INTO job_events (organization, job, seq, kind, data)
SELECT organization, id, last_seq, 'job.waits', %(data)s FROM told RETURNING job, seq
"""

_LEARN = """
-- Keep what a repository's own definition says about its group on this target; an empty mapping = it has none.
UPDATE repositories SET groups = CASE WHEN %(group)s::jsonb = '{}' THEN groups - %(target)s::text
                                 ELSE jsonb_set(groups, ARRAY[%(target)s::text], %(group)s::jsonb) END
WHERE id = %(repository)s AND coalesce(groups -> %(target)s::text, '{}') <> %(group)s::jsonb
"""

_MET = f"""
-- What a running job finds in the group that it learns of only now.
{_LOCK}
WITH mine AS (SELECT * FROM jobs WHERE id = %(id)s),
open AS (SELECT j.* FROM jobs j, mine WHERE j.repository = mine.repository AND j.concurrency_group = %(key)s
         AND j.concurrency_group <> '' AND j.id <> mine.id AND j.state IN ('pending', 'queued', 'running', 'waiting'))
SELECT
  coalesce((SELECT id::text FROM open WHERE state = 'running' LIMIT 1), '') AS running,
  coalesce((SELECT o.id::text FROM open o, mine m WHERE (o.created_at, o.id) < (m.created_at, m.id) LIMIT 1), '')
    AS older,
  coalesce((SELECT o.id::text FROM open o, mine m WHERE (o.created_at, o.id) > (m.created_at, m.id)
            ORDER BY o.created_at DESC, o.id DESC LIMIT 1), '') AS newer,
  coalesce((SELECT o.id::text FROM open o, mine m WHERE o.state = 'queued' AND (o.turn_at, o.id) < (m.turn_at, m.id)
            AND (o.run_after IS NULL OR o.run_after <= now()) ORDER BY o.turn_at, o.id LIMIT 1), '') AS ahead
"""  # noqa: S608 (our own constants)

_JOIN = """
-- Make the job a member, as what it is: its state and fence do not change.
UPDATE jobs SET concurrency_group = %(key)s, concurrency_policy = %(policy)s WHERE id = %(id)s AND fence = %(fence)s
"""

_YIELD = """
-- The running job itself is the older one.
UPDATE jobs SET cancel_requested = true, superseded_by = %(newer)s
WHERE id = %(id)s AND fence = %(fence)s AND state = 'running' AND NOT cancel_requested
"""


@dataclass(frozen=True, kw_only=True)
class Told:
    """Jobs whose story went on, with the number of what was told."""

    job: UUID
    seq: int


def enter(transaction: Transaction, repository: UUID, key: str) -> UUID | None:
    """Hold the group until the transaction ends; an open job of it, the running one if one runs."""
    found: UUID | None = transaction.value(_OPEN, repository=repository, key=key)
    return found


def make_way(
    transaction: Transaction, newer: Job, key: str, ending: Ending
) -> tuple[list[Moved], list[Told]]:
    """Let the older open jobs of a held group make way: those that ended at once, and those asked to stop."""
    about = {"repository": newer.repository, "key": key, "newer": newer.id}
    said = {name: getattr(ending, name) for name in ("result", "reason", "sentence", "next_action")}
    rows = transaction.rows(_MAKE_WAY, **about, **said)
    ended = [Moved(job=job_of(row), seq=row["last_seq"]) for row in rows]
    return ended, [Told(**row) for row in transaction.rows(_ASK_WAY, **about)]


def note(transaction: Transaction, jobs: Sequence[UUID], data: Mapping[str, object]) -> list[Told]:
    """Write a `job.waits` event into the story of each that is queued."""
    return [Told(**row) for row in transaction.rows(_NOTE, jobs=list(jobs), data=data)]


def learn(transaction: Transaction, repository: UUID, target: str, group: Mapping[str, object]) -> None:
    """Remember what the repository's definition on `target` says of its group: `jobs.groups` knows what; {} = none."""
    transaction.run(_LEARN, repository=repository, target=target, group=group)


def meet(transaction: Transaction, job: Job, key: str) -> Met:
    """Hold the group as `enter` does, and look at it through the eyes of a running job."""
    return Met(**transaction.row(_MET, id=job.id, repository=job.repository, key=key) or {})


def join(transaction: Transaction, job: Job, key: str, policy: str) -> None:
    """Make the job a member.

    Raises:
        Duplicate: it runs, and so does another member.
    """
    transaction.run(_JOIN, id=job.id, fence=job.fence, key=key, policy=policy)


def give_way(transaction: Transaction, job: Job, newer: UUID) -> None:
    """Ask the running job to stop for a newer one."""
    transaction.run(_YIELD, id=job.id, fence=job.fence, newer=newer)
