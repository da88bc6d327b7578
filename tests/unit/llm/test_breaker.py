"""The circuit breaker: what opens it, what closes it, and what is answered meanwhile."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.llm.breaker import FIRST, LONGEST, REFUSED, WINDOW, Breaker
from tests.unit.llm.conftest import Time

AWAY = Temporary(Reason.MODEL_UNAVAILABLE, "overloaded", delay=7.0)
KEY = Broken(Reason.CONFIGURATION, "the key is not accepted", next_action="set a valid key")
NO_OUTAGE = [
    Refused(Reason.TOO_LARGE, "too long"),
    Broken(Reason.MODEL_UNAVAILABLE, "refused the request"),
    Temporary(Reason.TIMEOUT, "no time is left"),
    None,
]


class Desk:
    def __init__(self, after: int = 3, random: Callable[[], float] = lambda: 0.0) -> None:
        self.time = Time()
        self.moved: list[tuple[str, bool]] = []
        self.breaker = Breaker(
            "p",
            clock=self.time.clock,
            random=random,
            after=after,
            moved=lambda whose, error: self.moved.append((whose, error is not None)),
        )

    def call(self, error: FlowForgeError | None = None, model: str = "m") -> None:
        self.breaker.admit(model)
        self.breaker.done(model, error)

    def calls(self, *errors: FlowForgeError | None) -> None:
        for error in errors:
            self.call(error)

    def shut(self, model: str = "m") -> FlowForgeError | None:
        try:
            self.breaker.admit(model)
        except FlowForgeError as error:
            return error
        self.breaker.unsent(model)
        return None


def test_outages_in_a_row_open_it_for_every_model() -> None:
    desk = Desk()
    desk.calls(AWAY, AWAY)
    assert desk.shut() is None
    desk.call(AWAY)
    for model in ("m", "another"):
        error = desk.shut(model)
        assert isinstance(error, Temporary)
        assert (error.reason, error.delay) == (Reason.MODEL_UNAVAILABLE, 7.0)
        assert "overloaded" in error.sentence
    assert desk.moved == [("p", True)]


def test_an_answer_between_begins_the_row_anew() -> None:
    desk = Desk()
    desk.calls(AWAY, AWAY, None, AWAY, AWAY)
    assert desk.shut() is None


@pytest.mark.parametrize("error", NO_OUTAGE, ids=str)
def test_what_is_about_one_request_never_opens_it(error: FlowForgeError | None) -> None:
    desk = Desk()
    desk.calls(*[error] * 50)
    assert desk.shut() is None
    assert desk.moved == []


def test_too_large_a_share_of_the_last_minute_opens_it() -> None:
    desk = Desk(after=100)
    desk.calls(*[None, AWAY] * 5)
    assert desk.shut() is not None


def test_what_is_longer_ago_is_forgotten() -> None:
    desk = Desk(after=100)
    desk.calls(*[None, AWAY] * 4)
    desk.time.now = WINDOW + 1
    desk.calls(None, AWAY)
    assert desk.shut() is None


def test_after_its_pause_one_call_tries_and_its_success_closes_it() -> None:
    desk = Desk()
    desk.calls(AWAY, AWAY, AWAY)
    desk.time.now = 7.0
    desk.breaker.admit("m")
    assert desk.shut() is not None, "only one call tries"
    assert desk.shut("another") is not None
    desk.breaker.done("m", None)
    assert desk.shut() is None
    assert desk.moved == [("p", True), ("p", False)]
    desk.calls(AWAY, AWAY)
    assert desk.shut() is None, "the row begins anew"


def test_a_try_that_fails_keeps_it_open_for_longer() -> None:
    desk = Desk(random=lambda: 1.0)
    desk.calls(AWAY, AWAY, AWAY)
    waits = []
    for _ in range(8):
        error = desk.shut()
        assert isinstance(error, Temporary)
        waits.append(error.delay - AWAY.delay)
        desk.time.now += error.delay
        desk.call(AWAY)
    assert waits == [FIRST * 2**n for n in range(6)] + [LONGEST, LONGEST]
    assert desk.moved == [("p", True)]


def test_a_try_that_was_never_sent_lets_the_next_one_try() -> None:
    desk = Desk()
    desk.calls(AWAY, AWAY, AWAY)
    desk.time.now = 7.0
    desk.breaker.admit("m")
    desk.breaker.unsent("m")
    desk.call(None)
    assert desk.shut() is None


def test_calls_that_were_on_their_way_when_it_opened_change_nothing() -> None:
    desk = Desk()
    for _ in range(5):
        desk.breaker.admit("m")
    for _ in range(5):
        desk.breaker.done("m", AWAY)
    error = desk.shut()
    assert isinstance(error, Temporary)
    assert error.delay == 7.0
    assert desk.moved == [("p", True)]


def test_a_key_that_is_not_accepted_opens_it_at_once_for_its_model_in_the_providers_words() -> None:
    desk = Desk()
    desk.call(KEY)
    error = desk.shut()
    assert isinstance(error, Broken)
    assert (error.reason, error.sentence, error.next_action) == (KEY.reason, KEY.sentence, KEY.next_action)
    assert desk.shut("another") is None
    desk.time.now = REFUSED
    desk.call(KEY)
    assert desk.shut() is not None
    desk.time.now = 2 * REFUSED
    desk.call(None)
    assert desk.shut() is None
    assert desk.moved == [("p/m", True), ("p/m", False)]


def test_it_can_be_switched_off() -> None:
    desk = Desk(after=0)
    desk.calls(*[AWAY] * 50, KEY)
    assert desk.shut() is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([AWAY, KEY, None, *NO_OUTAGE]), st.floats(0, 100)), max_size=60))
def test_it_always_lets_somebody_try_in_the_end(steps: list[tuple[FlowForgeError | None, float]]) -> None:
    desk = Desk(random=lambda: 1.0)
    for error, later in steps:
        desk.time.now += later
        if desk.shut() is None:
            desk.call(error)
    desk.time.now += LONGEST + AWAY.delay + 1
    desk.call(None)
    assert desk.shut() is None
