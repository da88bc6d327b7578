import threading
import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from flowforge.cli.requests import job_in, listed, variables
from flowforge.cli.terminal import tame
from flowforge.cli.watch import within
from flowforge.core.errors import Reason, Refused


def test_a_variable_is_given_or_taken_from_the_caller() -> None:
    assert variables(["A=1", "B", "C=", "D=x=y"], {"B": "mine"}) == {
        "A": "1",
        "B": "mine",
        "C": "",
        "D": "x=y",
    }


def test_a_variable_that_is_nowhere_is_refused() -> None:
    with pytest.raises(Refused, match="'B' is not set"):
        variables(["B"], {})


def test_a_request_is_checked_before_a_server_is_asked_and_not_repeated() -> None:
    with pytest.raises(Refused) as caught:
        job_in(repository=UUID(int=1), branch="", environment={"A-B": "hunter2"}, priority=99)
    assert caught.value.reason is Reason.INVALID_REQUEST
    assert "branch" in caught.value.sentence
    assert "priority" in caught.value.sentence
    assert "hunter2" not in caught.value.sentence


def test_pages_are_joined_up_to_the_limit() -> None:
    asked = []

    def page(cursor: str | None) -> tuple[list[int], str | None]:
        asked.append(cursor)
        start = int(cursor or 0)
        return list(range(start, start + 3)), str(start + 3)

    assert listed(page, 5) == [0, 1, 2, 3, 4]
    assert asked == [None, "3"]


@pytest.mark.parametrize(
    ("wild", "tamed"),
    [
        ("plain\n\tgrün", "plain\n\tgrün"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("\u202egpj", "\\u202egpj"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_a_log_cannot_take_over_a_terminal(wild: str, tamed: str) -> None:
    assert tame(wild) == tamed


def test_all_items_come_when_there_is_time() -> None:
    assert list(within(iter([1, 2, 3]), None)) == [1, 2, 3]


def test_a_silent_iterator_is_left_when_time_is_up() -> None:
    release = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        release.wait(30)

    started = time.monotonic()
    assert list(within(items(), 0.1)) == [1]
    assert time.monotonic() - started < 20
    release.set()


def test_an_error_of_the_iterator_is_raised_where_it_is_awaited() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise Refused(Reason.NOT_FOUND, "gone")

    came = within(items(), None)
    assert next(came) == 1
    with pytest.raises(Refused, match="gone"):
        next(came)
