"""Schedules on a real Postgres: kept, started once by however many relays, and never a burden to one another."""

import multiprocessing
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from flowforge.core.access import Operation, Principal, Role
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import State
from flowforge.jobs import due as starting
from flowforge.jobs import schedules
from flowforge.jobs.due import Starter, key_of, start_next
from flowforge.jobs.relay import Relay
from flowforge.jobs.schedules import Changes, Wanted
from flowforge.jobs.submit import Door
from flowforge.store import schedules as table
from flowforge.store.database import Database
from flowforge.store.schedules import Schedule
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.jobs.test_relay import Rings, worker
from tests.integration.jobs.world import World, check_ref, make_world

pytestmark = pytest.mark.services

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(database: TestDatabase) -> World:
    return keeper(make_world(database))


def keeper(world: World) -> World:
    """The same, with a user who may keep schedules."""
    world.run("UPDATE users SET role = 'maintainer' WHERE id = %(id)s", id=world.principal.user)
    return replace(world, principal=replace(world.principal, role=Role.MAINTAINER))


def wanted(world: World, **changes: Any) -> Wanted:
    standing = {"repository": world.repository, "name": "nightly", "branch": "feature", "cron": "0 5 * * *"}
    return Wanted(**{**standing, **changes})


def add(world: World, **changes: Any) -> Schedule:
    with world.transaction() as transaction:
        return schedules.add(transaction, world.principal, wanted(world, **changes), world.door)


def change(world: World, schedule: Schedule, **changes: Any) -> Schedule:
    with world.transaction() as transaction:
        return schedules.change(transaction, world.principal, schedule.id, Changes(**changes), world.door)


def now(world: World) -> datetime:
    moment: datetime = world.value("SELECT now()")
    return moment


def make_due(world: World, schedule: Schedule, ago: timedelta = MINUTE) -> datetime:
    """As if its time had been `ago`; full minutes, as cron has them."""
    sql = "UPDATE schedules SET next_at = date_trunc('minute', now()) - %(ago)s WHERE id = %(id)s RETURNING next_at"
    moment: datetime = world.value(sql, id=schedule.id, ago=ago)
    return moment


def shown(world: World, schedule: Schedule) -> Schedule:
    with world.everywhere() as transaction:
        found = table.get(transaction, schedule.id)
    assert found is not None
    return found


def start(world: World) -> int:
    return starter(world)()


def starter(world: World, **more: Any) -> Starter:
    return Starter(database=world.database.system, door=world.door, **more)


def jobs(world: World) -> list[object]:
    return world.column("SELECT id FROM jobs WHERE trigger = 'schedule' ORDER BY created_at, id")


# -------------------------------------------------------------------------------------------------- started once


def test_a_time_that_came_is_a_job_as_the_schedule_describes_it(world: World) -> None:
    schedule = add(world, task="rebase", priority=8, environment={"A": "b"}, max_attempts=2)
    due = make_due(world, schedule)
    assert start(world) == 1
    after = shown(world, schedule)
    assert after.last_job is not None
    job = world.job(after.last_job)
    assert (job.branch, job.target, job.task, job.priority) == ("feature", "main", "rebase", 8)
    assert (job.environment, job.max_attempts, job.user) == ({"A": "b"}, 2, world.principal.user)
    assert (job.state, job.trigger, job.organization) == (
        State.QUEUED,
        "schedule",
        world.principal.organization,
    )
    assert (after.last_due_at, after.last_error) == (due, "")
    assert after.next_at is not None
    assert after.next_at > now(world)
    assert (after.next_at.hour, after.next_at.minute) == (5, 0)
    key = world.value("SELECT idempotency_key FROM jobs WHERE id = %(id)s", id=job.id)
    assert key == key_of(schedule.id, due)
    assert start(world) == 0


def test_a_time_to_come_starts_nothing(world: World) -> None:
    add(world)
    assert start(world) == 0
    assert jobs(world) == []


def test_times_that_were_missed_run_once(world: World) -> None:
    schedule = add(world, cron="* * * * *")
    make_due(world, schedule, timedelta(days=3))
    before = now(world)
    assert start(world) == 1
    assert len(jobs(world)) == 1
    next_at = shown(world, schedule).next_at
    assert next_at is not None
    assert next_at > before


def test_threads_of_relays_start_each_time_once(world: World) -> None:
    kept = [add(world, name=f"s{number}", branch=f"b{number}") for number in range(20)]
    for schedule in kept:
        make_due(world, schedule)
    acted = world.at_once(lambda: start(world), threads=6, times=12)
    assert sum(acted) == len(kept)
    assert len(jobs(world)) == len(kept)
    assert {shown(world, schedule).last_job for schedule in kept} == set(jobs(world))


def relay_of_its_own(url: str, gate: Any, said: Any) -> None:
    """A relay's step in a process with connections of its own."""
    database = Database(url, connections=2)
    gate.wait(60)
    said.put(Starter(database=database, door=Door(new_id=uuid4, check_ref=check_ref))())
    database.close()


def test_processes_of_relays_start_each_time_once(world: World) -> None:
    kept = [add(world, name=f"s{number}", branch=f"b{number}") for number in range(12)]
    for schedule in kept:
        make_due(world, schedule)
    context = multiprocessing.get_context("spawn")
    gate, said = context.Barrier(3), context.Queue()
    relays = [
        context.Process(target=relay_of_its_own, args=(world.database.urls.system, gate, said))
        for _ in range(3)
    ]
    for relay in relays:
        relay.start()
    acted = [said.get(timeout=60) for _ in relays]
    for relay in relays:
        relay.join(60)
    assert sum(acted) == len(kept)
    assert len(jobs(world)) == len(kept)


def test_a_relay_that_dies_before_its_commit_has_done_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = add(world)
    due = make_due(world, schedule)

    class Died(BaseException):
        """As a process that is killed: no handler of ours runs."""

    def die(_name: str) -> None:
        raise Died

    monkeypatch.setattr(starting, "failpoint", die)
    with pytest.raises(Died):
        start_next(world.database.system, world.door)
    assert jobs(world) == []
    assert shown(world, schedule).next_at == due
    monkeypatch.undo()
    assert start(world) == 1
    assert len(jobs(world)) == 1


def test_a_time_whose_commit_was_done_unheard_is_not_done_again(world: World) -> None:
    """The answer to COMMIT was lost and the row set back: the key finds the job that is there."""
    schedule = add(world)
    due = make_due(world, schedule)
    start(world)
    world.run(
        "UPDATE jobs SET state = 'cancelled', result = 'cancellation', reason = 'cancelled' WHERE state = 'queued'"
    )
    world.run("UPDATE schedules SET next_at = %(due)s", due=due)
    start(world)
    assert len(jobs(world)) == 1
    assert shown(world, schedule).last_error == ""


def test_the_relay_rings_for_it_in_the_same_step(world: World) -> None:
    worker(world, 2)
    schedule = add(world)
    make_due(world, schedule)
    bell = Rings()
    relay = Relay(
        database=world.database.system, bell=bell, wait=lambda _seconds: None, first=(starter(world),)
    )
    relay.step()
    assert bell.heard == jobs(world)


def test_more_than_a_look_takes_is_taken_by_the_next(world: World) -> None:
    for number in range(5):
        make_due(world, add(world, name=f"s{number}", branch=f"b{number}"))
    some = starter(world, most=2)
    assert [some() for _ in range(4)] == [2, 2, 1, 0]


def test_between_the_minutes_nothing_is_asked(world: World) -> None:
    clock = [1000.0]
    looking = starter(world, clock=lambda: clock[0])
    looking()
    schedule = add(world)
    make_due(world, schedule)
    assert looking() == 0
    clock[0] += 60.0
    assert looking() == 1


def test_a_database_that_is_away_leaves_it_due() -> None:
    nowhere = Starter(
        database=Database("postgresql://nobody@127.0.0.1:1/none"),
        door=Door(new_id=uuid4, check_ref=check_ref),
    )
    for _ in range(2):
        with pytest.raises(Temporary):
            nowhere()


# ------------------------------------------------------------------------------------------ what is refused is said


def test_a_repository_that_is_switched_off_is_said_and_the_next_time_comes(world: World) -> None:
    schedule = add(world)
    make_due(world, schedule)
    world.run("UPDATE repositories SET is_active = false")
    assert start(world) == 1
    after = shown(world, schedule)
    assert jobs(world) == []
    assert after.last_reason == Reason.CONFLICT_OF_STATE
    assert "is switched off; switch it on" in after.last_error
    assert after.is_active
    assert after.next_at is not None
    world.run("UPDATE repositories SET is_active = true")
    make_due(world, schedule)
    start(world)
    after = shown(world, schedule)
    assert (after.last_reason, after.last_error) == ("", "")
    assert len(jobs(world)) == 1


def test_a_group_that_rejects_a_second_job_is_said(world: World) -> None:
    world.run("""UPDATE repositories SET groups = '{"main": {"group": "target", "policy": "reject"}}'""")
    other = world.submit(branch="other")
    schedule = add(world)
    make_due(world, schedule)
    start(world)
    after = shown(world, schedule)
    assert (after.last_reason, jobs(world)) == (Reason.GROUP_BUSY, [])
    assert f"job {other.id} of the concurrency group" in after.last_error
    world.cancel(other)
    make_due(world, schedule, 2 * MINUTE)
    start(world)
    assert (shown(world, schedule).last_reason, len(jobs(world))) == ("", 1)


def test_who_may_not_submit_any_more_starts_nothing(world: World) -> None:
    schedule = add(world)
    for sql, words in (
        ("UPDATE users SET role = 'viewer'", "may not submit"),
        ("UPDATE users SET role = 'maintainer', is_active = false", "is switched off"),
    ):
        world.run(sql)
        make_due(world, schedule)
        start(world)
        after = shown(world, schedule)
        assert (after.last_reason, jobs(world)) == (Reason.NOT_ALLOWED, [])
        assert words in after.last_error
    other = uuid4()
    row = {"id": other, "organization": world.principal.organization, "email": "b@c", "role": "maintainer"}
    with world.everywhere() as transaction:
        transaction.insert("users", row)
    heir = replace(world, principal=replace(world.principal, user=other))
    assert change(heir, schedule, is_active=True).last_error == ""
    make_due(world, schedule)
    start(world)
    (job,) = jobs(world)
    assert isinstance(job, UUID)
    assert world.job(job).user == other


def test_while_its_last_job_still_waits_no_second_one_is_put_behind_it(world: World) -> None:
    schedule = add(world)
    make_due(world, schedule)
    start(world)
    first = shown(world, schedule).last_job
    make_due(world, schedule)
    start(world)
    after = shown(world, schedule)
    assert (len(jobs(world)), after.last_job) == (1, first)
    assert f"job {first} of an earlier time has not begun yet" in after.last_error
    assert first is not None
    world.claim(world.job(first))
    make_due(world, schedule, 2 * MINUTE)
    start(world)
    assert len(jobs(world)) == 2
    assert shown(world, schedule).last_error == ""


def test_a_bug_in_one_start_is_noted_and_the_others_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = add(world, name="bad", branch="bad"), add(world, name="good", branch="good")
    make_due(world, bad, 2 * MINUTE)
    make_due(world, good)
    real = starting.submit

    def submit(transaction: Any, principal: Any, request: Any, door: Any) -> Any:
        if request.branch == "bad":
            raise KeyError("x")
        return real(transaction, principal, request, door)

    monkeypatch.setattr(starting, "submit", submit)
    assert start(world) == 2
    assert shown(world, bad).last_reason == Reason.INTERNAL_ERROR
    assert "KeyError" in shown(world, bad).last_error
    assert shown(world, bad).next_at is not None
    assert shown(world, good).last_job is not None


def test_a_zone_that_this_machine_does_not_know_stops_that_schedule_only(world: World) -> None:
    lost, good = add(world, name="lost", branch="a"), add(world, name="good", branch="b")
    world.run("UPDATE schedules SET timezone = 'Mars/Base' WHERE id = %(id)s", id=lost.id)
    make_due(world, lost, 2 * MINUTE)
    make_due(world, good)
    start(world)
    after = shown(world, lost)
    assert (after.next_at, after.last_reason, after.is_active) == (None, Reason.UNKNOWN_TIMEZONE, True)
    assert shown(world, good).last_job is not None
    assert change(world, lost, timezone="UTC").next_at is not None


# -------------------------------------------------------------------------------------------------- kept by people


def refusal(world: World, **changes: Any) -> Reason:
    before = world.value("SELECT count(*) FROM schedules")
    with pytest.raises(Refused) as caught:
        add(world, **changes)
    assert world.value("SELECT count(*) FROM schedules") == before
    assert caught.value.next_action
    return caught.value.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cron": "0 0 30 2 *"}, Reason.NEVER_DUE),
        ({"cron": "* * * * * *"}, Reason.INVALID_SCHEDULE),
        ({"timezone": "Mars/Base"}, Reason.UNKNOWN_TIMEZONE),
        ({"priority": 17}, Reason.INVALID_REQUEST),
        ({"branch": "main"}, Reason.BRANCH_IS_TARGET),
        ({"branch": "--exec=x"}, Reason.INVALID_REF),
        ({"environment": {"PATH": "/x"}}, Reason.INVALID_REQUEST),
        ({"repository": UUID(int=7)}, Reason.NOT_FOUND),
    ],
)
def test_what_would_be_refused_when_it_is_due_is_refused_when_it_is_added(
    world: World, changes: dict[str, Any], reason: Reason
) -> None:
    assert refusal(world, **changes) is reason


def test_a_name_is_taken_once_in_an_organization(world: World) -> None:
    schedule = add(world)
    assert refusal(world) is Reason.CONFLICT_OF_STATE
    other = add(world, name="other")
    with pytest.raises(Refused, match="named 'nightly' already"):
        change(world, other, name="nightly")
    assert shown(world, other).name == "other"
    assert add(keeper(world.organization("else")), name="nightly").id != schedule.id


def test_an_organization_has_so_many_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "MOST", 2)
    add(world, name="one")
    add(world, name="two")
    assert refusal(world, name="three") is Reason.CONFLICT_OF_STATE


@pytest.mark.parametrize(
    "principal",
    [
        {"role": Role.USER},
        {"scopes": frozenset({Operation.CONFIGURE})},
        {"scopes": frozenset({Operation.SUBMIT})},
        {"user": None},
    ],
)
def test_who_may_not_submit_or_configure_keeps_no_schedule(world: World, principal: dict[str, Any]) -> None:
    stranger: Principal = replace(world.principal, **principal)
    assert refusal(replace(world, principal=stranger)) is Reason.NOT_ALLOWED


def test_a_paused_schedule_is_never_due_and_what_it_missed_is_not_made_up_for(world: World) -> None:
    schedule = add(world, cron="* * * * *")
    make_due(world, schedule)
    paused = change(world, schedule, is_active=False)
    assert (paused.is_active, paused.next_at) == (False, None)
    assert start(world) == 0
    assert change(world, schedule, is_active=False) == replace(
        paused, updated_at=shown(world, schedule).updated_at
    )
    resumed = change(world, schedule, is_active=True)
    assert resumed.next_at is not None
    assert resumed.next_at > now(world)
    assert start(world) == 0


def test_pausing_works_when_nothing_else_would(world: World) -> None:
    schedule = add(world)
    world.run("UPDATE repositories SET is_active = false")
    assert not change(world, schedule, is_active=False).is_active
    with pytest.raises(Refused, match="switched off"):
        change(world, schedule, is_active=True)
    assert not shown(world, schedule).is_active


def test_a_change_of_time_is_from_now_on_and_any_other_keeps_the_next_time(world: World) -> None:
    schedule = add(world)
    assert change(world, schedule, priority=9, branch="other").next_at == schedule.next_at
    moved = change(world, schedule, cron="30 6 * * *", timezone="Europe/Berlin")
    assert moved.next_at is not None
    assert moved.next_at.minute == 30
    assert (moved.branch, moved.priority) == ("other", 9)
    for wrong in ({"cron": "0 0 30 2 *"}, {"timezone": "x"}):
        with pytest.raises(Refused):
            change(world, schedule, **wrong)
        with pytest.raises(Refused):
            change(world, change(world, schedule, is_active=False), **wrong)
        change(world, schedule, is_active=True)
    assert shown(world, schedule).cron == "30 6 * * *"


def test_removing_leaves_the_jobs_and_the_trace(world: World) -> None:
    schedule = add(world)
    make_due(world, schedule)
    start(world)
    with world.transaction() as transaction:
        schedules.remove(transaction, schedule.id)
        with pytest.raises(Refused):
            schedules.get(transaction, schedule.id)
        with pytest.raises(Refused):
            schedules.remove(transaction, schedule.id)
    assert len(jobs(world)) == 1
    actions = world.column("SELECT action FROM audit_logs WHERE resource = 'schedule' ORDER BY id")
    assert actions == ["schedule.add", "schedule.remove"]


def test_another_organizations_schedule_is_unknown(world: World) -> None:
    schedule = add(world)
    stranger = keeper(world.organization("else"))
    with pytest.raises(Refused) as caught:
        change(stranger, schedule, is_active=False)
    assert caught.value.reason is Reason.NOT_FOUND
    with stranger.transaction() as transaction:
        assert table.page(transaction, limit=10) == []
    assert shown(world, schedule).is_active


def test_the_database_itself_has_no_schedule_that_is_paused_and_due(world: World) -> None:
    schedule = add(world)
    with pytest.raises(Refused), world.database.system.transaction(Scope.system()) as transaction:
        transaction.run("UPDATE schedules SET is_active = false WHERE id = %(id)s", id=schedule.id)
