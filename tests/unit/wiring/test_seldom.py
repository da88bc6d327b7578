"""Chores of the relay that are due once in a while."""

import logging
import math
from dataclasses import dataclass, field

import pytest

from flowforge.core.errors import Broken, Reason, Temporary
from flowforge.wiring.relay import HOUR, ONCE, Seldom


@dataclass
class Clock:
    now: float = 100.0
    done: list[float] = field(default_factory=list)
    trouble: Exception | None = None

    def chore(self) -> None:
        self.done.append(self.now)
        if self.trouble is not None:
            raise self.trouble

    def seldom(self, every: float) -> Seldom:
        return Seldom(chore=self.chore, name="tidying", every=every, clock=lambda: self.now)


def test_a_chore_is_done_at_once_and_again_after_its_time() -> None:
    clock = Clock()
    seldom = clock.seldom(HOUR)
    for clock.now in (100.0, 101.0, 100.0 + HOUR - 1, 100.0 + HOUR, 101.0 + HOUR, 100.0 + 3 * HOUR):
        seldom()
    assert clock.done == [100.0, 100.0 + HOUR, 100.0 + 3 * HOUR]


def test_a_chore_of_the_start_is_done_once() -> None:
    clock = Clock()
    seldom = clock.seldom(ONCE)
    for clock.now in (0.0, 1e9, 1e18):
        seldom()
    assert clock.done == [0.0]
    assert math.isinf(ONCE)


def test_a_chore_that_did_as_much_as_it_may_goes_on_with_the_next_step() -> None:
    left, clock = [20, 20, 7, 20], Clock()
    chore = Seldom(chore=lambda: left.pop(0), name="moving", every=HOUR, full=20, clock=lambda: clock.now)
    for clock.now in (100.0, 101.0, 102.0, 103.0, 102.0 + HOUR - 1):
        chore()
    assert left == [20]


def test_a_database_that_is_away_leaves_the_chore_due() -> None:
    clock = Clock(trouble=Temporary(Reason.SERVICE_UNAVAILABLE, "Postgres is away"))
    seldom = clock.seldom(ONCE)
    with pytest.raises(Temporary):
        seldom()
    clock.trouble = None
    seldom()
    seldom()
    assert len(clock.done) == 2


def test_other_trouble_is_logged_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(trouble=Broken(Reason.INFRASTRUCTURE, "no right to drop", next_action="grant it"))
    seldom = clock.seldom(HOUR)
    with caplog.at_level(logging.ERROR):
        seldom()
        seldom()
    assert caplog.messages == ["tidying could not be done: no right to drop; grant it"]
    assert len(clock.done) == 1


def test_a_bug_in_a_chore_is_not_hidden() -> None:
    clock = Clock(trouble=KeyError("x"))
    with pytest.raises(KeyError):
        clock.seldom(HOUR)()
