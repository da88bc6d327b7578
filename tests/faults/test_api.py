"""The API dies around its commit, or never hears that it happened; a doorbell rings too often: one job, run once."""

from collections.abc import Callable, Mapping
from uuid import uuid4

import pytest

from flowforge.api.models import JobIn, JobOut
from flowforge.cli.client import Client
from flowforge.cli.server import Server
from flowforge.core.errors import FlowForgeError
from flowforge.core.job import PriorityClass
from flowforge.queues.broker import make_broker
from flowforge.queues.doorbell import Doorbell
from tests.acceptance.house import Answer, Project, ending, eventually
from tests.faults.proxy import Trouble
from tests.faults.site import free_port
from tests.faults.table import proves
from tests.faults.wired import WiredSite, all_succeed, queue_many, retry_after, rings, topic_branches

RINGS = 100
JOBS = "SELECT id::text FROM jobs WHERE idempotency_key = %(key)s"
Record = Callable[[str, object], None]


def submit_to(site: WiredSite, port: int, project: Project, key: str) -> JobOut:
    server = Server(url=f"http://127.0.0.1:{port}", token=site.house.token)
    with Client(server, patience=0.1) as client:
        return client.submit(wanted(project), key)


def wanted(project: Project) -> JobIn:
    return JobIn(repository=project.id, branch="b0", target="main", task="validate-only")


def known(site: WiredSite, key: str) -> list[str]:
    return [row["id"] for row in site.house.truth.rows(JOBS, key=key)]


@pytest.mark.parametrize(
    ("place", "stored"),
    [
        pytest.param("submit.committed", 1, marks=proves("F42")),
        pytest.param("submit.stored", 0, marks=proves("F43")),
    ],
)
def test_an_api_that_dies_around_its_commit_gives_one_job_for_one_key(
    wired: WiredSite, place: str, stored: int
) -> None:
    project, key, port = wired.house.project(), uuid4().hex, free_port()
    topic_branches(project, 1)
    with wired.api(port, f"{place}:kill9"), pytest.raises(FlowForgeError):
        submit_to(wired, port, project, key)
    before = known(wired, key)
    assert len(before) == stored
    if stored:  # nobody has to ask again for a job that is durable
        eventually(lambda: rung(wired, before[0]), "the relay has rung for it")
    job = project.submit("b0", task="validate-only", key=key)
    assert known(wired, key) == [str(job.id)]
    assert before in ([], [str(job.id)])
    with wired.worker():
        all_succeed(wired, [job])


def rung(site: WiredSite, job: str) -> bool:
    """A worker that listens elsewhere lends the relay its slots for a moment."""
    with site.process("worker", FLOWFORGE_REDIS_URL=site.elsewhere) as deaf:
        eventually(lambda: "waits for rings" in deaf.said(), "the worker is there")
        query = "SELECT 1 FROM jobs WHERE id::text = %(job)s AND rung_at IS NOT NULL"
        eventually(lambda: site.house.truth.rows(query, job=job), "it was rung")
    return True


def post(site: WiredSite, body: Mapping[str, object], key: str) -> Answer:
    return site.house.ask("POST", "/api/v1/jobs", body=body, Idempotency_Key=key)


@pytest.mark.parametrize(
    ("trouble", "stored"),
    [
        pytest.param("swallow", 1, marks=proves("F44")),  # it is committed, and the API does not hear so
        pytest.param("cut", 0, marks=proves("F43")),  # the word itself is lost
    ],
)
def test_a_commit_whose_answer_is_lost_is_admitted_and_made_good_by_the_same_key(
    wired: WiredSite, trouble: str, stored: int
) -> None:
    project, key = wired.house.project(), uuid4().hex
    topic_branches(project, 1)
    body = wanted(project).model_dump(mode="json")
    on = (rb"ff_insert_jobs", rb"COMMIT")
    wired.database_wire.trouble(Trouble(do="swallow" if trouble == "swallow" else "cut", on=on, times=1))
    try:
        answer = post(wired, body, key)
        assert len(wired.database_wire.struck) > 0
    finally:
        wired.heal()
    assert answer.status == 503
    assert retry_after(answer) > 0
    assert "whether it happened is not known" in answer.json["detail"]
    assert "Idempotency-Key" in answer.json["next_action"]
    before = known(wired, key)
    assert len(before) == stored
    again = post(wired, body, key)
    assert again.status == 202
    assert known(wired, key) == [again.json["id"]]
    assert before in ([], [again.json["id"]])
    wired.house.cancel(JobOut.model_validate_json(again.body, strict=False))


@proves("F45")
def test_a_hundred_rings_for_one_job_are_one_claim(wired: WiredSite, record_property: Record) -> None:
    """Rung before anybody hears it, and again when it has ended; two workers hear the rings."""
    record_property("count", 2 * RINGS)
    bell = Doorbell(broker=make_broker(wired.redis_url))
    (job,) = queue_many(wired.house.project(), 1)
    ring = [(job.id, PriorityClass.NORMAL)] * RINGS
    assert bell.ring_all(ring) == ()
    with wired.worker() as first, wired.worker() as second:
        all_succeed(wired, [job])
        assert bell.ring_all(ring) == ()
        eventually(lambda: rings(wired) == 0, "every ring was heard")
        (other,) = queue_many(wired.house.project(), 1)
        all_succeed(wired, [other])  # and what heard them works on
    for worker in (first, second):
        assert "Traceback" not in worker.said()
    claims = wired.house.truth.of_jobs("job_executions", [job.id], "started_at")[str(job.id)]
    assert [row["attempt"] for row in claims] == [1]
    assert ending(wired.house.job(job.id))[0] == "success"
