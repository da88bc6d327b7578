import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.spend import Budget, Usage, cost
from flowforge.hooks.contracts import ModelAnswer, ModelRequest
from flowforge.llm.in_process import LocalBooks
from flowforge.llm.ports import Asker
from flowforge.llm.service import MAX_ATTEMPTS, Rules
from flowforge.llm.trouble import Unbooked
from tests.unit.llm.conftest import ANSWER, JOB, ORGANIZATION, PRICE, REQUEST, WHO, House, Provider

COST = cost(ANSWER.usage, PRICE)
CUT = ModelAnswer(text="", usage=Usage(input=1000, output=1000), stop="cut")


def later(delay: float = 5.0) -> Temporary:
    return Temporary(Reason.MODEL_UNAVAILABLE, "busy", delay=delay)


Make = Callable[..., House]


def test_an_answer_is_booked_at_its_real_cost(house: Make) -> None:
    made = house(ANSWER)
    assert made.service.ask(REQUEST, WHO) == ANSWER
    budget = made.books.spent(JOB)
    assert (budget.spent, budget.reserved) == (COST, 0)
    (call,) = made.books.calls
    assert (call.cost, call.cache_hit, call.result, call.request_id) == (COST, False, "end", "req_1")
    assert (call.provider, call.model, call.operation) == ("fake", "m", "resolve")
    assert call.reservation
    assert len(call.prompt_hash) == 64


def test_the_order_is_budget_limit_breaker_cache_provider_books(house: Make) -> None:
    made = house(ANSWER)
    service = made.service
    order: list[str] = []

    def note(thing: object, name: str, word: str) -> None:
        inner = getattr(thing, name)

        def outer(*arguments: object, **values: object) -> object:
            order.append(word)
            return inner(*arguments, **values)

        setattr(thing, name, outer)

    for thing, name, word in (
        (made.books, "reserve", "budget"),
        (made.limiter, "admit", "limit"),
        (service._turns, "turn", "turn"),
        (service._breaker, "admit", "breaker"),
        (made.books, "begin", "cache"),
        (made.provider, "complete", "provider"),
        (made.books, "settle", "books"),
    ):
        note(thing, name, word)
    service.ask(REQUEST, WHO)
    assert order == ["budget", "limit", "turn", "breaker", "cache", "provider", "books"]


def test_the_worst_case_is_reserved_while_the_call_runs(house: Make) -> None:
    made = house(ANSWER)
    seen: list[Budget] = []
    inner = made.provider.complete
    made.provider.complete = lambda r, d: (seen.append(made.books.spent(JOB)), inner(r, d))[1]  # type: ignore[func-returns-value,method-assign]
    made.service.ask(REQUEST, WHO)
    assert seen[0].reserved == Decimal("0.0125")  # 1000 tokens at 2.50 and 1000 at 10 dollars a million


def test_a_stored_answer_is_used_again_and_never_charged_twice(house: Make) -> None:
    made = house(ANSWER)
    first = made.service.ask(REQUEST, WHO, key="k")
    again = made.service.ask(replace(REQUEST, prompt="another delimiter"), WHO, key="k")
    assert again == first
    assert len(made.provider.asked) == 1
    assert made.books.spent(JOB).spent == COST
    assert made.books.spent(JOB).reserved == 0
    assert [(c.cache_hit, c.cost, c.usage) for c in made.books.calls[1:]] == [(True, Decimal(0), Usage())]
    assert [c.saved for c in made.books.calls] == [0, COST]


def test_a_stored_answer_needs_no_budget(house: Make) -> None:
    made = house(ANSWER)
    made.service.ask(REQUEST, WHO)
    poor = replace(WHO, job=UUID(int=9), job_usd=Decimal(0))
    assert made.service.ask(REQUEST, poor) == ANSWER


@pytest.mark.parametrize(
    "other",
    [
        {"who": replace(WHO, organization=UUID(int=7))},
        {"request": replace(REQUEST, prompt="p2")},
        {"request": replace(REQUEST, system="s2")},
        {"request": replace(REQUEST, schema={"type": "object"})},
    ],
)
def test_another_question_or_organization_finds_nothing_stored(house: Make, other: dict[str, object]) -> None:
    made = house(ANSWER)
    made.service.ask(REQUEST, WHO)
    made.service.ask(**{"request": REQUEST, "who": WHO, **other})
    assert len(made.provider.asked) == 2


def test_an_exhausted_budget_asks_nobody(house: Make) -> None:
    made = house(ANSWER)
    with pytest.raises(Refused) as caught:
        made.service.ask(REQUEST, replace(WHO, job_usd=Decimal("0.01")))
    assert caught.value.reason is Reason.BUDGET_EXHAUSTED
    assert made.provider.asked == []


def test_a_job_may_make_so_many_calls_and_no_more(house: Make) -> None:
    made = house(ANSWER)
    few = replace(WHO, job_calls=2)
    for number in range(2):
        made.service.ask(REQUEST, few, key=str(number))
    with pytest.raises(Refused, match="2 model calls"):
        made.service.ask(REQUEST, few, key="third")
    assert made.service.ask(REQUEST, few, key="1") == ANSWER  # stored, so it is no call


def test_an_outage_is_tried_again_after_the_servers_delay_and_costs_nothing(house: Make) -> None:
    made = house(later(7.0), later(3.0), ANSWER)
    assert made.service.ask(REQUEST, WHO) == ANSWER
    assert made.time.slept == [7.0, 3.0]
    assert made.books.spent(JOB).spent == COST
    assert [call.result for call in made.books.calls] == ["model_unavailable", "model_unavailable", "end"]


def test_a_wait_is_never_shorter_than_the_server_asked_for(house: Make) -> None:
    made = house(later(8.0), ANSWER, random=lambda: 0.5)
    made.service.ask(REQUEST, WHO)
    assert made.time.slept == [9.0]


def test_attempts_are_bounded(house: Make) -> None:
    made = house(later(1.0))
    with pytest.raises(Temporary):
        made.service.ask(REQUEST, WHO, deadline=1000)
    assert len(made.provider.asked) == MAX_ATTEMPTS
    assert made.books.spent(JOB) == Budget(name="job", limit=WHO.job_usd)


def test_a_delay_beyond_the_deadline_is_handed_up_at_once(house: Make) -> None:
    made = house(later(60.0))
    with pytest.raises(Temporary) as caught:
        made.service.ask(REQUEST, WHO, deadline=30)
    assert caught.value.delay == 60.0
    assert made.time.slept == []
    assert len(made.provider.asked) == 1


def test_who_may_not_wait_any_more_is_refused_so_that_a_person_can_go_on(house: Make) -> None:
    made = house(later(60.0))
    with pytest.raises(Refused, match="for as long as it may: busy") as caught:
        made.service.ask(REQUEST, replace(WHO, waits=False), deadline=30)
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE


def test_a_provider_that_is_away_is_not_asked_by_every_call_and_costs_nothing(house: Make) -> None:
    made = house(*[later(60.0)] * 2, ANSWER, rules=Rules(breaker=2))
    service = made.service
    for number in range(5):
        with pytest.raises(Temporary):
            service.ask(REQUEST, WHO, key=str(number), deadline=30)
    assert len(made.provider.asked) == 2
    assert made.books.spent(JOB).reserved == 0
    made.time.now += 60
    assert service.ask(REQUEST, WHO, key="9") == ANSWER


def test_an_outage_does_not_stand_before_what_is_stored(house: Make) -> None:
    made = house(ANSWER, later(60.0), rules=Rules(breaker=1))
    service = made.service
    service.ask(REQUEST, WHO, key="1")
    with pytest.raises(Temporary):
        service.ask(REQUEST, WHO, key="2", deadline=30)
    assert service.ask(REQUEST, WHO, key="1") == ANSWER
    assert [call.cache_hit for call in made.books.calls] == [False, False, True]


def test_a_cancelled_job_asks_nobody(house: Make) -> None:
    made = house(ANSWER)
    with pytest.raises(Refused) as caught:
        made.service.ask(REQUEST, replace(WHO, cancelled=lambda: True))
    assert caught.value.reason is Reason.CANCELLED
    assert made.provider.asked == []


def test_books_that_are_away_are_waited_for(house: Make) -> None:
    made = house(ANSWER)
    settle, tries = made.books.settle, [0]

    def flaky(*arguments: object) -> None:
        tries[0] += 1
        if tries[0] < 4:
            raise Temporary(Reason.SERVICE_UNAVAILABLE, "no database")
        settle(*arguments)  # type: ignore[arg-type]  # as they came

    made.books.settle = flaky  # type: ignore[method-assign, assignment]
    assert made.service.ask(REQUEST, WHO) == ANSWER
    assert made.books.spent(JOB).spent == COST


def test_a_call_that_cannot_be_booked_is_not_made_again(house: Make) -> None:
    made = house(ANSWER)

    def away(*_arguments: object) -> None:
        raise Temporary(Reason.SERVICE_UNAVAILABLE, "no database")

    made.books.settle = away  # type: ignore[method-assign, assignment]
    with pytest.raises(Unbooked):
        made.service.ask(REQUEST, WHO, deadline=1000)
    assert len(made.provider.asked) == 1
    assert made.books.spent(JOB).reserved == Decimal("0.0125"), "it stays set aside"


def test_each_attempt_gets_what_is_left_of_the_deadline(house: Make) -> None:
    made = house(later(10.0), ANSWER)
    made.service.ask(REQUEST, WHO, deadline=30)
    assert [deadline for _, deadline in made.provider.asked] == [30.0, 20.0]


def test_a_call_that_broke_off_is_paid_and_asked_again(house: Make) -> None:
    made = house(CUT, ANSWER)
    assert made.service.ask(REQUEST, WHO) == ANSWER
    assert made.books.spent(JOB).spent == cost(CUT.usage, PRICE) + COST


def test_answers_that_break_off_for_ever_end_as_an_outage(house: Make) -> None:
    made = house(CUT)
    with pytest.raises(Temporary) as caught:
        made.service.ask(REQUEST, WHO)
    assert caught.value.reason is Reason.MODEL_UNAVAILABLE
    assert made.books.spent(JOB).spent == MAX_ATTEMPTS * cost(CUT.usage, PRICE)


@pytest.mark.parametrize("error", [Refused(Reason.TOO_LARGE, "x"), Broken(Reason.CONFIGURATION, "x")])
def test_what_cannot_pass_is_not_tried_again(house: Make, error: Exception) -> None:
    made = house(error)
    with pytest.raises(type(error)):
        made.service.ask(REQUEST, WHO)
    assert len(made.provider.asked) == 1
    assert made.books.spent(JOB).spent == 0
    assert len(made.books.calls) == 1


def test_a_provider_that_breaks_its_contract_is_named_and_charged_at_worst(house: Make) -> None:
    made = house(ZeroDivisionError("oops"))
    with pytest.raises(Broken, match="'fake' failed: ZeroDivisionError"):
        made.service.ask(REQUEST, WHO)
    assert made.books.spent(JOB).spent == Decimal("0.0125")


def test_a_limit_gives_the_reservation_back(house: Make) -> None:
    class Full:
        def admit(self, asker: Asker, tokens: int, amount: Decimal) -> None:
            raise Temporary(Reason.BUSY, "later", delay=500)

    made = house(ANSWER, limiter=Full())
    with pytest.raises(Temporary) as caught:
        made.service.ask(REQUEST, WHO)
    assert caught.value.reason is Reason.BUSY
    assert made.books.spent(JOB).reserved == 0
    assert made.provider.asked == []


def test_a_model_without_a_price_is_refused_before_anything_is_sent(house: Make) -> None:
    made = house(ANSWER)
    with pytest.raises(Broken, match="no price") as caught:
        made.service.ask(replace(REQUEST, model="new"), WHO)
    assert caught.value.reason is Reason.CONFIGURATION
    assert made.provider.asked == []


def test_the_provider_is_built_on_first_use_only(house: Make) -> None:
    built: list[int] = []
    made = house(ANSWER)
    service = made.service
    service._connect = lambda: (built.append(1), made.provider)[1]
    assert built == []
    service.ask(REQUEST, WHO, key="1")
    service.ask(REQUEST, WHO, key="2")
    assert built == [1]


class Random(Provider):
    """Costs anything up to its bound, and sometimes fails in every way."""

    def __init__(self, seed: int) -> None:
        super().__init__(ANSWER)
        self._random = random.Random(seed)  # noqa: S311 (costs in a test, no secrets)
        self._lock = threading.Lock()
        self.billed = Decimal(0)

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:
        with self._lock:
            kind = self._random.random()
            usage = Usage(input=self._random.randint(0, 1000), output=self._random.randint(0, 1000))
            if kind < 0.15:
                raise later(0.0)
            self.billed += cost(usage, PRICE)
        return ModelAnswer(text="{}", usage=usage, stop="cut" if kind < 0.3 else "end")


@pytest.mark.parametrize("seed", range(3))
def test_fifty_threads_never_overspend(house: Make, seed: int) -> None:
    limit = Decimal("0.30")
    whole = Budget(name="organization", limit=limit)
    made = house(ANSWER, books=LocalBooks([whole]))
    provider = made.provider = Random(seed)
    made.time.sleep = lambda _seconds: None  # type: ignore[method-assign]
    service = made.service

    def ask(number: int) -> str:
        who = Asker(organization=ORGANIZATION, job=UUID(int=number % 5 + 10), job_usd=Decimal("0.08"))
        try:
            return service.ask(REQUEST, who, key=str(number)).stop
        except (Refused, Temporary) as error:
            return error.reason.value

    with ThreadPoolExecutor(50) as pool:
        ends = list(pool.map(ask, range(400)))
    total = made.books._budgets[0]
    overspend = max(Decimal(0), total.spent - limit)
    assert overspend == Decimal("0.00")
    assert total.reserved == 0
    assert total.spent == provider.billed == sum(call.cost for call in made.books.calls)
    for number in range(5):
        assert made.books.spent(UUID(int=number + 10)).spent <= Decimal("0.08")
    assert {"end", "budget_exhausted"} <= set(ends)
