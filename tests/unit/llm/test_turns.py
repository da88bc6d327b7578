"""Turns before a provider: who is next, and who leaves."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.llm.ports import Asker
from flowforge.llm.turns import AGEING, Turns
from tests.unit.llm.conftest import WHO, Time

FOREVER = 1e9


def of(organization: int, priority: int = 5) -> Asker:
    return replace(WHO, organization=UUID(int=organization), priority=priority)


class Line:
    """Callers in threads of their own; `had` says in which order they had their turns."""

    def __init__(self, places: int = 1) -> None:
        self.time = Time()
        self.turns = Turns(places, self.time.clock)
        self.had: list[str] = []
        self.ended: dict[str, Exception | None] = {}
        self.go_on: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def come(self, name: str, asker: Asker, until: float = FOREVER) -> None:
        waiting = len(self.turns)
        go_on = self.go_on[name] = threading.Event()

        def call() -> None:
            try:
                with self.turns.turn(asker, until):
                    self.had.append(name)
                    assert go_on.wait(30)
            except Exception as error:  # noqa: BLE001 (looked at by the test)
                self.ended[name] = error
            else:
                self.ended[name] = None

        thread = threading.Thread(target=call)
        self._threads.append(thread)
        thread.start()
        eventually(lambda: name in self.had or name in self.ended or len(self.turns) > waiting)

    def end(self, name: str) -> None:
        self.go_on[name].set()
        eventually(lambda: name in self.ended)

    def drain(self) -> list[str]:
        """Let everybody end, one after the other."""
        count = len(self._threads)
        while len(self.ended) < count:
            eventually(lambda: set(self.had) - set(self.ended) or len(self.ended) == count)
            for name in [name for name in self.had if name not in self.ended]:
                self.end(name)
        return self.had

    def close(self) -> None:
        for event in self.go_on.values():
            event.set()
        for thread in self._threads:
            thread.join(10)


def eventually(true: object) -> None:
    until = time.monotonic() + 10
    while not true():  # type: ignore[operator]  # a function without arguments
        assert time.monotonic() < until
        time.sleep(0.002)


@contextmanager
def line(places: int = 1) -> Iterator[Line]:
    made = Line(places)
    try:
        yield made
    finally:
        made.close()


def test_so_many_have_a_turn_at_once_and_no_more() -> None:
    with line(places=2) as made:
        for name in "abc":
            made.come(name, WHO)
        assert made.had == ["a", "b"]
        assert len(made.turns) == 1
        made.end("b")
        eventually(lambda: made.had == ["a", "b", "c"])


def test_the_highest_priority_is_next_and_equals_come_in_order() -> None:
    with line() as made:
        made.come("first", WHO)
        for name, priority in (("low", 1), ("normal", 5), ("high", 9), ("later", 5)):
            made.come(name, of(1, priority))
        assert made.drain() == ["first", "high", "normal", "later", "low"]


def test_waiting_raises_a_priority() -> None:
    with line() as made:
        made.come("first", WHO)
        made.come("low", of(1, 0))
        made.time.now = 10 * AGEING
        made.come("high", of(1, 9))
        assert made.drain() == ["first", "low", "high"]


def test_among_equals_the_organization_with_the_fewest_calls_in_flight_is_next() -> None:
    with line(places=2) as made:
        made.come("a1", of(1))
        made.come("a2", of(1))
        for name in ("a3", "a4"):
            made.come(name, of(1))
        made.come("b1", of(2))
        made.end("a1")
        eventually(lambda: len(made.had) == 3)
        assert made.had[2] == "b1", "one backlog does not stand before a newcomer"


def test_who_is_cancelled_leaves_at_once_and_holds_up_nobody() -> None:
    stop = threading.Event()
    with line() as made:
        made.come("first", WHO)
        made.come("cancelled", replace(of(1, 9), cancelled=stop.is_set))
        made.come("next", WHO)
        stop.set()
        eventually(lambda: "cancelled" in made.ended)
        error = made.ended["cancelled"]
        assert isinstance(error, Refused)
        assert error.reason is Reason.CANCELLED
        assert made.drain() == ["first", "next"]
        assert len(made.turns) == 0


def test_whose_time_is_over_leaves_at_once() -> None:
    with line() as made:
        made.come("first", WHO)
        made.come("late", WHO, until=5.0)
        made.time.now = 5.0
        eventually(lambda: "late" in made.ended)
        error = made.ended["late"]
        assert isinstance(error, Temporary)
        assert error.reason is Reason.MODEL_LIMIT
        assert len(made.turns) == 0


def test_a_call_that_fails_gives_its_place_back() -> None:
    turns = Turns(1, Time().clock)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), turns.turn(WHO, FOREVER):
            raise ZeroDivisionError
    with turns.turn(WHO, FOREVER):
        assert len(turns) == 0
