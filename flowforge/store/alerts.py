"""Telling of budgets, in the transaction in which it becomes true: once a budget, period and kind.

`threshold`: what was spent has reached the share at which the budget wants to be told of. `exhausted`: a call did not
fit under it any more. Each is a letter in the outbox and, where a job's call did it, an event in the job's story. Of
the installation's budgets a job's story tells no figures: they are made of other organizations' calls.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from flowforge.core.spend import dollars
from flowforge.store import outbox
from flowforge.store.transaction import Row, Transaction
from flowforge.store.values import as_json

LETTER: Final = "budget"  # kind in the outbox

_RECIPIENTS = """
-- Who can do something about it: its user and the admins of the organization, or the operators.
SELECT email FROM users WHERE is_active AND CASE WHEN %(organization)s::uuid IS NULL THEN role = 'operator'
    ELSE organization = %(organization)s AND (role IN ('admin', 'operator') OR id = %(user)s::uuid) END
ORDER BY email LIMIT 50
"""

Kind = Literal["threshold", "exhausted"]

_ABOUT = """
b.id AS budget, b.organization, b.user_id, b.period, b.amount_usd, b.alert_threshold_percent, t.starts_at, t.spent_usd,
t.reserved_usd, (ff_period(b.period, t.starts_at)).ends_at
"""

_PASSED = f"""
-- The rows were locked when they were booked.
UPDATE budget_totals t SET alerted_at = now()
FROM budgets b, jsonb_to_recordset(%(totals)s) AS k (kind text, subject uuid, starts_at timestamptz)
WHERE k.kind = 'budget' AND t.kind = k.kind AND t.subject = k.subject AND t.starts_at = k.starts_at
  AND b.id = t.subject AND t.alerted_at IS NULL AND b.amount_usd > 0
  AND t.spent_usd * 100 >= b.amount_usd * b.alert_threshold_percent
RETURNING {_ABOUT}
"""  # noqa: S608 (our own text)

_FULL = f"""
UPDATE budget_totals t SET exhausted_at = now() FROM budgets b
WHERE b.id = t.subject AND t.kind = 'budget' AND t.subject = %(subject)s AND t.starts_at = %(starts_at)s
  AND t.exhausted_at IS NULL
RETURNING {_ABOUT}
"""  # noqa: S608 (our own text)

_TELL = """
WITH told AS (UPDATE jobs SET last_seq = last_seq + 1 WHERE id = %(job)s AND completed_at IS NULL
              RETURNING organization, id, last_seq)
INSERT INTO job_events (organization, job, seq, kind, data)
SELECT organization, id, last_seq, 'job.budget_alert', %(data)s FROM told
"""


def passed(tx: Transaction, totals: object, job: UUID | None) -> None:
    """Tell of every budget among `totals` (keys of `budget_totals`) that has reached its threshold just now."""
    for row in tx.rows(_PASSED, totals=as_json(totals)):
        _tell(tx, "threshold", row, job)


def refused(tx: Transaction, subject: UUID, starts_at: str, job: UUID | None) -> None:
    """Tell that a call of `job` did not fit under a budget."""
    row = tx.row(_FULL, subject=subject, starts_at=starts_at)
    if row is not None:
        _tell(tx, "exhausted", row, job)


def _tell(tx: Transaction, kind: Kind, row: Row, job: UUID | None) -> None:
    found = tx.rows(_RECIPIENTS, organization=row["organization"], user=row["user_id"])
    payload = {**_payload(kind, row, job), "recipients": [one["email"] for one in found]}
    outbox.put(tx, row["organization"], job if row["organization"] else None, LETTER, payload)
    if job is not None:
        whole = row["organization"] is not None
        figures = {"amount_usd": dollars(row["amount_usd"]), "spent_usd": dollars(row["spent_usd"])}
        told = {"alert": kind, "whose": whose(row), "period": row["period"], **(figures if whole else {})}
        tx.run(_TELL, job=job, data=told)


def _payload(kind: Kind, row: Row, job: UUID | None) -> Mapping[str, object]:
    amounts: Mapping[str, Decimal] = {name: row[name] for name in ("amount_usd", "spent_usd", "reserved_usd")}
    return {
        "alert": kind,
        "budget": str(row["budget"]),
        "whose": whose(row),
        "organization": str(row["organization"] or ""),
        "user": str(row["user_id"] or ""),
        "period": row["period"],
        "starts_at": row["starts_at"].isoformat(),
        "ends_at": row["ends_at"].isoformat(),
        **{name: dollars(amount) for name, amount in amounts.items()},
        "alert_percent": row["alert_threshold_percent"],
        "job": str(job or ""),
    }


def whose(row: Row) -> str:
    """Of a row of `budgets`: user, organization or installation."""
    if row["organization"] is None:
        return "installation"
    return "user" if row["user_id"] else "organization"
