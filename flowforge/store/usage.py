"""What models were used for: figures by day, repository, model, operation or user, and the receipt of one job.

The figures come from `usage_days`, which a trigger keeps beside `model_usage` and which is never forgotten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from flowforge.store.transaction import Row, Transaction

By = Literal["day", "repository", "model", "operation", "user"]

_KEYS: Final[
    Mapping[By, tuple[str, str, str]]
] = {  # which rows, what is grouped by, its name as people know it
    "day": ("operation", "d.day::text", "g.key"),  # of few words
    "repository": (
        "repository",
        "d.key",
        "(SELECT r.name FROM repositories r WHERE r.id = nullif(g.key, '')::uuid)",
    ),
    "model": ("model", "d.key", "g.key"),
    "operation": ("operation", "d.key", "g.key"),
    "user": ("user", "d.key", "(SELECT u.email FROM users u WHERE u.id = nullif(g.key, '')::uuid)"),
}

_SUMS = """
sum(d.calls)::bigint AS calls, sum(d.cached)::bigint AS cached, sum(d.input_tokens)::bigint AS input_tokens,
sum(d.output_tokens)::bigint AS output_tokens, sum(d.cache_write_tokens)::bigint AS cache_write_tokens,
sum(d.cache_read_tokens)::bigint AS cache_read_tokens, sum(d.cost_usd) AS cost
"""

_LIST = """
-- Groups of an organization's days, and the sum of all of them, in one look.
SELECT g.*, coalesce({name}, '') AS name FROM (
    SELECT {key} AS key, grouping({key}) = 1 AS whole, {sums}
    FROM usage_days d
    WHERE d.organization = %(organization)s AND d.kind = %(kind)s AND d.day BETWEEN %(first)s AND %(last)s
    GROUP BY GROUPING SETS (({key}), ())) AS g
ORDER BY g.whole DESC, {order} LIMIT %(most)s
"""

_MONTH = "SELECT starts_at::date AS first, (now() AT TIME ZONE 'UTC')::date AS last FROM ff_period('monthly', now())"

_CALLS = """
-- The calls of a job as they were booked; what expired or was settled without a record stands here too.
SELECT u.at, u.provider, u.model, u.operation, u.result, u.input_tokens, u.output_tokens, u.cache_write_tokens,
       u.cache_read_tokens, CASE WHEN r.id IS NULL THEN u.cost_usd ELSE coalesce(r.cost_usd, 0) END AS cost,
       u.response_time_ms AS milliseconds, u.cache_hit AS cached, u.request_id, u.reservation,
       CASE WHEN u.cache_hit AND u.request_id <> '' THEN coalesce((
           SELECT max(o.cost_usd) FROM model_usage o WHERE o.organization = u.organization
           AND o.request_id = u.request_id AND o.request_id <> '' AND NOT o.cache_hit), 0) ELSE 0 END AS saved
FROM model_usage u LEFT JOIN budget_reservations r ON r.id = u.reservation WHERE u.job = %(job)s
UNION ALL
SELECT r.ended_at, '', '', '', r.state, 0, 0, 0, 0, r.cost_usd, 0, false, '', r.id, 0
FROM budget_reservations r WHERE r.job = %(job)s AND r.state IN ('settled', 'expired')
AND NOT EXISTS (SELECT FROM model_usage u WHERE u.reservation = r.id)
"""

_RECEIPT = f"SELECT * FROM ({_CALLS}) AS calls ORDER BY at, reservation LIMIT %(most)s"  # noqa: S608 (our own text)

_TOTAL = f"""
SELECT count(*) AS calls, count(*) FILTER (WHERE cached) AS cached,
       coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
       coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
       coalesce(sum(cache_write_tokens), 0)::bigint AS cache_write_tokens,
       coalesce(sum(cache_read_tokens), 0)::bigint AS cache_read_tokens,
       coalesce(sum(cost), 0) AS cost, coalesce(sum(saved), 0) AS saved,
       (SELECT coalesce(sum(amount_usd), 0) FROM budget_reservations WHERE job = %(job)s AND state = 'reserved')
           AS reserved
FROM ({_CALLS}) AS calls
"""  # noqa: S608 (our own text)


@dataclass(frozen=True, kw_only=True)
class Used:
    """One group. `key` is a day, an id or a word, "" = none; `name` is what people call it."""

    key: str
    name: str
    calls: int
    cached: int  # of these, answered from our own store
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    cost: Decimal  # US dollars


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Groups: days in order, all others dearest first. `total` counts those that are not shown too."""

    first: date
    last: date  # included
    total: Used
    groups: Sequence[Used]
    more: bool


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One call of a job. `cost` is what the budgets booked; `saved` is what the same answer cost when it was bought."""

    at: datetime
    provider: str
    model: str
    operation: str
    result: str
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    cost: Decimal
    milliseconds: int
    cached: bool
    request_id: str
    reservation: UUID | None
    saved: Decimal


@dataclass(frozen=True, kw_only=True)
class Total:
    """What the calls of a job come to."""

    calls: int = 0
    cached: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0
    cost: Decimal = Decimal(0)
    saved: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)  # for calls that run


NOTHING: Final = Used(
    key="",
    name="",
    calls=0,
    cached=0,
    input_tokens=0,
    output_tokens=0,
    cache_write_tokens=0,
    cache_read_tokens=0,
    cost=Decimal(0),
)


def usage(
    tx: Transaction,
    organization: UUID,
    by: By,
    *,
    first: date | None = None,
    last: date | None = None,
    most: int = 10_000,
) -> Usage:
    """What an organization used from `first` to `last`, UTC; without them, in this month up to today."""
    month = tx.row(_MONTH) or {}
    first, last = first or month["first"], last or month["last"]
    kind, key, name = _KEYS[by]
    order = "g.key" if by == "day" else "g.cost DESC, g.key"
    query = _LIST.format(key=key, name=name, sums=_SUMS, order=order)
    rows = tx.rows(query, organization=organization, kind=kind, first=first, last=last, most=most + 2)
    whole = [row for row in rows if row["whole"] and row["calls"] is not None]
    groups = [_used(row) for row in rows if not row["whole"]]
    total = _used({**whole[0], "name": ""}) if whole else NOTHING
    return Usage(first=first, last=last, total=total, groups=groups[:most], more=len(groups) > most)


def receipts(tx: Transaction, job: UUID, most: int) -> Sequence[Receipt]:
    """The calls of a job, oldest first."""
    return [Receipt(**row) for row in tx.rows(_RECEIPT, job=job, most=most)]


def total(tx: Transaction, job: UUID) -> Total:
    return Total(**(tx.row(_TOTAL, job=job) or {}))


def _used(row: Row) -> Used:
    return Used(
        **{**{name: value for name, value in row.items() if name != "whole"}, "key": row["key"] or ""}
    )
