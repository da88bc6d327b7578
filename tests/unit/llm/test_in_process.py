from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.core.errors import Reason, Refused
from flowforge.core.spend import Budget
from flowforge.llm.in_process import LocalBooks
from tests.unit.llm.conftest import ANSWER, JOB, QUERY, WHO, call

ONE = Decimal(1)


def test_a_job_has_its_own_cap() -> None:
    ledger = LocalBooks()
    ledger.reserve(WHO, Decimal(2))
    with pytest.raises(Refused) as caught:
        ledger.reserve(WHO, Decimal("0.000001"))
    assert caught.value.reason is Reason.BUDGET_EXHAUSTED
    assert "'job' ($2.00)" in caught.value.sentence
    ledger.reserve(replace(WHO, job=UUID(int=77)), Decimal(2))


def test_a_budget_over_all_jobs_holds_too() -> None:
    ledger = LocalBooks([Budget(name="organization per month", limit=ONE)])
    ledger.reserve(WHO, ONE)
    with pytest.raises(Refused, match="organization per month"):
        ledger.reserve(replace(WHO, job=UUID(int=77)), Decimal("0.01"))


def test_a_budget_of_nothing_allows_nothing() -> None:
    with pytest.raises(Refused):
        LocalBooks([Budget(name="x", limit=Decimal(0))]).reserve(WHO, Decimal("0.000001"))


def test_settling_gives_the_rest_back() -> None:
    ledger = LocalBooks()
    ledger.settle(call(ledger.reserve(WHO, Decimal(2)), Decimal("0.5")), QUERY, None)
    assert ledger.spent(JOB) == Budget(name="job", limit=WHO.job_usd, spent=Decimal("0.5"))
    ledger.reserve(WHO, Decimal("1.5"))


def test_settling_twice_books_once() -> None:
    ledger = LocalBooks()
    reservation = ledger.reserve(WHO, ONE)
    for _ in range(2):
        ledger.settle(call(reservation, ONE), QUERY, None)
    ledger.release(reservation)
    assert ledger.spent(JOB).spent == ONE


def test_a_released_call_is_no_call() -> None:
    ledger, once = LocalBooks(), replace(WHO, job_calls=1)
    ledger.release(ledger.reserve(once, ONE))
    ledger.reserve(once, ONE)
    with pytest.raises(Refused, match="1 model calls"):
        ledger.reserve(once, Decimal(0))


def test_a_reservation_that_nobody_made_changes_nothing() -> None:
    ledger = LocalBooks()
    ledger.settle(call("none", ONE), QUERY, None)
    ledger.release("none")
    assert ledger.spent(JOB).spent == 0


def test_the_oldest_answer_is_forgotten_first() -> None:
    books = LocalBooks(most=2)
    for key in "abc":
        books.settle(call(books.reserve(WHO, ONE / 4), ONE / 4), replace(QUERY, key=key), ANSWER)
    assert [books.answered(replace(QUERY, key=key)) is not None for key in "abc"] == [False, True, True]


STEPS = st.lists(
    st.tuples(st.sampled_from(["reserve", "settle", "release"]), st.integers(0, 5), st.integers(0, 120)),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_no_order_of_steps_passes_a_cap_or_leaves_money_behind(steps: list[tuple[str, int, int]]) -> None:
    """Costs stay within what was reserved, as a provider's bound promises."""
    ledger = LocalBooks([Budget(name="all", limit=ONE)])
    open_: dict[str, Decimal] = {}
    for step, which, cents in steps:
        amount = Decimal(cents) / 100
        if step == "reserve":
            try:
                open_[ledger.reserve(WHO, amount)] = amount
            except Refused:
                continue
        elif open_:
            reservation = list(open_)[which % len(open_)]
            held = open_.pop(reservation)
            if step == "settle":
                ledger.settle(call(reservation, min(amount, held)), QUERY, None)
            else:
                ledger.release(reservation)
        job, whole = ledger.spent(JOB), ledger._budgets[0]
        assert whole.spent + whole.reserved <= whole.limit
        assert job.reserved == whole.reserved == sum(open_.values())
    for reservation in open_:
        ledger.release(reservation)
    assert ledger.spent(JOB).reserved == 0


def test_a_line_of_a_job_has_a_cap_beside_the_jobs_own() -> None:
    ledger = LocalBooks()
    review = replace(WHO, line="review", line_usd=Decimal("0.50"))
    first = ledger.reserve(review, Decimal("0.40"))
    with pytest.raises(Refused, match=r"'review of the job' \(\$0\.50\)"):
        ledger.reserve(review, Decimal("0.20"))
    ledger.settle(call(first, Decimal("0.10")), QUERY, None)
    ledger.reserve(review, Decimal("0.40"))
    ledger.reserve(WHO, Decimal("1.50"))
    with pytest.raises(Refused, match="'job'"):
        ledger.reserve(replace(review, line_usd=ONE), Decimal("0.01"))
    assert ledger.spent(JOB) == Budget(
        name="job", limit=WHO.job_usd, spent=Decimal("0.10"), reserved=Decimal("1.90")
    )


def test_what_is_given_back_is_given_back_to_its_line() -> None:
    ledger, review = LocalBooks(), replace(WHO, line="review", line_usd=ONE)
    ledger.release(ledger.reserve(review, ONE))
    ledger.reserve(review, ONE)
    with pytest.raises(Refused, match="review"):
        ledger.reserve(review, Decimal("0.000001"))
    ledger.reserve(replace(review, job=UUID(int=77)), ONE)
