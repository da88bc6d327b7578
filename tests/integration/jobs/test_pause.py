"""Pauses, and a queue that explains itself, against a real Postgres."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from flowforge.core.access import Operation, Role
from flowforge.core.concurrency import Concurrency
from flowforge.core.errors import FlowForgeError, Reason
from flowforge.core.job import Job
from flowforge.jobs import pause as pauses
from flowforge.jobs import queue
from flowforge.jobs.tell import Teller
from flowforge.jobs.why import Why, WhyCode, why
from flowforge.store import schedule
from flowforge.store.pauses import Pause
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services


@pytest.fixture
def world(database: TestDatabase) -> World:
    made = make_world(database)
    return replace(made, principal=replace(made.principal, role=Role.MAINTAINER))


def worker(world: World, slots: int = 9) -> None:
    with world.everywhere() as transaction:
        alive = schedule.Worker(id="w1", host="here", version="1", slots=slots)
        schedule.beat(transaction, alive, draining=False)


def pick(world: World) -> list[UUID]:
    with world.everywhere() as transaction:
        return [job for job, _ in schedule.pick(transaction, alive=15, most=99, cap=50).jobs]


def pause(
    world: World, repository: UUID | None = None, target: str = "", reason: str = "release week"
) -> Pause:
    with world.transaction() as transaction:
        return pauses.pause(
            transaction, world.principal, world.door, repository=repository, target=target, reason=reason
        )


def resume(world: World, paused: UUID) -> Pause:
    with world.transaction() as transaction:
        return pauses.resume(transaction, world.principal, paused, world.door.teller)


def reason_of(world: World, job: Job) -> Why | None:
    with world.transaction() as transaction:
        return why(transaction, world.job(job))


def code(world: World, job: Job) -> WhyCode | None:
    told = reason_of(world, job)
    return told.code if told else None


def end(world: World) -> None:
    world.run(
        "UPDATE jobs SET state = 'success', result = 'success', reason = 'done' WHERE state = 'running'"
    )


def test_a_paused_organization_starts_nothing_and_others_go_on(world: World) -> None:
    worker(world)
    job, other = world.submit(branch="a"), world.organization("other").submit(branch="a")
    made = pause(world)
    assert pick(world) == [other.id]
    assert world.claim(job) is None
    told = reason_of(world, job)
    assert told is not None
    assert told.code is WhyCode.PAUSED
    assert told.sentence.startswith("your organization is paused since ")
    assert told.sentence.endswith("by acme@example.org: release week")
    resume(world, made.id)
    assert pick(world) == [job.id]


def test_a_paused_repository_starts_nothing_and_its_neighbours_go_on(world: World) -> None:
    worker(world)
    neighbour = uuid4()
    with world.transaction() as transaction:
        transaction.insert(
            "repositories",
            {
                "id": neighbour, "organization": world.principal.organization, "name": "neighbour",
                "url": "https://x/y",
            },
        )  # fmt: skip
    job, other = world.submit(branch="a"), world.submit(branch="a", repository=neighbour)
    pause(world, world.repository)
    assert pick(world) == [other.id]
    assert world.claim(job) is None
    assert code(world, job) is WhyCode.PAUSED


def test_a_paused_target_holds_its_own_jobs_and_nobody_behind_them(world: World) -> None:
    worker(world)
    held = world.submit(branch="same", target="release", concurrency=Concurrency(group="g"))
    behind = world.submit(branch="same", target="main")  # writes the same branch
    grouped = world.submit(branch="c", target="main", concurrency=Concurrency(group="g"))
    pause(world, world.repository, "release")
    assert pick(world) == [behind.id, grouped.id]
    assert world.claim(held) is None
    assert world.claim(behind) is not None


def test_what_runs_goes_on_when_its_queue_is_paused(world: World) -> None:
    job = world.claim(world.submit(branch="a"))
    assert job is not None
    pause(world)
    assert code(world, job) is None
    end(world)
    assert world.job(job).final


def test_a_job_that_was_rung_before_the_pause_is_not_claimed_after_it(world: World) -> None:
    worker(world)
    job = world.submit(branch="a")
    assert pick(world) == [job.id]
    made = pause(world)
    assert world.claim(job) is None
    assert world.value("SELECT rung_at FROM jobs") is None  # its slot is another's
    resume(world, made.id)
    assert pick(world) == [job.id]


def test_a_pause_and_its_end_are_told_to_those_who_wait(world: World) -> None:
    heard: list[UUID] = []
    teller = Teller(publish=lambda job, _seq: heard.append(job), rouse=lambda _job, _seq, _word: None)
    world = replace(world, door=replace(world.door, teller=teller))
    held, free = world.submit(branch="a", target="release"), world.submit(branch="b")
    wide, narrow = pause(world, world.repository), pause(world, world.repository, "release")
    assert world.kinds(held)[2:] == ["job.waits"]  # the second pause changes nothing for it
    resume(world, wide.id)
    assert world.kinds(held)[2:] == ["job.waits"]  # one still holds it
    assert world.kinds(free)[2:] == ["job.waits", "job.waits"]
    resume(world, narrow.id)
    told = "SELECT count(*) FROM job_events WHERE kind = 'job.waits' AND data ->> 'sentence' <> '' AND data ->> 'changes' <> ''"
    assert world.value(told) == 4
    codes = "SELECT data ->> 'code' FROM job_events WHERE kind = 'job.waits' AND job = %(job)s ORDER BY seq"
    assert world.column(codes, job=held.id) == ["paused", "position"]
    assert sorted(heard) == sorted([held.id, free.id, free.id, held.id])
    actions = "SELECT action FROM audit_logs WHERE resource = 'pause' ORDER BY at, id"
    assert world.column(actions) == ["pause.create", "pause.create", "pause.delete", "pause.delete"]


def test_the_relay_looks_at_once_when_a_pause_ends_and_when_one_begins(world: World) -> None:
    """Also with nothing to tell: of those who wait, others may be told of at this moment, or none be known to wait."""
    looks: list[int] = []

    def woken() -> None:
        looks.append(world.value("SELECT count(*) FROM pauses"))  # what the relay would find

    world = replace(world, door=replace(world.door, teller=Teller(wake=woken)))
    made = pause(world, world.repository, "release")  # who stands behind its jobs may run
    resume(world, made.id)
    assert looks == [1, 0]
    with pytest.raises(FlowForgeError):
        resume(world, made.id)
    assert looks == [1, 0]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"reason": "  "}, Reason.INVALID_REQUEST),
        ({"target": "main"}, Reason.INVALID_REQUEST),
        ({"repository": uuid4()}, Reason.NOT_FOUND),
        ({"repository": "own", "target": "--exec=x"}, Reason.INVALID_REF),
    ],
)
def test_a_pause_that_means_nothing_is_refused(
    world: World, asked: dict[str, object], reason: Reason
) -> None:
    wanted = {**asked, **({"repository": world.repository} if asked.get("repository") == "own" else {})}
    with pytest.raises(FlowForgeError) as refused:
        pause(world, **wanted)  # type: ignore[arg-type]  # a test's own
    assert refused.value.reason is reason
    assert refused.value.next_action
    assert world.value("SELECT count(*) FROM pauses") == 0


@pytest.mark.parametrize("what", ["organization", "repository", "target"])
def test_what_is_paused_is_not_paused_again(world: World, what: str) -> None:
    asked = {
        "organization": {},
        "repository": {"repository": world.repository},
        "target": {"repository": world.repository, "target": "main"},
    }[what]
    made = pause(world, **asked)  # type: ignore[arg-type]
    with pytest.raises(FlowForgeError) as refused:
        pause(world, **asked, reason="another")  # type: ignore[arg-type]
    assert refused.value.reason is Reason.CONFLICT_OF_STATE
    assert "release week" in refused.value.sentence
    assert world.column("SELECT id FROM pauses") == [made.id]


def test_what_is_not_paused_cannot_be_resumed(world: World) -> None:
    made = pause(world)
    other = world.organization("other")
    elsewhere = replace(other, principal=replace(other.principal, role=Role.MAINTAINER))
    for where, identity in ((world, uuid4()), (elsewhere, made.id)):
        with pytest.raises(FlowForgeError) as refused:
            resume(where, identity)
        assert refused.value.reason is Reason.NOT_FOUND
    assert world.value("SELECT count(*) FROM pauses") == 1
    resume(world, made.id)
    with pytest.raises(FlowForgeError) as refused:
        resume(world, made.id)
    assert refused.value.reason is Reason.NOT_FOUND


def test_one_of_many_who_pause_at_once_wins(world: World) -> None:
    def attempt() -> object:
        try:
            return pause(world, world.repository).id
        except FlowForgeError as refused:
            return refused.reason

    answers = world.at_once(attempt, threads=6, times=18)
    assert answers.count(Reason.CONFLICT_OF_STATE) == 17
    assert world.value("SELECT count(*) FROM pauses") == 1


@pytest.mark.parametrize(
    "changes", [{"role": Role.USER}, {"scopes": frozenset({Operation.READ, Operation.CONTROL})}]
)
def test_pausing_needs_a_maintainer_and_the_scope(world: World, changes: dict[str, object]) -> None:
    weak = replace(world, principal=replace(world.principal, **changes))  # type: ignore[arg-type]
    for attempt in (lambda: pause(weak), lambda: resume(weak, uuid4())):
        with pytest.raises(FlowForgeError) as refused:
            attempt()
        assert refused.value.reason is Reason.NOT_ALLOWED


# ------------------------------------------------------------------------------------------ why a job waits


def test_every_waiting_job_says_why(world: World) -> None:
    first = world.submit(branch="a")
    assert code(world, first) is WhyCode.NO_WORKER
    worker(world, 1)
    second, third = world.submit(branch="b"), world.submit(branch="a")
    assert code(world, second) is WhyCode.POSITION
    assert code(world, third) is WhyCode.REF_BUSY
    assert pick(world) == [first.id]
    assert code(world, first) is WhyCode.STARTING
    claimed = world.claim(first)
    assert claimed is not None
    assert code(world, first) is None
    told = reason_of(world, third)
    assert told is not None
    assert str(first.id) in told.sentence
    world.run("UPDATE jobs SET run_after = now() + interval '1 hour' WHERE id = %(id)s", id=second.id)
    assert code(world, second) is WhyCode.DELAYED
    world.run("UPDATE organizations SET settings = '{\"max_running\": 1}'")
    assert code(world, world.submit(branch="d")) is WhyCode.CAPPED
    world.run("UPDATE jobs SET lease_until = now() - interval '1 s' WHERE state = 'running'")
    assert code(world, first) is WhyCode.LEASE_LOST
    world.run("UPDATE jobs SET state = 'queued', reason = 'lease_expired' WHERE state = 'running'")
    world.run("UPDATE organizations SET settings = '{}'")
    assert code(world, first) is WhyCode.LEASE_LOST
    world.cancel(first)
    assert code(world, first) is None


def test_a_member_of_a_group_names_the_one_before_it(world: World) -> None:
    worker(world)
    first, second = (world.submit(branch=branch, concurrency=Concurrency(group="g")) for branch in "ab")
    told = reason_of(world, second)
    assert told is not None
    assert (told.code, told.sentence) == (
        WhyCode.GROUP_BUSY,
        f"job {first.id} comes first in its concurrency group 'g'",
    )
    world.claim(first)
    told = reason_of(world, second)
    assert told is not None
    assert told.sentence == f"job {first.id} runs in its concurrency group 'g'"


def history(world: World, *minutes: int) -> None:
    """Ended jobs of the repository that took so long."""
    for number, taken in enumerate(minutes):
        job = world.submit(branch=f"past{number}")
        world.claim(job)
        end(world)
        world.run(
            "UPDATE jobs SET started_at = completed_at - make_interval(mins => %(taken)s) WHERE id = %(id)s",
            taken=taken,
            id=job.id,
        )


def test_a_start_is_estimated_from_the_repositorys_own_history(world: World) -> None:
    worker(world, 1)
    first = world.submit(branch="a")
    told = reason_of(world, first)
    assert told is not None
    assert told.estimated_start is None  # no history, no promise
    world.cancel(first)
    history(world, 1, 10, 60)
    running = world.claim(world.submit(branch="b"))
    assert running is not None
    behind, next_ = world.submit(branch="b"), world.submit(branch="c")
    for job, expected in (
        (behind, 10),
        (next_, 20),
    ):  # one waits for the other's end; one for two ends of one slot
        told = reason_of(world, job)
        assert told is not None
        assert told.estimated_start is not None
        wait = told.estimated_start - datetime.now(UTC)
        assert timedelta(minutes=expected - 2) < wait < timedelta(minutes=expected + 2)


def test_the_queue_is_one_value(world: World) -> None:
    worker(world, 3)
    world.organization("other").submit(branch="a", priority=9)
    for branch, priority in (("low", 0), ("normal", 5), ("high", 9), ("last", 0)):
        world.submit(branch=branch, priority=priority)
    made = pause(world, world.repository)
    with world.transaction() as transaction:
        seen = queue.look(transaction, world.principal.organization, limit=3)
    counted = seen.overview
    assert (counted.high, counted.normal, counted.low, counted.running) == (1, 1, 2, 0)
    assert (counted.slots, counted.workers, counted.cap) == (3, 1, 50)
    assert counted.oldest is not None
    assert [job.branch for job in seen.following] == ["high", "normal", "low"]
    assert {told.code for told in seen.whys.values()} == {WhyCode.PAUSED}
    assert [paused.id for paused in seen.pauses] == [made.id]
