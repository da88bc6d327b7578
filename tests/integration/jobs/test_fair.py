"""Fair share, caps and ageing with many organizations; and what 10 000 submits with one key leave behind."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

import pytest

from flowforge.core.job import Job, JobRequest, State
from flowforge.jobs.submit import submit
from flowforge.store import schedule
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services

SLOTS = 6
END = (
    "UPDATE jobs SET state = 'success', result = 'success', reason = 'done' WHERE id = ANY(%(jobs)s::uuid[])"
)


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def worker(world: World, slots: int) -> None:
    with world.everywhere() as transaction:
        alive = schedule.Worker(id="w1", host="here", version="1", slots=slots)
        schedule.beat(transaction, alive, draining=False)


def pick(world: World, cap: int = 50) -> list[UUID]:
    with world.everywhere() as transaction:
        return [job for job, _ in schedule.pick(transaction, alive=3600, most=500, cap=cap).jobs]


@dataclass
class House:
    """Organizations whose jobs are picked, run and end, round by round."""

    world: World
    tenants: list[World]
    queued: Counter[UUID] = field(default_factory=Counter)  # by organization
    running: dict[UUID, UUID] = field(default_factory=dict)  # job -> organization
    numbers: Iterator[int] = field(default_factory=count)

    def submit(self, tenant: World, jobs: int, **wanted: object) -> list[Job]:
        self.queued[tenant.principal.organization] += jobs
        return [tenant.submit(branch=f"b{next(self.numbers)}", **wanted) for _ in range(jobs)]

    def round(self, cap: int = 50) -> list[UUID]:
        """Pick and claim; gives the organizations that got a slot, in order."""
        got = []
        for job in pick(self.world, cap):
            claimed = self.world.claim(self.world.job(job))
            assert claimed is not None
            self.running[job] = claimed.organization
            self.queued[claimed.organization] -= 1
            got.append(claimed.organization)
        return got

    def end(self, jobs: list[UUID]) -> None:
        self.world.run(END, jobs=jobs)
        for job in jobs:
            del self.running[job]

    @property
    def held(self) -> Counter[UUID]:
        return Counter(self.running.values())


@pytest.fixture
def house(world: World) -> House:
    worker(world, SLOTS)
    return House(
        world=world, tenants=[world, *(world.organization(f"tenant{number}") for number in range(11))]
    )


def test_no_organization_has_two_slots_more_than_one_that_waits(house: House) -> None:
    """The largest share is at most one above the smallest of those who wait, however uneven the loads are."""
    draw = random.Random(11)  # noqa: S311 (a load that is the same every time)
    for number, tenant in enumerate(house.tenants):
        house.submit(tenant, 1 + number * 2, priority=draw.choice([0, 5, 9]))
    ended: Counter[UUID] = Counter()
    for _ in range(20):
        got, held = house.round(), house.held
        waiting = [tenant for tenant, left in house.queued.items() if left]
        assert (
            max((held[tenant] for tenant in got), default=0)
            <= min((held[tenant] for tenant in waiting), default=9) + 1
        )
        assert len(house.running) == SLOTS or not waiting
        if not house.running:
            break
        done = draw.sample(sorted(house.running), k=draw.randint(1, max(1, len(house.running))))
        ended.update(house.running[job] for job in done)
        house.end(done)
    assert all(ended[tenant.principal.organization] for tenant in house.tenants)


def test_every_organization_has_its_turn_beside_one_with_hundreds(house: House) -> None:
    house.submit(house.world, 200, priority=9)
    for tenant in house.tenants[1:]:
        house.submit(tenant, 1, priority=0)
    waited: Counter[UUID] = Counter()
    for number in range(4):
        for organization in house.round():
            waited.setdefault(organization, number)
        house.end(sorted(house.running))
    assert set(waited) == {tenant.principal.organization for tenant in house.tenants}


def test_a_backlog_does_not_stand_before_a_newcomer_where_there_is_one_slot(house: House) -> None:
    """Neither its age nor its priority lets an organization have every slot that comes free."""
    worker(house.world, 1)
    first, second = house.tenants[:2]
    house.submit(first, 20, priority=9)
    house.world.run("UPDATE jobs SET turn_at = turn_at - interval '1 day'")
    served = []
    for number in range(6):
        if number == 1:
            house.submit(second, 3, priority=0)
        served += house.round()
        house.end(sorted(house.running))
    mine, theirs = first.principal.organization, second.principal.organization
    assert served == [mine, theirs, mine, theirs, mine, theirs]


def test_a_cap_holds_while_others_use_what_is_left(house: House) -> None:
    first, second = house.tenants[:2]
    house.submit(first, 9)
    house.submit(second, 9)
    house.world.run(
        """UPDATE organizations SET settings = '{"max_running": 1}' WHERE id = %(id)s""",
        id=first.principal.organization,
    )
    for _ in range(3):
        house.round()
        assert house.held[first.principal.organization] == 1
        assert house.held[second.principal.organization] == SLOTS - 1
        house.end(sorted(house.running)[:2])


@pytest.mark.parametrize("low", [0, 3, 5])
def test_no_priority_starves(world: World, low: int) -> None:
    """Every minute a job of the highest priority comes, and one slot serves one job a minute."""
    worker(world, 1)
    waits = world.submit(branch="waits", priority=low)
    minutes = 9 - low
    for minute in range(minutes + 2):
        job = world.submit(branch=f"high{minute}", priority=9)
        world.run(
            "UPDATE jobs SET turn_at = turn_at + make_interval(mins => %(minute)s) WHERE id = %(id)s",
            minute=minute,
            id=job.id,
        )
        (picked,) = pick(world)
        assert world.claim(world.job(picked)) is not None
        if picked == waits.id:
            assert minute <= minutes
            return
        world.run(END, jobs=[picked])
    pytest.fail("it was never picked")


def test_a_job_that_is_not_due_takes_no_slot_from_those_that_are(world: World) -> None:
    worker(world, 1)
    later, now = world.submit(branch="later", priority=9), world.submit(branch="now", priority=0)
    world.run("UPDATE jobs SET run_after = now() + interval '1 hour' WHERE id = %(id)s", id=later.id)
    assert world.claim(later) is None
    assert pick(world) == [now.id]
    world.claim(now)
    world.run(END, jobs=[now.id])
    world.run("UPDATE jobs SET run_after = now() - interval '1 s' WHERE id = %(id)s", id=later.id)
    assert pick(world) == [later.id]


@pytest.mark.slow
def test_ten_thousand_submits_with_one_key_are_one_job_and_change_nothing(world: World) -> None:
    first = world.submit(branch="a", idempotency_key="build-17")
    claimed = world.claim(first)
    assert claimed is not None
    row = "SELECT to_jsonb(j)::text FROM jobs j"
    before = world.value(row)
    request = JobRequest(repository=world.repository, branch="a", target="main", idempotency_key="build-17")

    def a_hundred() -> set[UUID]:
        with world.transaction() as transaction:
            return {submit(transaction, world.principal, request, world.door).id for _ in range(100)}

    answers = world.at_once(a_hundred, threads=4, times=100)
    assert set().union(*answers) == {first.id}
    assert world.value(row) == before
    assert world.job(first).state is State.RUNNING
    assert world.kinds(first) == ["job.submit", "job.validate_ok", "job.claim"]
    assert world.value("SELECT count(*) FROM outbox") == 1
    assert world.value("SELECT count(*) FROM audit_logs") == 3
