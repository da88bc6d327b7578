"""Real worker processes that are killed, stopped in their sleep and asked to leave."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from flowforge.core.errors import Reason
from flowforge.core.job import Job, PriorityClass, State
from flowforge.jobs import read
from flowforge.jobs.relay import Relay
from flowforge.queues.broker import make_broker
from flowforge.queues.doorbell import Doorbell
from flowforge.queues.wake import RELAY, Ear
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world, until

pytestmark = [pytest.mark.services, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


@pytest.fixture
def start(world: World, redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start a worker process by name; what still lives at the end is killed."""
    with ExitStack() as undo:

        def started(name: str, seconds: float = 30.0, drain: float = 0.5) -> subprocess.Popen[bytes]:
            given = {
                "database": world.database.urls.system,
                "redis": redis_url,
                "folder": str(tmp_path),
                "name": name,
                "seconds": seconds,
                "drain": drain,
            }
            argv = [sys.executable, "-m", "tests.integration.jobs.process", json.dumps(given)]
            process = subprocess.Popen(argv, cwd=ROOT)
            undo.callback(process.wait)
            undo.callback(process.kill)
            until((tmp_path / f"{name}.ready").exists, 30)
            return process

        yield started


@pytest.fixture(autouse=True)
def relay(world: World, redis_url: str) -> Iterator[None]:
    """A relay that sweeps often."""
    stop = threading.Event()
    broker = make_broker(redis_url)
    with closing(Ear(client=broker.client, channel=RELAY)) as ear:
        running = Relay(
            database=world.database.system,
            bell=Doorbell(broker=broker),
            wait=lambda seconds: ear.wait(min(seconds, 0.2)),
            alive=1.0,
            sweep_every=0.2,
            ring_lost=2.0,
        )
        thread = threading.Thread(target=running.run, args=(stop,))
        thread.start()
        yield
        stop.set()
        thread.join()


def began(folder: Path, name: str) -> Callable[[], bool]:
    return (folder / f"{name}.began").exists


def ended(world: World, job: Job) -> Callable[[], bool]:
    return lambda: world.job(job).final


def test_another_worker_finishes_what_a_killed_one_had_begun(
    world: World, start: Start, tmp_path: Path
) -> None:
    first = start("first")
    job = world.submit()
    until(began(tmp_path, "first"))
    until(lambda: "slow1" in world.column("SELECT stage || attempt FROM stage_runs"))  # a little later
    first.kill()
    start("second", seconds=0.0)
    until(ended(world, job))
    done = world.job(job)
    assert (done.state, done.attempts, done.fence, done.owner) == (State.SUCCESS, 2, 2, "second")
    assert world.column("SELECT stage || attempt FROM stage_runs ORDER BY ordinal, attempt") == [
        *("first1", "slow1", "slow2", "last2")
    ]
    with world.transaction() as transaction:
        assert read.log(transaction, job.id).text == b"first\nsecond\n"


def test_a_worker_that_slept_past_its_lease_changes_nothing_when_it_wakes(
    world: World, start: Start, tmp_path: Path
) -> None:
    sleeper = start("sleeper")
    job = world.submit()
    until(began(tmp_path, "sleeper"))
    os.kill(sleeper.pid, signal.SIGSTOP)
    start("second", seconds=0.0)
    until(ended(world, job))
    before = world.column("SELECT row_to_json(j)::text FROM jobs j") + world.kinds(job)
    os.kill(sleeper.pid, signal.SIGCONT)
    other = world.submit(branch="other")
    until(lambda: world.job(other).state is not State.QUEUED)
    assert (
        world.column("SELECT row_to_json(j)::text FROM jobs j WHERE branch <> 'other'") + world.kinds(job)
        == before
    )


def test_a_worker_that_is_told_to_leave_hands_its_job_over(
    world: World, start: Start, tmp_path: Path
) -> None:
    leaving = start("leaving")
    job = world.submit()
    until(began(tmp_path, "leaving"))
    leaving.terminate()
    assert leaving.wait(20) == 0
    handed = world.job(job)
    assert (handed.state, handed.attempts) == (State.QUEUED, 0)
    assert world.value("SELECT reason FROM jobs") == Reason.DRAINED
    assert world.column("SELECT id FROM workers") == []
    start("second", seconds=0.0)
    until(ended(world, job))
    assert (world.job(job).state, world.job(job).attempts) == (State.SUCCESS, 1)


def test_a_worker_that_leaves_lets_a_stage_end_first(world: World, start: Start, tmp_path: Path) -> None:
    leaving = start("leaving", seconds=1.0, drain=20.0)
    job = world.submit()
    until(began(tmp_path, "leaving"))
    leaving.terminate()
    assert leaving.wait(20) == 0
    assert world.job(job).state is State.QUEUED
    assert world.value("SELECT result FROM stage_runs WHERE stage = 'slow'") == "success"
    start("second", seconds=30.0)
    until(ended(world, job))
    assert world.column("SELECT stage FROM stage_runs ORDER BY ordinal, attempt") == ["first", "slow", "last"]


def test_a_cancelled_job_is_stopped_in_its_stage(world: World, start: Start, tmp_path: Path) -> None:
    start("first")
    job = world.submit()
    until(began(tmp_path, "first"))
    assert world.cancel(job).cancel_requested
    until(ended(world, job), 10)
    assert world.job(job).state is State.CANCELLED


def test_a_hundred_rings_for_one_job_are_one_claim(world: World, start: Start, redis_url: str) -> None:
    job = world.submit()
    bell = Doorbell(broker=make_broker(redis_url))
    for _ in range(100):
        bell.ring_all([(job.id, PriorityClass.NORMAL)])
    start("first", seconds=0.0)
    until(lambda: ended(world, job)() and bell.waiting() == 0)
    assert world.job(job).attempts == 1
    assert world.kinds(job).count("job.claim") == 1
