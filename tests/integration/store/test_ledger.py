"""The ledger, above all with many callers at once."""

import threading
import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest

from flowforge.core.errors import Refused
from flowforge.core.spend import Usage
from flowforge.store import budgets, ledger
from flowforge.store.database import Database
from flowforge.store.ledger import Call, Spender
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction
from tests.conftest import TestDatabase

SYSTEM = Scope.system()
ONE = Decimal(1)
TOTALS = "SELECT coalesce(sum(spent_usd), 0) AS spent, coalesce(sum(reserved_usd), 0) AS reserved FROM budget_totals"


@pytest.fixture
def spender(database: TestDatabase) -> Spender:
    organization, user, repository, job = (uuid.uuid4() for _ in range(4))
    with database.system.transaction(SYSTEM) as tx:
        tx.insert("organizations", {"id": organization, "name": "o", "slug": "o"})
        tx.insert("users", {"id": user, "organization": organization, "email": "a@b", "role": "user"})
        row = {"organization": organization, "name": "r", "url": "https://x/r"}
        tx.insert("repositories", {**row, "id": repository})
        job_row = {"id": job, "organization": organization, "repository": repository, "branch": "b"}
        tx.insert("jobs", {**job_row, "target": "t", "task": "rebase"})
    return Spender(organization=organization, user=user, job=job)


def budget(tx: Transaction, amount: str, **of: uuid.UUID | None) -> None:
    budgets.set_budget(tx, id_=uuid.uuid4(), period="monthly", amount=Decimal(amount), **of)  # type: ignore[arg-type]


def totals(tx: Transaction, kind: str = "budget") -> tuple[Decimal, Decimal]:
    row = tx.row(f"{TOTALS} WHERE kind = %(kind)s", kind=kind)
    assert row is not None
    return row["spent"], row["reserved"]


def together(count: int, work: Callable[[], None]) -> None:
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        work()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_fifty_callers_at_once_never_overspend(database: TestDatabase, spender: Spender) -> None:
    door = Database(database.urls.system, connections=20, wait=60)
    with door.transaction(SYSTEM) as tx:
        budget(tx, "10", organization=spender.organization)
        budget(tx, "12")
        budget(tx, "11", organization=spender.organization, user=spender.user)
    granted: list[uuid.UUID] = []

    def ask() -> None:
        for _ in range(2):
            id_ = uuid.uuid4()
            with door.transaction(SYSTEM) as tx:
                full = ledger.reserve(tx, id_=id_, spender=spender, amount=ONE, job_limit=Decimal(30))
            if full is None:
                granted.append(id_)
                with door.transaction(SYSTEM) as tx:
                    ledger.settle(tx, id_, Decimal("0.9"))

    together(50, ask)
    with door.transaction(SYSTEM) as tx:
        rows = tx.rows("SELECT kind, spent_usd, reserved_usd FROM budget_totals")
    assert {(row["spent_usd"], row["reserved_usd"]) for row in rows} == {
        (len(granted) * Decimal("0.9"), Decimal(0))
    }
    assert len(rows) == 4
    assert 10 <= len(granted) <= 11, "0.9 spent each under a cap of 10, asked for at 1.0 each"
    door.close()


def test_what_one_cap_refuses_is_reserved_under_none(database: TestDatabase, spender: Spender) -> None:
    with database.system.transaction(SYSTEM) as tx:
        budget(tx, "10", organization=spender.organization)
        full = ledger.reserve(tx, id_=uuid.uuid4(), spender=spender, amount=ONE, job_limit=Decimal("0.5"))
        assert full is not None
        assert (full.name, full.limit, full.left) == ("job", Decimal("0.5"), Decimal("0.5"))
        assert totals(tx) == (0, 0)
        assert tx.value("SELECT count(*) FROM budget_reservations") == 0


def test_the_installation_s_cap_holds_for_every_organization(
    database: TestDatabase, spender: Spender
) -> None:
    with database.system.transaction(SYSTEM) as tx:
        budget(tx, "0.5")
        full = ledger.reserve(tx, id_=uuid.uuid4(), spender=spender, amount=ONE)
        assert full is not None
        assert (full.name, full.period) == ("installation", "monthly")


def test_without_a_budget_only_the_job_s_own_cap_holds(database: TestDatabase, spender: Spender) -> None:
    with database.system.transaction(SYSTEM) as tx:
        taken = [
            ledger.reserve(tx, id_=uuid.uuid4(), spender=spender, amount=ONE, job_limit=Decimal(3))
            for _ in range(4)
        ]
    assert [full is None for full in taken] == [True, True, True, False]


def test_the_calls_of_a_job_are_counted(database: TestDatabase, spender: Spender) -> None:
    with database.system.transaction(SYSTEM) as tx:
        ids = [uuid.uuid4() for _ in range(4)]
        limits = {"job_limit": Decimal(100), "job_calls": 2}
        taken = [ledger.reserve(tx, id_=i, spender=spender, amount=ONE, **limits) for i in ids[:3]]
        assert [full and full.name for full in taken] == [None, None, "calls of the job"]
        ledger.release(tx, ids[0])
        assert ledger.reserve(tx, id_=ids[3], spender=spender, amount=ONE, **limits) is None
        assert totals(tx, "job") == (0, 2)


def test_an_end_is_booked_once(database: TestDatabase, spender: Spender) -> None:
    id_ = uuid.uuid4()
    with database.system.transaction(SYSTEM) as tx:
        budget(tx, "10", organization=spender.organization)
        ledger.reserve(tx, id_=id_, spender=spender, amount=ONE)
        assert totals(tx) == (0, 1)
        ends = [ledger.settle(tx, id_, Decimal("0.25")), ledger.settle(tx, id_, ONE), ledger.release(tx, id_)]
        assert ends == [True, False, False]
        assert totals(tx) == (Decimal("0.25"), 0)


def overdue(tx: Transaction, spender: Spender, *, begun: bool) -> uuid.UUID:
    """A reservation that nobody ended in its time."""
    id_ = uuid.uuid4()
    ledger.reserve(tx, id_=id_, spender=spender, amount=ONE, seconds=-1)
    if begun:
        assert ledger.begin(tx, id_, provider="p", model="m", operation="resolve", seconds=-1)
    return id_


def test_what_was_never_sent_is_given_back_when_its_time_is_over(
    database: TestDatabase, spender: Spender
) -> None:
    with database.system.transaction(SYSTEM) as tx:
        budget(tx, "10", organization=spender.organization)
        overdue(tx, spender, begun=False)
        ledger.reserve(tx, id_=uuid.uuid4(), spender=spender, amount=ONE)
        assert (ledger.expire(tx), ledger.expire(tx)) == (1, 0)
        assert totals(tx) == (0, 1)
        assert tx.value("SELECT count(*) FROM model_usage") == 0


def test_what_was_sent_is_booked_at_its_worst_when_nobody_saw_its_end(
    database: TestDatabase, spender: Spender
) -> None:
    with database.system.transaction(SYSTEM) as tx:
        budget(tx, "10", organization=spender.organization)
        id_ = overdue(tx, spender, begun=True)
        assert (ledger.expire(tx), ledger.expire(tx)) == (1, 0)
        assert totals(tx) == (1, 0)
        row = tx.row("SELECT job, provider, model, operation, result, cost_usd, reservation FROM model_usage")
    assert row == {
        "job": spender.job,
        "provider": "p",
        "model": "m",
        "operation": "resolve",
        "result": "lost",
        "cost_usd": ONE,
        "reservation": id_,
    }


def test_what_older_code_reserved_counts_as_sent(database: TestDatabase, spender: Spender) -> None:
    with database.system.transaction(SYSTEM) as tx:
        budget(tx, "10", organization=spender.organization)
        id_ = overdue(tx, spender, begun=False)
        tx.run("UPDATE budget_reservations SET sent = NULL WHERE id = %(id)s", id=id_)
        assert ledger.expire(tx) == 1
        assert totals(tx) == (1, 0)


def test_a_call_that_is_sent_has_the_time_of_a_new_reservation(
    database: TestDatabase, spender: Spender
) -> None:
    with database.system.transaction(SYSTEM) as tx:
        id_ = uuid.uuid4()
        ledger.reserve(tx, id_=id_, spender=spender, amount=ONE, seconds=1)
        assert ledger.begin(tx, id_, provider="p", model="m", operation="resolve")
        left = tx.value("SELECT expires_at > now() + interval '800 seconds' FROM budget_reservations")
        assert left is True
        ledger.release(tx, id_)
        assert not ledger.begin(tx, id_, provider="p", model="m", operation="resolve")


def test_a_call_of_one_reservation_is_recorded_once(database: TestDatabase, spender: Spender) -> None:
    call = Call(provider="p", model="m", operation="resolve", usage=Usage(input=10), cost=ONE, milliseconds=5)
    id_ = uuid.uuid4()
    with database.system.transaction(SYSTEM) as tx:
        for reservation in (id_, id_, None):
            ledger.record_call(tx, spender, call, reservation)
        rows = tx.rows("SELECT job, input_tokens, cost_usd FROM model_usage")
    assert rows == [{"job": spender.job, "input_tokens": 10, "cost_usd": ONE}] * 2


def test_a_budget_is_changed_by_setting_it_again(database: TestDatabase, spender: Spender) -> None:
    with database.system.transaction(SYSTEM) as tx:
        budget(tx, "10")
        budget(tx, "20")
        assert [b.limit for b in ledger.budgets_of(tx, spender)] == [20]
        with pytest.raises(Refused), tx.savepoint():
            budget(tx, "-1")


def test_the_ledger_needs_to_see_the_caps_of_the_installation(
    database: TestDatabase, spender: Spender
) -> None:
    scope = Scope.organization(spender.organization)
    with pytest.raises(RuntimeError, match=r"Scope\.system"), database.system.transaction(scope) as tx:
        ledger.reserve(tx, id_=uuid.uuid4(), spender=spender, amount=ONE)


def test_a_line_of_a_job_is_capped_beside_the_job_and_survives_its_attempts(
    database: TestDatabase, spender: Spender
) -> None:
    review = ledger.Line(name="review", limit=ONE)

    def reserve(amount: str, line: ledger.Line | None = review) -> str:
        with database.system.transaction(SYSTEM) as tx:
            id_ = uuid.uuid4()
            cap = ledger.reserve(
                tx, id_=id_, spender=spender, amount=Decimal(amount), job_limit=Decimal(3), line=line
            )
            if cap is None:
                ledger.settle(tx, id_, Decimal(amount))
        return cap.name if cap else ""

    assert [reserve("0.6"), reserve("0.6"), reserve("0.4")] == ["", "review of the job", ""]
    assert [reserve("2", None), reserve("0.01", None)] == ["", "job"]
    with database.system.transaction(SYSTEM) as tx:
        job = ledger.budgets_of(tx, spender, Decimal(3))[-1]
    assert (job.spent, job.reserved) == (Decimal(3), 0)


def test_fifty_callers_at_once_never_pass_the_line_of_a_job(database: TestDatabase, spender: Spender) -> None:
    door = Database(database.urls.system, connections=20, wait=60)
    review, granted = ledger.Line(name="review", limit=Decimal(5)), []

    def ask() -> None:
        id_ = uuid.uuid4()
        with door.transaction(SYSTEM) as tx:
            full = ledger.reserve(
                tx, id_=id_, spender=spender, amount=ONE, job_limit=Decimal(30), line=review
            )
        if full is None:
            granted.append(id_)
            with door.transaction(SYSTEM) as tx:
                ledger.settle(tx, id_, Decimal("0.9"))

    together(50, ask)
    with door.transaction(SYSTEM) as tx:
        rows = tx.rows("SELECT spent_usd, reserved_usd FROM budget_totals WHERE kind = 'job'")
    assert {(row["spent_usd"], row["reserved_usd"]) for row in rows} == {
        (len(granted) * Decimal("0.9"), Decimal(0))
    }
    assert len(rows) == 2
    assert len(granted) == 5
    door.close()
