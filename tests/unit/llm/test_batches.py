"""Questions that are answered later: handed in once, collected by whoever comes, booked at the price of batches."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.spend import Usage, cost
from flowforge.hooks.contracts import Model, ModelAnswer, ModelRequest
from flowforge.llm.batches import LATEST, SOONEST, pending
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.ports import Asker, Batch
from flowforge.llm.prices import Prices, Tariff
from flowforge.llm.service import ModelService, Ports
from tests.unit.llm.conftest import ANSWER, JOB, PRICE, QUERY, REQUEST, WHO, Open, Provider, Time

HALF = Decimal("0.5")
LOW = replace(WHO, priority=2, batch=True)
PRICES = Prices(
    date="", source="", tariffs={"m": Tariff(price=PRICE, batch=HALF), "dear": Tariff(price=PRICE)}
)


class Later(Provider):
    """Takes batches; `ends` is what each look at one finds."""

    def __init__(
        self, *ends: ModelAnswer | FlowForgeError | None, submit: FlowForgeError | None = None
    ) -> None:
        super().__init__(ANSWER)
        self.ends, self.refuses = list(ends), submit
        self.submitted: list[ModelRequest] = []
        self.looked: list[str] = []
        self.withdrawn: list[str] = []

    def submit(self, request: ModelRequest, deadline: float) -> str:
        if self.refuses is not None:
            raise self.refuses
        self.submitted.append(request)
        return f"batch-{len(self.submitted)}"

    def collect(self, batch: str, deadline: float) -> ModelAnswer | None:
        self.looked.append(batch)
        end = self.ends.pop(0)
        if isinstance(end, FlowForgeError):
            raise end
        return end

    def withdraw(self, batch: str, deadline: float) -> None:
        self.withdrawn.append(batch)


@dataclass
class Desk:
    provider: Later
    books: LocalBooks = field(default_factory=LocalBooks)
    batches: bool = True

    def ask(self, who: Asker = LOW, request: ModelRequest = REQUEST) -> ModelAnswer | FlowForgeError:
        """As a job's next run does it, in a process of its own."""
        time = Time()
        ports = Ports(
            books=self.books, limiter=Open(), clock=time.clock, sleep=time.sleep, random=lambda: 0.0
        )
        model = Model(id="fake", load="", batches=self.batches)
        service = ModelService(model, lambda: self.provider, PRICES, ports)
        try:
            return service.ask(request, who, key="k")
        except FlowForgeError as error:
            return error

    def waits(self) -> bool:
        said = self.ask()
        return isinstance(said, Temporary) and said.reason is Reason.BATCH_PENDING

    @property
    def money(self) -> tuple[Decimal, Decimal]:
        budget = self.books.spent(JOB)
        return budget.spent, budget.reserved


def test_a_question_is_handed_in_once_waited_for_and_booked_at_the_price_of_batches() -> None:
    desk = Desk(Later(None, None, ANSWER))
    assert [desk.waits() for _ in range(3)] == [True, True, True]
    assert len(desk.provider.submitted) == 1
    assert desk.money == (0, Decimal("0.0125") * HALF), "its worst is set aside as long"
    assert desk.ask() == ANSWER
    assert desk.money == (cost(ANSWER.usage, PRICE.times(HALF)), 0)
    assert desk.ask() == ANSWER, "from the store"
    assert desk.provider.looked == ["batch-1"] * 3
    assert desk.provider.asked == []
    assert [call.cache_hit for call in desk.books.calls] == [False, True]


@pytest.mark.parametrize(
    ("who", "request_", "batches"),
    [
        (replace(LOW, priority=4), REQUEST, True),
        (replace(LOW, batch=False), REQUEST, True),
        (LOW, REQUEST, False),
        (LOW, replace(REQUEST, model="dear"), True),
    ],
)
def test_who_does_not_want_to_wait_or_cannot_is_answered_at_once(
    who: Asker,
    request_: ModelRequest,
    batches: bool,
) -> None:
    desk = Desk(Later(), batches=batches)
    assert desk.ask(who, request_) == ANSWER
    assert desk.provider.submitted == []


def test_a_batch_that_ends_without_an_answer_is_free_and_asked_anew_at_once() -> None:
    desk = Desk(Later(Temporary(Reason.MODEL_UNAVAILABLE, "it expired")))
    assert desk.waits()
    assert desk.ask() == ANSWER
    assert len(desk.provider.asked) == 1
    assert desk.money == (cost(ANSWER.usage, PRICE), 0)


def test_an_answer_that_got_lost_is_paid_and_asked_anew_at_once() -> None:
    lost = ModelAnswer(text="", usage=Usage(input=1000, output=1000), stop="cut")
    desk = Desk(Later(lost))
    assert desk.waits()
    assert desk.ask() == ANSWER
    assert desk.money == (cost(lost.usage, PRICE.times(HALF)) + cost(ANSWER.usage, PRICE), 0)


@pytest.mark.parametrize(
    "error", [Refused(Reason.TOO_LARGE, "too long"), Broken(Reason.CONFIGURATION, "no key")]
)
def test_what_asking_anew_cannot_help_is_told_and_free(error: FlowForgeError) -> None:
    desk = Desk(Later(error))
    assert desk.waits()
    assert desk.ask() is error
    assert desk.money == (0, 0)
    assert desk.provider.asked == []


def test_a_question_that_is_not_taken_costs_nothing() -> None:
    error = Temporary(Reason.MODEL_UNAVAILABLE, "overloaded", delay=9)
    desk = Desk(Later(submit=error))
    assert desk.ask() is error
    assert desk.money == (0, 0)


def test_a_budget_forbids_a_batch_too() -> None:
    desk = Desk(Later())
    said = desk.ask(replace(LOW, job=UUID(int=9), job_usd=Decimal("0.001")))
    assert isinstance(said, Refused)
    assert said.reason is Reason.BUDGET_EXHAUSTED
    assert desk.provider.submitted == []


@pytest.mark.parametrize(("age", "delay"), [(0.0, SOONEST), (2000.0, 500.0), (80_000.0, LATEST)])
def test_an_old_batch_is_looked_at_less_often(age: float, delay: float) -> None:
    assert pending(age).delay == delay


@pytest.mark.parametrize(
    ("found", "spent"),
    [
        (ANSWER, cost(ANSWER.usage, PRICE.times(HALF))),
        (Temporary(Reason.MODEL_UNAVAILABLE, "cancelled"), Decimal(0)),
    ],
)
def test_what_nobody_waits_for_any_more_is_withdrawn_and_booked_as_it_ended(
    monkeypatch: pytest.MonkeyPatch, found: ModelAnswer | Temporary, spent: Decimal
) -> None:
    desk = Desk(Later(found, None))
    assert desk.waits()
    (gone,) = desk.books._batches.items()
    old = Batch(id=gone[1][0], reservation=gone[1][1], age=0.0)
    query = replace(QUERY, key=gone[0], asker=LOW)
    del desk.books._batches[gone[0]]
    monkeypatch.setattr(
        desk.books,
        "abandoned",
        lambda _provider: [(query, old)] if old.reservation in desk.books._open else [],
    )
    other = replace(LOW, job=UUID(int=77))
    desk.ask(other, replace(REQUEST, system="another"))
    assert desk.provider.withdrawn == ["batch-1"]
    assert desk.money == (spent, 0)
