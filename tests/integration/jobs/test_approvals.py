"""A stage that waits for a yes, and what is left to run after a no: with real git, on workers that never met the job."""

import shutil
from pathlib import Path

import pytest

from flowforge.core.access import Principal, Role
from flowforge.core.decision import Verb
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job, State
from flowforge.jobs.cancel import cancel
from flowforge.jobs.decide import Decision, decide, last_question
from flowforge.jobs.questions import question_of
from flowforge.jobs.sweep import sweep
from flowforge.wiring.runner import PipelineRunner
from tests.conftest import TestDatabase
from tests.gitrepo import Repository
from tests.integration.jobs.workers import Dies, Make, claimed, run
from tests.integration.jobs.world import World, make_world

pytestmark = [pytest.mark.services, pytest.mark.slow]

BASE = {"a.py": "a = 1\n", "b.py": "b = 1\n"}
PIPELINE = """version: 1
name: careful
stages:
  - {id: clone, uses: clone}
  - {id: rebase, uses: rebase}
  - {id: test, uses: test, run: "test -e a.py"}
  - {id: approve, uses: approve, with: {who: maintainer, within: 2h}}
  - {id: push, uses: push}
finally:
  - {uses: report}
"""
BARE = PIPELINE.partition("finally:")[0]


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "remote.git")
    base = made.commit(BASE, branch="main")
    made.commit({**BASE, "a.py": "a = 9\n"}, base, branch="main", message="elsewhere")
    made.commit({**BASE, "b.py": "b = 2\n"}, base, branch="feature", message="mine")
    return made


@pytest.fixture
def world(database: TestDatabase, remote: Repository) -> World:
    made = make_world(database)
    made.run("UPDATE repositories SET url = %(url)s", url=remote.url)
    return made


def waiting(world: World, made: PipelineRunner, pipeline: str = PIPELINE) -> Job:
    job = run(world, claimed(world, world.submit(pipeline=pipeline), "w1"), made)
    assert job.state is State.WAITING, job.ending
    return job


def say(world: World, job: Job, made: PipelineRunner, verb: Verb, role: Role = Role.MAINTAINER) -> Job:
    principal = Principal(organization=world.principal.organization, user=world.principal.user, role=role)
    with world.transaction() as transaction:
        return decide(transaction, principal, job.id, Decision(verb=verb), made.vault)


def said(job: Job) -> tuple[State, Reason | None]:
    return job.state, job.ending.reason if job.ending else None


def stages_of(world: World, job: Job) -> dict[str, tuple[str, int]]:
    """Result and number of runs of each stage."""
    with world.everywhere() as tx:
        rows = tx.rows(
            "SELECT DISTINCT ON (stage) stage, result, count(*) OVER (PARTITION BY stage) AS runs "
            "FROM stage_runs WHERE job = %(job)s ORDER BY stage, attempt DESC, fence DESC",
            job=job.id,
        )
    return {row["stage"]: (row["result"], row["runs"]) for row in rows}


def test_a_yes_lets_the_next_stage_run_on_any_worker(world: World, remote: Repository, runner: Make) -> None:
    before = remote.tip("feature")
    job = waiting(world, made := runner("w1"))
    with world.transaction() as tx:
        row = last_question(tx, job.id)
        question = question_of(row, made.vault)
    assert question.outlook is not None
    assert [(move.ref, move.old) for move in question.outlook.moves] == [("refs/heads/feature", before)]
    assert question.outlook.changed == ("b.py",)
    assert [check.stage for check in question.outlook.checks] == ["test"]
    assert (row["expires_at"] - row["asked_at"]).total_seconds() == 7200
    assert (job.attempts, remote.tip("feature")) == (0, before)
    with pytest.raises(Refused) as refused:
        say(world, job, made, Verb.APPROVE, Role.USER)
    assert refused.value.reason is Reason.NOT_ALLOWED
    assert world.job(job).state is State.WAITING
    assert say(world, job, made, Verb.APPROVE).state is State.QUEUED
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert said(ended) == (State.SUCCESS, Reason.PUSHED), ended.ending
    assert remote.tip("feature") == question.outlook.head
    assert stages_of(world, job)["test"] == ("success", 1)
    assert stages_of(world, job)["approve"][0] == "success"


def test_a_yes_outlives_a_worker_that_dies_with_it(world: World, remote: Repository, runner: Make) -> None:
    job = waiting(world, made := runner("w1"))
    say(world, job, made, Verb.APPROVE)
    run(world, claimed(world, job, "w2"), Dies(runner("w2"), "push"))
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    ended = run(world, claimed(world, job, "w3"), runner("w3"))
    assert said(ended) == (State.SUCCESS, Reason.PUSHED), ended.ending
    assert world.value("SELECT count(*) FROM decisions") == 1


@pytest.mark.parametrize("how", ["a no", "nobody"])
def test_after_a_no_only_finally_runs_and_the_end_says_why(
    world: World, remote: Repository, runner: Make, how: str
) -> None:
    before = remote.tip("feature")
    job = waiting(world, made := runner("w1"))
    if how == "a no":
        assert say(world, job, made, Verb.REJECT, Role.USER).state is State.QUEUED  # a no takes no role
        reason = Reason.REJECTED
    else:
        world.run("UPDATE decisions SET expires_at = now() - interval '1 s'")
        assert sweep(world.database.system).undecided == 1
        reason = Reason.DECISION_EXPIRED
    with pytest.raises(Refused) as refused:
        say(world, job, made, Verb.APPROVE)
    assert refused.value.reason is Reason.CONFLICT_OF_STATE
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert said(ended) == (State.FAILED, reason)
    assert stages_of(world, job) == {
        "clone": ("success", 1),
        "rebase": ("success", 1),
        "test": ("success", 1),
        "approve": ("failure", 1),
        "report": ("success", 1),
    }
    assert ended.ending is not None
    assert ended.ending.sentence in str(ended.outputs["report"])
    assert remote.tip("feature") == before
    assert world.value("SELECT count(*) FROM push_intents") == 0


def test_without_finally_a_no_ends_the_job_at_once(world: World, runner: Make) -> None:
    job = waiting(world, made := runner("w1"), BARE)
    assert said(say(world, job, made, Verb.REJECT)) == (State.FAILED, Reason.REJECTED)


def test_without_finally_silence_ends_the_job_at_once(world: World, runner: Make) -> None:
    job = waiting(world, runner("w1"), BARE)
    world.run("UPDATE decisions SET expires_at = now() - interval '1 s'")
    assert sweep(world.database.system).undecided == 1
    assert said(world.job(job)) == (State.FAILED, Reason.DECISION_EXPIRED)
    assert sweep(world.database.system).undecided == 0


def test_no_stage_runs_again_after_a_no_even_where_the_checkpoint_is_lost(
    world: World, runner: Make, tmp_path: Path
) -> None:
    job = waiting(world, made := runner("w1"))
    say(world, job, made, Verb.REJECT)
    shutil.rmtree(tmp_path / "artifacts" / "jobs")
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert said(ended) == (State.FAILED, Reason.REJECTED)
    assert stages_of(world, job)["test"] == ("success", 1)
    assert stages_of(world, job)["report"] == ("success", 1)


def test_a_no_stands_whatever_becomes_of_finally(world: World, runner: Make) -> None:
    """Workers that die in `finally` use the attempts up; the reason is still the person's."""
    job = waiting(world, made := runner("w1"))
    say(world, job, made, Verb.REJECT)
    for number in range(job.max_attempts):
        run(world, claimed(world, job, f"w{number}"), Dies(runner(f"d{number}"), "report"))
        world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
        sweep(world.database.system)
    assert said(world.job(job)) == (State.FAILED, Reason.REJECTED)


def test_a_no_stands_where_the_remote_is_gone(
    world: World, remote: Repository, runner: Make, tmp_path: Path
) -> None:
    job = waiting(world, made := runner("w1"))
    say(world, job, made, Verb.REJECT)
    remote.path.rename(tmp_path / "gone.git")
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    for _ in range(job.max_attempts):
        if ended.final:
            break
        world.run("UPDATE jobs SET run_after = NULL")
        ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert said(ended) == (State.FAILED, Reason.REJECTED)


def test_a_cancel_after_a_no_spares_finally_and_keeps_the_reason(world: World, runner: Make) -> None:
    job = waiting(world, made := runner("w1"))
    say(world, job, made, Verb.REJECT)
    with world.transaction() as tx:
        assert said(cancel(tx, world.principal, job.id)) == (State.FAILED, Reason.REJECTED)
    with world.transaction() as tx, pytest.raises(Refused) as refused:
        cancel(tx, world.principal, job.id)
    assert refused.value.reason is Reason.CONFLICT_OF_STATE


def test_a_cancel_while_finally_runs_keeps_the_reason(world: World, runner: Make) -> None:
    job = waiting(world, made := runner("w1"))
    say(world, job, made, Verb.REJECT)
    mine = claimed(world, job, "w2")
    with world.transaction() as tx:
        assert cancel(tx, world.principal, job.id).cancel_requested
    assert said(run(world, mine, runner("w2"))) == (State.FAILED, Reason.REJECTED)


def test_a_cancel_of_what_waits_runs_nothing_more(world: World, runner: Make) -> None:
    job = waiting(world, runner("w1"))
    with world.transaction() as tx:
        assert said(cancel(tx, world.principal, job.id)) == (State.CANCELLED, Reason.CANCELLED)
    assert "report" not in stages_of(world, job)


def test_a_retry_of_what_was_rejected_asks_again(world: World, remote: Repository, runner: Make) -> None:
    job = waiting(world, made := runner("w1"), BARE)
    say(world, job, made, Verb.REJECT)
    with pytest.raises(Refused) as refused:
        world.retry(job, "push")  # nobody gets past the no
    assert refused.value.reason is Reason.INVALID_REQUEST
    child = world.retry(job, "approve")
    again = run(world, claimed(world, child, "w2"), runner("w2"))
    assert again.state is State.WAITING
    say(world, again, made, Verb.APPROVE)
    ended = run(world, claimed(world, child, "w1"), made)
    assert said(ended) == (State.SUCCESS, Reason.PUSHED), ended.ending
