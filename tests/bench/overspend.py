"""Whether many callers together spend more than a budget: `python -m tests.bench.overspend [--json] [--calls N]`.

50 threads ask for answers of random cost until a budget is used up, through the whole service, with the books of one
process and with those in Postgres (fsync on), in one run; some calls break off, fail or are never answered. Spent must
stay within the budget and equal what the provider billed. Beside it what the books of a call take of our own time.
"""

import argparse
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID, uuid4

from flowforge.accounts.spending import StoredBooks
from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.core.spend import Budget, Price, Usage, cost
from flowforge.hooks.contracts import Model, ModelAnswer, ModelRequest
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.ports import Asker, Books
from flowforge.llm.prices import Prices, Tariff
from flowforge.llm.service import ModelService, Ports, Rules
from flowforge.store import budgets
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.store.scope import Scope
from flowforge.vault.envelope import Vault
from tests.bench.machine import Machine, machine, median, percentile, report, show

THREADS = 50
AT_MOST = {"overspend_usd": 0.0, "unbooked_usd": 0.0, "own_p50_ms": 30.0}
PRICE = Price(input=Decimal(2), output=Decimal(10), cache_write=Decimal("2.5"), cache_read=Decimal("0.2"))
PRICES = Prices(date="", source="", tariffs={"m": Tariff(price=PRICE)})
WORST = 1000  # tokens of a prompt and of an answer


class Plain:
    """Keys without a key file: what is measured is the books'."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return key

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped


class Provider:
    """Costs anything up to its bound; some calls fail and some break off. Counts what it bills."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 (costs, no secrets)
        self._lock = threading.Lock()
        self.billed = Decimal(0)
        self.seconds = 0.0

    def complete(self, _request: ModelRequest, _deadline: float) -> ModelAnswer:
        with self._lock:
            kind = self._random.random()
            usage = Usage(input=self._random.randint(0, WORST), output=self._random.randint(0, WORST))
            if kind < 0.1:
                raise Temporary(Reason.MODEL_UNAVAILABLE, "busy", delay=0.0)
            self.billed += cost(usage, PRICE)
        return ModelAnswer(text="{}", usage=usage, stop="cut" if kind < 0.2 else "end")

    def count_tokens(self, _request: ModelRequest) -> int:
        return WORST


class Open:
    def admit(self, asker: Asker, tokens: int, amount: Decimal) -> None:
        """Admit everybody."""


def spend(books: Books, asker: Asker, calls: int, seed: int) -> tuple[Provider, list[float], int]:
    """Ask so often; returns the provider, our own milliseconds of each answered call, and how many were refused."""
    provider = Provider(seed)
    ports = Ports(
        books=books,
        limiter=Open(),
        clock=time.monotonic,
        sleep=lambda _seconds: None,
        random=random.Random(seed).random,  # noqa: S311 (as above)
    )
    rules = Rules(at_once=THREADS, breaker=0)
    service = ModelService(Model(id="p", load=""), lambda: provider, PRICES, ports, rules)
    request = ModelRequest(model="m", system="s", prompt="p", schema={}, max_output=WORST)

    def ask(number: int) -> float | None:
        begun = time.perf_counter()
        try:
            service.ask(request, asker, key=f"{seed}-{number}")
        except FlowForgeError:
            return None
        return (time.perf_counter() - begun) * 1000

    with ThreadPoolExecutor(THREADS) as pool:
        took = list(pool.map(ask, range(calls)))
    return provider, [one for one in took if one is not None], took.count(None)


def alone(books: Books, asker: Asker, calls: int) -> tuple[Provider, list[float]]:
    """The provider, and our own milliseconds of calls that come one after the other."""
    provider = Provider(0)
    provider._random.random = lambda: 1.0  # type: ignore[method-assign]  # all are answered
    ports = Ports(books=books, limiter=Open(), clock=time.monotonic, sleep=time.sleep, random=random.random)
    service = ModelService(Model(id="p", load=""), lambda: provider, PRICES, ports)
    request = ModelRequest(model="m", system="s", prompt="p", schema={}, max_output=WORST)
    took = []
    for number in range(calls):
        begun = time.perf_counter()
        service.ask(request, asker, key=f"alone-{number}")
        took.append((time.perf_counter() - begun) * 1000)
    return provider, took


def in_process(limit: Decimal, calls: int) -> dict[str, float]:
    books = LocalBooks([Budget(name="organization", limit=limit)])
    asker = Asker(organization=UUID(int=1), job=UUID(int=2), job_usd=limit * 10, job_calls=calls * 3)
    provider, _, refused = spend(books, asker, calls, 1)
    budget = books.spent(asker.job)
    return told("local", limit, provider.billed, budget.spent, budget.reserved, refused)


def in_postgres(made: Machine, limit: Decimal, calls: int) -> dict[str, float]:
    door = Database(made.urls.system, connections=20, wait=120)
    books = StoredBooks(database=door, ids=make_ids(), vault=Vault(Plain()))
    job = made.submit("feature")
    asker = Asker(
        organization=made.first.organization,
        user=made.first.user,
        job=job,
        job_usd=limit * 10,
        job_calls=calls * 3,
    )
    first, own = alone(books, asker, 100)
    with made.system.transaction(Scope.system()) as tx:
        budgets.set_budget(tx, id_=uuid4(), period="monthly", amount=limit, organization=asker.organization)
    provider, _, refused = spend(books, asker, calls, 2)
    with made.system.transaction(Scope.system()) as tx:
        row = tx.row("SELECT spent_usd AS s, reserved_usd AS r FROM budget_totals WHERE kind = 'budget'")
    door.close()
    assert row is not None
    figures = told("stored", limit, provider.billed + first.billed, row["s"], row["r"], refused)
    return {**figures, "own_p50_ms": median(own), "own_p95_ms": percentile(own, 0.95)}


def told(
    form: str, limit: Decimal, billed: Decimal, spent: Decimal, reserved: Decimal, refused: int
) -> dict[str, float]:
    return {
        f"{form}_billed_usd": float(billed),
        f"{form}_spent_usd": float(spent),
        f"{form}_refused": float(refused),
        f"{form}_over_usd": float(max(Decimal(0), spent + reserved - limit)),
        f"{form}_unbooked_usd": float(abs(billed - spent)),
    }


def run(calls: int) -> dict[str, object]:
    limit = Decimal("0.006") * calls / 2  # a call costs about 0.006, so about half of them fit
    with machine() as made:
        figures = {**in_process(limit, calls), **in_postgres(made, limit, calls)}
    figures["overspend_usd"] = figures["local_over_usd"] + figures["stored_over_usd"]
    figures["unbooked_usd"] = figures["local_unbooked_usd"] + figures["stored_unbooked_usd"]
    figures["threads"], figures["calls"], figures["budget_usd"] = float(THREADS), float(calls), float(limit)
    return report("overspend", figures, AT_MOST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--calls", type=int, default=1000)
    given = parser.parse_args()
    return show(run(given.calls), as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
