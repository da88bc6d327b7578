"""A house with real books for attacks on money: Postgres, the model service and its provider over a socket."""

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from flowforge.accounts.spending import StoredBooks
from flowforge.cli.exits import exit_of_error
from flowforge.core.errors import FlowForgeError
from flowforge.core.spend import Price, cost, worst_case
from flowforge.hooks.contracts import Model, ModelProvider, ModelRequest
from flowforge.llm.ports import Asker
from flowforge.llm.prices import Prices, Tariff
from flowforge.llm.service import ModelService, Ports
from flowforge.store import budgets
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.vault.envelope import Vault
from flowforge_plugins.models.anthropic import register_model_providers
from flowforge_plugins.models.anthropic_client import connect
from tests.integration.jobs.world import World
from tests.modelserver import ModelServer

MODEL = "claude-haiku-5-5"
PRICE = Price(input=Decimal(2), output=Decimal(10), cache_write=Decimal("2.5"), cache_read=Decimal("0.2"))
PRICES = Prices(date="2026-01-01", source="a test", tariffs={MODEL: Tariff(price=PRICE)})
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}

End = tuple[int, str]  # exit code or HTTP status, and the reason
FINE: End = (0, "done")


class PlainKeys:
    """A key provider that turns bytes around: the vault's own tests are elsewhere."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return key[::-1]

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped[::-1]


class Open:
    def admit(self, asker: Asker, tokens: int, amount: Decimal) -> None:
        """Admit everybody: rates have tests of their own."""


@dataclass(kw_only=True)
class House:
    """`ask` goes the whole way: budgets, provider, server, books."""

    world: World
    server: ModelServer
    database: Database  # of role ff_system, with room for many threads
    prices: Prices = PRICES
    provider: ModelProvider | None = None  # in place of the one that asks the server
    job_usd: Decimal = Decimal(1000)
    job_calls: int = 100_000
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    ids: Callable[[], UUID] = field(default_factory=make_ids)
    job: UUID = field(default_factory=uuid4)
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.job = self.world.submit(branch=f"b{uuid4().hex[:8]}").id

    @property
    def organization(self) -> UUID:
        return self.world.principal.organization

    @property
    def who(self) -> Asker:
        return Asker(
            organization=self.organization,
            user=self.world.principal.user,
            repository=self.world.repository,
            job=self.job,
            job_usd=self.job_usd,
            job_calls=self.job_calls,
        )

    @property
    def books(self) -> StoredBooks:
        return StoredBooks(database=self.database, ids=self.ids, vault=Vault(PlainKeys()))

    def connected(self) -> ModelProvider:
        return connect({"anthropic_api_key": self.server.key, "base_url": self.server.url, "timeout": "20"})

    def service(self) -> ModelService:
        ports = Ports(
            books=self.books,
            limiter=Open(),
            clock=lambda: 0.0,
            sleep=self.waits.append,
            random=lambda: 0.0,
        )
        model: Model = register_model_providers()[0]
        return ModelService(model, lambda: self.provider or self.connected(), self.prices, ports)

    def request(self, **changes: Any) -> ModelRequest:
        prompt = f"question {next(self.numbers):06}"
        usual = ModelRequest(model=MODEL, system="s", prompt=prompt, schema=SCHEMA, max_output=1000)
        return replace(usual, **changes)

    def ask(self, service: ModelService | None = None, who: Asker | None = None, **changes: Any) -> End:
        """One question that nobody has asked before, unless `prompt` is given."""
        return ended(lambda: (service or self.service()).ask(self.request(**changes), who or self.who))

    def at_once(self, work: Sequence[Callable[[], End]], threads: int = 50) -> list[End]:
        gate = threading.Barrier(min(threads, len(work)))
        first = itertools.count()

        def run(one: Callable[[], End]) -> End:
            if next(first) < gate.parties:
                gate.wait()  # the first of each thread begin together
            return one()

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(run, work))

    def budget(self, amount: str, period: str = "monthly", **more: Any) -> None:
        values = {"organization": self.organization, **more}
        with self.world.everywhere() as tx:
            budgets.set_budget(tx, id_=self.ids(), period=period, amount=Decimal(amount), **values)

    def lift(self, period: str = "monthly") -> None:
        with self.world.everywhere() as tx:
            assert budgets.remove_budget(tx, period=period, organization=self.organization)

    @property
    def worst(self) -> Decimal:
        """What is set aside for a question of `request`."""
        request = self.request()
        return worst_case(self.connected().count_tokens(request), request.max_output, PRICE)

    @property
    def spent(self) -> Decimal:
        """Under the organization's newest budget, or of the job where it has none."""
        return self._total("spent_usd")

    @property
    def reserved(self) -> Decimal:
        return self._total("reserved_usd")

    def _total(self, column: str) -> Decimal:
        kept = (
            f"SELECT {column} FROM budget_totals t LEFT JOIN budgets b ON b.id = t.subject "  # noqa: S608 (our own words)
            "WHERE t.subject = %(job)s OR (b.organization = %(o)s AND b.user_id IS NULL) "
            "ORDER BY t.kind, b.created_at DESC, t.starts_at DESC LIMIT 1"
        )
        found = self.world.value(kept, job=self.job, o=self.organization)
        return Decimal(found or 0)

    @property
    def billed(self) -> Decimal:
        """What the server wrote on its bill."""
        return sum((cost(bill.usage, PRICE) for bill in self.server.bills), Decimal(0))

    def books_agree(self) -> None:
        """Every total is the sum of what names it: nothing is lost, nothing is booked twice, nothing is below zero."""
        with self.world.everywhere() as tx:
            wrong = tx.rows(_WRONG)
        assert wrong == []


def ended(work: Callable[[], object]) -> End:
    """How it ended, as a command would."""
    try:
        work()
    except FlowForgeError as error:
        return exit_of_error(error).value, error.reason.value
    return FINE


_WRONG = """
SELECT t.kind, t.subject, t.spent_usd, t.reserved_usd, s.spent, s.reserved
FROM budget_totals t CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.cost_usd) FILTER (WHERE r.state <> 'reserved'), 0) AS spent,
           coalesce(sum(r.amount_usd) FILTER (WHERE r.state = 'reserved'), 0) AS reserved
    FROM budget_reservations r, jsonb_to_recordset(r.totals) AS k (kind text, subject uuid, starts_at timestamptz)
    WHERE k.kind = t.kind AND k.subject = t.subject AND k.starts_at = t.starts_at) AS s
LEFT JOIN budgets b ON b.id = t.subject
WHERE t.reserved_usd <> s.reserved OR t.spent_usd < s.spent OR (t.kind = 'job' AND t.spent_usd <> s.spent)
"""
