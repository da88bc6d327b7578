"""Relays start what is due while people change, pause and remove it: nothing blocks, and no time counts twice."""

import random
import threading
from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.jobs import schedules
from flowforge.jobs.due import Starter
from flowforge.store.database import Database
from flowforge.store.schedules import Schedule
from tests.conftest import TestDatabase
from tests.integration.jobs.test_schedules import add, change, keeper, make_due
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services

RELAYS, KEPT, STEPS = 3, 6, 120


@pytest.fixture
def world(database: TestDatabase) -> World:
    return keeper(make_world(database))


class Relays:
    """Relays that look again and again, each with a connection of its own; what they raise is kept."""

    def __init__(self, world: World) -> None:
        self.acted: Counter[int] = Counter()
        self.raised: list[BaseException] = []
        self._stop = threading.Event()
        self._world = world
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(RELAYS)]

    def __enter__(self) -> "Relays":  # noqa: PYI034 (final by use)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        database = Database(self._world.database.urls.system, connections=1)
        try:
            while not self._stop.is_set():
                self.acted[number] += Starter(database=database, door=self._world.door)()
        except BaseException as error:  # noqa: BLE001 (a thread's error is the test's)
            self.raised.append(error)
        finally:
            database.close()


def step(world: World, draw: random.Random, kept: dict[int, Schedule]) -> None:
    """Something that a person does, or a job's end; refusals of the house are answers."""
    number = draw.randrange(KEPT)
    if number not in kept:
        kept[number] = add(world, name=f"s{number}", branch=f"b{number}", cron="* * * * *")
        return
    schedule = kept[number]
    what = draw.choice(["due", "due", "due", "pause", "resume", "cron", "rename", "remove", "ends"])
    if what == "due":
        world.run(
            "UPDATE schedules SET next_at = date_trunc('minute', now()) - make_interval(mins => %(n)s) "
            "WHERE id = %(id)s AND is_active",
            id=schedule.id,
            n=draw.randrange(10_000),
        )
    elif what == "remove":
        with world.transaction() as transaction:
            schedules.remove(transaction, schedule.id)
        del kept[number]
    elif what == "ends":
        world.run(
            "UPDATE jobs SET state = 'cancelled', result = 'cancellation', reason = 'cancelled' WHERE state = 'queued'"
        )
    else:
        changes: dict[str, dict[str, Any]] = {
            "pause": {"is_active": False},
            "resume": {"is_active": True},
            "cron": {"cron": draw.choice(["*/5 * * * *", "* * * * *"])},
            "rename": {"name": f"s{number}-{draw.randrange(3)}"},
        }
        change(world, schedule, **changes[what])


@pytest.mark.parametrize("seed", range(3))
def test_people_and_relays_do_not_meet_in_a_wrong_place(world: World, seed: int) -> None:
    draw, kept = random.Random(seed), dict[int, Schedule]()  # noqa: S311 (dice of a test)
    refused: list[Reason] = []
    with Relays(world) as relays:
        for _ in range(STEPS):
            try:
                step(world, draw, kept)
            except Refused as error:
                refused.append(error.reason)
    assert relays.raised == []
    assert set(refused) <= {Reason.CONFLICT_OF_STATE}, "a name that is taken, at most"
    keys = Counter(world.column("SELECT idempotency_key FROM jobs WHERE trigger = 'schedule'"))
    assert sum(relays.acted.values()) >= len(keys) > 0
    assert set(keys.values()) == {1}
    Starter(database=world.database.system, door=world.door)()
    left = world.column("SELECT next_at FROM schedules WHERE is_active")
    now: datetime = world.value("SELECT now()")
    assert all(isinstance(moment, datetime) and moment > now for moment in left)
    assert world.column("SELECT name FROM schedules WHERE last_reason NOT IN ('', 'conflict_of_state')") == []


def test_a_schedule_that_is_removed_while_it_starts_takes_nothing_with_it(world: World) -> None:
    """The relay holds the row: the removal comes after the job, which stays."""
    schedule = add(world)
    make_due(world, schedule)
    with Relays(world), world.transaction() as transaction:
        schedules.remove(transaction, schedule.id)
    assert world.value("SELECT count(*) FROM schedules") == 0
    assert world.value("SELECT count(*) FROM jobs") in {0, 1}
