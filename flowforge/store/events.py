"""A job's story: events and log chunks, numbered together from one counter in the job's row.

The counter is raised by the statement that appends, so two writers of one job never meet, and a reader that has
seen number n has missed nothing before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flowforge.store.transaction import Transaction

_AFTER = """
-- Events strictly after a number, in order.
SELECT seq, kind, at, data FROM job_events WHERE job = %(job)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s
"""

_APPEND_LOG = """
-- Append output under the fence; its place in the stage's output of this attempt follows from what stands there.
WITH mine AS (UPDATE jobs SET last_seq = last_seq + 1
              WHERE id = %(id)s AND fence = %(fence)s AND state = 'running'
              RETURNING organization, id, last_seq, attempts)
INSERT INTO log_chunks (organization, job, seq, attempt, stage, start_byte, bytes)
SELECT organization, id, last_seq, attempts, %(stage)s, coalesce((
           SELECT c.start_byte + octet_length(c.bytes) FROM log_chunks c
           WHERE c.job = mine.id AND c.attempt = mine.attempts AND c.stage = %(stage)s
           ORDER BY c.start_byte DESC LIMIT 1), 0), %(bytes)s
FROM mine RETURNING seq
"""

_LOG = """
-- Chunks that hold bytes at or after an offset into the whole log, all stages and attempts in the order written.
SELECT seq, attempt, stage, at, ends - octet_length(bytes) AS starts, bytes
FROM (SELECT *, sum(octet_length(bytes)) OVER (ORDER BY seq) AS ends FROM log_chunks WHERE job = %(job)s) AS placed
WHERE ends > %(offset)s ORDER BY seq LIMIT %(limit)s
"""

_LOG_SIZE = """
SELECT coalesce(sum(octet_length(bytes)), 0) FROM log_chunks WHERE job = %(job)s
"""


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """Something that happened to a job."""

    seq: int  # grows; numbers between are log chunks
    kind: str
    at: datetime
    data: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class LogChunk:
    """A piece of output as one stage gave it."""

    seq: int
    attempt: int
    stage: str
    at: datetime
    starts: int  # offset of its first byte in the job's whole log
    text: bytes


def after(transaction: Transaction, job: UUID, seq: int, limit: int) -> list[JobEvent]:
    """Events with a number greater than `seq`, at most `limit`."""
    return [JobEvent(**row) for row in transaction.rows(_AFTER, job=job, after=seq, limit=limit)]


def append_log(transaction: Transaction, job: UUID, fence: int, stage: str, text: bytes) -> int | None:
    """Append at most 64 KiB; the chunk's number, or None when the lease is another's."""
    number: int | None = transaction.value(_APPEND_LOG, id=job, fence=fence, stage=stage, bytes=text)
    return number


def log_after(transaction: Transaction, job: UUID, offset: int, chunks: int) -> Sequence[LogChunk]:
    """Chunks from byte `offset` on; the first may begin before it."""
    rows = transaction.rows(_LOG, job=job, offset=offset, limit=chunks)
    return [LogChunk(text=row.pop("bytes"), **{**row, "starts": int(row["starts"])}) for row in rows]


def log_size(transaction: Transaction, job: UUID) -> int:
    return int(transaction.value(_LOG_SIZE, job=job))
