"""Which commits that stages and pushes left in the artifact storage have had their time, and the rows that name them.

A row is deleted only when what it names is gone: nothing else knows that it is there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flowforge.store.transaction import Transaction

NAMES: Mapping[str, str] = {
    "stage_runs": "checkpoint",
    "push_intents": "bundle",
}  # table -> the column that names one

_OVER = """
-- Jobs that ended so long ago and still name something, with all that they name.
SELECT h.job, array_agg(DISTINCT h.{name}) AS names FROM {table} h
WHERE h.{name} <> '' AND h.job IN (
    SELECT DISTINCT r.job FROM {table} r
    WHERE r.{name} <> '' AND r.job < ff_first_id(now() - make_interval(days => %(days)s))
      AND (SELECT j.completed_at FROM jobs j WHERE j.id = r.job) < now() - make_interval(days => %(days)s)
    ORDER BY r.job LIMIT %(limit)s)
GROUP BY h.job ORDER BY h.job
"""

_DROP = "DELETE FROM {table} WHERE job = %(job)s"


@dataclass(frozen=True, kw_only=True)
class Over:
    """A job whose commits have had their time."""

    job: UUID
    names: Sequence[str]  # references of artifacts


def over(transaction: Transaction, table: str, days: int, limit: int) -> Sequence[Over]:
    """Jobs that ended more than so many days ago and name something in a table of `NAMES`."""
    query = _OVER.format(table=table, name=NAMES[table])
    return [Over(**row) for row in transaction.rows(query, days=days, limit=limit)]


def drop(transaction: Transaction, table: str, job: UUID) -> int:
    """Delete a job's rows of a table of `NAMES`, once what they name is gone; returns how many there were."""
    return transaction.run(_DROP.format(table=table), job=job) if table in NAMES else 0
