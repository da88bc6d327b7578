"""What stands before each job of a queue: a page of it tells the same as each alone, and as plain counting does."""

from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest

from flowforge.core.access import Role
from flowforge.core.concurrency import Concurrency
from flowforge.jobs import pause as pauses
from flowforge.store import queue, schedule
from flowforge.store.queue import Before, Standing
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services


@pytest.fixture
def world(database: TestDatabase) -> World:
    made = make_world(database)
    return replace(made, principal=replace(made.principal, role=Role.MAINTAINER))


def fill(world: World, chance: Random) -> None:
    """A queue as it comes to be: some rung, some running, some not due, some onto a paused target."""
    elsewhere = world.organization("other")
    for number in range(40):
        where = elsewhere if number % 8 == 0 else world
        group = Concurrency(group=chance.choice("gh")) if chance.random() < 0.5 else None
        job = where.submit(
            branch=f"b{chance.randrange(12)}",
            target=chance.choice(["main", "main", "release"]),
            priority=chance.randrange(10),
            concurrency=group,
        )
        if chance.random() < 0.2:
            world.run("UPDATE jobs SET run_after = now() + interval '1 h' WHERE id = %(id)s", id=job.id)
        elif chance.random() < 0.2:
            world.claim(job)
        elif chance.random() < 0.2:
            world.run("UPDATE jobs SET rung_at = now() WHERE id = %(id)s AND state = 'queued'", id=job.id)
    with world.transaction() as transaction:
        pauses.pause(
            transaction, world.principal, world.door, repository=world.repository, target="release", reason="r"
        )  # fmt: skip
    with world.everywhere() as transaction:
        alive = schedule.Worker(id="w1", host="here", version="1", slots=3)
        schedule.beat(transaction, alive, draining=False)


def standings(world: World, jobs: list[UUID]) -> dict[UUID, Standing]:
    with world.transaction() as transaction:
        found = queue.standings(transaction, world.principal.organization, jobs, alive=60, cap=50)
        moment = next(iter(found.values())).now
        return {job: replace(standing, now=moment) for job, standing in found.items()}


def rows_of(world: World) -> list[dict[str, Any]]:
    """The organization's open jobs, by turns."""
    with world.transaction() as transaction:
        return transaction.rows(
            "SELECT *, run_after IS NULL AS due FROM jobs WHERE state IN ('queued', 'running') ORDER BY turn_at, id"
        )


def counted(rows: list[dict[str, Any]], job: dict[str, Any], key: str) -> Before | None:
    """Who stands before the job in the line of those with the same key; None where nobody does."""
    if not job[key]:
        return None
    same = [row for row in rows if row[key] == job[key] and row["id"] != job["id"]]
    running = [row for row in same if row["state"] == "running"]
    turn = (job["turn_at"], job["id"])
    queued = [
        row
        for row in same
        if row["state"] == "queued"
        and row["due"]
        and row["target"] == "main"
        and (row["turn_at"], row["id"]) < turn
    ]
    if not running and not queued:
        return None
    first = (running or queued)[0]
    return Before(job=first["id"], running=bool(running), started_at=first["started_at"], queued=len(queued))


@pytest.mark.parametrize("seed", range(4))
def test_a_page_tells_what_plain_counting_does(world: World, seed: int) -> None:
    fill(world, Random(seed))  # noqa: S311 (a shape, not a secret)
    rows = rows_of(world)
    queued = [row for row in rows if row["state"] == "queued"]
    told = standings(world, [row["id"] for row in queued])
    taken = sum(row["state"] == "running" or row["rung_at"] is not None for row in rows)
    for place, row in enumerate(queued):
        standing = told[row["id"]]
        assert (standing.ahead, standing.taken, standing.slots) == (place, taken, 3)
        assert (standing.delayed, standing.rung) == (not row["due"], row["rung_at"] is not None)
        assert (standing.pause is not None) == (row["target"] == "release")
        if row["due"] and row["target"] == "main":  # of the others, that is what is told
            assert standing.ref == counted(rows, row, "ref_key")
            assert standing.group == counted(rows, row, "concurrency_group")


@pytest.mark.parametrize("first", [0, 3, 9])
def test_each_job_alone_is_told_what_its_page_tells(world: World, first: int) -> None:
    fill(world, Random(5))  # noqa: S311 (as above)
    page = [row["id"] for row in rows_of(world) if row["state"] == "queued"][first : first + 12]
    together = standings(world, page)
    moment = together[page[0]].now
    for job in page:
        assert replace(standings(world, [job])[job], now=moment) == together[job]


def test_one_that_a_paused_target_holds_stands_before_nobody(world: World) -> None:
    held = world.submit(branch="same", target="release", concurrency=Concurrency(group="g"))
    behind = world.submit(branch="same", target="main", concurrency=Concurrency(group="g"))
    before = standings(world, [behind.id])[behind.id]
    assert (before.ref and before.ref.job, before.group and before.group.job) == (held.id, held.id)
    with world.transaction() as transaction:
        pauses.pause(
            transaction, world.principal, world.door, repository=world.repository, target="release", reason="r"
        )  # fmt: skip
    after = standings(world, [behind.id])[behind.id]
    assert (after.ref, after.group) == (None, None)
