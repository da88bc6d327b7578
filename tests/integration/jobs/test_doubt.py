"""A COMMIT whose answer is lost, over a wire to a real Postgres: what was written stands once, and so does its number."""

from collections.abc import Callable, Iterator

import pytest

from flowforge.core.errors import Broken, Reason
from flowforge.core.job import Job, Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.jobs import read
from flowforge.jobs.doubt import happened
from flowforge.jobs.recorder import WORKER, FencedRecorder
from flowforge.jobs.sweep import sweep
from flowforge.pipeline.context import Work
from flowforge.store.database import Database
from tests.conftest import TestDatabase
from tests.faults.proxy import Proxy, Trouble, through, upstream_of
from tests.integration.jobs.world import World, artifacts, make_world, session_of

pytestmark = pytest.mark.services

SPEC = StageSpec(id="test", uses="test")
WORK = Work(branch="feature", target="main", head="b" * 40)
NEW = "b" * 40
LOST = Trouble(do="swallow", on=(rb"INSERT INTO|INTO stage_runs|EXECUTE ff_", b"COMMIT"), times=1)
NEVER_CAME = Trouble(do="cut", on=LOST.on, times=1)


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


@pytest.fixture
def wire(database: TestDatabase) -> Iterator[Proxy]:
    with Proxy(upstream_of(database.urls.system)) as made:
        yield made


@pytest.fixture
def distant(database: TestDatabase, wire: Proxy) -> Iterator[Database]:
    made = Database(through(database.urls.system, wire), connections=2)
    yield made
    made.close()


def claimed(world: World) -> Job:
    job = world.claim(world.submit(), lease=3600)
    assert job is not None
    return job


def recorder_of(database: Database, job: Job) -> FencedRecorder:
    return FencedRecorder(
        database=database,
        job=job,
        session=session_of(job),
        artifacts=artifacts(),
        sleep=lambda _seconds: None,
    )


def story(world: World, job: Job) -> list[object]:
    """Kinds of events, and texts of pieces, in the order of their numbers, which must have no gap."""
    with world.everywhere() as tx:
        rows = tx.rows(
            "SELECT seq, kind AS what FROM job_events WHERE job = %(job)s UNION ALL "
            "SELECT seq, convert_from(bytes, 'UTF8') FROM log_chunks WHERE job = %(job)s ORDER BY seq",
            job=job.id,
        )
    assert [row["seq"] for row in rows] == list(range(1, world.value(LAST, job=job.id) + 1))
    return [row["what"] for row in rows if not str(row["what"]).startswith("job.")]


LAST = "SELECT last_seq FROM jobs WHERE id = %(job)s"
WRITES: dict[str, tuple[Callable[[FencedRecorder], object], list[object]]] = {
    "a line": (lambda r: (r.log("test", b"a line"), r._flush()), ["a line"]),
    "an event": (lambda r: r.event("mirror.noted", {}), ["mirror.noted"]),
    "a stage that began, and a line": (
        lambda r: (r.stage_started(SPEC), r.log("test", b"first"), r._flush()),
        ["stage.started", "first"],
    ),
    "a stage that ended": (
        lambda r: r.stage_finished(StageResult(stage="test", result=Result.SUCCESS), WORK),
        ["stage.finished"],
    ),
    "an intent": (lambda r: r.push_intent("refs/heads/feature", "a" * 40, NEW), ["push.intended"]),
}


@pytest.mark.parametrize("trouble", [LOST, NEVER_CAME], ids=["it happened", "it did not"])
@pytest.mark.parametrize("write", list(WRITES))
def test_a_write_whose_commit_nobody_answered_stands_once(
    world: World, wire: Proxy, distant: Database, write: str, trouble: Trouble
) -> None:
    job = claimed(world)
    doing, wanted = WRITES[write]
    with recorder_of(distant, job) as recorder:
        wire.trouble(trouble)
        doing(recorder)
    assert len(wire.struck) == 1
    assert story(world, job) == wanted
    assert world.value("SELECT count(*) FROM push_intents") == wanted.count("push.intended")


def test_a_long_log_over_a_wire_that_breaks_at_every_third_commit_is_whole_and_in_order(
    world: World, wire: Proxy, distant: Database
) -> None:
    job = claimed(world)
    lines = [f"line {number}\n".encode() for number in range(60)]
    with recorder_of(distant, job) as recorder:
        for number, line in enumerate(lines):
            if number % 6 == 0:
                wire.trouble(LOST)
            elif number % 6 == 3:
                wire.trouble(NEVER_CAME)
            recorder.log(("clone", "test")[number // 7 % 2], line)
            recorder._flush()
    assert len(wire.struck) == 20
    story(world, job)
    with world.transaction() as transaction:
        assert read.log(transaction, job.id).text == b"".join(lines)


def test_the_events_of_others_under_that_number_are_not_taken_for_ours(world: World) -> None:
    """The write was rolled back, and a person's cancel got its number."""
    job = claimed(world)
    world.cancel(job)
    number = world.value(LAST, job=job.id)
    assert world.kinds(job)[-1] == "job.cancel_requested"
    session = session_of(job)
    assert happened(world.database.system, session, number, WORKER, lambda _: None) is False
    recorder_of(world.database.system, job).event("mirror.noted", {})
    assert happened(world.database.system, session, number + 1, WORKER, lambda _: None) is True
    assert happened(world.database.system, session, 0, WORKER, lambda _: None) is False


def test_who_lost_the_job_in_between_is_told_so(world: World) -> None:
    job = claimed(world)
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    with pytest.raises(Broken) as caught:
        happened(world.database.system, session_of(job), 4, WORKER, lambda _: None)
    assert caught.value.reason is Reason.LEASE_LOST


def test_the_question_is_asked_until_the_database_is_back(
    world: World, wire: Proxy, distant: Database
) -> None:
    job, waited = claimed(world), []
    recorder_of(world.database.system, job).event("mirror.noted", {})
    wire.trouble(Trouble(do="cut"))

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            wire.heal()

    number = world.value(LAST, job=job.id)
    assert happened(distant, session_of(job), number, WORKER, sleep) is True
    assert len(waited) == 3
