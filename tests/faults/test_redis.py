"""Redis forgets, is away, takes no writes, loses its answers or hangs: jobs are taken all the same, and all run.

The long forms by command: FLOWFORGE_FAULTS_JOBS=1000 FLOWFORGE_FAULTS_SECONDS=60.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.house import eventually
from tests.acceptance.stories import apart, pipeline
from tests.faults.proxy import Trouble
from tests.faults.site import Process
from tests.faults.table import proves
from tests.faults.wired import (
    JOBS,
    SECONDS,
    WiredSite,
    all_end,
    all_succeed,
    queue_many,
    rings,
    topic_branches,
)

FEW = 4
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def worker(wired: WiredSite) -> Iterator[Process]:
    with wired.worker() as made:
        yield made


@pytest.fixture(autouse=True)
def healthy(wired: WiredSite) -> Iterator[None]:
    yield
    wired.heal()
    eventually(wired.ready, "the service is ready again")


@proves("F46")
@pytest.mark.timeout(120 + JOBS)
def test_all_jobs_run_although_redis_forgets_every_ring(wired: WiredSite, record_property: Record) -> None:
    """Of all that are queued only a few are in Redis. A worker that listens elsewhere lets them lie there."""
    record_property("count", JOBS)
    project = wired.house.project()
    topic_branches(project, 1)
    with wired.process("worker", FLOWFORGE_REDIS_URL=wired.elsewhere):
        jobs = [project.submit(f"missing-{number}", task="validate-only") for number in range(JOBS)]
        eventually(lambda: rings(wired) > 0, "one was rung")
        wired.redis("FLUSHALL")
    with wired.worker():
        ended = all_end(wired, jobs)
    assert {(job.ending.reason if job.ending else "", job.attempts) for job in ended} == {
        ("branch_missing", 1)
    }
    wired.keeps_its_promises(*jobs)


@proves("F47")
@pytest.mark.timeout(120 + 2 * SECONDS)
def test_while_redis_is_away_jobs_are_taken_and_when_it_is_back_they_run(
    wired: WiredSite, worker: Process, record_property: Record
) -> None:
    project = wired.house.project()
    wired.stop_redis()
    try:
        jobs = queue_many(project, FEW)
        assert {job.state for job in jobs} == {"queued"}
        eventually(wired.degraded, "health says so")
        time.sleep(SECONDS)
        assert {wired.house.job(job.id).state for job in jobs} == {"queued"}
    finally:
        wired.start_redis()
    back = time.monotonic()
    all_succeed(wired, jobs)
    record_property("away", SECONDS)
    record_property("drained", round(time.monotonic() - back, 1))


ILLNESSES = {  # by the error that every write gets: how it falls ill, and how it gets well
    "READONLY": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "NOREPLICAS": (
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "OOM": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
}


@pytest.mark.parametrize("illness", [pytest.param(name, marks=proves("F48")) for name in ILLNESSES])
def test_a_redis_that_takes_no_writes_delays_jobs_and_loses_none(
    wired: WiredSite, worker: Process, illness: str
) -> None:
    """One job runs when it begins: its ring cannot be acknowledged any more. The others cannot be rung for."""
    project = wired.house.project()
    apart(project.repository, pipeline(test="echo started; sleep 3", require="validated"))
    runs = project.submit()
    wired.house.began(runs, "test", "started")
    ill, well = ILLNESSES[illness]
    wired.redis(*ill)
    try:
        jobs = queue_many(wired.house.project(), FEW)
        eventually(wired.degraded, "health says so")
        all_succeed(wired, [runs])
        assert {wired.house.job(job.id).state for job in jobs} == {"queued"}
    finally:
        wired.redis(*well)
    all_succeed(wired, jobs)


@proves("F49")
def test_answers_of_redis_that_are_lost_run_no_job_twice(wired: WiredSite, worker: Process) -> None:
    """To a ring, to a fetch and to an acknowledgement: each has happened, and nobody heard so."""
    lost = [Trouble(do="swallow", on=(command,), times=2) for command in (b"enqueue", b"fetch", b"ack")]
    wired.redis_wire.trouble(*lost)
    jobs = queue_many(wired.house.project(), FEW)
    all_succeed(wired, jobs)
    assert {trouble for _, trouble in wired.redis_wire.struck} >= set(lost)


@proves("F50")
def test_a_redis_that_hangs_holds_nobody_up_for_long(wired: WiredSite, worker: Process) -> None:
    pid = wired.redis_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        jobs = queue_many(wired.house.project(), FEW)  # it hangs until they are answered
        eventually(wired.degraded, "health says so")
        assert {wired.house.job(job.id).state for job in jobs} == {"queued"}
    finally:
        os.kill(pid, signal.SIGCONT)
    all_succeed(wired, jobs)
