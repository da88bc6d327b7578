"""A worker's sign of life in Redis: there while it works, gone with it, and no concern of its leases."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from flowforge.core.job import State
from flowforge.queues.connection import connect
from flowforge.queues.presence import PREFIX, Presence
from flowforge.store.database import Database
from flowforge.store.schedule import Worker
from flowforge.worker.supervisor import Supervisor
from tests.conftest import TestDatabase
from tests.integration.jobs.world import make_world, until
from tests.integration.worker.test_supervisor import QUICK, Task, in_background

pytestmark = pytest.mark.services


@contextmanager
def supervisor(database: TestDatabase, task: Task, redis_url: str) -> Iterator[Supervisor]:
    leases = Database(database.urls.system, connections=1)
    made = Supervisor(
        worker=Worker(id="w1", host="here", version="1", slots=2),
        work=task,
        database=database.system,
        leases=leases,
        pace=QUICK,
        signs=Presence(url=redis_url, worker="w1", keep=30),
    )
    made.start()
    try:
        yield made
    finally:
        made.close()
        leases.close()


def test_a_worker_shows_what_it_does_until_it_leaves(database: TestDatabase, redis_url: str) -> None:
    world, task, client = make_world(database), Task(), connect(redis_url)

    def shown(name: str) -> object:
        sign = client.get(f"{PREFIX}w1")
        return json.loads(sign)[name] if sign else None

    with supervisor(database, task, redis_url) as working:
        until(lambda: shown("slots") == 2)
        job = world.submit()
        thread = in_background(working, job.id)
        until(lambda: shown("running") == 1)
        task.go.set()
        thread.join()
        until(lambda: shown("running") == 0)
        assert shown("host") == "here"
        assert working.drain()
        until(lambda: shown("draining") is True)
    assert client.get(f"{PREFIX}w1") is None


def test_without_redis_leases_are_held_all_the_same(database: TestDatabase) -> None:
    world, task = make_world(database), Task()
    with supervisor(database, task, "redis://127.0.0.1:1/0") as working:
        job = world.submit()
        before = world.value("SELECT now()")
        thread = in_background(working, job.id)
        until(
            lambda: world.value("SELECT now() > %(before)s + interval '3 s'", before=before)
        )  # three leases
        assert world.job(job).state is State.RUNNING
        task.go.set()
        thread.join()
