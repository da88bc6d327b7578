"""The relay's loop and the sentences of jobs that wait, without servers."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from flowforge.core.errors import Reason, Temporary
from flowforge.core.job import Job, State
from flowforge.jobs.ending import cancelled, exhausted, lease_expired
from flowforge.jobs.relay import Relay
from flowforge.jobs.sweep import after_attempts, after_silence
from flowforge.jobs.tell import CAME, Teller
from flowforge.store.jobs import Moved, Pushes

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
JOB = Job(
    id=UUID(int=1),
    organization=UUID(int=2),
    repository=UUID(int=3),
    user=None,
    parent_job=None,
    state=State.QUEUED,
    priority=5,
    branch="feature",
    target="main",
    task="rebase",
    pipeline="",
    pipeline_source="",
    environment={},
    trigger="api",
    retry_from="",
    attempts=0,
    max_attempts=3,
    fence=0,
    owner="w1",
    lease_until=None,
    cancel_requested=False,
    run_after=None,
    created_at=NOW,
    queued_at=NOW,
    started_at=None,
    completed_at=None,
    cancelled_at=None,
    ending=None,
    outputs={},
)


class Flaky(Relay):
    """Steps that fail as told, and then end the loop."""

    def script(self, steps: Iterator[Exception | None], stop: threading.Event) -> "Flaky":
        self.steps, self.stop = steps, stop
        return self

    def step(self) -> tuple[tuple[UUID, ...], object]:  # type: ignore[override]  # no sweep here
        try:
            error = next(self.steps)
        except StopIteration:
            self.stop.set()
            return (), None
        if error is not None:
            raise error
        return (), None


def test_the_relay_outlives_trouble_and_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    away = Temporary(Reason.SERVICE_UNAVAILABLE, "Redis is away", delay=0.0)
    relay = Flaky(database=None, bell=None, wait=lambda _s: ())  # type: ignore[arg-type]  # never asked
    with caplog.at_level(logging.INFO):
        relay.script(iter([away, away, away, None, None]), stop).run(stop)
    assert [record.message for record in caplog.records] == [
        "the relay cannot ring: Redis is away",
        "the relay rings again",
    ]


@pytest.mark.parametrize(
    ("room", "said", "looks_after"),
    [
        (True, [{CAME}], 1),
        (True, [set()], 1),  # a second without a word
        (False, [{CAME}, {CAME}, {CAME, ""}], 3),
        (False, [{CAME}, set(), {"a word of a later version"}], 3),
    ],
)
def test_a_job_that_comes_is_no_reason_to_look_while_no_slot_is_free(
    room: bool, said: list[set[str]], looks_after: int
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> set[str]:
        waits.append(seconds)
        return said[len(waits) - 1]

    now = iter(range(100))
    relay = Relay(database=None, bell=None, wait=wait, clock=lambda: next(now) / 100)  # type: ignore[arg-type]  # never asked
    relay._room = room
    relay.rest(threading.Event())
    assert len(waits) == looks_after


def test_without_a_word_the_relay_looks_after_a_second_however_full_it_is() -> None:
    clock = [0.0]

    def wait(seconds: float) -> set[str]:
        clock[0] += min(seconds, 0.3)
        return {CAME}

    relay = Relay(database=None, bell=None, wait=wait, clock=lambda: clock[0])  # type: ignore[arg-type]  # never asked
    relay._room = False
    relay.rest(threading.Event())
    assert clock[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("state", "attempts", "word"),
    [
        (State.QUEUED, 0, CAME),
        (State.QUEUED, 1, ""),  # handed back: its slot is free
        (State.SUCCESS, 1, ""),
        (State.WAITING, 1, ""),
        (State.RUNNING, 1, None),
    ],
)
def test_the_relay_is_told_whether_a_slot_may_be_free(state: State, attempts: int, word: str | None) -> None:
    told: list[str | None] = []
    teller = Teller(publish=lambda *_: told.append(None), rouse=lambda _job, _seq, said: told.append(said))
    teller.tell(Moved(job=replace(JOB, state=state, attempts=attempts), seq=4))
    assert told == [word]


@pytest.mark.parametrize(
    ("asked", "pushes", "ending"),
    [
        (False, Pushes(pushed=False, unsettled=False), lease_expired("w1")),
        (True, Pushes(pushed=False, unsettled=False), cancelled()),
        (True, Pushes(pushed=False, unsettled=True), lease_expired("w1")),
        (True, Pushes(pushed=True, unsettled=False), lease_expired("w1")),
    ],
)
def test_a_silent_owners_job_is_cancelled_only_where_nothing_was_pushed(
    asked: bool, pushes: Pushes, ending: object
) -> None:
    assert after_silence(replace(JOB, cancel_requested=asked), pushes).ending == ending


def test_a_job_without_attempts_is_dead_with_their_number() -> None:
    nothing = Pushes(pushed=False, unsettled=False)
    assert after_attempts(replace(JOB, attempts=3), nothing).ending == exhausted(3)
    assert after_attempts(replace(JOB, cancel_requested=True), nothing).ending == cancelled()


def test_a_move_is_told_to_readers_and_plugins() -> None:
    told: list[object] = []
    teller = Teller(
        publish=lambda job, seq: told.append((job, seq)),
        notify=lambda hook, **values: told.append((hook, values)),
    )
    teller.tell(Moved(job=replace(JOB, state=State.CANCELLED, ending=cancelled()), seq=4))
    assert told == [
        (JOB.id, 4),
        ("job_changed", {"job_id": str(JOB.id), "state": "cancelled", "reason": "cancelled"}),
    ]
