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

_STANDS = """
-- Whether the owner of the running job wrote under this number: others tell of moves and requests only.
SELECT EXISTS (SELECT FROM log_chunks WHERE job = %(job)s AND seq = %(seq)s)
    OR EXISTS (SELECT FROM job_events WHERE job = %(job)s AND seq = %(seq)s AND kind NOT LIKE 'job.%%')
"""

_HEAD = "SELECT last_seq FROM jobs WHERE id = %(job)s"

_HEADS = """
-- The highest numbers of those of these jobs that the reader may see.
SELECT id, last_seq FROM jobs WHERE id = ANY(%(jobs)s::uuid[])
"""

_PLACED = """
WITH placed AS (SELECT *, sum(octet_length(bytes)) OVER (ORDER BY seq) AS ends FROM log_chunks WHERE job = %(job)s)
"""

_WANTED = "(%(stage)s = '' OR stage = %(stage)s) AND (%(attempt)s = 0 OR attempt = %(attempt)s)"

_LOG = f"""
-- Chunks that hold bytes at or after an offset into the whole log, all stages and attempts in the order written.
{_PLACED}
SELECT seq, attempt, stage, at, ends - octet_length(bytes) AS starts, bytes FROM placed
WHERE ends > %(offset)s AND {_WANTED} ORDER BY seq LIMIT %(limit)s
"""  # noqa: S608 (our own text)

_LOG_TAIL = f"""
-- The offset from which on the chosen chunks hold so many bytes; none where there is no chunk.
{_PLACED}, wanted AS (
    SELECT ends, octet_length(bytes) AS size, seq, sum(octet_length(bytes)) OVER (ORDER BY seq DESC) AS upto
    FROM placed WHERE {_WANTED})
SELECT ends - least(size, %(tail)s - (upto - size)) FROM wanted WHERE upto - size < %(tail)s ORDER BY seq LIMIT 1
"""  # noqa: S608 (our own text)

_LOG_NEXT = """
-- Chunks strictly after a number.
SELECT seq, attempt, stage, at, bytes FROM log_chunks WHERE job = %(job)s AND seq > %(after)s
ORDER BY seq LIMIT %(limit)s
"""

_LOG_SIZE = """
SELECT coalesce(sum(octet_length(bytes)), 0) FROM log_chunks WHERE job = %(job)s AND seq <= %(upto)s
"""

_NOW = "SELECT pg_current_snapshot()::text"

_FEED = """
-- What committed between two snapshots, in one order that each job's numbers follow: who asks again gets the same.
SELECT job, repository, seq, kind, at, data FROM (
    SELECT e.job, j.repository, e.seq, e.kind, e.at, e.data,
           max(e.at) OVER (PARTITION BY e.job ORDER BY e.seq) AS moment
    FROM job_events e JOIN jobs j ON j.id = e.job
    WHERE e.organization = %(organization)s AND e.tx >= pg_snapshot_xmin(%(seen)s::pg_snapshot)
      AND NOT pg_visible_in_snapshot(e.tx, %(seen)s::pg_snapshot)
      AND pg_visible_in_snapshot(e.tx, %(now)s::pg_snapshot)
    LIMIT %(limit)s) AS news
ORDER BY moment, job, seq
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


@dataclass(frozen=True, kw_only=True)
class FeedEvent:
    """An event among those of many jobs."""

    job: UUID
    repository: UUID
    event: JobEvent


def after(transaction: Transaction, job: UUID, seq: int, limit: int) -> list[JobEvent]:
    """Events with a number greater than `seq`, at most `limit`."""
    return [JobEvent(**row) for row in transaction.rows(_AFTER, job=job, after=seq, limit=limit)]


def append_log(transaction: Transaction, job: UUID, fence: int, stage: str, text: bytes) -> int | None:
    """Append at most 64 KiB; the chunk's number, or None when the lease is another's."""
    number: int | None = transaction.value(_APPEND_LOG, id=job, fence=fence, stage=stage, bytes=text)
    return number


def stands(transaction: Transaction, job: UUID, seq: int) -> bool:
    """Whether the job's owner wrote an event or a piece of log under this number."""
    return bool(transaction.value(_STANDS, job=job, seq=seq))


def head(transaction: Transaction, job: UUID) -> int:
    """The highest number that the job's events and chunks have; 0 where there is no such job."""
    return int(transaction.value(_HEAD, job=job) or 0)


def heads(transaction: Transaction, jobs: Sequence[UUID]) -> dict[UUID, int]:
    """The highest number of each of these jobs."""
    return {row["id"]: row["last_seq"] for row in transaction.rows(_HEADS, jobs=list(jobs))}


def log_after(
    transaction: Transaction, job: UUID, offset: int, chunks: int, *, stage: str = "", attempt: int = 0
) -> Sequence[LogChunk]:
    """Chunks from byte `offset` on, of one stage and attempt where they are named; the first may begin before it."""
    rows = transaction.rows(_LOG, job=job, offset=offset, limit=chunks, stage=stage, attempt=attempt)
    return [LogChunk(text=row.pop("bytes"), **{**row, "starts": int(row["starts"])}) for row in rows]


def log_next(transaction: Transaction, job: UUID, seq: int, chunks: int) -> Sequence[LogChunk]:
    """Chunks with a number greater than `seq`."""
    rows = transaction.rows(_LOG_NEXT, job=job, after=seq, limit=chunks)
    starts = log_size(transaction, job, upto=seq) if rows else 0
    found = []
    for row in rows:
        text = row.pop("bytes")
        found.append(LogChunk(text=text, starts=starts, **row))
        starts += len(text)
    return found


def log_tail(
    transaction: Transaction, job: UUID, tail: int, *, stage: str = "", attempt: int = 0
) -> int | None:
    """The offset from which on the log, or what is chosen of it, has at most `tail` bytes; None for an empty one."""
    found = transaction.value(_LOG_TAIL, job=job, tail=tail, stage=stage, attempt=attempt)
    return None if found is None else int(found)


def log_size(transaction: Transaction, job: UUID, *, upto: int = (1 << 63) - 1) -> int:
    """Bytes of the log in chunks, up to a number."""
    return int(transaction.value(_LOG_SIZE, job=job, upto=upto))


def snapshot(transaction: Transaction) -> str:
    """What has committed by now, as a text that `feed` reads."""
    return str(transaction.value(_NOW))


def feed(transaction: Transaction, organization: UUID, seen: str, now: str, limit: int) -> list[FeedEvent]:
    """An organization's events that `now` sees and `seen` did not, in an order that is the same whenever asked.

    With `limit` of them there may be more, and which came is not said: ask for less time then.
    """
    rows = transaction.rows(_FEED, organization=organization, seen=seen, now=now, limit=limit)
    return [
        FeedEvent(job=row.pop("job"), repository=row.pop("repository"), event=JobEvent(**row)) for row in rows
    ]
