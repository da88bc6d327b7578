"""Waiting for a job's next change: by signal where Redis is, by looking where it is not."""

import threading
import time
from uuid import UUID, uuid4

import pytest

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import Job, State
from flowforge.jobs import read
from flowforge.jobs.submit import Door
from flowforge.jobs.tell import Teller
from flowforge.queues.notify import Signals
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, check_ref, make_world

pytestmark = pytest.mark.services


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def waited(world: World, job: Job | UUID, signals: Signals, seconds: float = 20.0) -> Job:
    identity = job if isinstance(job, UUID) else job.id
    scope = Scope.organization(world.principal.organization)
    return read.wait(world.database.app, scope, identity, seconds, signals.wait)


@pytest.mark.parametrize("redis", ["there", "away"])
def test_a_waiter_sees_the_next_change(world: World, redis_url: str, redis: str) -> None:
    signals = Signals(url=redis_url if redis == "there" else "redis://127.0.0.1:1/0")
    job = world.submit()
    timer = threading.Timer(0.5, world.cancel, (job,))
    timer.start()
    begun = time.monotonic()
    assert waited(world, job, signals).state is State.CANCELLED
    assert time.monotonic() - begun < 10
    timer.join()


def test_a_waiter_gets_the_job_as_it_is_when_time_is_up(world: World, redis_url: str) -> None:
    assert waited(world, world.submit(), Signals(url=redis_url), 0.2).state is State.QUEUED


def test_an_ended_job_is_not_waited_for(world: World) -> None:
    job = world.submit()
    world.cancel(job)

    def never(_job: UUID, _known: int, _timeout: float) -> bool:
        raise AssertionError("nobody needs to hear")

    scope = Scope.organization(world.principal.organization)
    assert read.wait(world.database.app, scope, job.id, 20.0, never).final


def test_waiting_holds_no_connection(world: World) -> None:
    held: list[int] = []

    def hear(_job: UUID, _known: int, _timeout: float) -> bool:
        held.append(world.database.app.in_use)
        raise Temporary(Reason.SERVICE_UNAVAILABLE, "away")

    scope = Scope.organization(world.principal.organization)
    read.wait(world.database.app, scope, world.submit().id, 0.05, hear)
    assert held
    assert set(held) == {0}


def test_an_unknown_job_cannot_be_waited_for(world: World, redis_url: str) -> None:
    with pytest.raises(Refused, match="there is no job"):
        waited(world, uuid4(), Signals(url=redis_url), 1.0)


def test_a_submit_is_signalled_once_it_is_true(world: World, redis_url: str) -> None:
    signals = Signals(url=redis_url)
    told: list[tuple[UUID, int]] = []

    def publish(job: UUID, seq: int) -> None:
        told.append((job, seq))
        signals.publish(job, seq)

    heard = World(
        database=world.database,
        principal=world.principal,
        repository=world.repository,
        door=Door(new_id=uuid4, check_ref=check_ref, teller=Teller(publish=publish)),
    )
    with pytest.raises(Refused):
        heard.submit(branch="main")
    assert told == []
    job = heard.submit()
    assert told == [(job.id, 2)]
    assert signals.wait(job.id, 1, 1.0)
