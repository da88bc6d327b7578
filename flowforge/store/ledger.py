"""Money: reserved at its worst before a call, settled at its real cost after it.

Every cap has one row in `budget_totals`. A reservation raises `reserved_usd` there by an update that says
"where spent + reserved + amount <= limit": the row's lock orders the callers, so together they can never pass
the limit, however many ask at once. Caps are taken in one fixed order, so two callers cannot deadlock; when one
cap refuses, a savepoint takes the earlier ones back. `begin` notes that a call is sent. What a crashed caller leaves
reserved expires: given back where the call was never sent, and *as spent* at its worst where it may have been made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from flowforge.core.spend import Budget, Usage
from flowforge.store import alerts
from flowforge.store.alerts import whose
from flowforge.store.transaction import Row, Transaction
from flowforge.store.values import as_json

HELD = 900.0  # seconds for which a reservation waits for its end; longer than any call may take
LOST = "lost"  # the result of a call whose end nobody saw
_FOREVER = "-infinity"


@dataclass(frozen=True, kw_only=True)
class Spender:
    """For whom a call is made."""

    organization: UUID
    user: UUID | None = None
    repository: UUID | None = None
    job: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a call was, for its row in `model_usage`."""

    provider: str
    model: str
    operation: str
    usage: Usage
    cost: Decimal
    milliseconds: int
    cache_hit: bool = False
    result: str = "success"
    request_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A part of a job's money with a cap of its own, as that of its review."""

    name: str
    limit: Decimal


@dataclass(frozen=True, kw_only=True)
class _Cap:
    kind: str  # budget | job
    subject: UUID
    starts_at: str
    organization: UUID | None
    limit: Decimal
    name: str
    period: str = ""  # of a budget
    ends_at: datetime | None = None

    @property
    def key(self) -> dict[str, str]:
        return {"kind": self.kind, "subject": str(self.subject), "starts_at": self.starts_at}


_BUDGETS = """
-- Every budget that this spender's calls count under, with its current period.
SELECT id, organization, user_id, period, amount_usd, p.starts_at, p.ends_at
FROM budgets CROSS JOIN LATERAL ff_period(period, now()) AS p
WHERE (organization IS NULL OR organization = %(organization)s) AND (user_id IS NULL OR user_id = %(user)s)
ORDER BY id
"""

_OPEN = """
INSERT INTO budget_totals (kind, subject, starts_at, organization)
VALUES (%(kind)s, %(subject)s, %(starts_at)s, %(organization)s) ON CONFLICT DO NOTHING
"""

_TAKE = """
-- The whole safety: no row comes back when the cap would be passed.
UPDATE budget_totals SET reserved_usd = reserved_usd + %(amount)s
WHERE kind = %(kind)s AND subject = %(subject)s AND starts_at = %(starts_at)s
  AND spent_usd + reserved_usd + %(amount)s <= %(limit)s
"""

_STATE = """
SELECT spent_usd, reserved_usd FROM budget_totals
WHERE kind = %(kind)s AND subject = %(subject)s AND starts_at = %(starts_at)s
"""

_END = """
-- Only an open reservation ends, and only once.
UPDATE budget_reservations SET state = %(state)s, cost_usd = %(cost)s, ended_at = now()
WHERE id = %(id)s AND state = 'reserved' RETURNING *
"""

_BOOK = """
-- Locked in the order in which everybody locks them, then changed.
WITH held AS MATERIALIZED (
    SELECT t.kind, t.subject, t.starts_at
    FROM ROWS FROM (jsonb_to_recordset(%(totals)s) AS (kind text, subject uuid, starts_at timestamptz))
         WITH ORDINALITY AS k (kind, subject, starts_at, place)
    JOIN budget_totals t ON t.kind = k.kind AND t.subject = k.subject AND t.starts_at = k.starts_at
    ORDER BY k.place FOR UPDATE OF t)
UPDATE budget_totals t SET reserved_usd = t.reserved_usd - %(amount)s, spent_usd = t.spent_usd + %(cost)s
FROM held k WHERE t.kind = k.kind AND t.subject = k.subject AND t.starts_at = k.starts_at
"""

_BEGIN = """
-- The call is sent now, and has the time of a new reservation for it.
UPDATE budget_reservations SET sent = true, provider = %(provider)s, model = %(model)s, operation = %(operation)s,
       expires_at = greatest(expires_at, now() + make_interval(secs => %(seconds)s))
WHERE id = %(id)s AND state = 'reserved'
"""

_HOLD = """
UPDATE budget_reservations SET expires_at = now() + make_interval(secs => %(seconds)s)
WHERE id = %(id)s AND state = 'reserved'
"""

_CALLS = "SELECT count(*) FROM budget_reservations WHERE job = %(job)s AND state <> 'released'"

_USAGE = """
INSERT INTO model_usage (organization, user_id, job, provider, model, operation, input_tokens, output_tokens,
                         cache_write_tokens, cache_read_tokens, cost_usd, response_time_ms, cache_hit, result,
                         request_id, reservation, repository)
VALUES (%(organization)s, %(user)s, %(job)s, %(provider)s, %(model)s, %(operation)s, %(input)s, %(output)s,
        %(cache_write)s, %(cache_read)s, %(cost)s, %(ms)s, %(hit)s, %(result)s, %(request_id)s, %(reservation)s,
        coalesce(%(repository)s::uuid, (SELECT repository FROM jobs WHERE id = %(job)s)))
ON CONFLICT (reservation) DO NOTHING
"""

_OVERDUE = """
SELECT id, amount_usd, sent FROM budget_reservations WHERE state = 'reserved' AND expires_at < now()
ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def reserve(
    tx: Transaction,
    *,
    id_: UUID,
    spender: Spender,
    amount: Decimal,
    job_limit: Decimal | None = None,
    job_calls: int | None = None,
    line: Line | None = None,
    seconds: float = HELD,
) -> Budget | None:
    """Reserve `amount` under every cap of the spender, or under none.

    `job_limit` (US dollars) and `job_calls` are the job's own caps in all, the second only beside the first, and `line` a
    cap for some of its calls. The reservation expires after `seconds` if nobody ends it. Returns the cap that forbids it, or None when the money is reserved.
    """
    caps = [*_caps(tx, spender, job_limit), *_line(spender, line)]
    for cap in caps:
        tx.run(_OPEN, **cap.key, organization=cap.organization)
    try:
        with tx.savepoint():
            for cap in caps:
                _take(tx, cap, amount)
            _count(tx, spender, job_calls)
    except _Full as full:
        if full.cap is not None:
            alerts.refused(tx, full.cap.subject, full.cap.starts_at, spender.job)
        return full.budget
    tx.run(
        "INSERT INTO budget_reservations (id, organization, user_id, job, amount_usd, totals, sent, expires_at) "
        "VALUES (%(id)s, %(organization)s, %(user)s, %(job)s, %(amount)s, %(totals)s, false, "
        "now() + make_interval(secs => %(seconds)s))",
        id=id_,
        organization=spender.organization,
        user=spender.user,
        job=spender.job,
        amount=amount,
        totals=as_json([cap.key for cap in caps]),
        seconds=seconds,
    )
    return None


def begin(
    tx: Transaction, id_: UUID, *, provider: str, model: str, operation: str, seconds: float = HELD
) -> bool:
    """Note that the call is sent now; False when the reservation has ended, and nothing must be sent."""
    values = {"provider": provider, "model": model, "operation": operation}
    return tx.run(_BEGIN, id=id_, seconds=seconds, **values) == 1


def hold(tx: Transaction, id_: UUID, seconds: float) -> bool:
    """Let a reservation stand for so many seconds from now; False when it has ended."""
    return tx.run(_HOLD, id=id_, seconds=seconds) == 1


def settle(tx: Transaction, id_: UUID, cost: Decimal) -> bool:
    """Book what a call cost in place of its reservation, once; False when the reservation had ended already.

    One that expired meanwhile was booked at its worst, and stays so: a cap errs to the safe side.
    """
    return _end(tx, id_, "settled", cost)


def release(tx: Transaction, id_: UUID) -> bool:
    """Give a reservation back whose call was certainly not billed; False when it had ended already."""
    return _end(tx, id_, "released", Decimal(0))


def expire(tx: Transaction, limit: int = 100) -> int:
    """End overdue reservations; returns how many. For the relay's sweep.

    A call that was never sent has its money back. Any other may be on the provider's bill, whoever knows of it: it is
    booked at its worst, and recorded as `lost`.
    """
    overdue = tx.rows(_OVERDUE, limit=limit)
    for row in overdue:
        if row["sent"] is False:  # NULL: made by a version that did not note it
            release(tx, row["id"])
        else:
            _lose(tx, row["id"], row["amount_usd"])
    return len(overdue)


def _lose(tx: Transaction, id_: UUID, worst: Decimal) -> None:
    ended = _ended(tx, id_, "expired", worst)
    if ended is not None and ended["provider"]:
        spender = Spender(organization=ended["organization"], user=ended["user_id"], job=ended["job"])
        named = {name: ended[name] for name in ("provider", "model", "operation")}
        call = Call(**named, usage=Usage(), cost=worst, milliseconds=0, result=LOST)
        record_call(tx, spender, call, id_)


def record_call(tx: Transaction, spender: Spender, call: Call, reservation: UUID | None = None) -> bool:
    """Write a call's row into the usage table; False for a reservation's second, which is not kept."""
    written = tx.run(
        _USAGE,
        organization=spender.organization,
        user=spender.user,
        job=spender.job,
        provider=call.provider,
        model=call.model,
        operation=call.operation,
        input=call.usage.input,
        output=call.usage.output,
        cache_write=call.usage.written,
        cache_read=call.usage.cache_read,
        cost=call.cost,
        ms=call.milliseconds,
        hit=call.cache_hit,
        result=call.result,
        request_id=call.request_id,
        reservation=reservation,
        repository=spender.repository,
    )
    return written == 1


def budgets_of(tx: Transaction, spender: Spender, job_limit: Decimal | None = None) -> Sequence[Budget]:
    """Every cap that holds for the spender, with what is spent and reserved under it now."""
    return [_budget(tx, cap) for cap in _caps(tx, spender, job_limit)]


class _Full(Exception):
    """Carries the cap that is full out of the savepoint."""

    def __init__(self, budget: Budget, cap: _Cap | None = None) -> None:
        super().__init__(budget.name)
        self.budget = budget
        self.cap = cap


def _take(tx: Transaction, cap: _Cap, amount: Decimal) -> None:
    if not tx.run(_TAKE, **cap.key, amount=amount, limit=cap.limit):
        raise _Full(_budget(tx, cap), cap if cap.kind == "budget" else None)


def _count(tx: Transaction, spender: Spender, limit: int | None) -> None:
    """The job's calls; asked under the lock of the job's own cap, so no two see the same number."""
    if spender.job is None or limit is None:
        return
    made = tx.value(_CALLS, job=spender.job)
    if made >= limit:
        raise _Full(Budget(name="calls of the job", limit=Decimal(limit), spent=Decimal(made)))


def _caps(tx: Transaction, spender: Spender, job_limit: Decimal | None) -> list[_Cap]:
    """In the order in which everybody locks them: budgets by id, then the job."""
    if not tx.scope.all_rows:
        raise RuntimeError("the ledger needs Scope.system(): an organization does not see the global caps")
    rows = tx.rows(_BUDGETS, organization=spender.organization, user=spender.user)
    caps = [
        _Cap(
            kind="budget",
            subject=row["id"],
            starts_at=row["starts_at"].isoformat(),
            organization=row["organization"],
            limit=row["amount_usd"],
            name=whose(row),
            period=row["period"],
            ends_at=row["ends_at"],
        )
        for row in rows
    ]
    if spender.job is not None and job_limit is not None:
        caps.append(
            _Cap(
                kind="job",
                subject=spender.job,
                starts_at=_FOREVER,
                organization=spender.organization,
                limit=job_limit,
                name="job",
            )
        )
    return caps


def _line(spender: Spender, line: Line | None) -> list[_Cap]:
    """The cap of a job's line, locked after all others; its subject is made from the job's id and its name."""
    if spender.job is None or line is None:
        return []
    return [
        _Cap(
            kind="job",
            subject=uuid5(spender.job, line.name),
            starts_at=_FOREVER,
            organization=spender.organization,
            limit=line.limit,
            name=f"{line.name} of the job",
        )
    ]


def _budget(tx: Transaction, cap: _Cap) -> Budget:
    row: dict[str, Any] = tx.row(_STATE, **cap.key) or {"spent_usd": Decimal(0), "reserved_usd": Decimal(0)}
    return Budget(
        name=cap.name,
        limit=cap.limit,
        spent=row["spent_usd"],
        reserved=row["reserved_usd"],
        period=cap.period,
        renews_at=cap.ends_at,
    )


def _end(tx: Transaction, id_: UUID, state: str, cost: Decimal) -> bool:
    return _ended(tx, id_, state, cost) is not None


def _ended(tx: Transaction, id_: UUID, state: str, cost: Decimal) -> Row | None:
    """The reservation that ended now; None when it had ended already."""
    ended = tx.row(_END, id=id_, state=state, cost=cost)
    if ended is not None:
        tx.run(_BOOK, amount=ended["amount_usd"], cost=cost, totals=as_json(ended["totals"]))
        alerts.passed(tx, ended["totals"], ended["job"])
    return ended
