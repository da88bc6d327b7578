"""What any relay does once in a while for all of them: who begins first does it, and what came of it stands here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flowforge.store.transaction import Transaction

_BEGIN = """
-- Ours, if nobody began within `every` seconds; whoever died over it is not waited for longer than that. What was
-- left undone may be gone on with at once.
INSERT INTO chores AS c (name) VALUES (%(name)s)
ON CONFLICT (name) DO UPDATE SET began_at = now(), ended_at = NULL
WHERE c.began_at <= now() - make_interval(secs => %(every)s)
   OR c.ended_at IS NOT NULL AND coalesce((c.did ->> 'more')::boolean, false)
RETURNING name
"""

_END = """
INSERT INTO chores (name, ended_at, did, error) VALUES (%(name)s, clock_timestamp(), %(did)s, %(error)s)
ON CONFLICT (name) DO UPDATE SET ended_at = clock_timestamp(), did = excluded.did, error = excluded.error
"""

_LAST = "SELECT name, began_at, ended_at, did, error FROM chores WHERE name = %(name)s"


@dataclass(frozen=True, kw_only=True)
class Chore:
    """The last time of a chore."""

    name: str
    began_at: datetime
    ended_at: datetime | None  # None: it runs, or whoever ran it died
    did: Mapping[str, object] = field(default_factory=dict)
    error: str = ""


def begin(transaction: Transaction, name: str, every: float) -> bool:
    """Whether the chore is due, and then this caller's to do."""
    return transaction.value(_BEGIN, name=name, every=every) is not None


def end(transaction: Transaction, name: str, did: Mapping[str, object], error: str = "") -> None:
    transaction.run(_END, name=name, did=did, error=error)


def last(transaction: Transaction, name: str) -> Chore | None:
    row = transaction.row(_LAST, name=name)
    return None if row is None else Chore(**row)
