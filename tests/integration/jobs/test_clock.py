"""A process whose own clock is hours off changes nothing: all time that decides is the database's."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flowforge.core.job import State
from tests.conftest import TestDatabase
from tests.integration.jobs.test_schedules import add, jobs, keeper, make_due, shown
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services

ROOT = Path(__file__).parents[3]
HOURS = 3600.0
SKEWS = (-30 * 24 * HOURS, -5 * HOURS, 5 * HOURS, 100 * 24 * HOURS)


@pytest.fixture
def world(database: TestDatabase) -> World:
    return keeper(make_world(database))


def clocked(world: World, job: Any, skew: float) -> dict[str, Any]:
    """What a process says that has its clock off by `skew` seconds."""
    given = {"database": world.database.urls.system, "job": str(job.id)}
    path = os.pathsep.join([str(ROOT / "tests" / "skewed"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "FLOWFORGE_TEST_SKEW": str(skew)}
    argv = [sys.executable, "-m", "tests.integration.jobs.clocked", json.dumps(given)]
    ended = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("skew", SKEWS, ids=lambda skew: f"{skew / HOURS:+.0f}h")
def test_a_clock_that_is_off_by_hours_decides_nothing(world: World, skew: float) -> None:
    due, later = add(world, name="due", branch="a"), add(world, name="later", branch="b")
    make_due(world, due, timedelta(minutes=2))
    world.run(
        "UPDATE schedules SET next_at = date_trunc('minute', now()) + interval '1 hour' WHERE name = 'later'"
    )
    held = world.submit(branch="held")
    assert world.claim(held, "healthy", lease=3600.0) is not None  # 5 h ahead it would look lapsed
    delayed = world.submit(branch="delayed")
    world.run("UPDATE jobs SET run_after = now() + interval '1 hour' WHERE id = %(id)s", id=delayed.id)
    mine = world.submit(branch="mine")
    begun = world.value("SELECT clock_timestamp()")

    said = clocked(world, mine, skew)

    assert abs(said["clock"] - time.time() - skew) < HOURS / 2, "the clock was really off"
    assert abs(said["wall"] - said["clock"]) < HOURS / 2
    assert (said["started"], said["swept"], said["stop"]) == (1, 0, [False])
    assert 0 < said["left"] <= 15
    assert said["maintained"] == [0, 0]
    assert len(jobs(world)) == 1
    assert shown(world, later).last_job is None
    started = shown(world, due).next_at
    assert started is not None
    assert begun < started < begun + timedelta(days=1, minutes=1)
    assert world.job(held).state is State.RUNNING
    assert world.job(delayed).state is State.QUEUED
    ended = world.job(mine)
    assert ended.state is State.SUCCESS
    moments = [ended.created_at, ended.queued_at, ended.started_at, ended.completed_at]
    assert moments == sorted(moments)  # type: ignore[type-var]  # none of them is None
    assert ended.completed_at is not None
    assert begun < ended.completed_at < world.value("SELECT clock_timestamp()")


def test_every_row_that_it_wrote_has_the_databases_time(world: World) -> None:
    mine = world.submit(branch="mine")
    begun = world.value("SELECT now() - interval '1 minute'")
    clocked(world, mine, -5 * HOURS)
    columns = world.column(
        "SELECT table_name || '.' || column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type = 'timestamp with time zone' "
        "AND table_name IN ('jobs', 'job_events', 'job_executions', 'stage_runs', 'outbox', 'audit_logs', 'workers')"
    )
    assert len(columns) > 15
    for column in map(str, columns):
        table, name = column.split(".")
        low, high = f"SELECT min({name}) FROM {table}", f"SELECT max({name}) FROM {table}"  # noqa: S608 (of the catalogue)
        if name == "turn_at":  # arrival moved forward by priority
            continue
        for found in (world.value(low), world.value(high)):
            assert found is None or begun <= found <= begun + timedelta(minutes=10), column
