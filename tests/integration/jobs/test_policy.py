"""A repository's own policy, obeyed by its jobs: real git, real Postgres, a worker."""

from pathlib import Path
from typing import Any

import pytest

from flowforge.accounts.repositories import Changes, update_repository
from flowforge.core.errors import Reason
from flowforge.core.job import Job, State
from flowforge.wiring.runner import PipelineRunner
from tests.conftest import TestDatabase
from tests.gitrepo import Repository
from tests.integration.jobs.workers import Make, claimed, run
from tests.integration.jobs.world import World, make_world

pytestmark = [pytest.mark.services, pytest.mark.slow]

PIPELINE = """version: 1
name: policy
stages:
  - {id: clone, uses: clone}
  - {id: rebase, uses: rebase}
  - {id: resolve, uses: resolve, with: {rungs: [structural]}}
  - {id: validate, uses: validate}
  - {id: push, uses: push}
finally:
  - {uses: report}
"""
HEAD = "import os\n\n\ndef first():\n    return os.sep\n"
UP = "\n\ndef opened(path):\n    with open(path) as file:\n        return file.read()\n"
MINE = "\n\ndef largest(rows):\n    return max(rows, key=len, default=None)\n"
RECORD = "structural acts here: right 75 of 75 in this repository's history"


def policy(action: str, kind: str = "source") -> dict[str, Any]:
    rule = {"rule": "structural/added definitions", "kind": kind, "action": action, "right": 75, "cases": 75}
    return {
        "format": "flowforge-policy",
        "version": 1,
        "made": "2026-11-23",
        "repository": {"head": "", "merges": 75, "files": 75},
        "k": 10.0,
        "half_life_days": 1095,
        "priors": {"measured": "2026-11-20", "left_out": []},
        "held_out": None,
        "rules": [{**rule, "weighed": {"right": 75.0, "cases": 75.0}}],
    }


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "remote.git")
    base = made.commit({"a.py": HEAD}, branch="main")
    made.commit({"a.py": HEAD + UP}, base, branch="main", message="main")
    made.commit({"a.py": HEAD + MINE}, base, branch="feature", message="feature")
    return made


@pytest.fixture
def world(database: TestDatabase, remote: Repository) -> World:
    made = make_world(database)
    made.run("UPDATE repositories SET url = %(url)s", url=remote.url)
    return made


def ended(world: World, made: PipelineRunner, held: dict[str, Any] | None) -> Job:
    if held is not None:
        with world.transaction() as tx:
            changes = Changes(policy=held)
            update_repository(tx, world.repository, changes, check_url=lambda url: url, vault=made.vault)
    return run(world, claimed(world, world.submit(pipeline=PIPELINE), "w1"), made)


def reason(job: Job) -> Reason | None:
    return job.ending.reason if job.ending else None


def told(world: World) -> tuple[str, str]:
    """What the job's events say of its conflicts, and its report."""
    events = world.column("SELECT data::text FROM job_events WHERE kind = 'conflicts.resolved'")
    reports = world.column("SELECT outputs ->> 'markdown' FROM stage_runs WHERE outputs ? 'markdown'")
    return "".join(map(str, events)), "".join(map(str, reports))


def test_without_a_policy_the_answer_has_to_be_confirmed(
    world: World, remote: Repository, runner: Make
) -> None:
    job = ended(world, runner("w1"), None)
    assert reason(job) is not Reason.PUSHED
    assert len(remote.updates("feature")) == 1
    events, report = told(world)
    assert "structural" in events
    assert "in this repository's history" not in events + report


def test_a_rule_that_has_earned_it_acts_and_says_what_it_stands_on(
    world: World, remote: Repository, runner: Make
) -> None:
    job = ended(world, runner("w1"), policy("act"))
    assert (job.state, reason(job)) == (State.SUCCESS, Reason.PUSHED), job.ending
    assert remote.files(remote.tip("feature"))["a.py"] == ("100644", (HEAD + UP + MINE).encode())
    events, report = told(world)
    assert RECORD in events
    assert RECORD in report


def test_what_was_earned_with_other_files_counts_for_nothing(
    world: World, remote: Repository, runner: Make
) -> None:
    job = ended(world, runner("w1"), policy("act", kind="manifest"))
    assert reason(job) is not Reason.PUSHED
    assert len(remote.updates("feature")) == 1


def test_a_rule_that_is_off_leaves_the_place_to_a_person(
    world: World, remote: Repository, runner: Make
) -> None:
    job = ended(world, runner("w1"), policy("off"))
    assert reason(job) is Reason.UNRESOLVED_CONFLICTS
    assert len(remote.updates("feature")) == 1


def test_settings_that_hold_no_policy_end_the_job_with_a_reason(
    world: World, remote: Repository, runner: Make
) -> None:
    """A newer FlowForge may have written them: going on as shipped would not be what was asked for."""
    world.run("""UPDATE repositories SET settings = '{"policy": {"version": 9}}'""")
    job = ended(world, runner("w1"), None)
    assert (job.state, reason(job)) == (State.FAILED, Reason.POLICY_INVALID)
    assert len(remote.updates("feature")) == 1
