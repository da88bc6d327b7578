"""What becomes of a job whose pipeline has stopped, as a table, and the promises over all facts."""

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Event, Result, State, advance
from flowforge.jobs.ending import RETRY_DELAY, Facts, decide, rejected, unanswered
from flowforge.jobs.session import Stop

DONE = Ending(result=Result.SUCCESS, reason=Reason.PUSHED, sentence="pushed")
RED = Ending(result=Result.FAILURE, reason=Reason.TESTS_FAILED, sentence="2 tests failed")
AWAY = Ending(result=Result.ERROR, reason=Reason.REPOSITORY_UNREACHABLE, sentence="no answer")
MODEL = Ending(result=Result.ERROR, reason=Reason.MODEL_UNAVAILABLE, sentence="overloaded")
KILLED = Ending(result=Result.CANCELLATION, reason=Reason.CANCELLED, sentence="stopped")
ASK = Ending(result=Result.SKIP, reason=Reason.DECISION_NEEDED, sentence="a person must look")

NEWER = UUID(int=7)  # a job that takes another's place
FACTS = st.builds(
    Facts,
    ending=st.sampled_from([DONE, RED, AWAY, MODEL, KILLED, ASK]),
    stop=st.sampled_from(Stop),
    delay=st.sampled_from([0.0, 3.0]),
    may_ask=st.booleans(),
    attempts_left=st.booleans(),
    cancel_requested=st.booleans(),
    superseded_by=st.none() | st.just(NEWER),
    pushed=st.booleans(),
    unsettled=st.booleans(),
    waited=st.sampled_from([0.0, 50.0, 200.0]),
    patience=st.sampled_from([0.0, 100.0]),
)


def facts(ending: Ending, **more: object) -> Facts:
    return replace(Facts(ending=ending, stop=Stop.NO), **more)


@pytest.mark.parametrize(
    ("known", "event", "reason"),
    [
        (facts(DONE), Event.SUCCEED, Reason.PUSHED),
        (facts(RED), Event.FAIL, Reason.TESTS_FAILED),
        (facts(AWAY), Event.FAIL, Reason.REPOSITORY_UNREACHABLE),
        (facts(AWAY, delay=3.0), Event.HAND_BACK, Reason.REPOSITORY_UNREACHABLE),
        (facts(AWAY, delay=3.0, attempts_left=False), Event.FAIL, Reason.REPOSITORY_UNREACHABLE),
        (facts(MODEL), Event.HAND_BACK, Reason.MODEL_UNAVAILABLE),
        (facts(ASK, may_ask=True), Event.ASK, Reason.DECISION_NEEDED),
        (facts(replace(ASK, result=Result.ERROR)), Event.FAIL, Reason.DECISION_NEEDED),
        (facts(KILLED, stop=Stop.DRAINED), Event.HAND_BACK, Reason.DRAINED),
        (facts(KILLED, stop=Stop.CANCELLED, cancel_requested=True), Event.CANCEL, Reason.CANCELLED),
        (facts(RED, cancel_requested=True), Event.CANCEL, Reason.CANCELLED),
        (facts(AWAY, delay=3.0, cancel_requested=True), Event.CANCEL, Reason.CANCELLED),
        (facts(KILLED, cancel_requested=True, superseded_by=NEWER), Event.SUPERSEDE, Reason.SUPERSEDED),
        (facts(RED, cancel_requested=True, superseded_by=NEWER), Event.SUPERSEDE, Reason.SUPERSEDED),
        (facts(DONE, cancel_requested=True, superseded_by=NEWER, pushed=True), Event.SUCCEED, Reason.PUSHED),
        (facts(DONE, cancel_requested=True), Event.SUCCEED, Reason.CANCEL_TOO_LATE),
        (facts(DONE, cancel_requested=True, pushed=True), Event.SUCCEED, Reason.CANCEL_TOO_LATE),
        (facts(RED, cancel_requested=True, pushed=True), Event.FAIL, Reason.TESTS_FAILED),
        (facts(AWAY, unsettled=True), Event.HAND_BACK, Reason.REPOSITORY_UNREACHABLE),
        (facts(KILLED, cancel_requested=True, unsettled=True), Event.HAND_BACK, Reason.CANCELLED),
        (facts(KILLED, cancel_requested=True, decided=rejected()), Event.FAIL, Reason.REJECTED),
        (facts(AWAY, decided=unanswered()), Event.FAIL, Reason.DECISION_EXPIRED),
        (facts(AWAY, delay=3.0, decided=rejected()), Event.HAND_BACK, Reason.REPOSITORY_UNREACHABLE),
        (facts(KILLED, stop=Stop.DRAINED, decided=rejected()), Event.HAND_BACK, Reason.DRAINED),
    ],
)
def test_the_next_move_follows_from_the_facts(known: Facts, event: Event, reason: Reason) -> None:
    then = decide(known)
    assert then is not None
    assert (then.event, then.ending.reason) == (event, reason)


def test_who_lost_the_lease_has_nothing_to_say() -> None:
    assert decide(facts(DONE, stop=Stop.LOST)) is None


def test_a_drain_gives_the_attempt_back_and_waits_for_nothing() -> None:
    then = decide(facts(KILLED, stop=Stop.DRAINED))
    assert then is not None
    assert (then.give_back, then.delay) == (True, 0.0)


@pytest.mark.parametrize(("named", "delay"), [(0.0, RETRY_DELAY), (17.0, 17.0)])
def test_a_retry_waits_as_long_as_the_stage_said(named: float, delay: float) -> None:
    then = decide(facts(MODEL, delay=named))
    assert then is not None
    assert (then.delay, then.give_back) == (delay, False)


@given(known=FACTS)
def test_every_move_is_one_that_a_running_job_can_make(known: Facts) -> None:
    then = decide(known)
    if then is not None:
        assert advance(State.RUNNING, then.event)


@given(known=FACTS)
def test_cancelled_is_only_said_where_nothing_was_or_may_have_been_pushed(known: Facts) -> None:
    then = decide(known)
    if then is not None and then.event in {Event.CANCEL, Event.SUPERSEDE}:
        assert known.cancel_requested
        assert (then.event is Event.SUPERSEDE) == (known.superseded_by is not None)
        assert not known.pushed
        assert not known.unsettled


@given(known=FACTS)
def test_a_final_move_never_says_cancelled_in_other_words(known: Facts) -> None:
    then = decide(known)
    if then is not None and then.event in {Event.FAIL, Event.SUCCEED}:
        assert then.ending.result is not Result.CANCELLATION


BUSY = Ending(result=Result.ERROR, reason=Reason.MODEL_LIMIT, sentence="a limit is reached")


@pytest.mark.parametrize("ending", [MODEL, BUSY])
@pytest.mark.parametrize("left", [True, False])
def test_a_job_waits_for_an_outage_and_uses_up_no_attempt(ending: Ending, left: bool) -> None:
    then = decide(facts(ending, delay=3.0, attempts_left=left, waited=60.0, patience=3600.0))
    assert then is not None
    assert (then.event, then.give_back, then.ending.reason) == (Event.HAND_BACK, True, ending.reason)


def test_an_outage_is_waited_for_only_so_long() -> None:
    over = facts(MODEL, delay=3.0, waited=3600.0, patience=3600.0)
    then = decide(over)
    assert then is not None
    assert (then.event, then.give_back) == (Event.HAND_BACK, False), "from here on attempts count"
    last = decide(replace(over, attempts_left=False))
    assert last is not None
    assert last.event is Event.FAIL


@pytest.mark.parametrize(
    ("waited", "named", "pause"),
    [
        (0.0, 0.05, RETRY_DELAY),
        (0.0, 30.0, 30.0),
        (400.0, 3.0, 100.0),
        (80_000.0, 3.0, 600.0),
        (8e4, 900.0, 900.0),
    ],
)
def test_a_job_that_waits_looks_less_often_the_longer_it_waits(
    waited: float, named: float, pause: float
) -> None:
    then = decide(facts(MODEL, delay=named, waited=waited, patience=90_000.0))
    assert then is not None
    assert then.delay == pause


def test_a_cancelled_job_waits_for_nothing() -> None:
    then = decide(facts(MODEL, delay=3.0, patience=3600.0, cancel_requested=True))
    assert then is not None
    assert then.event is Event.CANCEL


@given(known=FACTS)
def test_attempts_are_bounded(known: Facts) -> None:
    then = decide(replace(known, attempts_left=False))
    if then is not None and then.event is Event.HAND_BACK:
        assert then.give_back


@given(known=FACTS)
def test_only_a_job_that_nobody_stopped_and_whose_pushes_are_known_asks(known: Facts) -> None:
    then = decide(known)
    if then is not None and then.event is Event.ASK:
        assert known.may_ask
        assert not known.cancel_requested
        assert not known.unsettled
        assert known.stop not in {Stop.LOST, Stop.DRAINED}
        assert then.ending.reason is Reason.DECISION_NEEDED
        assert "flowforge job show" in then.ending.next_action


@given(known=FACTS)
def test_without_a_question_nobody_is_asked(known: Facts) -> None:
    then = decide(replace(known, may_ask=False))
    assert then is None or then.event is not Event.ASK


@given(known=FACTS)
def test_an_outcome_that_nobody_knows_is_never_an_end_while_attempts_are_left(known: Facts) -> None:
    then = decide(replace(known, unsettled=True, pushed=False, attempts_left=True, ending=AWAY))
    assert then is None or then.event is Event.HAND_BACK


@pytest.mark.parametrize("ending", [rejected(), unanswered()])
def test_a_question_that_is_not_agreed_to_ends_the_job_with_a_next_step(ending: Ending) -> None:
    assert ending.result is Result.FAILURE
    assert ending.next_action
    assert advance(State.WAITING, Event.EXPIRE) is State.FAILED
