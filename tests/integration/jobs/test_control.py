"""Retry, undo and decisions with real git: on a worker that never saw the job, and with a mirror that was lost."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import pytest

from flowforge.core.access import Principal, Role
from flowforge.core.decision import Verb
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job, State
from flowforge.jobs.cancel import cancel
from flowforge.jobs.decide import Decision, decide, last_question
from flowforge.jobs.ending import asked, rejected
from flowforge.jobs.questions import question_of
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.run import Outcome
from flowforge.jobs.session import JobSession
from flowforge.jobs.sweep import sweep
from flowforge.jobs.undo import undo
from flowforge.store import jobs as table
from flowforge.wiring.relay import seldom_chores
from flowforge.wiring.runner import PipelineRunner
from tests.conftest import TestDatabase
from tests.gitrepo import Repository
from tests.integration.jobs.workers import Dies, Make, claimed, run
from tests.integration.jobs.world import World, make_world

pytestmark = [pytest.mark.services, pytest.mark.slow]

BASE = {"a.py": "a = 1\n", "b.py": "b = 1\n", ".github/ci.yml": "on: push\n"}
PIPELINE = """version: 1
name: asks
stages:
  - {id: clone, uses: clone}
  - {id: rebase, uses: rebase}
  - {id: resolve, uses: resolve, on_failure: hand_back, with: {rungs: [mechanical, structural], ask: ["b.py"]}}
  - {id: validate, uses: validate}
  - {id: test, uses: test, run: "test -e a.py"}
  - {id: push, uses: push}
finally:
  - {uses: report}
"""


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """A branch of two commits, both of which conflict with main in a.py."""
    made = Repository(tmp_path / "remote.git")
    base = made.commit(BASE, branch="main")
    first = made.commit({**BASE, "a.py": "a = 2\n"}, base, message="first")
    made.commit({**BASE, "a.py": "a = 3\n"}, first, branch="feature", message="second")
    made.commit({**BASE, "a.py": "a = 9\n"}, base, branch="main", message="elsewhere")
    clean = made.commit({**BASE, "b.py": "b = 2\n"}, base, branch="clean", message="clean")
    made.commit({**BASE, "b.py": "b = 3\n"}, clean, branch="clean", message="cleaner")
    made.commit({**BASE, ".github/ci.yml": "on: never\n"}, base, branch="guarded", message="guarded")
    made.commit(
        {**BASE, "a.py": "a = 9\n", ".github/ci.yml": "on: always\n"},
        made.tip("main"),
        branch="main",
        message="ci",
    )
    return made


@pytest.fixture
def world(database: TestDatabase, remote: Repository) -> World:
    made = make_world(database)
    made.run("UPDATE repositories SET url = %(url)s", url=remote.url)
    return made


def undone(world: World, job: Job) -> Job:
    with world.transaction() as transaction:
        return undo(transaction, world.principal, job.id, world.door)


def decided(
    world: World,
    job: Job,
    made: PipelineRunner,
    verb: Verb,
    files: Mapping[str, str] = {},
    role: Role = Role.USER,
) -> Job:
    principal = Principal(organization=world.principal.organization, user=world.principal.user, role=role)
    with world.transaction() as transaction:
        return decide(transaction, principal, job.id, Decision(verb=verb, files=files), made.vault)


def said(job: Job) -> tuple[State, Reason | None]:
    return job.state, job.ending.reason if job.ending else None


def lose_mirrors(worker: str, folder: Path) -> None:
    shutil.rmtree(folder / worker / "mirrors")


def stages_run(world: World, job: UUID) -> dict[str, int]:
    """The last attempt in which each stage ran; 0: it was inherited."""
    with world.everywhere() as tx:
        rows = tx.rows(
            "SELECT stage, max(attempt) AS n FROM stage_runs WHERE job = %(job)s GROUP BY 1", job=job
        )
    return {row["stage"]: row["n"] for row in rows}


# ------------------------------------------------------------------------------------------------------- retry


@pytest.mark.parametrize("lost", [False, True], ids=["another worker", "the same one without its mirror"])
def test_a_retry_from_a_stage_goes_on_from_the_parents_bundles(
    world: World, remote: Repository, runner: Make, tmp_path: Path, lost: bool
) -> None:
    red = PIPELINE.replace("test -e a.py", "test -e nowhere")
    parent = run(
        world, claimed(world, world.submit(branch="clean", pipeline=red), "w1"), made := runner("w1")
    )
    assert said(parent) == (State.FAILED, Reason.TESTS_FAILED)
    head = world.value("SELECT work ->> 'head' FROM stage_runs WHERE stage = 'rebase'")
    if lost:
        lose_mirrors("w1", tmp_path)
    world.run("UPDATE jobs SET pipeline = replace(pipeline, 'test -e nowhere', 'test -e b.py')")
    child = world.retry(parent, "test")
    ended = run(world, claimed(world, child, "w2"), made if lost else runner("w2"))
    assert said(ended) == (State.SUCCESS, Reason.PUSHED), ended.ending
    assert stages_run(world, child.id) == {
        "clone": 0, "rebase": 0, "resolve": 0, "validate": 0, "test": 1, "push": 1, "report": 1,
    }  # fmt: skip
    assert remote.tip("clean") == head


def test_a_job_that_begins_anew_keeps_no_output_of_what_did_not_stand(
    world: World, runner: Make, tmp_path: Path
) -> None:
    job = world.submit(branch="clean", pipeline=PIPELINE)
    run(world, claimed(world, job, "w1"), Dies(runner("w1"), "push"))
    shutil.rmtree(tmp_path / "artifacts" / "jobs")
    world.run("UPDATE stage_runs SET outputs = '{\"stale\": true}' WHERE stage = 'test'")
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    world.run(
        "UPDATE jobs SET pipeline = replace(pipeline, 'run: \"test -e a.py\"', "
        '\'run: "test -e a.py", when: "false"\')'
    )
    sweep(world.database.system)
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert "stale" not in str(ended.outputs)
    assert "checkpoint.lost" in world.kinds(job)


# -------------------------------------------------------------------------------------------------------- undo


def forget(remote: Repository, commit: str) -> None:
    """As a git host does after a while with what no branch leads to."""
    remote.git("reflog", "expire", "--expire=now", "--all")
    remote.git("gc", "-q", "--prune=now")
    assert remote.git("cat-file", "-t", commit, ok=(0, 128)) == b""


@pytest.mark.parametrize("how", ["another worker", "lost mirror"])
def test_an_undo_brings_the_old_commits_from_the_bundle(
    world: World, remote: Repository, runner: Make, tmp_path: Path, how: str
) -> None:
    old = remote.tip("clean")
    parent = run(
        world, claimed(world, world.submit(branch="clean", pipeline=PIPELINE), "w1"), made := runner("w1")
    )
    assert said(parent) == (State.SUCCESS, Reason.PUSHED), parent.ending
    forget(remote, old)
    if how == "lost mirror":
        lose_mirrors("w1", tmp_path)
    child = undone(world, parent)
    ended = run(world, claimed(world, child, "w2"), made if how == "lost mirror" else runner("w2"))
    assert said(ended) == (State.SUCCESS, Reason.UNDONE), ended.ending
    assert remote.tip("clean") == old


LOST = pytest.mark.parametrize("bundle", ["lost", "damaged", "never kept"])


def lose_bundle(world: World, folder: Path, how: str) -> None:
    if how == "never kept":  # as a worker of an older version has pushed
        world.run("UPDATE push_intents SET bundle = ''")
    for bundle in (folder / "artifacts").rglob("before-push.bundle"):
        if how == "damaged":
            bundle.write_bytes(bundle.read_bytes()[:-9])
        else:
            bundle.unlink()


@LOST
def test_an_undo_without_its_bundle_asks_the_remote_for_the_old_commit(
    world: World, remote: Repository, runner: Make, tmp_path: Path, bundle: str
) -> None:
    """On a worker that never saw the repository; the commit is on no branch any more."""
    old = remote.tip("clean")
    parent = run(world, claimed(world, world.submit(branch="clean", pipeline=PIPELINE), "w1"), runner("w1"))
    lose_bundle(world, tmp_path, bundle)
    ended = run(world, claimed(world, undone(world, parent), "w2"), runner("w2"))
    assert said(ended) == (State.SUCCESS, Reason.UNDONE), ended.ending
    assert remote.tip("clean") == old


@LOST
def test_an_undo_without_its_bundle_changes_nothing_where_the_remote_has_lost_the_commit_too(
    world: World, remote: Repository, runner: Make, tmp_path: Path, bundle: str
) -> None:
    old = remote.tip("clean")
    parent = run(world, claimed(world, world.submit(branch="clean", pipeline=PIPELINE), "w1"), runner("w1"))
    new = remote.tip("clean")
    lose_bundle(world, tmp_path, bundle)
    forget(remote, old)
    ended = run(world, claimed(world, undone(world, parent), "w2"), runner("w2"))
    assert said(ended) == (State.FAILED, Reason.BACKUP_MISSING), ended.ending
    assert remote.tip("clean") == new
    assert world.value("SELECT count(*) FROM push_intents WHERE kind = 'undo'") == 0


def test_an_undo_waits_until_no_former_owner_can_push_any_more(world: World, runner: Make) -> None:
    parent = run(
        world, claimed(world, world.submit(branch="clean", pipeline=PIPELINE), "w1"), made := runner("w1")
    )
    world.run("UPDATE push_intents SET outcome = 'unknown' WHERE job = %(job)s", job=parent.id)
    child = undone(world, parent)
    assert child.state is State.QUEUED
    waits = world.value(
        "SELECT extract(epoch FROM run_after - now())::float8 FROM jobs WHERE id = %(id)s", id=child.id
    )
    assert 30 < waits <= 65
    assert world.claim(child) is None
    world.run("UPDATE jobs SET run_after = NULL WHERE id = %(id)s", id=child.id)
    again = run(world, claimed(world, child, "w2"), made)  # the stage asks the clock once more
    assert (again.state, again.attempts) == (State.QUEUED, 1)
    world.run("UPDATE push_intents SET created_at = now() - interval '70 s'")
    world.run("UPDATE jobs SET run_after = NULL WHERE id = %(id)s", id=child.id)
    ended = run(world, claimed(world, child, "w2"), made)
    assert said(ended) == (State.SUCCESS, Reason.UNDONE), ended.ending


def test_who_may_not_control_may_not_undo_and_a_stranger_finds_nothing(world: World) -> None:
    job = world.submit()
    viewer = Principal(organization=world.principal.organization, user=None, role=Role.VIEWER)
    with world.transaction() as tx, pytest.raises(Refused) as refused:
        undo(tx, viewer, job.id, world.door)
    assert refused.value.reason is Reason.NOT_ALLOWED
    other = world.organization("other")
    with other.transaction() as tx, pytest.raises(Refused) as refused:
        undo(tx, other.principal, job.id, other.door)
    assert refused.value.reason is Reason.NOT_FOUND


def test_a_task_of_that_name_undoes_nothing(world: World, remote: Repository, runner: Make) -> None:
    before = remote.tip("clean")
    ended = run(world, claimed(world, world.submit(branch="clean", task="undo"), "w1"), runner("w1"))
    assert said(ended) == (State.FAILED, Reason.PIPELINE_MISSING)
    assert remote.tip("clean") == before


# --------------------------------------------------------------------------------------------------- decisions


def test_a_question_goes_on_commit_by_commit_on_workers_that_never_saw_the_job(
    world: World, remote: Repository, runner: Make
) -> None:
    job = world.submit(pipeline=PIPELINE)
    asked = run(world, claimed(world, job, "w1"), made := runner("w1"))
    assert (asked.state, asked.attempts, asked.lease_until) == (State.WAITING, 0, None)
    decided(world, asked, made, Verb.EDIT, {"a.py": "a = 29\n"})
    again = run(world, claimed(world, job, "w2"), runner("w2"))
    assert again.state is State.WAITING  # the second commit conflicts too
    decided(world, again, made, Verb.EDIT, {"a.py": "a = 39\n"})
    ended = run(world, claimed(world, job, "w3"), runner("w3"))
    assert said(ended) == (State.SUCCESS, Reason.PUSHED), ended.ending
    assert remote.git("show", "feature:a.py") == b"a = 39\n"
    assert remote.git("show", "feature~1:a.py") == b"a = 29\n"
    assert remote.tip("feature~2") == remote.tip("main")
    assert world.column("SELECT number FROM decisions ORDER BY number") == [1, 2]
    with world.everywhere() as tx:
        (row,) = tx.rows(
            "SELECT count(*) AS n FROM job_events WHERE kind IN ('decision.asked', 'decision.made')"
        )
    assert row["n"] == 4


def test_a_decision_outlives_a_worker_that_dies_with_it(
    world: World, remote: Repository, runner: Make
) -> None:
    job = world.submit(pipeline=PIPELINE)
    run(world, claimed(world, job, "w1"), made := runner("w1"))
    decided(world, job, made, Verb.EDIT, {"a.py": "a = 29\n"})
    run(world, claimed(world, job, "w2"), Dies(runner("w2"), "resolve"))
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    again = run(world, claimed(world, job, "w3"), runner("w3"))
    assert again.state is State.WAITING
    decided(world, job, made, Verb.EDIT, {"a.py": "a = 39\n"})
    run(world, claimed(world, job, "w3"), Dies(runner("w4"), "test"))
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    ended = run(world, claimed(world, job, "w5"), runner("w5"))
    assert said(ended) == (State.SUCCESS, Reason.PUSHED), ended.ending
    assert remote.git("show", "feature:a.py") == b"a = 39\n"


def test_an_edit_holds_even_where_the_checkpoint_is_lost(
    world: World, remote: Repository, runner: Make, tmp_path: Path
) -> None:
    job = world.submit(pipeline=PIPELINE)
    run(world, claimed(world, job, "w1"), made := runner("w1"))
    decided(world, job, made, Verb.EDIT, {"a.py": "a = 29\n"})
    shutil.rmtree(tmp_path / "artifacts" / "jobs")
    again = run(world, claimed(world, job, "w2"), runner("w2"))
    assert again.state is State.WAITING
    assert world.column("SELECT files -> 0 ->> 'commit' FROM decisions ORDER BY number")[1] == remote.tip(
        "feature"
    )


def test_a_protected_path_is_a_maintainers_to_write(world: World, remote: Repository, runner: Make) -> None:
    job = world.submit(branch="guarded", pipeline=PIPELINE)
    asked = run(world, claimed(world, job, "w1"), made := runner("w1"))
    assert asked.state is State.WAITING
    files = {".github/ci.yml": "on: sometimes\n"}
    with pytest.raises(Refused) as refused:
        decided(world, job, made, Verb.EDIT, files)
    assert refused.value.reason is Reason.NOT_ALLOWED
    assert world.job(job).state is State.WAITING
    decided(world, job, made, Verb.EDIT, files, Role.MAINTAINER)
    ended = run(world, claimed(world, job, "w1"), made)
    assert said(ended) == (State.SUCCESS, Reason.PUSHED), ended.ending
    assert remote.git("show", "guarded:.github/ci.yml") == b"on: sometimes\n"


def test_no_text_of_the_repository_lies_open_in_the_database(world: World, runner: Make) -> None:
    job = world.submit(pipeline=PIPELINE)
    run(world, claimed(world, job, "w1"), made := runner("w1"))
    decided(world, job, made, Verb.EDIT, {"a.py": "canary = 29\n"})
    with world.everywhere() as tx:
        (row,) = tx.rows(
            "SELECT sealed_texts, sealed_edits, (to_jsonb(d) - 'sealed_texts' - 'sealed_edits')::text AS rest "
            "FROM decisions d"
        )
    assert b"a = " not in row["sealed_texts"]
    assert b"canary" not in row["sealed_edits"]
    assert "a = 9" not in row["rest"]


def test_a_cancel_of_what_waits_ends_it_and_a_later_decision_is_refused(world: World, runner: Make) -> None:
    job = world.submit(pipeline=PIPELINE)
    run(world, claimed(world, job, "w1"), made := runner("w1"))
    with world.transaction() as tx:
        assert cancel(tx, world.principal, job.id).state is State.CANCELLED
    with pytest.raises(Refused) as refused:
        decided(world, job, made, Verb.APPROVE)
    assert refused.value.reason is Reason.CONFLICT_OF_STATE


def test_texts_are_forgotten_a_day_after_the_jobs_end_and_not_before(
    world: World, runner: Make, tmp_path: Path
) -> None:
    job = world.submit(pipeline=PIPELINE)
    run(world, claimed(world, job, "w1"), made := runner("w1"))
    kept = "SELECT count(*) FROM decisions WHERE sealed_texts IS NOT NULL"

    def chores() -> int:
        for chore in seldom_chores(made.settings, world.database.system):
            if "forgetting" in chore.name:
                chore()
        return int(world.value(kept))

    assert chores() == 1  # it waits
    decided(world, job, made, Verb.REJECT)
    run(world, claimed(world, job, "w1"), made)
    assert chores() == 1
    world.run("UPDATE jobs SET completed_at = now() - interval '25 hours'")
    assert chores() == 0
    with world.transaction() as tx:
        assert [file.result for file in question_of(last_question(tx, job.id), made.vault).files] == [None]


def test_nobody_deciding_in_time_ends_the_job_by_the_sweep_and_only_then(world: World, runner: Make) -> None:
    job = world.submit(pipeline=PIPELINE)
    run(world, claimed(world, job, "w1"), runner("w1"))
    assert sweep(world.database.system).undecided == 0
    hours = world.value("SELECT extract(epoch FROM expires_at - asked_at)::float8 / 3600 FROM decisions")
    assert hours == pytest.approx(72)
    world.run("UPDATE decisions SET expires_at = now() - interval '1 s'")
    assert sweep(world.database.system).undecided == 1
    assert world.job(job).state is State.QUEUED  # for its `finally`
    assert sweep(world.database.system).undecided == 0
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert said(ended) == (State.FAILED, Reason.DECISION_EXPIRED)
    assert sweep(world.database.system).undecided == 0
    assert "report" in world.column("SELECT kind FROM outbox WHERE payload ->> 'state' = 'failed'")


def test_a_job_that_loses_its_lease_after_its_pipeline_stopped_says_so(
    world: World, runner: Make, caplog: pytest.LogCaptureFixture
) -> None:
    mine = claimed(world, world.submit(branch="clean", task="validate-only"), "w1")
    made = runner("w1")

    class Late:
        artifacts = made.artifacts

        def __call__(self, job: Job, recorder: FencedRecorder, session: JobSession) -> Outcome:
            outcome = made(job, recorder, session)
            world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
            sweep(world.database.system)
            return outcome

    after = run(world, mine, Late())
    assert after.state is State.QUEUED
    assert "the lease was lost; another worker goes on" in caplog.text


def test_a_cancel_of_what_waits_after_it_has_pushed_denies_nothing(
    world: World, remote: Repository, runner: Make
) -> None:
    """A first push to a branch of its own, and a question before the second."""
    twice = PIPELINE.replace(
        "  - {id: push, uses: push}",
        '  - {id: copy, uses: push, when: "true", with: {to: new-branch}}\n  - {id: push, uses: push}',
    )
    job = world.submit(branch="clean", pipeline=twice)
    mine = claimed(world, job, "w1")
    run(world, mine, Dies(runner("w1"), "push"))
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    again = claimed(world, job, "w2")
    with world.everywhere() as tx:
        table.ask(tx, again, asked(rejected()))
    with world.transaction() as tx:
        ended = cancel(tx, world.principal, job.id)
    assert said(ended) == (State.FAILED, Reason.REJECTED)
    assert remote.git("for-each-ref", "refs/heads/flowforge/clean") != b""
