"""A call apart: its answer, its error, and that nobody waits longer than they want."""

import threading

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.pipeline.apart import call_apart


def never() -> None:
    """Nobody stops the waiting."""


def cancelled() -> None:
    raise Refused(Reason.CANCELLED, "stopped")


def test_an_answer_comes_back() -> None:
    assert call_apart(lambda: 7, "seven", never) == 7


def test_an_error_comes_back_as_it_was_raised() -> None:
    def fails() -> None:
        raise Refused(Reason.TOO_LARGE, "too much")

    with pytest.raises(Refused, match="too much"):
        call_apart(fails, "fails", never)


def test_a_call_that_hangs_is_left_behind() -> None:
    hangs = threading.Event()
    try:
        with pytest.raises(Refused, match="stopped"):
            call_apart(hangs.wait, "hangs", cancelled)
    finally:
        hangs.set()


def test_it_runs_in_a_thread_of_its_own() -> None:
    assert call_apart(lambda: threading.current_thread().name, "apart", never) == "apart"
