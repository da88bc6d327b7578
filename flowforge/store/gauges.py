"""What the installation looks like now, in one statement: for who reads the metrics, never for a job."""

from collections.abc import Mapping
from dataclasses import dataclass

from flowforge.core.job import PriorityClass, priority_class
from flowforge.store.transaction import Transaction

_GAUGES = """
-- Jobs that wait and run by their priority, workers seen lately, and what is left of the installation's tightest budget.
SELECT state AS what, priority, count(*)::float AS n FROM jobs
WHERE state IN ('queued', 'running') GROUP BY state, priority
UNION ALL
SELECT 'worker', 0, count(*) FROM workers WHERE seen_at > now() - make_interval(secs => %(alive)s)
UNION ALL
SELECT 'budget', 0, min(CASE WHEN b.amount_usd = 0 THEN 0 ELSE greatest(
    0, 1 - (coalesce(t.spent_usd, 0) + coalesce(t.reserved_usd, 0)) / b.amount_usd) END)
FROM budgets b CROSS JOIN LATERAL ff_period(b.period, now()) AS p
LEFT JOIN budget_totals t ON t.kind = 'budget' AND t.subject = b.id AND t.starts_at = p.starts_at
WHERE b.organization IS NULL AND b.user_id IS NULL HAVING count(*) > 0
"""


@dataclass(frozen=True, kw_only=True)
class Gauges:
    depth: Mapping[PriorityClass, int]  # queued jobs; every class is there
    active: int  # running jobs
    workers: int
    budget: float | None  # share that is left of the budget that has least, None = there is none


def gauges(transaction: Transaction, alive: float) -> Gauges:
    """Count; workers are those seen within `alive` seconds."""
    depth = dict.fromkeys(PriorityClass, 0)
    counted = {"running": 0, "worker": 0}
    budget = None
    for row in transaction.rows(_GAUGES, alive=alive):
        if row["what"] == "queued":
            depth[priority_class(row["priority"])] += int(row["n"])
        elif row["what"] == "budget":
            budget = float(row["n"])
        else:
            counted[row["what"]] += int(row["n"])
    return Gauges(depth=depth, active=counted["running"], workers=counted["worker"], budget=budget)
