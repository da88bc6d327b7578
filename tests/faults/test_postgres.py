"""Postgres dies, moves, has no connections, has no room: requests are put off, jobs go on, nothing is left half done."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg2 import errors as pg

from flowforge.api.models import JobOut
from flowforge.store.admin import connected
from flowforge.wiring.postgres import read_password
from tests.acceptance.house import Answer, Project, ending, eventually
from tests.acceptance.stories import apart, pipeline
from tests.faults.proxy import upstream_of
from tests.faults.servers import on_small_disk, promote, standby
from tests.faults.site import Process
from tests.faults.table import STAGES, proves
from tests.faults.wired import WiredSite, all_end, all_succeed, open_jobs, queue_many, retry_after

PLACES = (*(f"{stage}.begun" for stage in STAGES), "push.intended", "push.after_remote", "job.stopped")
LEASE = {"FLOWFORGE_LEASE_SECONDS": "30", "FLOWFORGE_RENEW_SECONDS": "0.5"}  # so that no attempt is lost
DISK = 6 << 20  # bytes
Record = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def healthy(wired: WiredSite) -> Iterator[None]:
    yield
    wired.heal()
    eventually(wired.ready, "the service is ready again")


@pytest.fixture
def project(wired: WiredSite) -> Project:
    made = wired.house.project()
    apart(made.repository, pipeline())
    return made


def refusals(site: WiredSite) -> list[Answer]:
    """What the API says while it has no database: to a reader, to a writer, and to who asks for its health."""
    body = {"repository": str(uuid4()), "branch": "b", "target": "main"}
    return [
        site.house.ask("GET", "/api/v1/jobs"),
        site.house.ask("POST", "/api/v1/jobs", body=body, Idempotency_Key=uuid4().hex),
        site.house.ask("GET", "/readyz"),
    ]


def assert_put_off(site: WiredSite) -> None:
    for answer in refusals(site):
        assert (answer.status, answer.json["reason"]) == (503, "service_unavailable")
        assert retry_after(answer) > 0
    assert site.house.ask("GET", "/healthz").status == 200


@contextmanager
def stopped_at(site: WiredSite, project: Project, place: str) -> Iterator[tuple[Process, JobOut]]:
    with site.process("worker", f"{place}:stop", **LEASE) as worker:
        job = project.submit()
        eventually(lambda: worker.stopped, f"the worker stands still at {place}")
        yield worker, job


@proves("F51")
def test_postgres_killed_in_each_stage_of_a_job_costs_time_and_nothing_else(
    wired: WiredSite, project: Project, record_property: Record
) -> None:
    """One job, one attempt; by turns kill -9 of the server and a shutdown that asks nobody."""
    record_property("count", len(PLACES))
    with wired.process("worker", ",".join(f"{place}:stop" for place in PLACES), **LEASE) as worker:
        job = project.submit()
        for number, place in enumerate(PLACES):
            eventually(lambda: worker.stopped, f"the worker stands still at {place}")
            wired.postgres_ends((signal.SIGKILL, signal.SIGQUIT)[number % 2])
            worker.go_on()
            assert_put_off(wired)
            wired.start_postgres()
            eventually(wired.ready, "the API is back, and was not restarted")
        all_succeed(wired, [job])
    assert ending(wired.house.job(job.id)) == ("success", "pushed")
    assert len(project.pushes()) == 1


@proves("F52")
def test_a_failover_to_a_standby_costs_time_and_nothing_else(wired: WiredSite, project: Project) -> None:
    """The standby is promoted and takes over the address. Afterwards its cluster becomes the site's own."""
    home, away = wired.folder / "postgres", wired.folder / "standby"
    with stopped_at(wired, project, "test.begun") as (worker, job):
        with standby(wired.house.truth.database, away, read_password(home)) as url:
            wired.postgres_ends(signal.SIGKILL)
            worker.go_on()
            assert_put_off(wired)
            promote(url)
            wired.database_wire.upstream = upstream_of(url)
            eventually(wired.ready, "the API is back, and was not restarted")
            all_end(wired, [job, *queue_many(wired.house.project(), 1)])
        shutil.rmtree(home / "cluster")
        (away / "cluster").rename(home / "cluster")
        wired.start_postgres()
        eventually(wired.ready, "the API is back again")
        all_succeed(wired, [job])
    assert ending(wired.house.job(job.id)) == ("success", "pushed")
    assert len(project.pushes()) == 1


@proves("F53")
def test_without_connections_requests_are_put_off_and_jobs_wait(wired: WiredSite, project: Project) -> None:
    """The server's own limit: what is open stands until it is cut, and nothing new comes in."""
    with stopped_at(wired, project, "test.begun") as (worker, job):
        allow_connections(wired, 0)
        try:
            wired.database_wire.cut_all()
            worker.go_on()
            assert_put_off(wired)
        finally:
            allow_connections(wired, -1)
        eventually(wired.ready, "the API is back, and was not restarted")
        all_succeed(wired, [job])
    assert len(project.pushes()) == 1


def allow_connections(site: WiredSite, most: int) -> None:
    with connected(site.house.truth.database) as cursor:
        for role in ("ff_app", "ff_system"):
            cursor.execute(f"ALTER ROLE {role} CONNECTION LIMIT {most}")


@proves("F54")
def test_a_full_disk_puts_requests_off_and_leaves_nothing_half_done(
    wired: WiredSite, project: Project
) -> None:
    """The jobs' table lies on a disk of a few megabytes, which something else has filled."""
    home = wired.folder / "postgres"
    small = home / "small"
    with stopped_at(wired, project, "resolve.begun") as (worker, job):
        wired.stop_postgres()
        with on_small_disk(home, small, DISK) as url:
            fill(url, small)
            worker.go_on()
            key = refused_for_space(wired, project)
            assert wired.house.truth.rows("SELECT 1 FROM jobs WHERE idempotency_key = %(key)s", key=key) == []
            make_room(url)
            assert (
                wired.house.ask("POST", "/api/v1/jobs", body=wanted(project), Idempotency_Key=key).status
                == 202
            )
            eventually(lambda: open_jobs(wired) == [], "all that were taken end")
            move_back(url)
        wired.start_postgres()
        eventually(wired.ready, "the API is back")
        all_succeed(wired, [job])
    assert len(project.pushes()) == 1


def wanted(project: Project) -> dict[str, str]:
    return {
        "repository": str(project.id),
        "branch": "no-such-branch",
        "target": "main",
        "task": "validate-only",
    }


def refused_for_space(site: WiredSite, project: Project) -> str:
    """Submit until there is no room for another row; the key of the job that was refused."""
    for _ in range(200):
        key = uuid4().hex
        answer = site.house.ask("POST", "/api/v1/jobs", body=wanted(project), Idempotency_Key=key)
        if answer.status != 202:
            break
    assert (answer.status, answer.json["reason"]) == (503, "no_space")
    assert retry_after(answer) > 0
    assert site.house.ask("GET", "/api/v1/jobs").status == 200  # reading needs no room
    return key


def fill(url: str, place: Path) -> None:
    with connected(url) as cursor:
        cursor.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        cursor.execute("ALTER TABLE jobs SET TABLESPACE small")
        cursor.execute("CREATE TABLE filler (text text) TABLESPACE small")
        for rows in (1000, 1):
            fill_with(cursor, rows)


def fill_with(cursor: Any, rows: int) -> None:
    with suppress(pg.DiskFull):
        while True:
            cursor.execute("INSERT INTO filler SELECT repeat('x', 500) FROM generate_series(1, %s)", (rows,))


def make_room(url: str) -> None:
    with connected(url) as cursor:
        cursor.execute("DROP TABLE filler")


def move_back(url: str) -> None:
    with connected(url) as cursor:
        cursor.execute("ALTER TABLE jobs SET TABLESPACE pg_default")
        cursor.execute("DROP TABLESPACE small")
