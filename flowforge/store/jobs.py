"""The statements over `jobs`. Each is a move that the table in `core.job` allows, or a question.

Triggers write the event and the audit row of every move and set its timestamps (see `standing`).
Every write of a worker says `fence = ...`; no row back means that the lease is another's. Time is Postgres's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Job, Result, State
from flowforge.store.transaction import Row, Transaction

AGEING = 60.0  # seconds of waiting that weigh as much as one step of priority
_SAME = (  # columns that `core.job.Job` calls as the table does
    *("id", "organization", "repository", "parent_job", "priority", "branch", "target", "task", "pipeline"),
    *(
        "pipeline_source",
        "environment",
        "trigger",
        "retry_from",
        "attempts",
        "max_attempts",
        "fence",
        "owner",
    ),
    *(
        "lease_until",
        "cancel_requested",
        "run_after",
        "created_at",
        "queued_at",
        "started_at",
        "completed_at",
    ),
    *("cancelled_at", "outputs", "superseded_by", "concurrency_group", "concurrency_policy"),
    "concurrency_template",
)
_ENDING = ("result", "reason", "sentence", "next_action", "evidence")
_COLUMNS = ", ".join((*_SAME, "user_id", "state", "last_seq", *_ENDING))  # all that a `Moved` needs

_INSERT = """
-- A new job: pending, and queued in the same transaction, as what can be checked was checked at the door. Its turn
-- is its arrival moved forward by its priority, which is ageing in one number that never has to be computed again.
INSERT INTO jobs (id, organization, repository, user_id, parent_job, priority, branch, target, task, pipeline,
                  environment, trigger, retry_from, max_attempts, ref_key, idempotency_key, body_hash, pipeline_source,
                  concurrency_group, concurrency_policy, concurrency_template, turn_at)
VALUES (%(id)s, %(organization)s, %(repository)s, %(user)s, %(parent_job)s, %(priority)s, %(branch)s, %(target)s,
        %(task)s, %(pipeline)s, %(environment)s, %(trigger)s, %(retry_from)s, %(max_attempts)s, %(ref_key)s,
        nullif(%(idempotency_key)s, ''), %(body_hash)s, %(pipeline_source)s,
        %(concurrency_group)s, %(concurrency_policy)s, %(concurrency_template)s,
        now() - make_interval(secs => %(ageing)s::float8 * %(priority)s::smallint))
ON CONFLICT (organization, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING;
UPDATE jobs SET state = 'queued' WHERE id = %(id)s RETURNING <columns>
""".replace("<columns>", _COLUMNS)

_OF_KEY = """
-- The job that an idempotency key made, and the hash of the request that came with it.
SELECT * FROM jobs WHERE organization = %(organization)s AND idempotency_key = %(key)s
"""

_REPOSITORY = """
-- What submit must know of a repository; the row policies hide those of others.
SELECT id, default_branch, is_active, groups FROM repositories WHERE id = %(id)s
"""

_ONE = "SELECT * FROM jobs WHERE id = %(id)s"

_LOCKED = "SELECT * FROM jobs WHERE id = %(id)s FOR UPDATE"

_MINE = "SELECT * FROM jobs WHERE id = %(id)s AND fence = %(fence)s AND state = 'running' FOR UPDATE"

_LIST = """
-- A page of an organization's jobs, newest first, strictly after a cursor.
SELECT * FROM jobs
WHERE (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(repository)s::uuid IS NULL OR repository = %(repository)s)
  AND (%(branch)s::text IS NULL OR branch = %(branch)s)
  AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(after)s::uuid))
ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""

_CLAIM = """
-- Have the job, if nobody has it, it may run now, nothing pauses it, and no other job writes its ref or runs in its
-- group. Counted before it runs.
UPDATE jobs SET state = 'running', owner = %(owner)s, lease_until = now() + make_interval(secs => %(lease)s),
                fence = fence + 1, attempts = attempts + 1, run_after = NULL, reason = NULL, sentence = '',
                next_action = '', evidence = ''
WHERE id = (SELECT id FROM jobs j WHERE id = %(id)s AND state = 'queued' AND attempts < max_attempts
                   AND (run_after IS NULL OR run_after <= now())
                   AND NOT EXISTS (SELECT FROM jobs w WHERE w.repository = j.repository AND w.ref_key = j.ref_key
                                   AND w.ref_key <> '' AND w.state = 'running')
                   AND (concurrency_group = '' OR NOT EXISTS (
                        SELECT FROM jobs w WHERE w.repository = j.repository AND w.state = 'running'
                        AND w.concurrency_group = j.concurrency_group AND w.concurrency_group <> ''))
                   AND NOT EXISTS (SELECT FROM pauses p WHERE p.organization = j.organization
                                   AND (p.repository IS NULL OR p.repository = j.repository)
                                   AND (p.target IS NULL OR p.target = j.target))
            FOR UPDATE SKIP LOCKED)
RETURNING <columns>
"""

_RENEW = """
-- Prolong every lease that is still ours; who must stop is told. A push that may have begun is not stopped.
UPDATE jobs SET lease_until = now() + make_interval(secs => %(lease)s)
FROM unnest(%(jobs)s::uuid[], %(fences)s::bigint[]) AS held (id, fence)
WHERE jobs.id = held.id AND jobs.fence = held.fence AND jobs.state = 'running'
RETURNING jobs.id, cancel_requested AND NOT EXISTS (
    SELECT FROM push_intents p WHERE p.job = jobs.id
    AND p.outcome IN ('intended', 'unknown', 'pushed', 'already')) AS stop
"""

_STOPPING = """
-- Which of these running jobs were cancelled and may stop: none whose push may have begun.
SELECT id FROM jobs WHERE id = ANY(%(jobs)s::uuid[]) AND cancel_requested AND NOT EXISTS (
    SELECT FROM push_intents p WHERE p.job = jobs.id
    AND p.outcome IN ('intended', 'unknown', 'pushed', 'already'))
"""

_TELL = """
-- Write an event under the fence; the row's own counter gives its number.
WITH mine AS (UPDATE jobs SET last_seq = last_seq + 1
              WHERE id = %(id)s AND fence = %(fence)s AND state = 'running' RETURNING organization, id, last_seq)
INSERT INTO job_events (organization, job, seq, kind, data)
SELECT organization, id, last_seq, %(kind)s, %(data)s FROM mine RETURNING seq
"""

_END = """
-- To a final state, from the state and fence that were read.
UPDATE jobs SET state = %(state)s, result = %(result)s, reason = %(reason)s, sentence = %(sentence)s,
                next_action = %(next_action)s, evidence = %(evidence)s, outputs = outputs || %(outputs)s
WHERE id = %(id)s AND fence = %(fence)s AND state = %(before)s RETURNING *
"""

_HAND_BACK = """
-- Back into the queue, with the reason on it, not before a delay.
UPDATE jobs SET state = 'queued', reason = %(reason)s, sentence = %(sentence)s, next_action = %(next_action)s,
                run_after = CASE WHEN %(delay)s > 0 THEN now() + make_interval(secs => %(delay)s) END,
                attempts = attempts - CASE WHEN %(give_back)s AND attempts > 0 THEN 1 ELSE 0 END,
                waits_since = CASE WHEN %(waits)s THEN coalesce(waits_since, now()) ELSE waits_since END
WHERE id = %(id)s AND fence = %(fence)s AND state = 'running' RETURNING *
"""

_WAITED = """
SELECT extract(epoch FROM now() - greatest(waits_since, (
    SELECT max(at) FROM model_usage WHERE job = %(id)s AND result = 'end' AND NOT cache_hit)))::float8 AS seconds
FROM jobs WHERE id = %(id)s AND waits_since IS NOT NULL
"""

_ASK = """
-- A person must decide; the job holds no slot meanwhile, and the attempt that came so far does not count.
UPDATE jobs SET state = 'waiting', reason = %(reason)s, sentence = %(sentence)s, next_action = %(next_action)s,
                attempts = greatest(attempts - 1, 0)
WHERE id = %(id)s AND fence = %(fence)s AND state = 'running' RETURNING *
"""

_REQUEST_CANCEL = """
-- Note once that a job which cannot be cancelled at once shall stop.
WITH asked AS (UPDATE jobs SET cancel_requested = true, last_seq = last_seq + 1
               WHERE id = %(id)s AND NOT cancel_requested AND state IN ('queued', 'running')
               RETURNING organization, id, last_seq)
INSERT INTO job_events (organization, job, seq, kind, data)
SELECT organization, id, last_seq, 'job.cancel_requested', '{}' FROM asked RETURNING seq
"""

_DELAY = """
-- A job that was just queued shall not run at once.
UPDATE jobs SET run_after = now() + make_interval(secs => %(seconds)s) WHERE id = %(id)s AND state = 'queued'
"""

_DEFINE = """
-- Note the pipeline's text as it runs and where it was read from, once a worker knows.
UPDATE jobs SET pipeline = %(pipeline)s, pipeline_source = %(source)s
WHERE id = %(id)s AND fence = %(fence)s AND state = 'running'
"""

_PUSHES = """
-- What is known of the job's pushes, or of its undo: did one land, and is the outcome of one unknown.
SELECT coalesce(bool_or(outcome IN ('pushed', 'already')), false) AS pushed,
       coalesce(bool_or(outcome IN ('intended', 'unknown')), false) AS unsettled
FROM push_intents WHERE job = %(id)s
"""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A job after a move, and the number of the event that tells of it."""

    job: Job
    seq: int


@dataclass(frozen=True, kw_only=True)
class Pushes:
    """Whether a push of the job is known to have landed, and whether nobody knows of one."""

    pushed: bool
    unsettled: bool


def job_of(row: Row) -> Job:
    """The row as the rest of the house sees it."""
    ending = None
    if (
        row["result"] is not None and row["reason"] is not None
    ):  # a job that goes on has the reason of its return only
        ending = Ending(
            result=Result(row["result"]),
            reason=Reason(row["reason"]),
            sentence=row["sentence"],
            next_action=row["next_action"],
            evidence=row["evidence"],
        )
    return Job(
        user=row["user_id"],
        state=State(row["state"]),
        ending=ending,
        **{name: row[name] for name in _SAME},
    )


def _job(row: Row | None) -> Job | None:
    return None if row is None else job_of(row)


def _moved(row: Row | None) -> Moved | None:
    return None if row is None else Moved(job=job_of(row), seq=row["last_seq"])


def repository(transaction: Transaction, identity: UUID) -> Row | None:
    return transaction.prepared_row(_REPOSITORY, id=identity)


def insert(transaction: Transaction, values: Mapping[str, object]) -> Moved | None:
    """Insert a job and queue it; None when its idempotency key is taken."""
    return _moved(transaction.prepared_row(_INSERT, **values, ageing=AGEING))


def of_key(transaction: Transaction, organization: UUID, key: str) -> tuple[Job, bytes] | None:
    """The job that a key made, with the hash of its request."""
    row = transaction.row(_OF_KEY, organization=organization, key=key)
    return None if row is None else (job_of(row), bytes(row["body_hash"] or b""))


def get(transaction: Transaction, identity: UUID) -> Job | None:
    return _job(transaction.row(_ONE, id=identity))


def lock(transaction: Transaction, identity: UUID) -> Job | None:
    """The job, and nobody else moves it until this transaction ends."""
    return _job(transaction.row(_LOCKED, id=identity))


def lock_mine(transaction: Transaction, identity: UUID, fence: int) -> Job | None:
    """As `lock`, if it is still running under this fence."""
    return _job(transaction.row(_MINE, id=identity, fence=fence))


def page(
    transaction: Transaction,
    *,
    limit: int,
    state: State | None = None,
    repository: UUID | None = None,
    branch: str | None = None,
    after: tuple[datetime, UUID] | None = None,
) -> list[Job]:
    """Jobs, newest first, strictly after the cursor (created_at, id)."""
    at, identity = after or (None, None)
    rows = transaction.rows(
        _LIST, limit=limit, state=state, repository=repository, branch=branch, at=at, after=identity
    )
    return [job_of(row) for row in rows]


def claim(transaction: Transaction, identity: UUID, owner: str, lease: float) -> Moved | None:
    """Make the job `owner`'s for `lease` seconds; None when it is not there to be had.

    Raises:
        Duplicate: another job of the same ref or group was claimed in this very moment.
        NotPrepared: nothing was claimed; the next try is another way.
    """
    claimed = _CLAIM.replace("<columns>", _COLUMNS)
    return _moved(transaction.prepared_row(claimed, id=identity, owner=owner, lease=lease))


def renew(transaction: Transaction, held: Mapping[UUID, int], lease: float) -> dict[UUID, bool]:
    """Prolong leases (job -> fence). Missing in the answer: lost. True: the job was cancelled and must stop."""
    rows = transaction.rows(_RENEW, jobs=list(held), fences=list(held.values()), lease=lease)
    return {row["id"]: row["stop"] for row in rows}


def stopping(transaction: Transaction, running: Iterable[UUID]) -> set[UUID]:
    """Those of the running jobs that were cancelled and may stop."""
    return {row["id"] for row in transaction.rows(_STOPPING, jobs=list(running))}


def tell(
    transaction: Transaction, identity: UUID, fence: int, kind: str, data: Mapping[str, object]
) -> int | None:
    """Write an event under the fence; its number, or None when the lease is another's."""
    number: int | None = transaction.value(_TELL, id=identity, fence=fence, kind=kind, data=data)
    return number


def end(
    transaction: Transaction,
    job: Job,
    after: State,
    ending: Ending,
    outputs: Mapping[str, object] | None = None,
) -> Moved | None:
    """Move `job` (as it was read) to a final state; None when it has moved or another holds it."""
    row = transaction.row(
        _END,
        id=job.id,
        fence=job.fence,
        before=job.state,
        state=after,
        result=ending.result,
        evidence=ending.evidence,
        outputs=outputs or {},
        **_said(ending),
    )
    return _moved(row)


def hand_back(
    transaction: Transaction,
    job: Job,
    ending: Ending,
    *,
    delay: float = 0.0,
    give_back: bool = False,
    waits: bool = False,
) -> Moved | None:
    """Running -> queued, not before `delay` seconds; None when the lease is another's.

    `waits`: for something that is away; since when it does is counted by `waited`.
    """
    said = _said(ending)
    row = transaction.row(
        _HAND_BACK, id=job.id, fence=job.fence, delay=delay, give_back=give_back, waits=waits, **said
    )
    return _moved(row)


def waited(transaction: Transaction, identity: UUID) -> float:
    """Seconds for which the job has waited for a model, since the last one that answered it; 0 = it did not wait."""
    return float(transaction.value(_WAITED, id=identity) or 0.0)


def ask(transaction: Transaction, job: Job, ending: Ending) -> Moved | None:
    """Running -> waiting for a person; None when the lease is another's."""
    return _moved(transaction.row(_ASK, id=job.id, fence=job.fence, **_said(ending)))


def request_cancel(transaction: Transaction, identity: UUID) -> int | None:
    """Note that the job shall stop; the event's number, or None when it was noted before or is not open."""
    number: int | None = transaction.value(_REQUEST_CANCEL, id=identity)
    return number


def delay(transaction: Transaction, identity: UUID, seconds: float) -> None:
    """Let a queued job run no earlier than in so many seconds."""
    transaction.run(_DELAY, id=identity, seconds=seconds)


def define(transaction: Transaction, identity: UUID, fence: int, pipeline: str, source: str) -> bool:
    """Note the pipeline's text; False when the lease is another's."""
    return transaction.run(_DEFINE, id=identity, fence=fence, pipeline=pipeline, source=source) == 1


def pushes(transaction: Transaction, identity: UUID) -> Pushes:
    row = transaction.prepared_row(_PUSHES, id=identity) or {}
    return Pushes(pushed=bool(row.get("pushed")), unsettled=bool(row.get("unsettled")))


def _said(ending: Ending) -> dict[str, object]:
    return {"reason": ending.reason, "sentence": ending.sentence, "next_action": ending.next_action}
