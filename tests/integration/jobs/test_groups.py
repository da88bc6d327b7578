"""Concurrency groups against a real Postgres: decided on arrival, decided late, and one running job a group always."""

import itertools
from collections.abc import Iterator
from uuid import UUID

import pytest

from flowforge.core.concurrency import Concurrency
from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.core.job import Ending, Job, Result, State
from flowforge.jobs import sweep
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.run import Outcome
from flowforge.jobs.session import JobSession, Stop
from flowforge.jobs.tell import SILENT, Teller
from flowforge.store import jobs as table
from flowforge.store import schedule
from tests.conftest import TestDatabase
from tests.integration.jobs.world import SmallPipeline, World, bench, make_world, nothing, session_of

pytestmark = pytest.mark.services

SUPERSEDE = Concurrency(group="deploy", policy="supersede")
QUEUE = Concurrency(group="deploy", policy="queue")
REJECT = Concurrency(group="deploy", policy="reject")


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


@pytest.fixture
def branches() -> Iterator[str]:
    """Every job of its own branch, so that only the group can keep two apart."""
    return (f"b{number}" for number in itertools.count())


def reason_of(error: pytest.ExceptionInfo[FlowForgeError]) -> Reason:
    return error.value.reason


def states(world: World) -> dict[str, str]:
    with world.everywhere() as transaction:
        return {row["branch"]: row["state"] for row in transaction.rows("SELECT branch, state FROM jobs")}


def ran(world: World, job: Job, stop: Stop = Stop.NO, result: Result = Result.SUCCESS) -> Job:
    """Let a claimed job come to its end as its worker would."""

    def pipeline(_job: Job, _recorder: FencedRecorder, _session: JobSession) -> Outcome:
        return Outcome(ending=Ending(result=result, reason=Reason.CANCELLED, sentence="said"))

    session = session_of(job)
    session.stop(stop)
    bench(world, pipeline).run(job, session)
    return world.job(job)


def intend(world: World, job: Job) -> None:
    with world.everywhere() as transaction:
        transaction.insert(
            "push_intents",
            {
                "organization": job.organization, "repository": job.repository, "job": job.id, "fence": job.fence,
                "attempt": job.attempts, "ref": "r", "old_sha": "a", "new_sha": "b",
            },
        )  # fmt: skip


def test_a_newer_job_takes_the_place_of_those_that_wait(world: World) -> None:
    first = world.submit(branch="a", concurrency=SUPERSEDE)
    second = world.submit(branch="b", concurrency=SUPERSEDE)
    ended = world.job(first)
    assert (ended.state, ended.superseded_by) == (State.SUPERSEDED, second.id)
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.result) == (Reason.SUPERSEDED, Result.CANCELLATION)
    assert str(second.id) in ended.ending.sentence
    assert world.kinds(first) == ["job.submit", "job.validate_ok", "job.supersede"]
    assert world.job(second).state is State.QUEUED
    told = world.column(
        "SELECT payload ->> 'state' FROM outbox WHERE job = %(job)s ORDER BY id", job=first.id
    )
    assert told == ["queued", "superseded"]


def test_a_running_job_is_asked_to_make_way_and_ends_superseded(world: World) -> None:
    first = world.claim(world.submit(branch="a", concurrency=SUPERSEDE))
    assert first is not None
    second = world.submit(branch="b", concurrency=SUPERSEDE)
    asked = world.job(first)
    assert (asked.state, asked.cancel_requested, asked.superseded_by) == (State.RUNNING, True, second.id)
    assert world.kinds(first)[-1] == "job.supersede_requested"
    assert world.kinds(second) == ["job.submit", "job.validate_ok", "job.waits"]
    assert world.claim(second) is None  # its time comes when the first has ended
    ended = ran(world, first, Stop.CANCELLED, Result.CANCELLATION)
    assert (ended.state, ended.superseded_by) == (State.SUPERSEDED, second.id)
    assert world.claim(second) is not None


def test_one_whose_push_may_have_begun_goes_on_and_ends_as_it_does(world: World) -> None:
    first = world.claim(world.submit(branch="a", concurrency=SUPERSEDE))
    assert first is not None
    intend(world, first)
    second = world.submit(branch="b", concurrency=SUPERSEDE)
    with world.everywhere() as transaction:
        assert table.stopping(transaction, [first.id]) == set()
    with world.everywhere() as transaction:
        transaction.run("UPDATE push_intents SET outcome = 'pushed', settled_at = now()")
    ended = ran(world, first)
    assert (ended.state, ended.superseded_by) == (State.SUCCESS, second.id)
    assert ended.ending is not None
    assert ended.ending.sentence == "said"
    assert world.claim(second) is not None


def test_a_queued_job_with_a_push_of_unknown_outcome_is_not_ended(world: World) -> None:
    first = world.claim(world.submit(branch="a", concurrency=SUPERSEDE))
    assert first is not None
    intend(world, first)
    world.run("UPDATE jobs SET state = 'queued' WHERE id = %(id)s", id=first.id)
    world.submit(branch="b", concurrency=SUPERSEDE)
    left = world.job(first)
    assert (left.state, left.cancel_requested) == (State.QUEUED, True)


def test_a_superseded_job_whose_worker_died_is_ended_by_the_sweep(world: World) -> None:
    first = world.claim(world.submit(branch="a", concurrency=SUPERSEDE))
    assert first is not None
    world.submit(branch="b", concurrency=SUPERSEDE)
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'running'")
    sweep.sweep(world.database.system)
    assert world.job(first).state is State.SUPERSEDED


def test_what_a_person_cancelled_before_stays_cancelled(world: World) -> None:
    first = world.claim(world.submit(branch="a", concurrency=SUPERSEDE))
    assert first is not None
    world.cancel(first)
    world.submit(branch="b", concurrency=SUPERSEDE)
    assert ran(world, first, Stop.CANCELLED, Result.CANCELLATION).state is State.CANCELLED


def test_sending_the_same_request_again_supersedes_nothing(world: World) -> None:
    first = world.submit(branch="a", concurrency=SUPERSEDE, idempotency_key="1")
    second = world.submit(branch="b", concurrency=SUPERSEDE, idempotency_key="2")
    assert world.submit(branch="a", concurrency=SUPERSEDE, idempotency_key="1").id == first.id
    assert world.submit(branch="b", concurrency=SUPERSEDE, idempotency_key="2").id == second.id
    assert states(world) == {"a": "superseded", "b": "queued"}
    with pytest.raises(Refused) as refused:
        world.submit(branch="c", concurrency=SUPERSEDE, idempotency_key="2")
    assert reason_of(refused) is Reason.INVALID_REQUEST
    assert states(world) == {"a": "superseded", "b": "queued"}


def test_a_group_that_rejects_refuses_a_second_open_job(world: World) -> None:
    first = world.submit(branch="a", concurrency=REJECT, idempotency_key="1")
    with pytest.raises(Refused) as refused:
        world.submit(branch="b", concurrency=REJECT, idempotency_key="2")
    assert reason_of(refused) is Reason.GROUP_BUSY
    assert str(first.id) in refused.value.sentence
    assert refused.value.next_action
    assert states(world) == {"a": "queued"}
    assert world.submit(branch="a", concurrency=REJECT, idempotency_key="1").id == first.id
    world.cancel(first)
    assert world.submit(branch="b", concurrency=REJECT, idempotency_key="2").state is State.QUEUED


def test_jobs_that_queue_run_one_after_another_in_order(world: World) -> None:
    with world.everywhere() as transaction:
        schedule.beat(transaction, schedule.Worker(id="w1", host="h", version="1", slots=9), draining=False)
    jobs = [world.submit(branch=f"b{number}", concurrency=QUEUE) for number in range(3)]
    other = world.submit(branch="free")
    order = []
    for _ in jobs:
        with world.everywhere() as transaction:
            picked = {job for job, _ in schedule.pick(transaction, alive=15, most=9, cap=50).jobs}
        (mine,) = picked - {other.id}
        order.append(mine)
        claimed = world.claim(world.job(mine))
        assert claimed is not None
        assert all(world.claim(job) is None for job in jobs if job.id != mine)
        ran(world, claimed)
    assert order == [job.id for job in jobs]


def test_the_database_itself_lets_one_job_of_a_group_run(world: World) -> None:
    first, second = (world.submit(branch=branch, concurrency=QUEUE) for branch in "ab")
    assert world.claim(first) is not None
    with pytest.raises(FlowForgeError, match="jobs_one_in_group"):
        world.run(
            "UPDATE jobs SET state = 'running', owner = 'w', lease_until = now(), fence = 1, attempts = 1 "
            "WHERE id = %(id)s",
            id=second.id,
        )


def test_groups_of_two_repositories_never_meet(world: World) -> None:
    elsewhere = world.organization("elsewhere")
    first = world.submit(branch="a", concurrency=SUPERSEDE)
    elsewhere.submit(branch="b", concurrency=SUPERSEDE)
    assert world.job(first).state is State.QUEUED


def test_jobs_without_a_group_are_left_alone(world: World) -> None:
    plain = world.submit(branch="a")
    world.submit(branch="b", concurrency=SUPERSEDE)
    assert world.job(plain).state is State.QUEUED


def test_of_many_that_arrive_at_once_the_group_keeps_one(world: World, branches: Iterator[str]) -> None:
    jobs = world.at_once(
        lambda: world.submit(branch=next(branches), concurrency=SUPERSEDE), threads=8, times=60
    )
    found = [world.job(job) for job in jobs]
    (kept,) = [job for job in found if not job.final]
    by = {job.id: job.superseded_by for job in found if job.final}
    assert len(by) == 59
    for start in by:  # every chain of successors leads to the one that was kept
        at: UUID | None = start
        for _ in range(60):
            at = by.get(at) if at in by else at
        assert at == kept.id


def test_of_many_that_arrive_at_once_a_group_that_rejects_takes_one(
    world: World, branches: Iterator[str]
) -> None:
    def attempt() -> Job | Reason:
        try:
            return world.submit(branch=next(branches), concurrency=REJECT)
        except Refused as refused:
            return refused.reason

    answers = world.at_once(attempt, threads=8, times=60)
    assert answers.count(Reason.GROUP_BUSY) == 59
    assert world.value("SELECT count(*) FROM jobs") == 1


def test_claims_submits_and_ends_at_once_never_let_two_of_a_group_run(
    world: World, branches: Iterator[str]
) -> None:
    """The index would refuse a second one, so what is proved is that everybody is answered and nothing stays stuck."""

    def life() -> None:
        job = world.submit(branch=next(branches), concurrency=SUPERSEDE)
        claimed = world.claim(job)
        if claimed is not None:
            ran(world, claimed, Stop.CANCELLED, Result.CANCELLATION)

    world.at_once(life, threads=8, times=60)
    left = [job for job, state in states(world).items() if state not in {"superseded", "failed"}]
    assert len(left) <= 1
    assert world.value("SELECT count(*) FROM jobs WHERE state = 'running'") == 0


SHIPPED = {"task": "rebase"}  # a definition that supersedes by branch
GIVEN = {"pipeline": "version: 1\nname: x\nextends: [flowforge:validate-only]\n"}  # one that queues by branch


@pytest.mark.parametrize(
    ("wanted", "group", "policy"),
    [(SHIPPED, "rebase: branch [a]", "supersede"), (GIVEN, "x: branch [a]", "queue")],
)
def test_a_definition_that_comes_with_the_request_decides_on_arrival(
    world: World, wanted: dict[str, str], group: str, policy: str
) -> None:
    job = world.submit(branch="a", **wanted)
    assert (job.concurrency_group, job.concurrency_policy) == (group, policy)
    assert job.concurrency_template == ""


def test_the_request_overrules_the_definition(world: World) -> None:
    job = world.submit(branch="a", task="rebase", concurrency=QUEUE)
    assert (job.concurrency_group, job.concurrency_policy, job.concurrency_template) == (
        "deploy",
        "queue",
        "deploy",
    )


@pytest.mark.parametrize(
    "asked",
    [
        Concurrency(group="{brnch}"),
        Concurrency(group=""),
        Concurrency(group="x" * 300),
        Concurrency(policy="skip"),
    ],
)
def test_a_group_that_cannot_be_read_is_refused(world: World, asked: Concurrency) -> None:
    with pytest.raises(Refused) as refused:
        world.submit(branch="a", concurrency=asked)
    assert reason_of(refused) is Reason.INVALID_REQUEST
    assert world.value("SELECT count(*) FROM jobs") == 0


# ------------------------------------------------------------------------------------ what the worker finds


def defined(
    world: World, job: Job, asked: Concurrency | None, target: str = "", teller: Teller = SILENT
) -> Job:
    """Claim the job and let its worker read a definition that asks for this group."""
    claimed = world.claim(job)
    assert claimed is not None
    stages = SmallPipeline(stages={"test": nothing})

    def pipeline(job: Job, recorder: FencedRecorder, session: JobSession) -> Outcome:
        recorder.define("version: 1", ".flowforge.yml@abc", asked, target or job.target)
        return stages(job, recorder, session)

    bench(world, pipeline, teller).run(claimed, session_of(claimed))
    return world.job(job)


def test_the_next_job_is_decided_on_arrival_once_a_worker_has_read_the_file(world: World) -> None:
    first = world.submit(branch="a")
    assert first.concurrency_group == ""
    assert defined(world, first, SUPERSEDE).state is State.SUCCESS
    second, third = world.submit(branch="b"), world.submit(branch="c")
    assert world.job(second).state is State.SUPERSEDED
    assert third.concurrency_group == "deploy"
    assert world.submit(branch="d", target="other").concurrency_group == ""  # nobody has read that one
    assert defined(world, third, None).concurrency_group == ""  # the file asks for none any more
    assert world.submit(branch="e").concurrency_group == ""


def test_who_leaves_a_group_late_lets_the_relay_look_for_those_behind_it(world: World) -> None:
    assert defined(world, world.submit(branch="a"), QUEUE).state is State.SUCCESS
    leaving, behind = world.submit(branch="b"), world.submit(branch="c")
    groups: list[str] = []

    def woken() -> None:
        groups.append(world.job(leaving).concurrency_group)
        assert world.claim(behind) is not None  # beside the one that left

    defined(world, leaving, None, teller=Teller(wake=woken))
    assert groups == [""]


def test_a_late_member_goes_back_into_the_queue_while_another_runs(world: World) -> None:
    unknown = world.submit(branch="a")
    running = world.claim(world.submit(branch="b", concurrency=QUEUE))
    assert running is not None
    back = defined(world, unknown, QUEUE)
    assert (back.state, back.attempts, back.concurrency_group) == (State.QUEUED, 0, "deploy")
    assert world.claim(back) is None
    ran(world, running)
    assert defined(world, back, QUEUE).state is State.SUCCESS


def test_a_late_member_yields_to_a_newer_one(world: World) -> None:
    unknown = world.submit(branch="a")
    newer = world.submit(branch="b", concurrency=SUPERSEDE)
    ended = defined(world, unknown, SUPERSEDE)
    assert (ended.state, ended.superseded_by) == (State.SUPERSEDED, newer.id)


def test_a_late_member_supersedes_the_older_ones_and_waits_for_those_that_run(world: World) -> None:
    older = world.submit(branch="a", concurrency=SUPERSEDE)
    running = world.claim(older)
    assert running is not None
    unknown = world.submit(branch="c")
    back = defined(world, unknown, SUPERSEDE)
    assert back.state is State.QUEUED
    assert world.job(older).superseded_by == unknown.id
    ran(world, running, Stop.CANCELLED, Result.CANCELLATION)
    assert defined(world, back, SUPERSEDE).state is State.SUCCESS


def test_a_late_member_of_a_group_that_rejects_fails_beside_an_older_one(world: World) -> None:
    world.submit(branch="a", concurrency=REJECT)
    ended = defined(world, world.submit(branch="b"), REJECT)
    assert ended.state is State.FAILED
    assert ended.ending is not None
    assert ended.ending.reason is Reason.GROUP_BUSY


def test_late_members_that_meet_at_once_run_one_at_a_time(world: World) -> None:
    jobs = [world.submit(branch=f"b{number}") for number in range(8)]
    todo = iter(jobs)
    world.at_once(lambda: defined(world, next(todo), QUEUE), threads=8, times=8)
    for _ in jobs:
        for job in jobs:
            if world.job(job).state is State.QUEUED and world.claim(job) is not None:
                ran(world, world.job(job))
    assert all(world.job(job).state is not State.QUEUED for job in jobs)
    assert world.value("SELECT count(DISTINCT concurrency_group) FROM jobs") == 1
