"""Whole jobs: the real pipeline with real git, claimed by one worker after another under a fence.

Each worker has a data folder, so a mirror, of its own; only artifacts, Postgres and the remote are shared.
"""

from pathlib import Path

import pytest

from flowforge.accounts.repositories import Changes, Login, update_repository
from flowforge.core.errors import Reason
from flowforge.core.job import State
from flowforge.jobs import read
from flowforge.jobs.sweep import sweep
from tests.conftest import TestDatabase
from tests.gitrepo import Repository
from tests.integration.jobs.workers import Dies, Make, claimed, run
from tests.integration.jobs.world import World, make_world

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """A branch of two commits, and a target that has gone on elsewhere."""
    made = Repository(tmp_path / "remote.git")
    base = made.commit({"a.py": "a = 1\n", "b.py": "b = 1\n"}, branch="main")
    first = made.commit({"a.py": "a = 2\n", "b.py": "b = 1\n"}, base, message="first")
    made.commit({"a.py": "a = 3\n", "b.py": "b = 1\n"}, first, branch="feature", message="second")
    made.commit({"a.py": "a = 1\n", "b.py": "b = 2\n"}, base, branch="main", message="elsewhere")
    return made


@pytest.fixture
def world(database: TestDatabase, remote: Repository) -> World:
    made = make_world(database)
    made.run("UPDATE repositories SET url = %(url)s", url=remote.url)
    return made


def test_a_job_brings_its_branch_up_to_date(world: World, remote: Repository, runner: Make) -> None:
    job = world.submit()
    ended = run(world, claimed(world, job, "w1"), runner("w1"))
    assert ended.ending is not None
    assert (ended.state, ended.ending.reason) == (State.SUCCESS, Reason.PUSHED), ended.ending.sentence
    assert len(remote.updates("feature")) == 2
    new = remote.tip("feature")
    assert remote.tip("feature~2") == remote.tip("main")
    assert world.column("SELECT outcome || ' ' || new_sha FROM push_intents") == [f"pushed {new}"]
    kinds = world.column("SELECT type FROM git_operations ORDER BY id")
    assert "fetch" in kinds
    assert "push" in kinds


@pytest.mark.parametrize("stage", ["rebase", "validate", "push"])
def test_another_worker_goes_on_from_the_checkpoint_and_pushes_the_same_commit(
    world: World, remote: Repository, runner: Make, stage: str
) -> None:
    job = world.submit()
    run(world, claimed(world, job, "w1"), Dies(runner("w1"), stage))
    assert len(remote.updates("feature")) == 1
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert ended.ending is not None
    assert (ended.state, ended.attempts) == (State.SUCCESS, 2), ended.ending.sentence
    assert len(remote.updates("feature")) == 2
    ran = world.column("SELECT stage || attempt FROM stage_runs ORDER BY ordinal, attempt")
    assert "clone2" not in ran
    assert ("rebase2" in ran) is (stage == "rebase")


def test_an_attempt_from_scratch_makes_the_same_commits(
    world: World, remote: Repository, runner: Make
) -> None:
    job = world.submit()
    run(world, claimed(world, job, "w1"), Dies(runner("w1"), "push"))
    planned = world.value("SELECT work ->> 'head' FROM stage_runs WHERE stage = 'rebase'")
    world.run("UPDATE stage_runs SET checkpoint = ''")
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    run(world, claimed(world, job, "w2"), runner("w2"))
    assert "clone2" in world.column("SELECT stage || attempt FROM stage_runs")
    assert remote.tip("feature") == planned


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_job_whose_checkpoint_is_lost_begins_anew_and_says_so(
    world: World, remote: Repository, runner: Make, tmp_path: Path, harm: str
) -> None:
    job = world.submit()
    run(world, claimed(world, job, "w1"), Dies(runner("w1"), "push"))
    bundles = [path for path in (tmp_path / "artifacts").rglob("*.bundle") if path.is_file()]
    assert bundles
    for bundle in bundles:
        bundle.write_bytes(b"rust") if harm == "damaged" else bundle.unlink()
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert ended.ending is not None
    assert (ended.state, ended.ending.reason) == (State.SUCCESS, Reason.PUSHED), ended.ending.sentence
    assert "clone2" in world.column("SELECT stage || attempt FROM stage_runs")
    assert len(remote.updates("feature")) == 2
    (sentence,) = world.column("SELECT data ->> 'sentence' FROM job_events WHERE kind = 'checkpoint.lost'")
    assert str(sentence).startswith("the job begins anew: ")
    assert "artifact" in str(sentence)


def test_a_worker_whose_commits_the_target_lost_begins_anew(
    world: World, remote: Repository, runner: Make
) -> None:
    """The target was rewritten: what the checkpoint builds on can be fetched by nobody any more."""
    job = world.submit()
    run(world, claimed(world, job, "w1"), Dies(runner("w1"), "push"))
    base = remote.tip("main~1")
    remote.commit({**remote.files(base), "b.py": "b = 5\n"}, base, branch="main", message="instead")
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s'")
    sweep(world.database.system)
    ended = run(world, claimed(world, job, "w2"), runner("w2"))
    assert ended.ending is not None
    assert (ended.state, ended.ending.reason) == (State.SUCCESS, Reason.PUSHED), ended.ending.sentence
    assert remote.tip("feature~2") == remote.tip("main")


def test_the_login_of_the_repository_is_masked(world: World, runner: Make) -> None:
    """A command of the repository that prints it, however it came by it, shows it to nobody."""
    secret, made = "canary-login-77aa", runner("w1")
    changes = Changes(login=Login(username="bot", secret=secret))
    with world.transaction() as transaction:
        update_repository(transaction, world.repository, changes, check_url=lambda url: url, vault=made.vault)
    stages = "stages: [{uses: clone}, {uses: rebase}, {id: leak, uses: run, run: 'printf canary-lo; echo gin-77aa'}]"
    job = claimed(world, world.submit(pipeline=f"version: 1\nname: leak\n{stages}\n"), "w1")
    ended = run(world, job, made)
    assert ended.state is State.SUCCESS, ended.ending
    with world.transaction() as transaction:
        log = read.log(transaction, job.id).text
    assert b"\n***\n" in log
    assert secret.encode() not in log


def test_a_job_cancelled_before_its_push_leaves_the_remote_alone(
    world: World, remote: Repository, runner: Make
) -> None:
    job = world.submit()
    mine = claimed(world, job, "w1")
    before = remote.tip("feature")
    world.cancel(job)
    ended = run(world, mine, runner("w1"))
    assert ended.state is State.CANCELLED
    assert remote.tip("feature") == before


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [({"branch": "absent"}, Reason.BRANCH_MISSING), ({"target": "absent"}, Reason.TARGET_MISSING)],
)
def test_what_is_not_there_ends_the_job_with_its_reason(
    world: World, runner: Make, wanted: dict[str, str], reason: Reason
) -> None:
    ended = run(world, claimed(world, world.submit(**wanted), "w1"), runner("w1"))
    assert ended.ending is not None
    assert (ended.state, ended.ending.reason) == (State.FAILED, reason)
    assert ended.ending.next_action
