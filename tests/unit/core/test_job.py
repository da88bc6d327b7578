import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import (
    FINAL,
    TABLE,
    Event,
    PriorityClass,
    Result,
    State,
    advance,
    final_event,
    priority_class,
)


@given(st.lists(st.sampled_from(Event), max_size=30))
def test_no_row_of_events_ever_leaves_a_final_state(events: list[Event]) -> None:
    state = State.PENDING
    for event in events:
        try:
            after = advance(state, event)
        except Refused:
            continue
        assert state not in FINAL
        state = after


@given(st.sampled_from(State), st.sampled_from(Event))
def test_an_illegal_move_says_state_and_event(state: State, event: Event) -> None:
    if (state, event) in TABLE:
        assert advance(state, event) is TABLE[state, event]
        return
    with pytest.raises(Refused) as refused:
        advance(state, event)
    assert refused.value.reason is Reason.CONFLICT_OF_STATE
    assert state in refused.value.sentence
    assert event.replace("_", " ") in refused.value.sentence
    assert refused.value.next_action


def test_every_open_state_reaches_an_end_and_every_state_is_reached() -> None:
    reached = {State.PENDING}
    for _ in State:
        reached |= {after for (before, _event), after in TABLE.items() if before in reached}
    assert reached == set(State)
    for state in set(State) - FINAL:
        assert {after for (before, _), after in TABLE.items() if before is state} & FINAL


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_whatever_has_not_ended_can_be_cancelled_and_superseded(state: State) -> None:
    assert advance(state, Event.CANCEL) is State.CANCELLED
    assert advance(state, Event.SUPERSEDE) is State.SUPERSEDED


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (Result.SUCCESS, State.SUCCESS),
        (Result.SKIP, State.SUCCESS),
        (Result.FAILURE, State.FAILED),
        (Result.ERROR, State.FAILED),
        (Result.TIMEOUT, State.FAILED),
        (Result.CANCELLATION, State.CANCELLED),
    ],
)
def test_a_result_word_ends_a_running_job_as_the_contract_says(result: Result, state: State) -> None:
    assert advance(State.RUNNING, final_event(result)) is state


def test_priorities_have_three_names() -> None:
    names = [priority_class(number) for number in range(10)]
    assert names == [PriorityClass.LOW] * 4 + [PriorityClass.NORMAL] * 3 + [PriorityClass.HIGH] * 3


@pytest.mark.parametrize("priority", [-1, 10, 1000])
def test_a_priority_out_of_range_is_refused(priority: int) -> None:
    with pytest.raises(Refused, match="not between 0 and 9"):
        priority_class(priority)
