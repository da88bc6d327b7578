"""The triggers over `jobs` against `core.job.TABLE`."""

import itertools
import uuid
from collections.abc import Mapping

import pytest

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.core.job import FINAL, TABLE, Event, State
from flowforge.store.scope import Actor, Scope
from flowforge.store.transaction import Transaction
from tests.conftest import TestDatabase

SYSTEM = Scope.system()
ENDED = {"result": "error", "reason": "internal_error"}
WAY: Mapping[State, tuple[State, ...]] = {  # how a job gets into each state
    State.PENDING: (),
    State.QUEUED: (State.QUEUED,),
    State.RUNNING: (State.QUEUED, State.RUNNING),
    State.WAITING: (State.QUEUED, State.RUNNING, State.WAITING),
    State.SUCCESS: (State.QUEUED, State.RUNNING, State.SUCCESS),
    State.FAILED: (State.FAILED,),
    State.CANCELLED: (State.CANCELLED,),
    State.SUPERSEDED: (State.SUPERSEDED,),
}
ORGANIZATION, REPOSITORY = uuid.uuid4(), uuid.uuid4()


def prepare(tx: Transaction) -> None:
    tx.insert("organizations", {"id": ORGANIZATION, "name": "One", "slug": "one"})
    tx.insert(
        "repositories", {"id": REPOSITORY, "organization": ORGANIZATION, "name": "r", "url": "https://x/r"}
    )


def new_job(tx: Transaction, state: State = State.PENDING, ref_key: str = "") -> uuid.UUID:
    job = uuid.uuid4()
    row = {"id": job, "organization": ORGANIZATION, "repository": REPOSITORY, "branch": "b", "target": "main"}
    tx.insert("jobs", {**row, "task": "rebase", "ref_key": ref_key})
    for step in WAY[state]:
        move(tx, job, step)
    return job


def move(tx: Transaction, job: uuid.UUID, state: State, **extra: object) -> None:
    parts = ["state = %(state)s"]
    if state is State.RUNNING:
        parts.append("fence = fence + 1, attempts = attempts + 1, owner = 'w', lease_until = now() + '15 s'")
    if state in FINAL:
        parts.append("result = %(result)s, reason = %(reason)s")
    parts += [f"{name} = %({name})s" for name in extra]
    sql = f"UPDATE jobs SET {', '.join(parts)} WHERE id = %(job)s"  # noqa: S608 (names of this test)
    tx.run(sql, job=job, state=state, **ENDED, **extra)


@pytest.mark.parametrize("before", list(State))
def test_the_database_moves_exactly_as_the_table_says(database: TestDatabase, before: State) -> None:
    legal = {after for (state, _), after in TABLE.items() if state is before}
    with database.system.transaction(SYSTEM) as tx:
        prepare(tx)
        for after in set(State) - {before}:
            job = new_job(tx, before)
            if after in legal:
                move(tx, job, after)
                continue
            with pytest.raises(Refused, match=f"{before} cannot become {after}") as caught, tx.savepoint():
                move(tx, job, after)
            assert caught.value.reason is Reason.CONFLICT_OF_STATE


def test_each_pair_of_states_has_one_event() -> None:
    pairs = [(before, after) for (before, _), after in TABLE.items()]
    assert len(pairs) == len(set(pairs)), "a trigger sees states only and must name the event from them"


def test_every_move_writes_its_event_and_its_audit_row(database: TestDatabase) -> None:
    actor = Actor(kind="worker", request_id="r-1", address="10.0.0.1", user=None)
    with database.system.transaction(SYSTEM, actor=actor) as tx:
        prepare(tx)
        job = new_job(tx, State.SUCCESS)
        events = tx.rows("SELECT seq, kind, data FROM job_events WHERE job = %(job)s ORDER BY seq", job=job)
        audit = tx.rows("SELECT * FROM audit_logs WHERE resource_id = %(job)s ORDER BY id", job=str(job))
    names = ["job.submit", "job.validate_ok", "job.claim", "job.succeed"]
    assert [(event["seq"], event["kind"]) for event in events] == list(enumerate(names, start=1))
    assert events[-1]["data"]["reason"] == "internal_error"
    assert [row["action"] for row in audit] == names
    assert {(row["actor"], row["request_id"], row["address"]) for row in audit} == {
        ("worker", "r-1", "10.0.0.1")
    }


def test_the_database_sets_the_times(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        prepare(tx)
        row = tx.row("SELECT * FROM jobs WHERE id = %(id)s", id=new_job(tx, State.SUCCESS))
        cancelled = tx.row("SELECT * FROM jobs WHERE id = %(id)s", id=new_job(tx, State.CANCELLED))
    assert row is not None
    assert cancelled is not None
    assert all(row[name] for name in ("queued_at", "started_at", "completed_at"))
    assert (row["lease_until"], row["rung_at"], row["cancelled_at"]) == (None, None, None)
    assert cancelled["cancelled_at"]


@pytest.mark.parametrize(
    ("sql", "state"),
    [
        ("UPDATE jobs SET state = 'running'", State.QUEUED),  # without a fence
        ("UPDATE jobs SET attempts = attempts + 1", State.RUNNING),  # outside a claim
        ("UPDATE jobs SET fence = fence + 1", State.RUNNING),
        ("UPDATE jobs SET state = 'success'", State.RUNNING),  # without a result
        ("UPDATE jobs SET state = 'queued', attempts = attempts - 2", State.RUNNING),
        ("UPDATE jobs SET state = 'queued', fence = fence + 1", State.RUNNING),
        ("UPDATE jobs SET last_seq = last_seq - 1", State.RUNNING),
        ("UPDATE jobs SET id = gen_random_uuid()", State.PENDING),
    ],
)
def test_a_job_that_would_tell_lies_is_refused(database: TestDatabase, sql: str, state: State) -> None:
    with database.system.transaction(SYSTEM) as tx:
        prepare(tx)
        new_job(tx, state)
        with pytest.raises(Refused), tx.savepoint():
            tx.run(sql)


@pytest.mark.parametrize("back", [0, 1])
def test_handing_back_may_give_the_attempt_back(database: TestDatabase, back: int) -> None:
    with database.system.transaction(SYSTEM) as tx:
        prepare(tx)
        job = new_job(tx, State.RUNNING)
        move(tx, job, State.QUEUED, attempts=1 - back)
        row = tx.row("SELECT attempts, owner, fence FROM jobs")
    assert row == {"attempts": 1 - back, "owner": "", "fence": 1}


def test_a_lower_fence_is_a_lost_lease(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        prepare(tx)
        new_job(tx, State.RUNNING)
        with pytest.raises(Broken) as caught, tx.savepoint():
            tx.run("UPDATE jobs SET fence = 0")
    assert caught.value.reason is Reason.LEASE_LOST


def test_a_job_begins_as_pending(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        prepare(tx)
        row = {"id": uuid.uuid4(), "organization": ORGANIZATION, "repository": REPOSITORY, "branch": "b"}
        with pytest.raises(Refused, match="begins as pending"):
            tx.insert("jobs", {**row, "target": "t", "task": "rebase", "state": "queued"})


FENCED = {
    "stage_runs": {"stage": "clone", "attempt": 1},
    "push_intents": {"attempt": 1, "repository": REPOSITORY, "ref": "r", "old_sha": "a", "new_sha": "b"},
    "job_executions": {"attempt": 1, "worker": "w"},
}


@pytest.mark.parametrize(("table", "offset"), list(itertools.product(FENCED, (-1, 1))))
def test_a_past_owner_writes_no_row_of_its_job(database: TestDatabase, table: str, offset: int) -> None:
    with database.system.transaction(SYSTEM) as tx:
        prepare(tx)
        job = new_job(tx, State.RUNNING)
        row = {"organization": ORGANIZATION, "job": job, **FENCED[table]}
        tx.insert(table, {**row, "fence": 1})
        with pytest.raises(Broken) as caught, tx.savepoint():
            tx.insert(table, {**row, "attempt": 2, "fence": 1 + offset})
        assert caught.value.reason is Reason.LEASE_LOST
        move(tx, job, State.QUEUED)
        move(tx, job, State.RUNNING)
        with pytest.raises(Broken), tx.savepoint():
            tx.run(f"UPDATE {table} SET attempt = attempt")  # noqa: S608 (names of this test)


def test_only_one_running_job_writes_a_ref(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        prepare(tx)
        new_job(tx, State.RUNNING, ref_key="refs/heads/b")
        other = new_job(tx, State.QUEUED, ref_key="refs/heads/b")
        with pytest.raises(Refused, match="jobs_one_writer"), tx.savepoint():
            move(tx, other, State.RUNNING)
        new_job(tx, State.RUNNING)
        new_job(tx, State.RUNNING)  # they write no ref


def test_the_events_of_the_table_are_all_there() -> None:
    assert {event for _, event in TABLE} == set(Event)
