"""Redis forgets or is away, Postgres restarts, the API dies: no job is lost, doubled or half done."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from flowforge.api.models import JobIn, JobOut
from flowforge.cli.client import Client
from flowforge.cli.server import Server
from flowforge.core.errors import FlowForgeError
from tests.acceptance.house import Project, ending, eventually
from tests.conftest import flush
from tests.faults.site import Site, free_port

MakeProject = Callable[..., Project]

MANY = 6


def queue_many(project: Project) -> list[JobOut]:
    """Jobs that need no turn at one ref."""
    tip = project.repository.tip("refs/heads/main")
    files = {**project.repository.files(tip), "docs/more.md": "more\n"}
    for number in range(MANY):
        project.repository.commit(files, tip, branch=f"b{number}")
    return [project.submit(f"b{number}", task="validate-only") for number in range(MANY)]


def all_succeed(site: Site, jobs: list[JobOut]) -> None:
    assert {ending(site.house.ended(job))[0] for job in jobs} == {"success"}
    site.keeps_its_promises(*jobs)


def test_rings_that_redis_forgot_are_rung_again(site: Site, make_project: MakeProject) -> None:
    project = make_project()
    with site.worker() as worker:
        assert ending(project.run(task="rebase"))[0] == "failed"  # it has rung and run once
        worker.stop_here()
        jobs = queue_many(project)
        rung = "SELECT 1 FROM jobs WHERE rung_at IS NOT NULL AND id::text = ANY(%(jobs)s)"
        eventually(lambda: site.house.truth.rows(rung, jobs=[str(job.id) for job in jobs]), "one was rung")
        flush(site.redis_url)
        worker.go_on()
        all_succeed(site, jobs)


def test_while_redis_is_away_jobs_are_taken_and_run_when_it_is_back(
    site: Site, make_project: MakeProject
) -> None:
    project = make_project()
    with site.worker():
        site.stop_redis()
        jobs = queue_many(project)
        assert {job.state for job in jobs} == {"queued"}
        time.sleep(10)
        assert {site.house.job(job.id).state for job in jobs} == {"queued"}
        site.start_redis()
        back = time.monotonic()
        all_succeed(site, jobs)
        assert time.monotonic() - back < 20


@pytest.mark.parametrize("place", ["resolve.begun", "push.after_remote"])
def test_a_restart_of_postgres_costs_time_and_nothing_else(
    site: Site, make_project: MakeProject, place: str
) -> None:
    project = make_project()
    with site.worker(f"{place}:stop") as worker:
        job = project.submit()
        eventually(lambda: worker.stopped, f"the worker stands still at {place}")
        site.stop_postgres()
        worker.go_on()
        time.sleep(0.5)
        assert site.house.ask("GET", f"/api/v1/jobs/{job.id}").status == 503
        site.start_postgres()
        eventually(
            lambda: site.house.ask("GET", f"/api/v1/jobs/{job.id}").status == 200, "the API is back", 15
        )
        ended = site.house.ended(job)
    assert ending(ended) == ("success", "pushed")
    assert len(project.pushes()) == 1
    site.keeps_its_promises(job)


def submit_to(site: Site, port: int, project: Project, key: str) -> JobOut:
    server = Server(url=f"http://127.0.0.1:{port}", token=site.house.token)
    with Client(server, patience=0.1) as client:
        return client.submit(JobIn(repository=project.id, branch="topic", target="main", task=""), key)


@pytest.mark.parametrize(("place", "stored"), [("submit.committed", 1), ("submit.stored", 0)])
def test_an_api_that_dies_around_its_commit_gives_one_job_for_one_key(
    site: Site, make_project: MakeProject, place: str, stored: int
) -> None:
    project, key, port = make_project(), uuid4().hex, free_port()
    with site.api(port, f"{place}:kill9"), pytest.raises(FlowForgeError):
        submit_to(site, port, project, key)
    rows = "SELECT id::text FROM jobs WHERE idempotency_key = %(key)s"
    before = [row["id"] for row in site.house.truth.rows(rows, key=key)]
    assert len(before) == stored
    job = project.submit(key=key)
    assert [row["id"] for row in site.house.truth.rows(rows, key=key)] == [str(job.id)]
    assert before in ([], [str(job.id)])
    with site.worker():
        ended = site.house.ended(job)
    assert ending(ended) == ("success", "pushed")
    site.keeps_its_promises(job)
