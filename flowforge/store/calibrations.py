"""Calibration jobs of a repository: the open one, and the newest that has found something."""

from uuid import UUID

from flowforge.store.transaction import Row, Transaction

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('calibrations'), hashtext(%(repository)s::text))"

_OPEN = """
SELECT id FROM jobs WHERE repository = %(repository)s AND trigger = 'calibrate'
    AND state IN ('pending', 'queued', 'running', 'waiting') ORDER BY created_at LIMIT 1
"""

_NEWEST = """
SELECT id, outputs, created_at, completed_at FROM jobs
WHERE repository = %(repository)s AND trigger = 'calibrate' AND state = 'success' AND outputs ? 'calibrate'
ORDER BY created_at DESC, id DESC LIMIT 1
"""


def lock(transaction: Transaction, repository: UUID) -> None:
    """Nobody else asks for a calibration of the repository until this transaction ends."""
    transaction.run(_LOCK, repository=repository)


def open_one(transaction: Transaction, repository: UUID) -> UUID | None:
    found = transaction.row(_OPEN, repository=repository)
    return found["id"] if found else None


def newest(transaction: Transaction, repository: UUID) -> Row | None:
    return transaction.row(_NEWEST, repository=repository)
