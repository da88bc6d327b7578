"""A repository calibrated by a job: a real mirror, a process of its own that counts, and the policy in Postgres."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from uuid import UUID

import pytest

from flowforge.core.access import Operation, Role
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job, State
from flowforge.jobs.calibrate import Found, calibrate, newest
from flowforge.jobs.cancel import cancel
from flowforge.jobs.retry import retry
from flowforge.jobs.run import Workbench
from flowforge.jobs.session import JobSession, Stop
from flowforge.pipeline.calibrating import Wish
from flowforge.resolve.learnt import SETTING, policy_from
from flowforge.store.accounts import get_repository
from flowforge.wiring.history_task import Task
from flowforge.wiring.runner import PipelineRunner
from tests.bench.processes import descendants
from tests.conftest import TestDatabase
from tests.gitrepo import Repository, git
from tests.integration.cli.test_calibrate import RULE, history
from tests.integration.jobs.workers import Make, claimed, run
from tests.integration.jobs.world import World, make_world, session_of

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "remote.git")
    made.commit({"README": "x\n"}, branch="main")
    return made


@pytest.fixture
def world(database: TestDatabase, remote: Repository) -> World:
    made = make_world(database)
    made = replace(made, principal=replace(made.principal, role=Role.MAINTAINER))
    made.run("UPDATE repositories SET url = %(url)s, default_branch = 'main'", url=remote.url)
    return made


def asked(world: World, key: str = "", **wish: object) -> Job:
    with world.transaction() as transaction:
        return calibrate(
            transaction,
            world.principal,
            world.repository,
            Wish(**wish),  # type: ignore[arg-type]  # a test's own
            world.door,
            idempotency_key=key,
        )


def found(world: World) -> Found:
    with world.transaction() as transaction:
        return newest(transaction, world.repository)


def policy(world: World) -> object:
    with world.transaction() as transaction:
        repository = get_repository(transaction, world.repository)
    assert repository is not None
    return repository.settings.get(SETTING)


def done(world: World, runner: Make, job: Job, worker: str = "w1") -> Job:
    return run(world, claimed(world, job, worker), runner(worker))


def test_without_consent_a_report_is_kept_and_nothing_is_set(
    world: World, remote: Repository, runner: Make
) -> None:
    history(remote, 14, 0)
    ended = done(world, runner, asked(world))
    assert ended.state is State.SUCCESS, ended.ending
    seen = found(world)
    assert seen.outputs["sentence"].endswith("nothing was set")
    assert (seen.job, seen.outputs["merges"], seen.outputs["applied"]) == (ended.id, 14, False)
    assert seen.outputs["head"] == remote.tip("main")
    artifacts = runner("w2").artifacts
    report = json.loads(artifacts.get(seen.outputs["report"]))
    assert [rule["right"] for rule in report["rules"] if rule["rule"] == RULE] == [14]
    assert artifacts.get(seen.outputs["page"]).startswith(b"<!doctype html>")
    assert policy(world) is None


def test_with_consent_the_policy_is_set_and_stands_in_the_audit(
    world: World, remote: Repository, runner: Make
) -> None:
    history(remote, 14, 0)
    ended = done(world, runner, asked(world, apply=True))
    assert ended.state is State.SUCCESS, ended.ending
    assert found(world).outputs["applied"] is True
    learnt = policy_from(policy(world), "it")
    assert learnt.merges == 14
    with world.everywhere() as tx:
        rows = tx.rows("SELECT details FROM audit_logs WHERE action = 'repository.update'")
    assert [row["details"]["changed"] for row in rows] == [["settings"]]


def test_too_little_history_is_a_typed_end(world: World, remote: Repository, runner: Make) -> None:
    history(remote, 3, 0)
    ended = done(world, runner, asked(world, apply=True))
    assert ended.state is State.FAILED
    assert ended.ending is not None
    assert (ended.ending.reason, ended.attempts) == (Reason.TOO_FEW_MERGES, 1)
    assert "only 3 merges" in ended.ending.sentence
    assert policy(world) is None
    with pytest.raises(Refused, match="no calibration"):
        found(world)


@pytest.mark.parametrize("how", ["empty", "shallow"])
def test_a_repository_without_a_whole_history_is_a_typed_end(
    world: World, remote: Repository, runner: Make, tmp_path: Path, how: str
) -> None:
    other = tmp_path / "other.git"
    if how == "empty":
        git(tmp_path, "init", "-q", "--bare", str(other))
        world.run("UPDATE repositories SET default_branch = ''")
    else:
        history(remote, 2, 0)
        git(tmp_path, "clone", "-q", "--bare", "--depth=1", remote.url, str(other))
    world.run("UPDATE repositories SET url = %(url)s", url=other.as_uri())
    ended = done(world, runner, asked(world))
    assert ended.ending is not None
    assert (ended.state, ended.ending.reason) == (State.FAILED, Reason(f"repository_{how}"))


def test_one_calibration_of_a_repository_at_a_time(world: World) -> None:
    first = asked(world, "key", k=5.0)
    assert first.priority < 4
    assert asked(world, "key", k=5.0).id == first.id
    with pytest.raises(Refused, match="is calibrating this repository") as refused:
        asked(world)
    assert refused.value.reason is Reason.CONFLICT_OF_STATE
    with pytest.raises(Refused, match="was used before with another request"):
        asked(world, "key", k=6.0)
    world.cancel(first)
    assert asked(world).id != first.id


def test_many_who_ask_at_once_make_one_job(world: World) -> None:
    def ask() -> UUID | None:
        try:
            return asked(world).id
        except Refused:
            return None

    assert len({one for one in world.at_once(ask, threads=8, times=16) if one}) == 1


def test_it_runs_beside_a_job_that_writes_the_same_branch(world: World) -> None:
    claimed(world, world.submit(branch="main", target="other"), "w1")
    claimed(world, asked(world), "w2")


def test_who_may_not_configure_may_not_calibrate_nor_retry_one(world: World) -> None:
    job = asked(world, apply=True)
    ended = world.cancel(job)
    for principal in (
        replace(world.principal, role=Role.USER),
        replace(world.principal, scopes=frozenset({Operation.READ, Operation.CONTROL})),
    ):
        with world.transaction() as tx, pytest.raises(Refused) as refused:
            calibrate(tx, principal, world.repository, Wish(), world.door)
        assert refused.value.reason is Reason.NOT_ALLOWED
    with world.transaction() as tx, pytest.raises(Refused, match="not tried again as a job"):
        retry(tx, world.principal, ended.id, world.door)


def test_nobody_gets_such_a_job_by_its_word(world: World, remote: Repository, runner: Make) -> None:
    history(remote, 1, 0)
    remote.commit({"README": "y\n"}, remote.tip("main"), branch="feature")
    ended = done(world, runner, world.submit(task="calibrate"))
    assert ended.ending is not None
    assert ended.ending.reason is Reason.PIPELINE_MISSING


def test_a_cancel_ends_the_counting_with_all_its_processes_and_sets_nothing(
    world: World, remote: Repository, runner: Make
) -> None:
    history(remote, 60, 0)
    job = claimed(world, asked(world, apply=True), "w1")
    session, made = session_of(job), runner("w1")
    running: list[Job] = []
    bench = Thread(target=lambda: running.append(_stopped(world, job, made, session)), daemon=True)
    bench.start()
    below = counted()
    assert len(below) > 2, "the counting has begun, and processes of its own help it"
    with world.transaction() as tx:
        cancel(tx, world.principal, job.id)
    session.stop(Stop.CANCELLED)
    bench.join(30)
    assert not bench.is_alive()
    assert gone(below)
    assert (running[0].state, policy(world)) == (State.CANCELLED, None)


def test_a_worker_that_dies_takes_the_counting_with_it(remote: Repository, tmp_path: Path) -> None:
    history(remote, 60, 0)
    (tmp_path / "work").mkdir()
    task = Task(
        mirror=str(remote.path),
        branch="main",
        tip=remote.tip("main"),
        url=remote.url,
        folder=str(tmp_path / "work"),
        plugins=(),
        wish=Wish().words(),
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "flowforge.wiring.history_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin is not None
    child.stdin.write(task.line())
    child.stdin.flush()
    until = time.monotonic() + 60
    while len(below := set(descendants(child.pid))) < 3 and child.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert child.poll() is None
    child.stdin.close()  # as the system does for who is dead
    assert child.wait(30) < 0
    assert gone(below)


def counted(patience: float = 60.0) -> set[int]:
    """The process that counts a history with all it has started, once it has started some."""
    until = time.monotonic() + patience
    found: set[int] = set()
    while (
        len(found) <= 2 and time.monotonic() < until
    ):  # git's own children under the fetch are none of these
        time.sleep(0.05)
        heads = counting()
        found = {*heads, *(pid for head in heads for pid in descendants(head))}
    return found


def gone(processes: set[int], patience: float = 10.0) -> bool:
    until = time.monotonic() + patience
    while not all(map(_is_dead, processes)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _is_dead(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def _stopped(world: World, job: Job, made: PipelineRunner, session: JobSession) -> Job:
    bench = Workbench(database=world.database.system, artifacts=made.artifacts, run_pipeline=made)
    bench.run(job, session)
    return world.job(job)


def counting() -> list[int]:
    """Processes of this test that count a history."""
    mine = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if b"flowforge.wiring.history_child" in words and parent == os.getpid():
            mine.append(int(folder.name))
    return mine
