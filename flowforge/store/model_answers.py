"""The statements over `model_answers`: what a model answered, by the exact key of what it was asked."""

from collections.abc import Mapping
from uuid import UUID

from flowforge.store.transaction import Row, Transaction

_FIND = """
-- An answer whose time is not over; its text sealed.
SELECT sealed_text, stop, request_id, input_tokens, output_tokens, cache_write_tokens, cache_read_tokens
FROM model_answers
WHERE organization = %(organization)s AND key = %(key)s AND (expires_at IS NULL OR expires_at > now())
"""

_PUT = """
-- The first answer stays, unless its time is over: two that asked at once shall go on with the same one from here on.
INSERT INTO model_answers (organization, key, provider, model, operation, prompt_version, sealed_text, stop, request_id,
                           input_tokens, output_tokens, cache_write_tokens, cache_read_tokens, repository, job,
                           expires_at)
VALUES (%(organization)s, %(key)s, %(provider)s, %(model)s, %(operation)s, %(prompt_version)s, %(sealed_text)s, %(stop)s,
        %(request_id)s, %(input_tokens)s, %(output_tokens)s, %(cache_write_tokens)s, %(cache_read_tokens)s,
        %(repository)s, %(job)s,
        CASE WHEN %(days)s::integer > 0 THEN now() + make_interval(days => %(days)s::integer) END)
ON CONFLICT (organization, key) DO UPDATE SET
    sealed_text = excluded.sealed_text, stop = excluded.stop, request_id = excluded.request_id,
    input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens,
    cache_write_tokens = excluded.cache_write_tokens, cache_read_tokens = excluded.cache_read_tokens,
    repository = excluded.repository, job = excluded.job, created_at = now(), expires_at = excluded.expires_at
WHERE model_answers.expires_at <= now() OR %(instead)s
"""

_DROP = "DELETE FROM model_answers WHERE organization = %(organization)s AND key = %(key)s"

_FORGET = """
DELETE FROM model_answers WHERE (organization, key) IN (
    SELECT organization, key FROM model_answers WHERE expires_at < now()
    ORDER BY expires_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
"""

_FIND_BATCH = """
-- Only while its reservation stands: what was paid, given back or lost is over.
SELECT b.batch, b.reservation, extract(epoch FROM now() - b.submitted_at)::float8 AS age
FROM model_batches b JOIN budget_reservations r ON r.id = b.reservation AND r.state = 'reserved'
WHERE b.organization = %(organization)s AND b.key = %(key)s
"""

_ABANDONED = """
-- Of jobs that have ended: nobody comes for these.
SELECT b.organization, b.key, b.batch, b.reservation, b.job, r.model, r.operation,
       extract(epoch FROM now() - b.submitted_at)::float8 AS age
FROM model_batches b JOIN budget_reservations r ON r.id = b.reservation AND r.state = 'reserved'
JOIN jobs j ON j.id = b.job AND j.completed_at IS NOT NULL
WHERE b.provider = %(provider)s ORDER BY b.submitted_at LIMIT %(most)s
"""

_PUT_BATCH = """
INSERT INTO model_batches (organization, key, provider, batch, reservation, job)
VALUES (%(organization)s, %(key)s, %(provider)s, %(batch)s, %(reservation)s, %(job)s)
ON CONFLICT (organization, key) DO UPDATE SET provider = excluded.provider, batch = excluded.batch,
    reservation = excluded.reservation, job = excluded.job, submitted_at = now()
"""

_FORGET_BATCHES = """
-- A week later nobody asks for one.
DELETE FROM model_batches WHERE (organization, key) IN (
    SELECT organization, key FROM model_batches WHERE submitted_at < now() - interval '7 days'
    ORDER BY submitted_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
"""

_OVER = "SELECT count(*) FROM (SELECT FROM model_answers WHERE expires_at < now() LIMIT %(most)s) AS found"


def find(transaction: Transaction, organization: UUID, key: bytes) -> Row | None:
    return transaction.row(_FIND, organization=organization, key=key)


def put(transaction: Transaction, row: Mapping[str, object], *, days: int, instead: bool = False) -> bool:
    """Store an answer for so many days (0 = for ever), `instead` of one that stands; False where one stays."""
    return transaction.run(_PUT, **row, days=days, instead=instead) == 1


def drop(transaction: Transaction, organization: UUID, key: bytes) -> bool:
    return transaction.run(_DROP, organization=organization, key=key) == 1


def forget(transaction: Transaction, most: int) -> int:
    """Delete answers whose time is over, at most so many; returns how many. Old batches go with them, uncounted."""
    transaction.run(_FORGET_BATCHES, most=most)
    return transaction.run(_FORGET, most=most)


def find_batch(transaction: Transaction, organization: UUID, key: bytes) -> Row | None:
    return transaction.row(_FIND_BATCH, organization=organization, key=key)


def abandoned_batches(transaction: Transaction, provider: str, most: int) -> list[Row]:
    return transaction.rows(_ABANDONED, provider=provider, most=most)


def put_batch(transaction: Transaction, row: Mapping[str, object]) -> None:
    """Note the batch that a question is in, instead of an earlier one."""
    transaction.run(_PUT_BATCH, **row)


def over(transaction: Transaction, most: int) -> int:
    """How many `forget` would delete; `most` stands for "at least so many"."""
    return int(transaction.value(_OVER, most=most))
