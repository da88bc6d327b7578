"""Pauses: whose queued jobs are not picked and not claimed. What runs goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flowforge.store.transaction import Row, Transaction

_INSERT = """
-- Pause, unless exactly this is paused already.
INSERT INTO pauses (id, organization, repository, target, reason, user_id)
VALUES (%(id)s, %(organization)s, %(repository)s, nullif(%(target)s, ''), %(reason)s, %(user)s)
ON CONFLICT (organization, repository, target) DO NOTHING RETURNING id
"""

_SHOWN = """
SELECT p.id, p.repository, coalesce(r.name, '') AS repository_name, coalesce(p.target, '') AS target, p.reason,
       p.created_at, coalesce(nullif(u.name, ''), u.email, '') AS by
FROM pauses p LEFT JOIN users u ON u.id = p.user_id LEFT JOIN repositories r ON r.id = p.repository
"""

_LIST = f"""
-- All pauses, the widest first.
{_SHOWN} ORDER BY p.repository NULLS FIRST, p.target NULLS FIRST
"""

_ONE = f"{_SHOWN} WHERE p.id = %(id)s"

_SAME = f"""
{_SHOWN} WHERE p.organization = %(organization)s AND p.repository IS NOT DISTINCT FROM %(repository)s::uuid
         AND coalesce(p.target, '') = %(target)s
"""

_DELETE = "DELETE FROM pauses WHERE id = %(id)s"

_WITHIN = """
-- The first queued jobs that a pause covers and, of those, only what no other pause does.
SELECT j.id FROM jobs j
WHERE j.organization = %(organization)s AND j.state = 'queued'
  AND (%(repository)s::uuid IS NULL OR j.repository = %(repository)s)
  AND (%(target)s = '' OR j.target = %(target)s)
  AND NOT EXISTS (SELECT FROM pauses p WHERE p.organization = j.organization AND p.id <> %(id)s
                  AND (p.repository IS NULL OR p.repository = j.repository)
                  AND (p.target IS NULL OR p.target = j.target))
ORDER BY j.turn_at, j.id LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True)
class Pause:
    """What is paused, why and by whom. `repository` None: everything; `target` "": all of the repository."""

    id: UUID
    repository: UUID | None
    target: str
    reason: str
    by: str  # name or address of the person, "" where it was none
    created_at: datetime
    repository_name: str = ""


def _pause(row: Row | None) -> Pause | None:
    return None if row is None else Pause(**row)


def add(
    transaction: Transaction,
    *,
    identity: UUID,
    organization: UUID,
    repository: UUID | None,
    target: str,
    reason: str,
    user: UUID | None,
) -> Pause | None:
    """The new pause; None where exactly this is paused already.

    Raises:
        MissingReference: no such repository in this organization.
    """
    added = transaction.value(
        _INSERT,
        id=identity,
        organization=organization,
        repository=repository,
        target=target,
        reason=reason,
        user=user,
    )
    return None if added is None else get(transaction, identity)


def get(transaction: Transaction, identity: UUID) -> Pause | None:
    return _pause(transaction.row(_ONE, id=identity))


def same(transaction: Transaction, organization: UUID, repository: UUID | None, target: str) -> Pause | None:
    """The pause of exactly this."""
    return _pause(transaction.row(_SAME, organization=organization, repository=repository, target=target))


def all_of(transaction: Transaction) -> list[Pause]:
    return [Pause(**row) for row in transaction.rows(_LIST)]


def remove(transaction: Transaction, identity: UUID) -> bool:
    """False when somebody else has removed it."""
    return transaction.run(_DELETE, id=identity) == 1


def within(transaction: Transaction, organization: UUID, pause: Pause, most: int) -> Sequence[UUID]:
    """At most `most` queued jobs, those whose turn is next first, that this pause alone holds."""
    rows = transaction.rows(
        _WITHIN,
        organization=organization,
        id=pause.id,
        repository=pause.repository,
        target=pause.target,
        most=most,
    )
    return [row["id"] for row in rows]
