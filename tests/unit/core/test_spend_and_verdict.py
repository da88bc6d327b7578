import pickle
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.access import Operation, Principal, Role, may
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.spend import (
    MOST_TOKENS,
    MOST_USD,
    Budget,
    Price,
    Usage,
    booked,
    cost,
    dollars,
    may_spend,
    sane,
    worst_case,
)
from flowforge.core.verdict import Finding, Level, Outcome, Verdict, fold, judge

money = st.decimals(min_value=0, max_value=100, places=2)
prices = st.builds(Price, input=money, output=money, cache_write=money, cache_read=money)
tokens = st.integers(min_value=0, max_value=10_000)


@given(prices, tokens, tokens, tokens, tokens)
def test_no_split_of_the_input_tokens_costs_more_than_the_worst_case(
    price: Price, plain: int, written: int, read: int, output: int
) -> None:
    usage = Usage(input=plain, output=output, cache_write=written, cache_read=read)
    assert cost(usage, price) <= worst_case(plain + written + read, output, price)


def test_costs_are_rounded_up_so_that_the_ledger_never_shows_less() -> None:
    price = Price(input=Decimal(1), output=Decimal(0), cache_write=Decimal(0), cache_read=Decimal("0.01"))
    assert cost(Usage(input=1), price) == Decimal("0.000001")
    assert cost(Usage(cache_read=1), price) == Decimal("0.000001")
    assert cost(Usage(), price) == 0


def test_the_first_budget_that_is_too_small_forbids() -> None:
    wide = Budget(name="organization", limit=Decimal(100))
    narrow = Budget(name="job", limit=Decimal(2), spent=Decimal(1), reserved=Decimal("0.5"))
    assert may_spend([wide, narrow], Decimal("0.5")) is None
    assert may_spend([wide, narrow], Decimal("0.51")) is narrow
    assert may_spend([Budget(name="none", limit=Decimal(0))], Decimal("0.000001")) is not None


def verdict(outcome: Outcome) -> Verdict:
    return Verdict(validator="v", path="a.py", outcome=outcome)


@given(st.lists(st.sampled_from(Outcome)))
def test_a_check_that_could_not_run_is_never_a_pass(outcomes: list[Outcome]) -> None:
    folded = fold([verdict(outcome) for outcome in outcomes])
    if Outcome.ERROR in outcomes:
        assert folded is Outcome.ERROR
    elif Outcome.FAIL in outcomes:
        assert folded is Outcome.FAIL
    else:
        assert folded in {Outcome.PASS, Outcome.SKIP}


@pytest.mark.parametrize(
    ("level", "introduced", "outcome"),
    [
        (Level.ERROR, True, Outcome.FAIL),
        (Level.ERROR, False, Outcome.PASS),
        (Level.WARNING, True, Outcome.PASS),
    ],
)
def test_only_an_error_on_an_introduced_line_fails(level: Level, introduced: bool, outcome: Outcome) -> None:
    finding = Finding(rule="r", level=level, message="m", path="a.py", introduced=introduced)
    assert judge("v", "a.py", [finding]).outcome is outcome


def test_role_and_scope_must_both_allow() -> None:
    someone = Principal(organization=UUID(int=1), user=None, role=Role.USER)
    assert may(someone, Operation.SUBMIT)
    assert not may(someone, Operation.CONFIGURE)
    narrow = Principal(
        organization=UUID(int=1), user=None, role=Role.ADMIN, scopes=frozenset({Operation.READ})
    )
    assert may(narrow, Operation.READ)
    assert not may(narrow, Operation.SUBMIT)


@pytest.mark.parametrize(
    "error",
    [
        Refused(Reason.INVALID_REF, "no", next_action="yes", evidence="there"),
        Temporary(Reason.BUSY, "later", delay=3.5),
        Broken(Reason.CONFIGURATION, "stop"),
    ],
)
def test_an_error_crosses_a_process_border_whole(error: FlowForgeError) -> None:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 (made one line above)
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == error.sentence


DEAR = Price(input=Decimal(2), output=Decimal(10), cache_write=Decimal("2.5"), cache_read=Decimal("0.1"))


def test_what_is_kept_for_an_hour_has_a_price_of_its_own() -> None:
    usage = Usage(input=1, cache_write=10, cache_write_hour=100, cache_read=1000)
    assert (usage.written, usage.prompt) == (110, 1111)
    assert DEAR.hour == 4
    assert replace(DEAR, cache_write_hour=Decimal(3)).hour == 3
    assert cost(Usage(cache_write_hour=1_000_000), DEAR) == 4


def test_a_discount_holds_for_every_figure() -> None:
    half = DEAR.times(Decimal("0.5"))
    assert (half.input, half.output, half.cache_write, half.cache_read, half.hour) == (
        *(Decimal(1), Decimal(5), Decimal("1.25"), Decimal("0.05"), Decimal(2)),
    )


def test_the_worst_case_knows_whether_text_may_be_kept_for_an_hour() -> None:
    million = 1_000_000
    assert worst_case(million, 0, DEAR) == Decimal("2.5")
    assert worst_case(million, 0, DEAR, hour=True) == 4
    for usage in (Usage(cache_write_hour=million), Usage(cache_write=million), Usage(input=million)):
        assert cost(usage, DEAR) <= worst_case(million, 0, DEAR, hour=True)


PRICE = Price(input=Decimal(2), output=Decimal(10), cache_write=Decimal("2.5"), cache_read=Decimal("0.2"))


@pytest.mark.parametrize(
    ("usage", "booked_usd"),
    [
        (Usage(input=1000, output=100), "0.003"),
        (Usage(output=10**6), "10"),  # more than its worst case: it is on the bill
        (Usage(), "0"),
        (Usage(input=-1, output=10), "5"),
        (Usage(input=-(10**30)), "5"),
        (Usage(input=-1, output=10**6), "10"),
        (Usage(output=10**30), "10000000"),
        (Usage(**dict.fromkeys(vars(Usage()), 10**30)), "18700000"),
    ],
)
def test_a_call_is_booked_as_billed_and_at_its_worst_where_its_counts_say_nothing(
    usage: Usage, booked_usd: str
) -> None:
    assert booked(usage, PRICE, Decimal(5)) == Decimal(booked_usd)
    assert all(0 <= count <= MOST_TOKENS for count in vars(sane(usage)).values())


def test_no_call_is_booked_beyond_what_the_ledger_holds() -> None:
    dear = PRICE.times(Decimal(1000))
    assert booked(Usage(output=MOST_TOKENS), dear, Decimal(5)) == MOST_USD


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0.00"), ("1", "1.00"), ("1.5", "1.50"), ("0.000001", "0.000001"), ("12.340000", "12.34")],
)
def test_dollars_have_cents_at_least_and_millionths_at_most(amount: str, text: str) -> None:
    assert dollars(Decimal(amount)) == text
