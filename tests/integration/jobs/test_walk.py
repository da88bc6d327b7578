"""Random lives of a queue with groups, pauses, caps and delays: what must hold at every step, and that all of it drains."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from flowforge.core.access import Role
from flowforge.core.concurrency import Concurrency, Policy
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Ending, Result, State
from flowforge.jobs import pause as pauses
from flowforge.jobs.why import WhyCode, whys
from flowforge.store import jobs as table
from flowforge.store import schedule
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services

STEPS, CAP, SLOTS = 60, 3, 5
FRESH = int(os.environ.get("FLOWFORGE_TEST_SEED", "7"))
CANCELLED = Ending(result=Result.CANCELLATION, reason=Reason.CANCELLED, sentence="stopped")
DONE = Ending(result=Result.SUCCESS, reason=Reason.DONE, sentence="done")

RUNNING_TWICE = """
SELECT count(*) FROM (
    SELECT 1 FROM jobs WHERE state = 'running' AND ref_key <> '' GROUP BY repository, ref_key HAVING count(*) > 1
    UNION ALL
    SELECT 1 FROM jobs WHERE state = 'running' AND concurrency_group <> ''
    GROUP BY repository, concurrency_group HAVING count(*) > 1
    UNION ALL
    SELECT 1 FROM jobs WHERE state = 'running' GROUP BY organization HAVING count(*) > %(cap)s) AS broken
"""


@dataclass
class Walk:
    draw: random.Random
    tenants: list[World]
    paused: list[tuple[World, UUID]] = field(default_factory=list)

    @property
    def any(self) -> World:
        return self.draw.choice(self.tenants)

    def submit(self) -> None:
        group = self.draw.choice([None, "branch", "target", "deploy", "x-{branch}"])
        policy = self.draw.choice(list(Policy))
        wanted = {
            "branch": f"b{self.draw.randrange(4)}",
            "target": self.draw.choice(["main", "release"]),
            "priority": self.draw.randrange(10),
            "concurrency": Concurrency(group=group, policy=policy) if group else None,
        }
        try:
            self.any.submit(**wanted)
        except Refused as refused:
            if refused.reason is not Reason.GROUP_BUSY:
                raise

    def pause(self) -> None:
        world = self.any
        target = self.draw.choice(["", "main", "release"])
        repository = world.repository if target or self.draw.random() < 0.5 else None
        try:
            with world.transaction() as tx:
                made = pauses.pause(
                    tx, world.principal, world.door, repository=repository, target=target, reason="walk"
                )
        except Refused as refused:
            assert refused.reason is Reason.CONFLICT_OF_STATE  # noqa: PT017 (anything else is a fault)
        else:
            self.paused.append((world, made.id))

    def resume(self) -> None:
        if self.paused:
            world, identity = self.paused.pop(self.draw.randrange(len(self.paused)))
            with world.transaction() as tx:
                pauses.resume(tx, world.principal, identity, world.door.teller)

    def delay(self) -> None:
        self.any.run(
            "UPDATE jobs SET run_after = now() + interval '1 hour' WHERE state = 'queued' AND rung_at IS NULL "
            "AND id IN (SELECT id FROM jobs ORDER BY md5(id::text || %(salt)s) LIMIT 1)",
            salt=str(self.draw.random()),
        )

    def pick(self) -> int:
        """Ring and claim; gives how many now run that did not."""
        world = self.tenants[0]
        with world.everywhere() as tx:
            picked = [job for job, _ in schedule.pick(tx, alive=3600, most=99, cap=CAP).jobs]
        for job in picked:
            assert world.claim(world.job(job)) is not None, "what was picked may run"
        return len(picked)

    def end(self, share: float = 0.5) -> None:
        """Some of the running jobs end, those that were asked to stop as such."""
        with self.tenants[0].everywhere() as tx:
            for row in tx.rows("SELECT id FROM jobs WHERE state = 'running' ORDER BY id FOR UPDATE"):
                if self.draw.random() > share:
                    continue
                job = table.lock(tx, row["id"])
                assert job is not None
                asked = State.SUPERSEDED if job.superseded_by else State.CANCELLED
                after, ending = (asked, CANCELLED) if job.cancel_requested else (State.SUCCESS, DONE)
                table.end(tx, job, after, ending)

    def holds(self) -> None:
        world = self.tenants[0]
        assert world.value(RUNNING_TWICE, cap=CAP) == 0
        for tenant in self.tenants:
            with tenant.transaction() as tx:
                queued = table.page(tx, limit=99, state=State.QUEUED)
                told = whys(tx, queued, cap=CAP)
            assert set(told) == {job.id for job in queued}, "every job that waits says why"
            assert WhyCode.STARTING not in {why.code for why in told.values()}, (
                "all that were called were claimed"
            )


@pytest.mark.parametrize("seed", [1, 2, FRESH])
def test_a_queue_keeps_its_rules_at_every_step_and_drains_at_the_end(
    database: TestDatabase, seed: int
) -> None:
    """`FLOWFORGE_TEST_SEED` takes another walk."""
    first = make_world(database)
    tenants = [first, first.organization("b"), first.organization("c")]
    tenants = [replace(one, principal=replace(one.principal, role=Role.MAINTAINER)) for one in tenants]
    with first.everywhere() as tx:
        worker = schedule.Worker(id="w1", host="h", version="1", slots=SLOTS)
        schedule.beat(tx, worker, draining=False)
    walk = Walk(draw=random.Random(seed), tenants=tenants)  # noqa: S311 (a walk that can be walked again)
    steps: list[Callable[[], object]] = (
        [walk.submit] * 6 + [walk.pick, walk.end] * 2 + [walk.pause, walk.resume, walk.delay]
    )
    for _ in range(STEPS):
        walk.draw.choice(steps)()
        walk.holds()
    while walk.paused:
        walk.resume()
    first.run("UPDATE jobs SET run_after = NULL WHERE state = 'queued' AND run_after IS NOT NULL")
    left = "SELECT count(*) FROM jobs WHERE state IN ('pending', 'queued', 'running', 'waiting')"
    while first.value(left):
        walk.end(share=1.0)
        assert walk.pick() or not first.value(left), "nothing runs, and nothing may"
        walk.holds()
