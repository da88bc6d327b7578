"""Questions of jobs and the decisions on them. A row belongs to one asking; the job's row lock orders who decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flowforge.core.job import Ending, Job
from flowforge.store.jobs import job_of
from flowforge.store.transaction import Row, Transaction
from flowforge.store.values import as_json

_ASK = """
-- Keep a question beside the move to `waiting`, in its transaction.
INSERT INTO decisions (organization, job, number, fence, stage, again, kind, sentence, tree, files, sealed_texts,
                       work, checkpoint, outlook, who, last, expires_at)
SELECT %(organization)s, %(job)s, coalesce(max(number), 0) + 1, %(fence)s, %(stage)s, %(again)s, %(kind)s,
       %(sentence)s, %(tree)s, %(files)s, %(sealed_texts)s, %(work)s, %(checkpoint)s, %(outlook)s, %(who)s, %(last)s,
       now() + make_interval(secs => %(patience)s)
FROM decisions WHERE job = %(job)s
"""

_LAST = "SELECT * FROM decisions WHERE job = %(job)s ORDER BY number DESC LIMIT 1"

_OPEN = """
-- What waiting jobs ask, without its texts.
SELECT job, kind, expires_at FROM decisions WHERE job = ANY(%(jobs)s::uuid[]) AND decision IS NULL AND NOT expired
"""

_DECIDED = """
-- All that persons said to this job, in order, and that nobody said anything in time.
SELECT d.*, coalesce(nullif(u.name, ''), u.email) AS decided_name
FROM decisions d LEFT JOIN users u ON u.id = d.decided_by
WHERE d.job = %(job)s AND (d.decision IS NOT NULL OR d.expired) ORDER BY d.number
"""

_DECIDE = """
-- The first decision counts; the job's row is locked by who calls this.
UPDATE decisions SET decision = %(decision)s, sealed_edits = %(edits)s, decided_at = now(),
       decided_by = nullif(current_setting('ff.user_id', true), '')::uuid
WHERE job = %(job)s AND number = %(number)s AND decision IS NULL
"""

_EXPIRE = """
-- Nobody decided in time. The job's row is locked by who calls this.
UPDATE decisions SET expired = true WHERE job = %(job)s AND number = %(number)s AND decision IS NULL
"""

_TELL = """
-- An event about a job that nobody runs; the caller has its row locked.
WITH told AS (UPDATE jobs SET last_seq = last_seq + 1 WHERE id = %(job)s RETURNING organization, id, last_seq)
INSERT INTO job_events (organization, job, seq, kind, data)
SELECT organization, id, last_seq, %(kind)s, %(data)s FROM told RETURNING seq
"""

_QUEUE = """
-- Waiting -> queued: what was decided is written, the job goes on from its checkpoint, or to its end.
UPDATE jobs SET state = 'queued', reason = %(reason)s, sentence = %(sentence)s, next_action = ''
WHERE id = %(id)s AND fence = %(fence)s AND state = 'waiting' RETURNING *
"""

_OVERDUE = """
-- Waiting jobs on whose question nobody decided in time, locked for this transaction.
SELECT j.* FROM jobs j JOIN decisions d ON d.job = j.id AND d.decision IS NULL
WHERE j.state = 'waiting' AND NOT d.expired AND d.fence = j.fence AND d.expires_at < now()
ORDER BY d.expires_at LIMIT %(most)s FOR UPDATE OF j SKIP LOCKED
"""

_ERASE = """
-- Texts of a repository are kept no longer than a day beyond the end of the job that needed them.
UPDATE decisions SET sealed_texts = NULL, sealed_edits = NULL
FROM jobs WHERE jobs.id = decisions.job AND (sealed_texts IS NOT NULL OR sealed_edits IS NOT NULL)
    AND jobs.state IN ('success', 'failed', 'cancelled', 'superseded')
    AND jobs.completed_at < now() - make_interval(secs => %(keep)s)
"""

KEEP = 86_400.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A question as it is stored: what may be read by anybody of the organization, and the sealed texts."""

    stage: str
    again: str
    kind: str
    sentence: str
    tree: str
    files: Sequence[Mapping[str, object]]
    sealed_texts: bytes
    work: Mapping[str, object]
    checkpoint: str
    outlook: Mapping[str, object] | None
    who: str
    last: bool
    patience: float  # seconds until it expires


def ask(transaction: Transaction, job: Job, asking: Asking) -> None:
    values = {**vars(asking), "files": as_json(list(asking.files))}  # a mapping becomes JSON by itself
    transaction.run(_ASK, organization=job.organization, job=job.id, fence=job.fence, **values)


def last(transaction: Transaction, job: UUID) -> Row | None:
    """The latest question of a job, decided or not."""
    return transaction.row(_LAST, job=job)


def open_of(transaction: Transaction, jobs: Sequence[UUID]) -> list[Row]:
    """`job`, `kind` and `expires_at` of each question that is open."""
    return transaction.rows(_OPEN, jobs=list(jobs))


def decided(transaction: Transaction, job: UUID) -> list[Row]:
    return transaction.rows(_DECIDED, job=job)


def decide(transaction: Transaction, job: UUID, number: int, decision: str, edits: bytes | None) -> bool:
    """Write a decision; False when that question has one."""
    return transaction.run(_DECIDE, job=job, number=number, decision=decision, edits=edits) == 1


def expire(transaction: Transaction, job: UUID, number: int) -> None:
    """Note that nobody decided in time."""
    transaction.run(_EXPIRE, job=job, number=number)


def tell(transaction: Transaction, job: UUID, kind: str, data: Mapping[str, object]) -> int:
    return int(transaction.value(_TELL, job=job, kind=kind, data=data))


def queue(transaction: Transaction, job: Job, ending: Ending | None = None) -> Row | None:
    """Waiting -> queued, to go on or, with `ending`, to end so; None when it has moved."""
    reason, sentence = (ending.reason, ending.sentence) if ending else (None, "")
    return transaction.row(_QUEUE, id=job.id, fence=job.fence, reason=reason, sentence=sentence)


def overdue(transaction: Transaction, most: int) -> list[Job]:
    return [job_of(row) for row in transaction.rows(_OVERDUE, most=most)]


def erase(transaction: Transaction, keep: float = KEEP) -> int:
    """Forget the texts of jobs that ended `keep` seconds ago or earlier; how many questions held some."""
    return transaction.run(_ERASE, keep=keep)
