from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import pytest

from flowforge.core.spend import Price, Usage
from flowforge.hooks.contracts import Model, ModelAnswer, ModelProvider, ModelRequest
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.ports import Asker, Call, Query
from flowforge.llm.prices import Prices, Tariff
from flowforge.llm.service import ModelService, Ports, Rules

ORGANIZATION, JOB = UUID(int=1), UUID(int=2)
WHO = Asker(organization=ORGANIZATION, job=JOB)
PRICE = Price(input=Decimal(2), output=Decimal(10), cache_write=Decimal("2.5"), cache_read=Decimal("0.2"))
PRICES = Prices(date="2026-01-01", source="a test", tariffs={"m": Tariff(price=PRICE)})
REQUEST = ModelRequest(model="m", system="s", prompt="p", schema={}, max_output=1000)
ANSWER = ModelAnswer(text="{}", usage=Usage(input=500, output=100), stop="end", request_id="req_1")

QUERY = Query(asker=WHO, key="a" * 64, provider="fake", model="m", operation="resolve", version="v1")


def call(reservation: str, cost: Decimal, query: Query = QUERY) -> Call:
    """A call that was made for a reservation."""
    return Call(
        asker=query.asker,
        provider=query.provider,
        model=query.model,
        operation=query.operation,
        result="end",
        usage=ANSWER.usage,
        cost=cost,
        milliseconds=3,
        cache_hit=False,
        request_id="req_1",
        prompt_hash="h",
        reservation=reservation,
    )


@dataclass
class Time:
    """A clock that only sleeping moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Provider:
    """Gives the steps in order, the last one for ever; an exception is raised."""

    def __init__(self, *steps: ModelAnswer | BaseException, tokens: int = 1000) -> None:
        self.steps = list(steps)
        self.tokens = tokens
        self.asked: list[tuple[ModelRequest, float]] = []

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:
        self.asked.append((request, deadline))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, BaseException):
            raise step
        return step

    def count_tokens(self, request: ModelRequest) -> int:
        return self.tokens


class Open:
    def admit(self, asker: Asker, tokens: int, amount: Decimal) -> None:
        """Admit everybody."""


@dataclass
class House:
    """A service with every port at hand."""

    provider: ModelProvider
    books: LocalBooks = field(default_factory=LocalBooks)
    limiter: object = field(default_factory=Open)
    told: list[Call] = field(default_factory=list)
    time: Time = field(default_factory=Time)
    random: Callable[[], float] = lambda: 0.0
    rules: Rules = field(default_factory=lambda: Rules(at_once=100, breaker=0))

    @property
    def service(self) -> ModelService:
        ports = Ports(
            books=self.books,
            limiter=self.limiter,  # type: ignore[arg-type] # tests hand in what they like
            told=self.told.append,
            clock=self.time.clock,
            sleep=self.time.sleep,
            random=self.random,
        )
        return ModelService(Model(id="fake", load=""), lambda: self.provider, PRICES, ports, self.rules)


@pytest.fixture
def house() -> Callable[..., House]:
    return lambda *steps, **parts: House(provider=Provider(*steps), **parts)
