"""What it costs to ask what models cost: `python -m tests.bench.spending [--json] [--rows N] [--runs N]`.

A million calls of one organization in the last thirty days, of 50 repositories, 20 users, three models and three
operations, every combination on every day (rows made by SQL): the figures by day, repository, model, operation and user
as the API asks for them, in turn with the same sum over the calls themselves. Beside it a call's row in its own
transaction with and without the trigger that counts it, and a job's receipt of 40 calls.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args
from uuid import UUID

from flowforge.core.spend import Usage
from flowforge.store import ledger, usage
from flowforge.store.ledger import Call, Spender
from flowforge.store.scope import Scope
from flowforge.store.usage import By
from tests.bench.machine import Machine, machine, median, percentile, report, show

AT_MOST = {"list_p95_ms": 100.0, "receipt_p95_ms": 100.0, "record_by_plain": 2.0}
CALLS = 40  # of the job whose receipt is asked for
DAYS = 30

_PEOPLE = """
INSERT INTO users (id, organization, email, role)
SELECT gen_random_uuid(), '{organization}', 'u' || n || '@example.org', 'user' FROM generate_series(1, 20) n;
INSERT INTO repositories (id, organization, name, url)
SELECT gen_random_uuid(), '{organization}', 'r' || n, 'https://git.example.org/r' FROM generate_series(1, 50) n;
"""
_CALLS = """
INSERT INTO model_usage (organization, user_id, repository, provider, model, operation, input_tokens, output_tokens,
                         cost_usd, request_id, at)
SELECT '{organization}', u.id, r.id, 'p', 'm' || n %% 3, (ARRAY['resolve', 'repair', 'review'])[1 + n / 3 %% 3], 3000, 500,
       0.0123, 'req_' || n, now() - make_interval(secs => random() * 86400 * {days})
FROM generate_series(1, {count}) n
JOIN (SELECT id, row_number() OVER () AS number FROM users WHERE email LIKE 'u%%') u ON u.number = 1 + n / 9 %% 20
JOIN (SELECT id, row_number() OVER () AS number FROM repositories WHERE name LIKE 'r%%') r
     ON r.number = 1 + n / 180 %% 50
"""
_COUNTED = """
INSERT INTO usage_days
SELECT u.organization, k.kind, (u.at AT TIME ZONE 'UTC')::date, k.key, count(*), 0, sum(u.input_tokens),
       sum(u.output_tokens), 0, 0, sum(u.cost_usd)
FROM model_usage u CROSS JOIN LATERAL ff_kinds_of_usage(u) AS k GROUP BY 1, 2, 3, 4
"""
_PLAIN = """
SELECT model, count(*), sum(input_tokens), sum(output_tokens), sum(cost_usd) FROM model_usage
WHERE organization = %(organization)s AND at >= %(first)s GROUP BY GROUPING SETS ((model), ())
"""


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def filled(made: Machine, rows: int) -> UUID:
    """The calls, and a job that has some of them."""
    organization = made.first.organization
    made.run(
        _PEOPLE.format(organization=organization),
        "ALTER TABLE model_usage DISABLE TRIGGER ff_count_usage",
        _CALLS.format(organization=organization, count=rows, days=DAYS).replace("%%", "%"),
        "ALTER TABLE model_usage ENABLE TRIGGER ff_count_usage",
        _COUNTED,
        "VACUUM ANALYZE model_usage",
        "VACUUM ANALYZE usage_days",
    )
    job = made.submit("feature")
    for number in range(CALLS):
        record(made, job, number)
    return job


def record(made: Machine, job: UUID, number: int) -> None:
    """A call's row in a transaction of its own."""
    who = Spender(organization=made.first.organization, user=made.first.user, job=job)
    call = Call(
        provider="p",
        model="m0",
        operation="resolve",
        usage=Usage(input=3000, output=500),
        cost=Decimal("0.0123"),
        milliseconds=900,
        request_id=f"req_{number}",
        cache_hit=number % 2 == 1,
    )
    with made.system.transaction(Scope.system()) as tx:
        ledger.record_call(tx, who, call)


def lists(made: Machine, runs: int) -> dict[str, float]:
    scope = Scope.organization(made.first.organization)
    last = datetime.now(UTC).date()
    first = last - timedelta(days=DAYS)

    def group(by: By) -> None:
        with made.app.transaction(scope, read_only=True) as tx:
            assert usage.usage(tx, made.first.organization, by, first=first, last=last).total.calls > 0

    def plain() -> None:
        with made.app.transaction(scope, read_only=True) as tx:
            assert tx.rows(_PLAIN, organization=made.first.organization, first=first)

    kinds: tuple[By, ...] = get_args(By)
    took: dict[str, list[float]] = {kind: [] for kind in kinds}
    floor: list[float] = []
    for number in range(runs):
        for kind in kinds:
            took[kind].append(timed(lambda kind=kind: group(kind)))  # type: ignore[misc]  # mypy cannot infer the default
        if number % 5 == 0:
            floor.append(timed(plain))
    every = [value for values in took.values() for value in values]
    return {
        "list_p50_ms": median(every),
        "list_p95_ms": percentile(every, 0.95),
        **{f"list_{kind}_p95_ms": percentile(values, 0.95) for kind, values in took.items()},
        "over_calls_p50_ms": median(floor),
        "over_calls_by_list": median(floor) / median(every),
    }


def receipts(made: Machine, job: UUID, runs: int) -> dict[str, float]:
    scope = Scope.organization(made.first.organization)

    def look() -> None:
        with made.app.transaction(scope, read_only=True) as tx:
            assert len(usage.receipts(tx, job, 1000)) >= CALLS
            assert usage.total(tx, job).calls >= CALLS

    return {"receipt_p95_ms": percentile([timed(look) for _ in range(runs)], 0.95)}


def records(made: Machine, runs: int) -> dict[str, float]:
    """A call's row with the trigger and without, in turn."""
    job = made.submit("other")
    with_, without = [], []
    for number in range(runs):
        with_.append(timed(lambda number=number: record(made, job, number)))  # type: ignore[misc]  # as above
        made.run("ALTER TABLE model_usage DISABLE TRIGGER ff_count_usage")
        without.append(timed(lambda number=number: record(made, job, number)))  # type: ignore[misc]  # as above
        made.run("ALTER TABLE model_usage ENABLE TRIGGER ff_count_usage")
    return {"record_p50_ms": median(with_), "record_by_plain": median(with_) / median(without)}


def run(rows: int, runs: int) -> dict[str, object]:
    with machine() as made:
        job = filled(made, rows)
        days = made.value("SELECT count(*) FROM usage_days")
        figures = {
            "rows": float(rows),
            "days_rows": float(days),
            **lists(made, runs),
            **receipts(made, job, runs),
            **records(made, runs),
        }
    return report("spending", figures, AT_MOST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=20)
    asked = parser.parse_args()
    return show(run(asked.rows, asked.runs), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
