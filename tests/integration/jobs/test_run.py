"""A claimed job, its recorder and its ends, against a real Postgres; every write of a past owner is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from flowforge.core.concurrency import Concurrency
from flowforge.core.conflict import Conflict, HunkAnswer, Kind, Unresolved, parse_segments, resolve_with
from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.job import Job, Result, State
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.verdict import Finding, Level, judge
from flowforge.git.push import DEADLINE
from flowforge.jobs import read
from flowforge.jobs.claim import claim
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.session import JobSession, Stop
from flowforge.jobs.sweep import sweep
from flowforge.jobs.tell import Teller
from flowforge.pipeline.context import Recorder, Work
from flowforge.store import jobs as table
from flowforge.store.database import Database
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction
from tests.conftest import TestDatabase
from tests.integration.jobs.world import (
    SmallPipeline,
    World,
    artifacts,
    bench,
    make_world,
    nothing,
    session_of,
    until,
)

pytestmark = pytest.mark.services

SPEC = StageSpec(id="test", uses="test")
WORK = Work(branch="feature", target="main", head="b" * 40)
TEXT = b"a\n<<<<<<< up\nu\n||||||| base\nb\n=======\nc\n>>>>>>> commit\nz\n"
CONFLICT = Conflict(
    path="a.py", kind=Kind.CONTENT, base=None, upstream=None, commit=None, segments=parse_segments(TEXT, 7)
)
RESOLUTION = resolve_with(CONFLICT, [HunkAnswer(index=0, text=b"x\n", rung="mechanical", rule="r", why="w")])


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def recorder_of(world: World, job: Job, session: JobSession | None = None) -> FencedRecorder:
    return FencedRecorder(
        database=world.database.system, job=job, session=session or session_of(job), artifacts=artifacts()
    )


def claimed(world: World, **wanted: object) -> Job:
    job = world.claim(world.submit(**wanted))
    assert job is not None
    return job


def taken_over(world: World) -> tuple[Job, Job]:
    """A job as its past owner knows it, and as its new owner does."""
    old = claimed(world)
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    new = world.claim(old, "w2")
    assert new is not None
    return old, new


def test_a_claim_counts_the_attempt_and_raises_the_fence(world: World) -> None:
    job = claimed(world)
    assert (job.state, job.attempts, job.fence, job.owner) == (State.RUNNING, 1, 1, "w1")
    assert job.lease_until is not None
    assert world.value("SELECT status FROM job_executions WHERE job = %(job)s", job=job.id) == "running"


def test_a_claim_over_a_pooler_that_swaps_statements_has_the_job_at_once(world: World) -> None:
    one = Database(world.database.urls.system, connections=1)
    for _ in range(2):
        assert claim(one, world.submit(branch=str(uuid4())).id, "w1")
        with one.transaction(Scope.system()) as transaction:
            transaction.run("DEALLOCATE ALL")  # as on another connection of the server
    assert claim(one, world.submit(branch=str(uuid4())).id, "w1")
    one.close()


def test_of_a_hundred_claims_one_has_the_job(world: World) -> None:
    job = world.submit()
    got = world.at_once(lambda: world.claim(job, str(uuid4())), threads=10, times=100)
    assert sum(found is not None for found in got) == 1
    assert world.job(job).attempts == 1


def test_two_jobs_of_one_ref_never_run_at_once(world: World) -> None:
    jobs = [world.submit(branch="feature") for _ in range(8)]
    waiting = iter(jobs)
    got = world.at_once(lambda: world.claim(next(waiting)), threads=8, times=8)
    assert sum(found is not None for found in got) == 1


def test_jobs_that_write_nothing_run_beside_each_other(world: World) -> None:
    first, second = (
        world.submit(branch="feature", task="validate-only", concurrency=Concurrency(group=name))
        for name in ("one", "two")  # the shipped definition itself asks for a queue by branch
    )
    assert world.claim(first)
    assert world.claim(second)


def test_the_recorder_is_the_one_that_pipelines_are_written_against(world: World) -> None:
    recorder: Recorder = recorder_of(world, claimed(world))
    assert recorder.own_shas("refs/heads/feature") == frozenset()


def test_the_time_of_a_push_runs_from_before_its_intent_and_ends_with_the_lease(world: World) -> None:
    """An undo waits from the time in the intent's row; no push may go on for longer than that."""
    now = 100.0
    job = claimed(world)
    session = JobSession(job=job.id, fence=job.fence, clock=lambda: now)
    recorder = recorder_of(world, job, session)
    assert recorder.may_push() < 0  # nothing was meant yet
    recorder.push_intent("refs/heads/feature", "a" * 40, "b" * 40)
    assert recorder.may_push() == DEADLINE
    now += DEADLINE
    assert recorder.may_push() == 0
    recorder.push_intent("refs/heads/feature", "a" * 40, "b" * 40)  # meant again
    assert recorder.may_push() == DEADLINE
    session.extend(now + 1)
    now += 2  # it stood still
    with pytest.raises(Broken) as caught:
        recorder.may_push()
    assert caught.value.reason is Reason.LEASE_LOST


def test_a_job_runs_to_its_end_and_all_of_it_can_be_read(world: World) -> None:
    def tests(recorder: FencedRecorder, _session: JobSession) -> StageResult:
        recorder.log("test", b"one\n")
        recorder.log("test", b"two\n")
        return StageResult(
            stage="test",
            result=Result.SUCCESS,
            reason=Reason.PUSHED,
            sentence="pushed",
            outputs={"passed": 2},
        )

    job = claimed(world)
    moved = bench(world, SmallPipeline({"clone": nothing, "test": tests})).run(job, session_of(job))
    assert moved is not None
    ended = world.job(job)
    assert (ended.state, ended.ending and ended.ending.reason) == (State.SUCCESS, Reason.PUSHED)
    assert ended.outputs == {"test": {"passed": 2}}
    assert world.kinds(job) == [
        *("job.submit", "job.validate_ok", "job.claim", "stage.started", "stage.finished"),
        *("stage.started", "stage.finished", "job.succeed"),
    ]
    with world.transaction() as transaction:
        log = read.log(transaction, job.id)
        runs = read.stage_runs(transaction, job.id)
    assert (log.text, log.complete) == (b"one\ntwo\n", True)
    assert [(run["stage"], run["result"]) for run in runs] == [("clone", "success"), ("test", "success")]
    assert world.column("SELECT status FROM job_executions") == ["success"]
    assert world.value("SELECT count(*) FROM outbox WHERE payload ->> 'state' = 'success'") == 1


def test_the_log_is_read_by_byte_offset_across_stages_and_attempts(world: World) -> None:
    job = claimed(world)
    with recorder_of(world, job) as recorder:
        recorder.log("a", b"0123")
        recorder.log("b", b"4567")
        recorder.log("a", b"89")
    with world.transaction() as transaction:
        whole = read.log(transaction, job.id)
        parts = [read.log(transaction, job.id, offset=n, limit=3) for n in range(0, 12, 3)]
    assert whole.text == b"0123456789"
    assert [(piece.stage, piece.text) for piece in whole.pieces] == [
        ("a", b"0123"),
        ("b", b"4567"),
        ("a", b"89"),
    ]
    assert b"".join(part.text for part in parts) == whole.text
    assert not whole.complete


def test_a_drained_attempt_given_back_goes_on_in_the_same_log(world: World) -> None:
    job = claimed(world)
    with recorder_of(world, job) as recorder:
        recorder.log("test", b"before ")
    session = session_of(job)
    session.stop(Stop.DRAINED)
    bench(world, SmallPipeline({"test": nothing})).run(job, session)
    again = world.claim(job)
    assert again is not None
    assert (again.attempts, again.fence) == (1, 2)
    with recorder_of(world, again) as recorder:
        recorder.stage_started(SPEC)
        recorder.log("test", b"after")
    with world.transaction() as transaction:
        assert read.log(transaction, job.id).text == b"before after"


WRITES: dict[str, Callable[[FencedRecorder], None]] = {
    "stage_started": lambda r: (r.stage_started(SPEC), r.event("x", {}))[1],
    "stage_finished": lambda r: r.stage_finished(StageResult(stage="test", result=Result.SUCCESS), WORK),
    "event": lambda r: r.event("x", {}),
    "resolved": lambda r: r.resolved("resolve", [RESOLUTION], []),
    "validated": lambda r: r.validated("validate", []),
    "scanned": lambda r: r.scanned([]),
    "push_intent": lambda r: r.push_intent("refs/heads/feature", "a" * 40, "b" * 40),
    "push_settled": lambda r: r.push_settled("refs/heads/feature", "b" * 40, "pushed"),
    "define": lambda r: r.define("version: 1", "main@abc"),
}
TABLES = (
    "jobs job_events log_chunks stage_runs push_intents conflict_resolutions job_executions audit_logs outbox"
)


def everything(world: World) -> dict[str, list[object]]:
    return {
        name: world.column(f"SELECT row_to_json(t)::text FROM {name} t ORDER BY 1")  # noqa: S608 (from a constant)
        for name in TABLES.split()
    }


@pytest.mark.parametrize("write", WRITES)
def test_a_past_owners_write_is_refused_and_changes_no_row(world: World, write: str) -> None:
    old, _ = taken_over(world)
    recorder = recorder_of(world, old)
    before = everything(world)
    with pytest.raises(Broken) as refused:
        WRITES[write](recorder)
    assert refused.value.reason is Reason.LEASE_LOST
    assert recorder.session.why is Stop.LOST
    assert everything(world) == before


def test_a_stage_that_begins_is_written_with_what_comes_next_and_before_it(world: World) -> None:
    job = claimed(world)
    recorder = recorder_of(world, job)
    recorder.stage_started(SPEC)
    assert world.kinds(job)[-1] == "job.claim"
    recorder.push_intent("refs/heads/feature", "a" * 40, "b" * 40)
    assert world.kinds(job)[-2:] == ["stage.started", "push.intended"]
    recorder.event("x", {})
    assert world.kinds(job).count("stage.started") == 1


def test_a_stage_that_says_nothing_is_shown_as_begun_all_the_same(world: World) -> None:
    job = claimed(world)
    with recorder_of(world, job) as recorder:
        recorder.stage_started(SPEC)
        until(lambda: world.kinds(job)[-1] == "stage.started")
        recorder.stage_finished(StageResult(stage=SPEC.id, result=Result.SUCCESS), WORK)
    assert world.kinds(job)[-2:] == ["stage.started", "stage.finished"]


def test_output_never_comes_before_the_beginning_of_its_stage(world: World) -> None:
    job = claimed(world)
    with recorder_of(world, job) as recorder:
        recorder.stage_started(SPEC)
        recorder.log(SPEC.id, b"first words")
    began = world.value("SELECT seq FROM job_events WHERE kind = 'stage.started'")
    assert began < world.value("SELECT min(seq) FROM log_chunks")


def test_a_stage_begins_when_it_began_and_not_when_that_was_written(world: World) -> None:
    job, now = claimed(world), [100.0]
    recorder = recorder_of(world, job)
    recorder.session.clock = lambda: now[0]
    recorder.stage_started(SPEC)
    now[0] += 60.0
    recorder.stage_finished(StageResult(stage=SPEC.id, result=Result.SUCCESS), WORK)
    ran = world.value("SELECT extract(epoch FROM completed_at - started_at) FROM stage_runs")
    assert 60.0 <= ran < 120.0


def test_a_beginning_is_written_once_however_often_the_database_gives_a_write_up(world: World) -> None:
    job, tries = claimed(world), [0]
    recorder = recorder_of(world, job)
    recorder.sleep = lambda _seconds: None
    recorder.stage_started(SPEC)

    def write(transaction: Transaction) -> int | None:
        tries[0] += 1
        if tries[0] < 3:
            raise Temporary(Reason.SERVICE_UNAVAILABLE, "given up", delay=0.0)
        return table.tell(transaction, job.id, job.fence, "x", {})

    recorder.fenced(write)
    assert tries == [3]
    assert world.kinds(job)[-2:] == ["stage.started", "x"]


def test_a_worker_that_slept_past_its_lease_begins_no_stage(world: World) -> None:
    job = claimed(world)
    recorder = recorder_of(world, job)
    recorder.session.stop(Stop.LOST)
    with pytest.raises(Broken) as refused:
        recorder.stage_started(SPEC)
    assert refused.value.reason is Reason.LEASE_LOST


def test_a_past_owners_log_and_end_are_refused_too(world: World) -> None:
    old, _ = taken_over(world)
    before = everything(world)
    with recorder_of(world, old) as recorder:
        recorder.log("test", b"late")
    assert bench(world, SmallPipeline({"test": nothing})).run(old, session_of(old)) is None
    assert everything(world) == before


def test_a_stage_that_was_finished_is_not_run_again_by_the_next_owner(world: World) -> None:
    def dies(_recorder: FencedRecorder, session: JobSession) -> None:
        session.stop(Stop.LOST)

    old = claimed(world)
    bench(world, SmallPipeline({"clone": nothing, "test": dies, "push": nothing})).run(old, session_of(old))
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    new = world.claim(old, "w2")
    assert new is not None
    pipeline = SmallPipeline({"clone": nothing, "test": nothing, "push": nothing})
    bench(world, pipeline).run(new, session_of(new))
    assert pipeline.ran == ["test", "push"]
    assert world.job(old).state is State.SUCCESS


def test_a_checkpoint_is_made_once_for_each_head(world: World, tmp_path: Path) -> None:
    made: list[str] = []

    def bundle(work: Work) -> Path:
        made.append(work.head)
        file = tmp_path / work.head
        file.write_bytes(work.head.encode())
        return file

    job = claimed(world)
    recorder = recorder_of(world, job)
    recorder.bundle = bundle
    for number, head in enumerate(["", "a" * 40, "a" * 40, "c" * 40]):
        spec = StageSpec(id=f"s{number}", uses="run")
        recorder.stage_started(spec)
        recorder.stage_finished(StageResult(stage=spec.id, result=Result.SUCCESS), replace(WORK, head=head))
    assert made == ["a" * 40, "c" * 40]
    kept = world.column("SELECT checkpoint FROM stage_runs ORDER BY ordinal")
    assert kept[0] == ""
    assert kept[1] == kept[2] != kept[3]
    assert [run.work and run.work["head"] for run in recorder.runs()] == ["", "a" * 40, "a" * 40, "c" * 40]


def test_answers_verdicts_and_findings_are_kept(world: World) -> None:
    told: list[tuple[str, dict[str, object]]] = []
    job = claimed(world)
    recorder = recorder_of(world, job)
    recorder.teller = Teller(notify=lambda hook, **values: told.append((hook, values)))
    finding = Finding(rule="F1", level=Level.ERROR, message="m", path="a.py", start=3, end=4)
    recorder.resolved(
        "resolve", [RESOLUTION], [Unresolved(conflict=CONFLICT, sentence="ask", tried={"model": "no"})]
    )
    recorder.validated("validate", [judge("syntax", "a.py", [finding])])
    recorder.scanned([finding])
    rows = world.column(
        "SELECT method || '/' || success || '/' || sentence FROM conflict_resolutions ORDER BY id"
    )
    assert rows == ["mechanical/true/", "/false/ask"]
    assert told == [("conflict_resolved", {"path": "a.py", "rung": "mechanical", "rule": "r"})]
    with world.transaction() as transaction:
        validated, scanned = read.events(transaction, job.id)[-2:]
    assert validated.data["outcomes"] == {"pass": 0, "fail": 1, "error": 0, "skip": 0}
    assert scanned.data["count"] == 1


def test_a_cancel_before_the_intent_keeps_the_remote_as_it_is(world: World) -> None:
    def push(recorder: FencedRecorder, _session: JobSession) -> None:
        recorder.push_intent("refs/heads/feature", "a" * 40, "b" * 40)

    job = claimed(world)
    assert world.cancel(job).cancel_requested
    moved = bench(world, SmallPipeline({"push": push})).run(job, session_of(job))
    assert moved is not None
    assert moved.job.state is State.CANCELLED
    assert world.value("SELECT count(*) FROM push_intents") == 0


def pushing(outcome: str) -> Callable[[FencedRecorder, JobSession], StageResult]:
    def push(recorder: FencedRecorder, _session: JobSession) -> StageResult:
        recorder.push_intent("refs/heads/feature", "a" * 40, "b" * 40)
        recorder.push_settled("refs/heads/feature", "b" * 40, outcome)
        if outcome == "pushed":
            return StageResult(stage="push", result=Result.SUCCESS, reason=Reason.PUSHED, sentence="pushed")
        return StageResult(stage="push", result=Result.FAILURE, reason=Reason.PUSH_REJECTED, sentence="no")

    return push


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        ("pushed", State.SUCCESS, Reason.CANCEL_TOO_LATE),
        ("rejected", State.CANCELLED, Reason.CANCELLED),
        ("unknown", State.QUEUED, Reason.PUSH_REJECTED),
    ],
)
def test_a_cancel_after_the_intent_ends_as_the_push_did(
    world: World, outcome: str, state: State, reason: Reason
) -> None:
    def push(recorder: FencedRecorder, session: JobSession) -> StageResult:
        recorder.push_intent("refs/heads/feature", "a" * 40, "b" * 40)
        assert world.cancel(job).cancel_requested
        return pushing(outcome)(recorder, session)

    job = claimed(world)
    bench(world, SmallPipeline({"push": push})).run(job, session_of(job))
    assert world.job(job).state is state
    assert world.value("SELECT reason FROM jobs") == reason


def handed_back(world: World, job: Job) -> Job:
    """The job in its next attempt, after its worker fell silent."""
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    again = world.claim(job)
    assert again is not None
    return again


def test_a_push_that_landed_is_not_made_again_from_a_persons_commit_on_top_of_it(world: World) -> None:
    job, ref = claimed(world), "refs/heads/feature"
    recorder = recorder_of(world, job)
    assert recorder.push_intent(ref, "a" * 40, "b" * 40) == ""
    recorder.push_settled(ref, "b" * 40, "pushed")
    again = recorder_of(
        world, handed_back(world, job)
    )  # it has lost its bundle, and has read the branch anew
    assert again.push_intent(ref, "c" * 40, "d" * 40) == "b" * 40
    assert world.value("SELECT count(*) FROM push_intents") == 1


def test_a_push_in_doubt_is_not_made_again_from_another_tip(world: World) -> None:
    job, ref = claimed(world), "refs/heads/feature"
    recorder_of(world, job).push_intent(ref, "a" * 40, "b" * 40)
    again = recorder_of(world, handed_back(world, job))
    with pytest.raises(Refused) as refused:
        again.push_intent(ref, "c" * 40, "d" * 40)
    assert refused.value.reason is Reason.REMOTE_MOVED
    assert again.push_intent(ref, "a" * 40, "e" * 40) == ""


def test_a_push_in_doubt_that_is_found_at_the_branch_is_settled(world: World) -> None:
    job, ref = claimed(world), "refs/heads/feature"
    recorder_of(world, job).push_intent(ref, "a" * 40, "b" * 40)
    again = recorder_of(world, handed_back(world, job))  # it has read the branch anew, and main has moved
    assert again.push_intent(ref, "b" * 40, "d" * 40) == "b" * 40
    assert world.column("SELECT outcome FROM push_intents") == ["already"]


@pytest.mark.parametrize("outcome", ["moved", "rejected", "unknown"])
def test_that_a_push_did_not_land_says_nothing_of_a_past_owners(world: World, outcome: str) -> None:
    """That one may have landed before, or still be under way: so the job is not `cancelled`."""
    job, ref = claimed(world), "refs/heads/feature"
    recorder_of(world, job).push_intent(ref, "a" * 40, "b" * 40)
    mine = handed_back(world, job)
    world.cancel(job)
    again = recorder_of(world, mine)
    again.push_intent(ref, "a" * 40, "b" * 40)
    again.push_settled(ref, "b" * 40, outcome)
    assert world.column("SELECT outcome FROM push_intents ORDER BY id") == ["intended", outcome]

    def moved(_recorder: FencedRecorder, _session: JobSession) -> StageResult:
        return StageResult(stage="push", result=Result.FAILURE, reason=Reason.REMOTE_MOVED, sentence="no")

    bench(world, SmallPipeline({"push": moved})).run(mine, session_of(mine))
    assert (world.job(job).state, world.value("SELECT reason FROM jobs")) == (
        State.FAILED,
        Reason.REMOTE_MOVED,
    )


def test_a_job_with_a_push_in_doubt_is_not_cancelled_in_the_queue(world: World) -> None:
    job = claimed(world)
    recorder_of(world, job).push_intent("refs/heads/feature", "a" * 40, "b" * 40)
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    asked = world.cancel(job)
    assert (asked.state, asked.cancel_requested) == (State.QUEUED, True)
    again = world.claim(job)
    assert again is not None
    assert recorder_of(world, again).own_shas("refs/heads/feature") == {"b" * 40}
    bench(world, SmallPipeline({"push": pushing("pushed")})).run(again, session_of(again))
    assert world.value("SELECT reason FROM jobs") == Reason.CANCEL_TOO_LATE


def test_what_may_pass_is_handed_back_until_the_attempts_are_used_up(world: World) -> None:
    def away(_recorder: FencedRecorder, _session: JobSession) -> StageResult:
        return StageResult(
            stage="clone",
            result=Result.ERROR,
            reason=Reason.REPOSITORY_UNREACHABLE,
            sentence="no",
            delay=0.05,
        )

    job = world.submit(max_attempts=2)
    for state in (State.QUEUED, State.FAILED):
        world.run("UPDATE jobs SET run_after = NULL")
        mine = world.claim(job)
        assert mine is not None
        bench(world, SmallPipeline({"clone": away})).run(mine, session_of(mine))
        assert world.job(job).state is state
    assert world.value("SELECT reason FROM jobs") == Reason.REPOSITORY_UNREACHABLE


def test_a_job_that_is_not_due_cannot_be_claimed(world: World) -> None:
    job = world.submit()
    world.run("UPDATE jobs SET run_after = now() + interval '1 hour'")
    assert world.claim(job) is None


def test_a_bug_ends_the_job_and_not_the_worker(world: World) -> None:
    def broken(*_: object) -> StageResult:
        raise ZeroDivisionError

    job = claimed(world)
    moved = bench(world, SmallPipeline({"test": broken})).run(job, session_of(job))
    assert moved is not None
    assert moved.job.ending is not None
    assert moved.job.ending.reason is Reason.INTERNAL_ERROR


def test_a_job_that_waits_for_a_model_keeps_its_attempts_and_counts_how_long(world: World) -> None:
    def away(_recorder: FencedRecorder, _session: JobSession) -> None:
        raise Temporary(Reason.MODEL_UNAVAILABLE, "overloaded", delay=3.0)

    job = world.submit()
    for _ in range(job.max_attempts + 2):
        taken = world.claim(job)
        assert taken is not None
        moved = bench(world, SmallPipeline({"test": away})).run(taken, session_of(taken))
        assert moved is not None
        assert (moved.job.state, moved.job.attempts) == (State.QUEUED, 0)
        world.run("UPDATE jobs SET run_after = NULL WHERE id = %(id)s", id=job.id)
    with world.everywhere() as transaction:
        assert 0 < table.waited(transaction, job.id) < 600
    world.run("UPDATE jobs SET waits_since = now() - interval '2 days' WHERE id = %(id)s", id=job.id)
    taken = world.claim(job)
    assert taken is not None
    moved = bench(world, SmallPipeline({"test": away})).run(taken, session_of(taken))
    assert moved is not None
    assert (moved.job.state, moved.job.attempts) == (State.QUEUED, 1), "now they count"


def test_an_answer_begins_the_time_of_waiting_anew(world: World) -> None:
    job = world.submit()
    with world.everywhere() as transaction:
        assert table.waited(transaction, job.id) == 0
    world.run("UPDATE jobs SET waits_since = now() - interval '2 days' WHERE id = %(id)s", id=job.id)
    call = {"organization": job.organization, "job": job.id, "provider": "p", "model": "m", "operation": "o"}
    with world.everywhere() as transaction:
        assert table.waited(transaction, job.id) > 86_400
        transaction.insert("model_usage", {**call, "cost_usd": 1, "result": "model_unavailable"})
        assert table.waited(transaction, job.id) > 86_400
        transaction.insert("model_usage", {**call, "cost_usd": 1, "result": "end"})
        assert table.waited(transaction, job.id) < 60


def test_a_failed_write_is_repeated_while_the_lease_is_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = claimed(world)
    recorder = recorder_of(world, job)
    answers = iter(
        [Temporary(Reason.SERVICE_UNAVAILABLE, "away"), Temporary(Reason.SERVICE_UNAVAILABLE, "away")]
    )
    once, slept = recorder._once, []

    def flaky(write: Callable[..., int | None]) -> None:
        error = next(answers, None)
        if error is not None:
            raise error
        once(write)

    monkeypatch.setattr(recorder, "_once", flaky)
    recorder.sleep = slept.append
    recorder.event("x", {})
    assert len(slept) == 2
    assert world.kinds(job)[-1] == "x"


def test_a_read_is_repeated_too_so_that_a_restart_of_the_database_costs_no_attempt(world: World) -> None:
    recorder, slept = recorder_of(world, claimed(world)), []
    there = recorder.database

    def comes_back(seconds: float) -> None:
        slept.append(seconds)
        recorder.database = there

    recorder.sleep = comes_back
    for asked in (recorder.runs, lambda: recorder.own_shas("refs/heads/feature")):
        recorder.database = Database("postgresql://nobody@127.0.0.1:1/none")
        assert not asked()
    assert len(slept) == 2


def test_a_session_whose_lease_ran_out_by_the_clock_writes_nothing(world: World) -> None:
    job = claimed(world)
    late = JobSession(job=job.id, fence=job.fence, clock=lambda: 100.0, good_until=99.0)
    before = everything(world)
    with pytest.raises(Broken, match="another worker's"):
        recorder_of(world, job, late).event("x", {})
    assert everything(world) == before


def test_a_poison_job_is_given_up_at_its_last_attempt(world: World) -> None:
    job = world.submit(max_attempts=3)
    for _ in range(3):
        assert world.claim(job) is not None
        world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
        sweep(world.database.system)
    ended = world.job(job)
    assert (ended.state, ended.attempts) == (State.FAILED, 3)
    assert ended.ending is not None
    assert ended.ending.reason is Reason.ATTEMPTS_EXHAUSTED
    assert world.claim(job) is None
    assert world.column("SELECT status FROM job_executions") == ["queued"] * 3


def test_a_cancelled_job_whose_worker_died_is_cancelled_by_the_sweep(world: World) -> None:
    job = claimed(world)
    world.cancel(job)
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    assert world.job(job).state is State.CANCELLED


def test_a_lease_that_is_good_is_not_swept(world: World) -> None:
    job = claimed(world)
    assert not sweep(world.database.system)
    assert world.job(job).state is State.RUNNING


def test_cancelling_what_has_ended_is_refused(world: World) -> None:
    job = claimed(world)
    bench(world, SmallPipeline({"test": nothing})).run(job, session_of(job))
    with pytest.raises(Refused, match="has ended as success"):
        world.cancel(job)


def test_a_retry_is_a_new_job_with_a_parent(world: World) -> None:
    job = claimed(world)
    with pytest.raises(Refused, match="still running"):
        world.retry(job)
    bench(world, SmallPipeline({"a": nothing, "b": nothing})).run(job, session_of(job))
    child = world.retry(job)
    assert (child.parent_job, child.state, child.attempts) == (job.id, State.QUEUED, 0)


def test_a_retry_from_a_stage_keeps_what_was_proved_before_it(world: World) -> None:
    job = claimed(world)
    bench(world, SmallPipeline({"a": nothing, "b": nothing, "c": nothing})).run(job, session_of(job))
    child = world.claim(world.retry(job, "b"))
    assert child is not None
    pipeline = SmallPipeline({"a": nothing, "b": nothing, "c": nothing})
    bench(world, pipeline).run(child, session_of(child))
    assert pipeline.ran == ["b", "c"]
    with pytest.raises(Refused, match="never began"):
        world.retry(job, "nonsense")
