"""Leases held, lost and handed over, with a real Postgres and jobs that do as they are told."""

import threading
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from flowforge.core.errors import Reason, Temporary
from flowforge.core.job import Job, State
from flowforge.jobs.session import JobSession, Stop
from flowforge.jobs.sweep import sweep
from flowforge.jobs.tell import Teller
from flowforge.store.database import Database
from flowforge.store.schedule import Worker
from flowforge.store.scope import Scope
from flowforge.worker.supervisor import Pace, Supervisor
from tests.conftest import TestDatabase
from tests.integration.jobs.world import SmallPipeline, World, bench, make_world, nothing, until

pytestmark = pytest.mark.services

QUICK = Pace(lease=1.0, renew=0.2, watch=0.05, margin=0.1, drain=0.3, last=5.0)


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


class Task:
    """Work that goes on until its session stops or `go` is set, and remembers why it ended."""

    def __init__(self) -> None:
        self.sessions: list[JobSession] = []
        self.go = threading.Event()

    def __call__(self, job: Job, session: JobSession) -> None:
        self.sessions.append(session)
        while not session.cancelled() and not self.go.is_set():
            time.sleep(0.01)

    @property
    def why(self) -> Stop:
        return self.sessions[0].why if self.sessions else Stop.NO


@pytest.fixture
def leases(world: World) -> Iterator[Database]:
    database = Database(world.database.urls.system, connections=1, wait=0.5)
    yield database
    database.close()


Make = Callable[..., Supervisor]


@pytest.fixture
def supervisor(world: World, leases: Database) -> Iterator[Make]:
    made: list[Supervisor] = []

    def make(work: Callable[[Job, JobSession], object], pace: Pace = QUICK) -> Supervisor:
        worker = Worker(id=f"w{len(made)}", host="here", version="1", slots=2)
        made.append(
            Supervisor(worker=worker, work=work, database=world.database.system, leases=leases, pace=pace)
        )
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


def in_background(answering: Supervisor, job: UUID) -> threading.Thread:
    thread = threading.Thread(target=answering.answer, args=(job,))
    thread.start()
    return thread


def test_a_lease_is_renewed_while_the_job_runs(world: World, supervisor: Make) -> None:
    task = Task()
    working = supervisor(task)
    job = world.submit()
    thread = in_background(working, job.id)
    until(lambda: task.sessions)
    time.sleep(1.5)
    assert not sweep(world.database.system)
    assert task.why is Stop.NO
    assert world.job(job).state is State.RUNNING
    task.go.set()
    thread.join()
    assert working.running == 0


def test_a_job_that_is_not_to_be_had_is_not_run(world: World, supervisor: Make) -> None:
    task = Task()
    working = supervisor(task)
    job = world.submit()
    world.claim(job, "another")
    assert working.answer(job.id) is False
    assert task.sessions == []


def test_a_cancel_stops_the_session(world: World, supervisor: Make) -> None:
    task = Task()
    job = world.submit()
    thread = in_background(supervisor(task), job.id)
    until(lambda: task.sessions)
    world.cancel(job)
    thread.join(5)
    assert task.sessions[0].cancelled()
    assert world.value("SELECT count(*) FROM job_events WHERE kind = 'job.cancel_requested'") == 1


def test_a_cancel_after_the_intent_to_push_stops_nothing(world: World, supervisor: Make) -> None:
    task = Task()
    job = world.submit()
    thread = in_background(supervisor(task), job.id)
    until(lambda: task.sessions)
    world.run(
        "INSERT INTO push_intents (organization, repository, job, fence, attempt, ref, old_sha, new_sha)"
        " SELECT organization, repository, id, fence, attempts, 'refs/heads/feature', 'a', 'b' FROM jobs"
    )
    world.cancel(job)
    time.sleep(0.6)
    assert task.why is Stop.NO
    task.go.set()
    thread.join()


def test_a_lease_taken_by_another_stops_the_session_as_lost(world: World, supervisor: Make) -> None:
    task = Task()
    job = world.submit()
    thread = in_background(supervisor(task), job.id)
    until(lambda: task.sessions)
    with world.everywhere() as transaction:
        transaction.run("UPDATE jobs SET state = 'queued' WHERE id = %(id)s", id=job.id)
    assert world.claim(job, "another")
    thread.join(5)
    assert task.sessions[0].why is Stop.LOST


def test_a_session_ends_by_its_own_clock_when_nothing_can_be_renewed(
    world: World, supervisor: Make, leases: Database
) -> None:
    task = Task()
    job = world.submit()
    thread = in_background(supervisor(task), job.id)
    until(lambda: task.sessions)
    held = threading.Event()

    def hold() -> None:
        with leases.transaction(Scope.nobody()):  # the only connection of the lease thread
            held.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    thread.join(5)
    assert not thread.is_alive()
    assert task.sessions[0].why is Stop.LOST
    held.set()
    holder.join()


def test_a_worker_that_leaves_claims_no_more_and_lets_the_relay_ring_elsewhere(
    world: World, supervisor: Make
) -> None:
    working = supervisor(Task())
    job = world.submit()
    world.run("UPDATE jobs SET rung_at = now()")
    assert working.drain()
    assert working.answer(job.id) is False
    assert world.value("SELECT count(*) FROM jobs WHERE rung_at IS NULL") == 1
    assert world.value("SELECT draining FROM workers")
    working.close()
    assert world.value("SELECT count(*) FROM workers") == 0


def test_a_drain_stops_a_stage_that_does_not_end_and_gives_the_attempt_back(
    world: World, supervisor: Make
) -> None:
    def slow(_recorder: object, session: JobSession) -> None:
        until(session.cancelled)

    working = supervisor(bench(world, SmallPipeline({"a": nothing, "slow": slow, "b": nothing})).run)
    job = world.submit()
    thread = in_background(working, job.id)
    until(lambda: working.running)
    assert working.drain()
    thread.join()
    handed = world.job(job)
    assert (handed.state, handed.attempts) == (State.QUEUED, 0)
    assert world.value("SELECT reason FROM jobs") == Reason.DRAINED


def test_the_relay_looks_at_once_when_a_worker_comes(world: World, leases: Database) -> None:
    slots: list[int] = []  # that the relay finds when it is woken
    coming = Supervisor(
        worker=Worker(id="w", host="here", version="1", slots=2),
        work=Task(),
        database=world.database.system,
        leases=leases,
        teller=Teller(wake=lambda: slots.append(world.value("SELECT sum(slots) FROM workers"))),
    )
    coming.start()
    coming.close()
    assert slots == [2]


def test_a_start_without_a_database_says_so(world: World) -> None:
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none")
    lonely = Supervisor(
        worker=Worker(id="w", host="here", version="1", slots=1),
        work=Task(),
        database=nowhere,
        leases=nowhere,
    )
    with pytest.raises(Temporary):
        lonely.start()
