"""A database that goes away under a running job and comes back costs time, and neither a line nor the attempt."""

import threading
from pathlib import Path

import pytest

from flowforge.core.job import State
from flowforge.jobs import read
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.session import JobSession
from flowforge.store.admin import create_database, role_urls, upgrade, with_database
from flowforge.store.database import Database
from flowforge.store.schedule import Worker
from flowforge.wiring.embedded import start_postgres
from flowforge.worker.supervisor import Pace, Supervisor
from tests.conftest import TestDatabase
from tests.integration.jobs.world import SmallPipeline, World, bench, make_world, nothing, until

pytestmark = [pytest.mark.services, pytest.mark.slow]


def world_at(url: str) -> World:
    create_database(url, "outage")
    admin = with_database(url, "outage")
    upgrade(admin)
    urls = role_urls(admin)
    return make_world(
        TestDatabase(admin_url=admin, urls=urls, app=Database(urls.app), system=Database(urls.system))
    )


def test_a_job_outlives_a_restart_of_postgres(services_folder: Path) -> None:
    folder = services_folder / "outage"
    began, gone, back = threading.Event(), threading.Event(), threading.Event()

    def slow(recorder: FencedRecorder, session: JobSession) -> None:
        recorder.log("slow", b"before\n")
        began.set()
        assert gone.wait(30)
        recorder.log("slow", b"during\n")
        threading.Timer(1.0, back.set).start()
        recorder.event("stage.noted", {})  # waits until the database is back
        recorder.log("slow", b"after\n")
        assert not session.cancelled()

    with start_postgres(folder) as url:
        world = world_at(url)
        supervisor = Supervisor(
            worker=Worker(id="w", host="here", version="1", slots=1),
            work=bench(world, SmallPipeline({"first": nothing, "slow": slow, "last": nothing})).run,
            database=world.database.system,
            leases=Database(world.database.urls.system, connections=1),
            pace=Pace(lease=30.0, renew=0.3, watch=0.1, margin=1.0),
        )
        supervisor.start()
        job = world.submit()
        thread = threading.Thread(target=supervisor.answer, args=(job.id,))
        thread.start()
        assert began.wait(30)
    gone.set()
    assert back.wait(30)
    with start_postgres(folder) as again:
        assert again == url
        thread.join(30)
        assert not thread.is_alive()
        until(lambda: world.job(job).final)
        ended = world.job(job)
        assert (ended.state, ended.attempts, ended.fence) == (State.SUCCESS, 1, 1)
        with world.transaction() as transaction:
            assert read.log(transaction, job.id).text == b"before\nduring\nafter\n"
        supervisor.close()
        world.database.app.close()
        world.database.system.close()
