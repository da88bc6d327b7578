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

_OVER = "SELECT count(*) FROM (SELECT FROM model_answers WHERE expires_at < now() LIMIT %(most)s) AS found"


def find(transaction: Transaction, organization: UUID, key: bytes) -> Row | None:
    return transaction.row(_FIND, organization=organization, key=key)


def put(transaction: Transaction, row: Mapping[str, object], *, days: int, instead: bool = False) -> bool:
    """Store an answer for so many days (0 = for ever), `instead` of one that stands; False where one stays."""
    return transaction.run(_PUT, **row, days=days, instead=instead) == 1


def drop(transaction: Transaction, organization: UUID, key: bytes) -> bool:
    return transaction.run(_DROP, organization=organization, key=key) == 1


def forget(transaction: Transaction, most: int) -> int:
    """Delete answers whose time is over, at most so many; returns how many."""
    return transaction.run(_FORGET, most=most)


def over(transaction: Transaction, most: int) -> int:
    """How many `forget` would delete; `most` stands for "at least so many"."""
    return int(transaction.value(_OVER, most=most))
