"""Budgets: who may spend how much in which period, and how each stands now.

A budget belongs to a user, an organization or, with neither, the installation. Periods are Postgres's and UTC: a day,
an ISO week from Monday, a month. A budget that is made within its period counts what was spent in it already, so that
removing and making it anew gives nothing back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from flowforge.store.guards import APP, SYSTEM
from flowforge.store.transaction import Row, Transaction

By = Literal["person", "setting"]

FUNCTIONS = f"""
-- The period of a kind that holds a moment. In UTC from end to end: no session's zone moves a month's length.
CREATE OR REPLACE FUNCTION ff_period(period text, moment timestamptz, OUT starts_at timestamptz, OUT ends_at timestamptz)
LANGUAGE sql STABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT low AT TIME ZONE 'UTC', (low + ('1 ' || unit)::interval) AT TIME ZONE 'UTC'
    FROM (SELECT unit, date_trunc(unit, moment AT TIME ZONE 'UTC') AS low
          FROM (SELECT CASE period WHEN 'daily' THEN 'day' WHEN 'weekly' THEN 'week' ELSE 'month' END AS unit) AS named)
         AS truncated
$$;

-- Begin a budget's current period with what was reserved and spent in it before the budget was there.
CREATE OR REPLACE FUNCTION ff_open_budget(wanted uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO budget_totals (kind, subject, starts_at, organization, spent_usd)
    SELECT 'budget', b.id, p.starts_at, b.organization, coalesce((
        SELECT sum(coalesce(r.cost_usd, r.amount_usd)) FROM budget_reservations r
        WHERE r.created_at >= p.starts_at AND (b.organization IS NULL OR r.organization = b.organization)
          AND (b.user_id IS NULL OR r.user_id = b.user_id)), 0)
    FROM budgets b CROSS JOIN LATERAL ff_period(b.period, now()) AS p
    WHERE b.id = wanted AND NOT EXISTS (SELECT FROM budget_totals t WHERE t.kind = 'budget' AND t.subject = b.id
                                        AND t.starts_at = p.starts_at)
    ON CONFLICT DO NOTHING
$$;
REVOKE ALL ON FUNCTION ff_open_budget(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ff_open_budget(uuid) TO {APP}, {SYSTEM};

-- Budgets of the installation belong to no organization: a transaction of ours sees them where it said so.
DROP POLICY IF EXISTS ff_installation ON budgets;
CREATE POLICY ff_installation ON budgets TO {APP}
    USING (organization IS NULL AND current_setting('ff.installation', true) = 'on');
DROP POLICY IF EXISTS ff_installation ON budget_totals;
CREATE POLICY ff_installation ON budget_totals TO {APP}
    USING (organization IS NULL AND current_setting('ff.installation', true) = 'on');
DROP POLICY IF EXISTS ff_installation ON audit_logs;
CREATE POLICY ff_installation ON audit_logs FOR INSERT TO {APP}
    WITH CHECK (organization IS NULL AND current_setting('ff.installation', true) = 'on');
"""  # noqa: S608 (our own constants)

_SEE = "SELECT set_config('ff.installation', 'on', true)"

_SAME = """
b.period = %(period)s AND b.organization IS NOT DISTINCT FROM %(organization)s::uuid
AND b.user_id IS NOT DISTINCT FROM %(user)s::uuid
"""

_LOOK = """
-- Budgets as they stand in their current period, the widest first.
SELECT b.id, b.organization, b.user_id, coalesce(u.email, '') AS email, b.period, b.amount_usd AS amount,
       b.alert_threshold_percent AS alert_percent, b.set_by, p.starts_at, p.ends_at,
       coalesce(t.spent_usd, 0) AS spent, coalesce(t.reserved_usd, 0) AS reserved, t.alerted_at, t.exhausted_at
FROM budgets b
LEFT JOIN users u ON u.id = b.user_id
CROSS JOIN LATERAL ff_period(b.period, now()) AS p
LEFT JOIN budget_totals t ON t.kind = 'budget' AND t.subject = b.id AND t.starts_at = p.starts_at
"""

_ORDER = """
ORDER BY b.organization NULLS FIRST, b.user_id IS NOT NULL, u.email,
         array_position(ARRAY['daily', 'weekly', 'monthly'], b.period)
"""

_LIST = f"""
{_LOOK} WHERE %(user)s::uuid IS NULL OR b.user_id IS NULL OR b.user_id = %(user)s {_ORDER} LIMIT %(most)s
"""

_ONE = f"{_LOOK} WHERE {_SAME}"

_SET = """
INSERT INTO budgets AS b (id, organization, user_id, period, amount_usd, alert_threshold_percent, set_by)
VALUES (%(id)s, %(organization)s, %(user)s, %(period)s, %(amount)s, %(alert)s, %(by)s)
ON CONFLICT (organization, user_id, period) DO UPDATE
SET amount_usd = excluded.amount_usd, alert_threshold_percent = excluded.alert_threshold_percent,
    set_by = excluded.set_by, updated_at = now()
RETURNING b.id
"""

_UNTOLD = """
-- What was told of the amount before is told again of this one, unless it is as true as it was.
UPDATE budget_totals t
SET alerted_at = CASE WHEN t.spent_usd * 100 < b.amount_usd * b.alert_threshold_percent THEN NULL
                      ELSE t.alerted_at END,
    exhausted_at = CASE WHEN t.spent_usd + t.reserved_usd < b.amount_usd THEN NULL ELSE t.exhausted_at END
FROM budgets b WHERE b.id = %(id)s AND t.kind = 'budget' AND t.subject = b.id
  AND (t.alerted_at IS NOT NULL OR t.exhausted_at IS NOT NULL)
"""

_REMOVE = f"DELETE FROM budgets b WHERE {_SAME} AND (%(by)s = '' OR b.set_by = %(by)s)"  # noqa: S608 (our own text)

_USER = """
SELECT id, email FROM users WHERE id::text = lower(%(who)s) OR lower(email) = lower(%(who)s) ORDER BY email LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A budget with what counts under it in its current period. US dollars."""

    id: UUID
    organization: UUID | None
    user_id: UUID | None
    email: str  # of the user; "" where it is nobody's
    period: str  # daily | weekly | monthly
    amount: Decimal
    alert_percent: int
    set_by: str  # person | setting
    starts_at: datetime
    ends_at: datetime
    spent: Decimal
    reserved: Decimal
    alerted_at: datetime | None
    exhausted_at: datetime | None

    @property
    def left(self) -> Decimal:
        """What may still be reserved; never below zero, though a call may cost more than was reserved for it."""
        return max(Decimal(0), self.amount - self.spent - self.reserved)


def see_installation(tx: Transaction) -> None:
    """Let this transaction see and change the installation's own budgets; for operators only."""
    tx.rows(_SEE)


def all_of(tx: Transaction, *, user: UUID | None = None, most: int = 1000) -> Sequence[Standing]:
    """Budgets that the transaction sees; with `user`, of all users only that one's."""
    return [Standing(**row) for row in tx.rows(_LIST, user=user, most=most)]


def one(
    tx: Transaction, *, period: str, organization: UUID | None = None, user: UUID | None = None
) -> Standing | None:
    row: Row | None = tx.row(_ONE, period=period, organization=organization, user=user)
    return None if row is None else Standing(**row)


def set_budget(
    tx: Transaction,
    *,
    id_: UUID,
    period: str,
    amount: Decimal,
    organization: UUID | None = None,
    user: UUID | None = None,
    alert_percent: int = 80,
    by: By = "person",
) -> None:
    """Make or change a budget: of a user, an organization, or (with neither) the whole installation.

    Raises:
        Refused: `period` is not daily, weekly or monthly, or the amount is below zero.
        MissingReference: the organization has no such user.
    """
    stands = tx.value(
        _SET,
        id=id_,
        organization=organization,
        user=user,
        period=period,
        amount=amount,
        alert=alert_percent,
        by=by,
    )
    tx.run(_UNTOLD, id=stands)
    tx.rows("SELECT ff_open_budget(%(id)s)", id=stands)


def remove_budget(
    tx: Transaction,
    *,
    period: str,
    organization: UUID | None = None,
    user: UUID | None = None,
    by: By | Literal[""] = "",
) -> bool:
    """Lift a cap, with `by` only one that was set so; what was spent under it stays known. False when there was none."""
    return tx.run(_REMOVE, period=period, organization=organization, user=user, by=by) == 1


def find_user(tx: Transaction, who: str) -> tuple[UUID, str] | None:
    """Id and address of the user that an id or an address names."""
    row = tx.row(_USER, who=who)
    return None if row is None else (row["id"], row["email"])
