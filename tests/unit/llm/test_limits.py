"""Rates of model calls, counted in one process and in the stores that a service counts in."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from limits.storage import MemoryStorage

from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.rates import Claim, Verdict
from flowforge.llm.in_process import LocalRates
from flowforge.llm.limits import RateLimiter, read_rules
from flowforge.queues.limits import Limiter
from flowforge.settings import Settings
from tests.unit.llm.conftest import WHO, Time

CENT = Decimal("0.01")
Take = Callable[[Sequence[Claim]], Verdict]


@pytest.fixture(params=["one process", "a store"])
def take(request: pytest.FixtureRequest) -> Take:
    if request.param == "one process":
        return LocalRates(Time().clock).take
    storage = MemoryStorage()
    return Limiter(shared=storage, local=storage).take


def admitted(
    limiter: RateLimiter, times: int, who: object = WHO, tokens: int = 1, usd: Decimal = CENT
) -> int:
    """How many of so many calls are let through."""
    count = 0
    for _ in range(times):
        try:
            limiter.admit(who, tokens, usd)  # type: ignore[arg-type]  # an asker
        except Temporary as error:
            count += error.reason is not Reason.MODEL_LIMIT or error.delay < 1
        else:
            count += 1
    return count


@pytest.mark.parametrize(
    ("rule", "tokens", "usd", "expected"),
    [
        ("user 3 requests/minute", 1, CENT, 3),
        ("organization 3 requests/hour", 1, CENT, 3),
        ("everybody 100 tokens/minute", 30, CENT, 3),
        ("organization 0.05 usd/hour", 1, CENT, 5),
        ("everybody 0.05 usd/day", 1, Decimal("0.0200001"), 2),
    ],
)
def test_so_many_calls_are_let_through(
    take: Take, rule: str, tokens: int, usd: Decimal, expected: int
) -> None:
    limiter = RateLimiter(rules=read_rules([rule]), take=take)
    assert admitted(limiter, 10, tokens=tokens, usd=usd) == expected


def test_each_is_counted_for_whom_the_rule_says(take: Take) -> None:
    rules = read_rules(
        ["user 2 requests/minute", "organization 3 requests/minute", "everybody 5 requests/minute"]
    )
    limiter = RateLimiter(rules=rules, take=take)
    ann, bob = (replace(WHO, user=UUID(int=number)) for number in (1, 2))
    stranger = replace(WHO, organization=UUID(int=99))
    assert admitted(limiter, 4, ann) == 2
    assert admitted(limiter, 4, bob) == 1
    assert admitted(limiter, 4, stranger) == 2
    assert admitted(limiter, 4, replace(stranger, organization=UUID(int=98))) == 0


def test_a_call_that_one_rule_refuses_counts_under_no_other(take: Take) -> None:
    limiter = RateLimiter(
        rules=read_rules(["user 1 requests/minute", "everybody 3 requests/minute"]), take=take
    )
    assert admitted(limiter, 10, replace(WHO, user=UUID(int=1))) == 1
    assert admitted(limiter, 10, replace(WHO, user=UUID(int=2))) == 1
    assert admitted(limiter, 10, replace(WHO, user=UUID(int=3))) == 1


def test_the_rule_that_stands_in_the_way_is_named(take: Take) -> None:
    limiter = RateLimiter(
        rules=read_rules(["user 9 requests/minute", "organization 1 requests/hour"]), take=take
    )
    limiter.admit(WHO, 1, CENT)
    with pytest.raises(Temporary, match="organization 1 requests/hour"):
        limiter.admit(WHO, 1, CENT)


def test_a_call_that_can_never_pass_is_refused_and_does_not_wait(take: Take) -> None:
    limiter = RateLimiter(rules=read_rules(["everybody 100 tokens/minute"]), take=take)
    with pytest.raises(Refused, match="101 tokens") as caught:
        limiter.admit(WHO, 101, CENT)
    assert caught.value.reason is Reason.TOO_LARGE


def test_no_rule_is_no_limit() -> None:
    RateLimiter(rules=(), take=pytest.fail).admit(WHO, 1, CENT)


def test_a_window_that_slides_says_when_there_is_room_again() -> None:
    time = Time()
    limiter = RateLimiter(rules=read_rules(["user 3 tokens/minute"]), take=LocalRates(time.clock).take)
    limiter.admit(WHO, 1, CENT)
    time.now = 20.0
    limiter.admit(WHO, 2, CENT)
    time.now = 30.0
    for tokens, delay in ((1, 30.0), (2, 50.0)):
        with pytest.raises(Temporary) as caught:
            limiter.admit(WHO, tokens, CENT)
        assert caught.value.delay == delay
    time.now = 60.0
    limiter.admit(WHO, 1, CENT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10/minute",
        "user requests/minute",
        "user 0 requests/minute",
        "user -1 requests/minute",
        "user 1.5 requests/minute",
        "user 10 requests/second",
        "team 10 requests/minute",
        "user 10 euros/minute",
        "user 1e9 usd/hour",
        "organization 0 usd/hour",
    ],
)
def test_what_is_no_limit_stops_the_start(text: str) -> None:
    with pytest.raises(Broken, match="no limit of model calls") as caught:
        read_rules([text])
    assert caught.value.reason is Reason.CONFIGURATION


def test_the_shipped_limits_can_be_read() -> None:
    assert [rule.most for rule in read_rules(Settings().model_limits)] == [10, 100, 20_000_000]
