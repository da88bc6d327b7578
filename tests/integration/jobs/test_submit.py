"""Submitting, reading and cancelling against a real Postgres: what a 2xx promises."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from flowforge.core.access import Operation, Principal, Role
from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.core.job import Job, JobRequest, State
from flowforge.jobs import read
from flowforge.jobs.cancel import cancel
from flowforge.jobs.submit import Door, submit
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def test_a_submitted_job_is_durable_queued_and_told(world: World) -> None:
    job = world.submit(branch="feature", target="main")
    assert (job.state, job.priority, job.attempts, job.fence) == (State.QUEUED, 5, 0, 0)
    assert world.value("SELECT count(*) FROM outbox WHERE job = %(job)s AND kind = 'report'", job=job.id) == 1
    assert world.kinds(job) == ["job.submit", "job.validate_ok"]
    actions = world.column(
        "SELECT action FROM audit_logs WHERE resource_id = %(job)s ORDER BY at, id", job=str(job.id)
    )
    assert actions == ["job.submit", "job.validate_ok"]


def test_a_refused_submit_leaves_nothing_behind(world: World) -> None:
    with pytest.raises(Refused):
        world.submit(branch="main", target="main")
    assert world.value("SELECT count(*) FROM jobs") == 0
    assert world.value("SELECT count(*) FROM outbox") == 0


def test_the_default_branch_is_the_target_where_none_is_named(world: World) -> None:
    assert world.submit(branch="feature", target="").target == "main"


def _switched_off(world: World) -> None:
    world.run("UPDATE repositories SET is_active = false")


@pytest.mark.parametrize(
    ("request_", "before", "reason"),
    [
        ({"branch": "main", "target": "main"}, None, Reason.BRANCH_IS_TARGET),
        ({"branch": "--exec=touch x"}, None, Reason.INVALID_REF),
        ({"branch": "b", "target": "$(id)\0"}, None, Reason.INVALID_REF),
        ({"branch": "b", "priority": 10}, None, Reason.INVALID_REQUEST),
        ({"branch": "b", "priority": -1}, None, Reason.INVALID_REQUEST),
        ({"branch": "b", "repository": uuid4()}, None, Reason.NOT_FOUND),
        ({"branch": "b", "environment": {"GIT_DIR": "x"}}, None, Reason.INVALID_REQUEST),
        ({"branch": "b", "environment": {"https_proxy": "x"}}, None, Reason.INVALID_REQUEST),
        ({"branch": "b", "environment": {"a b": "x"}}, None, Reason.INVALID_REQUEST),
        ({"branch": "b", "environment": {"A": "x\0"}}, None, Reason.INVALID_REQUEST),
        ({"branch": "b"}, _switched_off, Reason.CONFLICT_OF_STATE),
    ],
)
def test_a_request_that_cannot_be_run_is_refused_with_its_reason(
    world: World, request_: dict[str, object], before: Callable[[World], None] | None, reason: Reason
) -> None:
    if before is not None:
        before(world)
    with pytest.raises(FlowForgeError) as refused:
        world.submit(**request_)
    assert refused.value.reason is reason
    assert refused.value.next_action
    assert world.value("SELECT count(*) FROM jobs") == 0


def test_the_same_key_with_the_same_request_is_the_same_job(world: World) -> None:
    first = world.submit(branch="feature", idempotency_key="k")
    again = world.submit(branch="feature", idempotency_key="k")
    assert again.id == first.id
    assert world.value("SELECT count(*) FROM jobs") == 1
    assert world.value("SELECT count(*) FROM outbox") == 1


def test_the_same_key_with_another_request_is_refused(world: World) -> None:
    world.submit(branch="feature", idempotency_key="k")
    with pytest.raises(Refused, match="used before with another request"):
        world.submit(branch="other", idempotency_key="k")


def test_a_key_belongs_to_its_organization(world: World) -> None:
    other = world.organization("other")
    mine = world.submit(branch="feature", idempotency_key="k")
    theirs = other.submit(branch="feature", idempotency_key="k")
    assert mine.id != theirs.id


def test_a_thousand_submits_with_one_key_at_once_make_one_job(world: World) -> None:
    jobs = world.at_once(lambda: world.submit(branch="feature", idempotency_key="k").id, threads=10, times=20)
    assert len(set(jobs)) == 1
    assert world.value("SELECT count(*) FROM jobs") == 1


def test_a_token_without_the_scope_may_not_submit(world: World) -> None:
    reader = Principal(
        organization=world.principal.organization,
        user=None,
        role=Role.ADMIN,
        scopes=frozenset({Operation.READ}),
    )
    with pytest.raises(Refused, match="may not submit"), world.transaction() as transaction:
        submit(
            transaction,
            reader,
            JobRequest(repository=world.repository, branch="b", target="main"),
            world.door,
        )


def test_another_organizations_job_is_as_unknown_as_none(world: World) -> None:
    job = world.submit(branch="feature")
    other = world.organization("other")
    for identity in (job.id, uuid4()):
        with pytest.raises(Refused, match="there is no job"), other.transaction() as transaction:
            read.get(transaction, identity)


def test_pages_hold_every_job_once_newest_first(world: World) -> None:
    made = [world.submit(branch=f"b{number}").id for number in range(7)]
    seen: list[UUID] = []
    cursor = ""
    for _ in range(10):
        with world.transaction() as transaction:
            page = read.page(transaction, limit=3, cursor=cursor)
        seen += [job.id for job in page.jobs]
        cursor = page.cursor
        if not cursor:
            break
    assert seen == made[::-1]


def test_pages_can_be_of_one_branch_and_state(world: World) -> None:
    wanted = world.submit(branch="a")
    world.submit(branch="b")
    with world.transaction() as transaction:
        assert [j.id for j in read.page(transaction, limit=9, branch="a").jobs] == [wanted.id]
        assert read.page(transaction, limit=9, state=State.RUNNING).jobs == ()


@pytest.mark.parametrize("cursor", ["x", "AAAA", "\N{SNOWMAN}", "MjAyMCB4"])
def test_a_cursor_that_no_page_gave_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(Refused, match="no cursor"), world.transaction() as transaction:
        read.page(transaction, limit=3, cursor=cursor)


def test_a_queued_job_is_cancelled_at_once_and_only_once(world: World) -> None:
    job = world.submit(branch="feature")
    first, again = world.cancel(job), world.cancel(job)
    assert first.state is again.state is State.CANCELLED
    assert first.ending is not None
    assert first.ending.reason is Reason.CANCELLED
    assert world.kinds(job)[-1] == "job.cancel"
    assert world.kinds(job).count("job.cancel") == 1


def test_an_unknown_job_cannot_be_cancelled(world: World) -> None:
    with pytest.raises(Refused, match="there is no job"), world.transaction() as transaction:
        cancel(transaction, world.principal, uuid4())


def test_events_go_on_strictly_after_what_was_seen(world: World) -> None:
    job = world.submit(branch="feature")
    with world.transaction() as transaction:
        everything = read.events(transaction, job.id)
        rest = read.events(transaction, job.id, after=everything[0].seq)
        future = read.events(transaction, job.id, after=10**9)
    assert [event.kind for event in everything] == ["job.submit", "job.validate_ok"]
    assert rest == everything[1:]
    assert future == []


def test_a_log_beyond_its_end_is_empty_and_no_error(world: World) -> None:
    job = world.submit(branch="feature")
    with world.transaction() as transaction:
        page = read.log(transaction, job.id, offset=10**6)
    assert (page.text, page.next_offset, page.complete) == (b"", 10**6, False)


def test_a_door_needs_only_ids_and_a_check(world: World) -> None:
    door = Door(new_id=uuid4, check_ref=lambda name: name)
    with world.database.app.transaction(Scope.organization(world.principal.organization)) as transaction:
        job: Job = submit(
            transaction,
            world.principal,
            JobRequest(repository=world.repository, branch="b", target="main"),
            door,
        )
    assert job.state is State.QUEUED
