"""What the relay picks and in which order, and what it takes back; with a real Postgres and a real Redis."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from flowforge.core.errors import Temporary
from flowforge.core.job import PriorityClass, State
from flowforge.jobs import claim as claims
from flowforge.jobs import read
from flowforge.jobs.relay import Relay
from flowforge.jobs.tell import CAME, Teller
from flowforge.jobs.why import WhyCode, why
from flowforge.queues.broker import make_broker
from flowforge.queues.connection import connect
from flowforge.queues.doorbell import Doorbell
from flowforge.queues.notify import Signals
from flowforge.queues.wake import MISSED, RELAY, Ear
from flowforge.store import schedule
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase, flush
from tests.integration.jobs.world import SmallPipeline, World, bench, make_world, session_of

pytestmark = pytest.mark.services

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


class Rings:
    """A bell that remembers, and may be out of order."""

    def __init__(self) -> None:
        self.heard: list[UUID] = []
        self.unheard = 0
        self.broken = False

    def ring_all(self, jobs: Sequence[tuple[UUID, PriorityClass]]) -> tuple[UUID, ...]:
        if self.broken:
            return tuple(job for job, _ in jobs)
        self.heard += [job for job, _ in jobs]
        return ()

    def waiting(self) -> int:
        return self.unheard


def worker(world: World, slots: int, name: str = "w1", *, draining: bool = False) -> None:
    with world.everywhere() as transaction:
        alive = schedule.Worker(id=name, host="here", version="1", slots=slots)
        schedule.beat(transaction, alive, draining=draining)


def relay_of(world: World, bell: Rings | Doorbell) -> Relay:
    return Relay(database=world.database.system, bell=bell, wait=lambda _seconds: ())


def ring(world: World) -> list[UUID]:
    bell = Rings()
    relay_of(world, bell).ring()
    return bell.heard


def names(world: World, jobs: Sequence[UUID]) -> str:
    return " ".join(world.job(job).branch for job in jobs)


def test_no_more_is_rung_than_there_are_free_slots(world: World) -> None:
    worker(world, 2)
    worker(world, 1, "w2")
    jobs = [world.submit(branch=f"b{number}") for number in range(9)]
    assert len(ring(world)) == 3
    assert ring(world) == []
    world.claim(jobs[0])
    assert ring(world) == []
    world.run(
        "UPDATE jobs SET state = 'success', result = 'success', reason = 'done' WHERE state = 'running'"
    )
    assert len(ring(world)) == 1


def test_nothing_is_rung_while_no_worker_lives(world: World) -> None:
    world.submit()
    assert ring(world) == []
    worker(world, 4, draining=True)
    assert ring(world) == []
    worker(world, 4)
    world.run("UPDATE workers SET seen_at = now() - interval '1 minute'")
    assert ring(world) == []


def test_what_runs_on_a_worker_that_is_leaving_takes_no_slot_of_others(world: World) -> None:
    worker(world, 1, "old")
    world.claim(world.submit(branch="a"), "old")
    worker(world, 1, "old", draining=True)
    worker(world, 1, "new")
    world.submit(branch="b")
    assert len(ring(world)) == 1


def test_higher_priority_runs_first_and_age_makes_up_for_it(world: World) -> None:
    worker(world, 9)
    for branch, priority in (("low", 0), ("normal", 5), ("high", 9)):
        world.submit(branch=branch, priority=priority)
    old = world.submit(branch="old", priority=0)
    world.run("UPDATE jobs SET turn_at = turn_at - interval '10 minutes' WHERE id = %(id)s", id=old.id)
    assert names(world, ring(world)) == "old high normal low"


def test_an_organization_that_floods_the_queue_shares_the_slots(world: World) -> None:
    for number in range(20):
        world.submit(branch=f"a{number}", priority=9)
    quiet = world.organization("quiet")
    theirs = [quiet.submit(branch=f"q{number}", priority=0).id for number in range(3)]
    worker(world, 4)
    first = ring(world)
    assert len([job for job in first if job in theirs]) == 2
    assert len(first) == 4


def test_slots_in_use_count_for_the_share(world: World) -> None:
    busy = [world.submit(branch=f"a{number}") for number in range(6)]
    worker(world, 3)
    world.claim(busy[0])
    world.claim(busy[1])
    quiet = world.organization("quiet")
    theirs = quiet.submit(branch="q", priority=0)
    assert ring(world) == [theirs.id]


def test_an_organization_at_its_cap_waits(world: World) -> None:
    for number in range(5):
        world.submit(branch=f"a{number}")
    world.run("""UPDATE organizations SET settings = '{"max_running": 2}'""")
    worker(world, 9)
    assert len(ring(world)) == 2
    assert ring(world) == []


def test_an_organization_without_a_cap_of_its_own_has_the_installations(world: World) -> None:
    for number in range(5):
        world.submit(branch=f"a{number}")
    worker(world, 9)
    bell = Rings()
    relay = Relay(database=world.database.system, bell=bell, wait=lambda _seconds: (), cap=3)
    relay.ring()
    relay.ring()
    assert len(bell.heard) == 3


def test_of_the_jobs_of_one_ref_one_is_rung(world: World) -> None:
    worker(world, 9)
    first, second = world.submit(branch="same"), world.submit(branch="same")
    assert ring(world) == [first.id]
    assert ring(world) == []
    world.claim(first)
    assert ring(world) == []
    world.run(
        "UPDATE jobs SET state = 'success', result = 'success', reason = 'done' WHERE state = 'running'"
    )
    assert ring(world) == [second.id]


def test_a_job_whose_time_has_not_come_is_left_and_does_not_block_its_ref(world: World) -> None:
    worker(world, 9)
    first, second = world.submit(branch="same"), world.submit(branch="same")
    world.run("UPDATE jobs SET run_after = now() + interval '1 hour' WHERE id = %(id)s", id=first.id)
    assert ring(world) == [second.id]


def test_a_ring_that_failed_is_taken_back_at_once(world: World) -> None:
    worker(world, 9)
    job = world.submit()
    bell = Rings()
    bell.broken = True
    assert relay_of(world, bell).ring() == ()
    assert ring(world) == [job.id]


def test_rings_that_lie_unheard_are_not_added_to_beyond_twice_the_slots(world: World) -> None:
    worker(world, 2)
    world.submit()
    bell = Rings()
    bell.unheard = 4
    assert relay_of(world, bell).ring() == ()
    bell.unheard = 3
    assert len(relay_of(world, bell).ring()) == 1


def test_a_ring_that_nobody_heard_is_rung_again_by_the_sweep(world: World) -> None:
    worker(world, 9)
    job = world.submit()
    assert ring(world) == [job.id]
    world.run("UPDATE jobs SET rung_at = now() - interval '11 s'")
    bell = Rings()
    rung, swept = relay_of(world, bell).step()
    assert (list(rung), swept.rings) == ([job.id], 1)


def test_two_relays_ring_for_a_job_once(world: World) -> None:
    worker(world, 50)
    jobs = {world.submit(branch=f"b{number}").id for number in range(50)}
    rung = world.at_once(lambda: ring(world), threads=5, times=10)
    heard = [job for some in rung for job in some]
    assert sorted(heard) == sorted(jobs)


def test_flushing_redis_loses_no_job(world: World, redis_url: str) -> None:
    worker(world, 5)
    jobs = [world.submit(branch=f"b{number}") for number in range(5)]
    bell = Doorbell(broker=make_broker(redis_url))
    relay = relay_of(world, bell)
    assert len(relay.ring()) == 5
    assert bell.waiting() == 5
    flush(redis_url)
    assert bell.waiting() == 0
    relay.ring_lost = 0.0
    rung, _ = relay.step()
    assert sorted(rung) == sorted(job.id for job in jobs)
    assert bell.waiting() == 5


def test_submitting_needs_no_redis_and_the_relay_says_what_is_wrong(world: World) -> None:
    worker(world, 5)
    job = world.submit()
    assert job.state is State.QUEUED
    with pytest.raises(Temporary, match="Redis did not answer"):
        relay_of(world, Doorbell(broker=make_broker(NOWHERE))).step()
    assert world.value("SELECT count(*) FROM jobs WHERE rung_at IS NOT NULL") == 0


def test_a_new_job_and_a_free_slot_wake_the_relay_and_a_claim_does_not(world: World, redis_url: str) -> None:
    signals = Signals(url=redis_url)
    teller = Teller(publish=signals.publish, rouse=signals.rouse)
    world = replace(world, door=replace(world.door, teller=teller))
    ear = Ear(client=connect(redis_url), channel=RELAY)
    ear.wait(1)
    job = world.submit()
    assert ear.wait(20) == {CAME}
    claimed = claims.claim(world.database.system, job.id, "w1", teller=teller)
    assert claimed is not None
    assert ear.wait(0.2) == frozenset()
    bench(world, SmallPipeline({}), teller).run(claimed, session_of(claimed))
    assert ear.wait(20) == {MISSED}
    ear.close()


def test_the_relay_knows_whether_a_job_that_came_now_could_run(world: World) -> None:
    def room(most: int = 99) -> bool:
        with world.database.system.transaction(Scope.system()) as transaction:
            return schedule.pick(transaction, alive=3600, most=most, cap=50).room

    assert not room(), "nobody is there to run it"
    worker(world, 2)
    assert room()
    world.submit(branch="a")
    assert room()
    world.submit(branch="b")
    assert not room(), "the last slot is taken"
    worker(world, 2, "w2")
    world.submit(branch="c")
    assert room(most=1), "no more were asked for"


def test_a_job_that_waits_says_why(world: World) -> None:
    def code(job: UUID) -> WhyCode | None:
        with world.transaction() as transaction:
            reason = why(transaction, read.get(transaction, job))
        return reason.code if reason else None

    first = world.submit(branch="a")
    assert code(first.id) is WhyCode.NO_WORKER
    worker(world, 1)
    second, third = world.submit(branch="b"), world.submit(branch="a")
    assert code(second.id) is WhyCode.POSITION
    ring(world)
    assert code(first.id) is WhyCode.STARTING
    world.claim(first)
    assert code(first.id) is None
    assert code(third.id) is WhyCode.REF_BUSY
    world.run("UPDATE jobs SET run_after = now() + interval '1 hour' WHERE id = %(id)s", id=second.id)
    assert code(second.id) is WhyCode.DELAYED
