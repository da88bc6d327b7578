"""What must leave the house, written with the change that causes it and delivered later, at least once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flowforge.store.transaction import Transaction

_PUT = """
INSERT INTO outbox (organization, job, kind, payload) VALUES (%(organization)s, %(job)s, %(kind)s, %(payload)s) RETURNING id
"""

_TAKE = """
-- Rows that are due, hidden from other relays for `hold` seconds, and counted before they are tried.
UPDATE outbox SET attempts = attempts + 1, run_after = now() + make_interval(secs => %(hold)s)
WHERE id IN (SELECT id FROM outbox WHERE done_at IS NULL AND run_after <= now() AND kind = %(kind)s
             ORDER BY run_after, id LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING id, organization, job, kind, payload, attempts, created_at
"""

_DONE = """
-- Delivered, or given up with the last error standing in the row.
UPDATE outbox SET done_at = now(), error = %(error)s WHERE id = ANY(%(ids)s::bigint[]) AND done_at IS NULL
"""

_LATER = """
UPDATE outbox SET run_after = now() + make_interval(secs => %(delay)s), error = %(error)s
WHERE id = %(id)s AND done_at IS NULL
"""

_FORGET = """
-- Delivered rows are kept for a while for whoever asks what was sent.
DELETE FROM outbox WHERE done_at < now() - make_interval(secs => %(after)s)
"""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One row as the deliverer sees it."""

    id: int
    organization: UUID | None  # None: it is about the installation
    job: UUID | None
    kind: str
    payload: Mapping[str, object]
    attempts: int  # this one included
    created_at: datetime


def put(
    transaction: Transaction,
    organization: UUID | None,
    job: UUID | None,
    kind: str,
    payload: Mapping[str, object],
) -> None:
    transaction.prepared(_PUT, organization=organization, job=job, kind=kind, payload=payload)


def take(transaction: Transaction, kind: str, *, most: int, hold: float) -> list[Letter]:
    """Take due rows, oldest first; they come back by themselves after `hold` seconds if nobody settles them."""
    rows = transaction.rows(_TAKE, kind=kind, most=most, hold=hold)
    return sorted((Letter(**row) for row in rows), key=lambda letter: letter.id)


def done(transaction: Transaction, *letters: int, error: str = "") -> None:
    transaction.run(_DONE, ids=list(letters), error=error)


def later(transaction: Transaction, letter: int, delay: float, error: str) -> None:
    transaction.run(_LATER, id=letter, delay=delay, error=error)


def forget(transaction: Transaction, after: float) -> int:
    """Delete rows that were done more than `after` seconds ago."""
    return transaction.run(_FORGET, after=after)
