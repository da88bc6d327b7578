"""What time does to rows: partitions to come, partitions past, texts and reservations whose time is over.

Run by the relay once in a while, as ff_system. Every step is safe to repeat, and
many processes may do it at once.
"""

from dataclasses import dataclass

from flowforge.store import ledger
from flowforge.store.database import Database
from flowforge.store.scope import Actor, Scope

_BATCH = 1000
_RELAY = Actor(kind="relay")

_MAKE = "SELECT * FROM ff_make_partitions(now(), now() + interval '3 months')"
_DROP = "SELECT * FROM ff_drop_partitions(%(parent)s, now() - make_interval(days => %(days)s))"
_ERASE = """
-- Sealed texts of resolutions after their time; the row stays, without the text.
UPDATE conflict_resolutions SET sealed_text = NULL
WHERE id IN (SELECT id FROM conflict_resolutions WHERE sealed_text IS NOT NULL AND expires_at < now()
             ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""
_FORGET = """
-- Deliveries that were made a week ago.
DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < now() - interval '7 days'
                                ORDER BY done_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Days for which history is kept."""

    audit_days: int = 400
    execution_days: int = 400


@dataclass(frozen=True, kw_only=True)
class Maintained:
    """What one run did."""

    made: tuple[str, ...]
    dropped: tuple[str, ...]
    erased: int
    forgotten: int
    expired: int


def maintain(database: Database, retention: Retention = Retention()) -> Maintained:
    """Do all of it, each step in a transaction of its own."""
    return Maintained(
        made=tuple(_names(database, _MAKE)),
        dropped=(
            *_names(database, _DROP, parent="audit_logs", days=retention.audit_days),
            *_names(database, _DROP, parent="job_executions", days=retention.execution_days),
        ),
        erased=_emptied(database, _ERASE),
        forgotten=_emptied(database, _FORGET),
        expired=_expired(database),
    )


def _names(database: Database, sql: str, **values: object) -> list[str]:
    with database.transaction(Scope.system(), actor=_RELAY) as tx:
        return [name for row in tx.rows(sql, **values) for name in row.values()]


def _emptied(database: Database, sql: str) -> int:
    """Repeat a bounded statement until it finds less than its bound."""
    total, found = 0, _BATCH
    while found == _BATCH:
        with database.transaction(Scope.system(), actor=_RELAY) as tx:
            found = tx.run(sql, limit=_BATCH)
        total += found
    return total


def _expired(database: Database) -> int:
    with database.transaction(Scope.system(), actor=_RELAY) as tx:
        return ledger.expire(tx, limit=_BATCH)
