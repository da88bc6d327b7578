"""Budgets as they stand: periods, renewal, what is told of them and when."""

import contextlib
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.store import budgets, ledger
from flowforge.store.database import Database
from flowforge.store.ledger import Spender
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services

SYSTEM = Scope.system()
ONE = Decimal(1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


def spender(world: World, job: uuid.UUID | None = None) -> Spender:
    return Spender(organization=world.principal.organization, user=world.principal.user, job=job)


def spend(tx: Transaction, who: Spender, amount: str, cost: str | None = None) -> bool:
    """Reserve and settle; False where a budget refuses."""
    id_ = uuid.uuid4()
    if ledger.reserve(tx, id_=id_, spender=who, amount=Decimal(amount)) is not None:
        return False
    return ledger.settle(tx, id_, Decimal(cost or amount))


def set_for(tx: Transaction, world: World, amount: str, **more: Any) -> None:
    values = {"period": "monthly", "organization": world.principal.organization, **more}
    budgets.set_budget(tx, id_=uuid.uuid4(), amount=Decimal(amount), **values)


def standing(tx: Transaction, world: World, period: str = "monthly") -> budgets.Standing:
    found = budgets.one(tx, period=period, organization=world.principal.organization)
    assert found is not None
    return found


PERIODS = [
    ("daily", "2026-03-29 00:00", "2026-03-29", "2026-03-30"),
    ("daily", "2026-03-29 23:59:59.999999", "2026-03-29", "2026-03-30"),
    ("daily", "2026-02-28 23:59", "2026-02-28", "2026-03-01"),
    ("daily", "2028-02-28 23:59", "2028-02-28", "2028-02-29"),
    ("daily", "2028-02-29 12:00", "2028-02-29", "2028-03-01"),
    ("daily", "2026-12-31 23:59:59", "2026-12-31", "2027-01-01"),
    ("weekly", "2026-11-22 23:59:59", "2026-11-16", "2026-11-23"),
    ("weekly", "2026-11-23 00:00", "2026-11-23", "2026-11-30"),
    ("weekly", "2026-01-01 12:00", "2025-12-29", "2026-01-05"),
    ("weekly", "2028-02-29 12:00", "2028-02-28", "2028-03-06"),
    ("monthly", "2026-01-31 23:59:59.999999", "2026-01-01", "2026-02-01"),
    ("monthly", "2026-02-28 23:59", "2026-02-01", "2026-03-01"),
    ("monthly", "2028-02-29 00:00", "2028-02-01", "2028-03-01"),
    ("monthly", "2026-03-29 01:30", "2026-03-01", "2026-04-01"),
    ("monthly", "2026-10-25 01:30", "2026-10-01", "2026-11-01"),
    ("monthly", "2026-12-31 23:59:59", "2026-12-01", "2027-01-01"),
]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati"])
def test_periods_are_utc_whatever_the_session_s_zone_and_summer_time(
    database: TestDatabase, zone: str
) -> None:
    with database.system.transaction(SYSTEM) as tx:
        tx.rows("SELECT set_config('timezone', %(zone)s, true)", zone=zone)
        for period, moment, starts, ends in PERIODS:
            row = tx.row("SELECT * FROM ff_period(%(p)s, %(m)s)", p=period, m=at(moment))
            assert row is not None
            assert (row["starts_at"], row["ends_at"]) == (at(starts), at(ends)), (period, moment)


@pytest.mark.parametrize("period", ["daily", "weekly", "monthly"])
def test_what_was_reserved_before_the_boundary_is_booked_there_and_the_next_period_is_new(
    world: World, period: str
) -> None:
    """The boundary passes by moving what was written into the period before."""
    with world.everywhere() as tx:
        set_for(tx, world, "10", period=period)
        before = uuid.uuid4()
        assert ledger.reserve(tx, id_=before, spender=spender(world), amount=Decimal(8)) is None
        tx.run(
            "UPDATE budget_totals SET starts_at = (ff_period(%(p)s, starts_at - interval '1 hour')).starts_at",
            p=period,
        )
        tx.run(
            "UPDATE budget_reservations SET totals = jsonb_set(totals, '{0,starts_at}', "
            "(SELECT to_jsonb(starts_at) FROM budget_totals))"
        )
        assert spend(tx, spender(world), "9"), "the new period is whole"
        assert ledger.settle(tx, before, Decimal(7))
        rows = tx.rows("SELECT spent_usd, reserved_usd FROM budget_totals ORDER BY starts_at")
        assert [(row["spent_usd"], row["reserved_usd"]) for row in rows] == [(7, 0), (9, 0)]
        assert standing(tx, world, period).spent == 9
        assert not spend(tx, spender(world), "2")


def test_every_budget_must_have_room_and_the_full_one_is_named_with_its_renewal(world: World) -> None:
    with world.everywhere() as tx:
        for period, amount in (("daily", "1"), ("weekly", "2"), ("monthly", "3")):
            set_for(tx, world, amount, period=period)
        assert spend(tx, spender(world), "1")
        full = ledger.reserve(tx, id_=uuid.uuid4(), spender=spender(world), amount=ONE)
        assert full is not None
        assert (full.name, full.period, full.left) == ("organization", "daily", 0)
        assert full.renews_at == standing(tx, world, "daily").ends_at
        assert [standing(tx, world, p).left for p in ("daily", "weekly", "monthly")] == [0, 1, 2]


def test_a_budget_made_within_its_period_counts_what_was_spent_in_it(world: World) -> None:
    with world.everywhere() as tx:
        set_for(tx, world, "10")
        assert spend(tx, spender(world), "9")
        ledger.reserve(tx, id_=uuid.uuid4(), spender=spender(world), amount=Decimal("0.5"))
        assert budgets.remove_budget(tx, period="monthly", organization=world.principal.organization)
        set_for(tx, world, "10")
        assert standing(tx, world).spent == Decimal("9.5"), "what is reserved counts at its worst"
        assert not spend(tx, spender(world), "1")
        set_for(tx, world, "4", period="daily", user=world.principal.user)
        other = world.organization("other")
        set_for(tx, other, "1")
        assert standing(tx, other).spent == 0


def alerts(tx: Transaction) -> list[tuple[str, str, str, str]]:
    found = [
        row["payload"] for row in tx.rows("SELECT payload FROM outbox WHERE kind = 'budget' ORDER BY id")
    ]
    return [(p["alert"], p["whose"], p["period"], p["spent_usd"]) for p in found]


def test_the_threshold_is_told_once_a_period_in_the_transaction_that_passes_it(world: World) -> None:
    job = world.submit().id
    with world.everywhere() as tx:
        set_for(tx, world, "10", alert_percent=80)
        assert spend(tx, spender(world, job), "7.999999")
        assert alerts(tx) == []
        assert spend(tx, spender(world, job), "0.000001")
        assert alerts(tx) == [("threshold", "organization", "monthly", "8.00")]
        assert spend(tx, spender(world, job), "1")
        assert len(alerts(tx)) == 1
        event = tx.row("SELECT data FROM job_events WHERE kind = 'job.budget_alert'")
        assert event is not None
        assert event["data"] == {
            "alert": "threshold",
            "whose": "organization",
            "period": "monthly",
            "amount_usd": "10.00",
            "spent_usd": "8.00",
        }
        found = standing(tx, world)
        assert found.alerted_at is not None
        assert found.exhausted_at is None
        tx.run("UPDATE budget_totals SET starts_at = starts_at - interval '40 days' WHERE kind = 'budget'")
        assert spend(tx, spender(world, job), "8.5")
        assert len(alerts(tx)) == 2, "the next period is told of again"


def test_what_is_rolled_back_was_not_told(world: World) -> None:
    with world.everywhere() as tx, contextlib.suppress(ZeroDivisionError), tx.savepoint():
        set_for(tx, world, "1")
        spend(tx, spender(world), "1")
        assert len(alerts(tx)) == 1
        raise ZeroDivisionError
    with world.everywhere() as tx:
        assert alerts(tx) == []


def test_a_refused_call_tells_once_that_the_budget_is_exhausted(world: World) -> None:
    job = world.submit().id
    with world.everywhere() as tx:
        set_for(tx, world, "1")
        set_for(tx, world, "0", period="daily", user=world.principal.user)
        for _ in range(3):
            assert not spend(tx, spender(world, job), "0.5")
        assert alerts(tx) == [("exhausted", "user", "daily", "0.00")]
        budgets.remove_budget(
            tx, period="daily", organization=world.principal.organization, user=world.principal.user
        )
        assert not spend(tx, spender(world, job), "1.000001")
        assert alerts(tx)[1:] == [("exhausted", "organization", "monthly", "0.00")]


def test_the_installation_s_alert_has_no_organization_and_no_figures_in_a_job_s_story(world: World) -> None:
    job = world.submit().id
    with world.everywhere() as tx:
        budgets.set_budget(tx, id_=uuid.uuid4(), period="monthly", amount=ONE)
        assert spend(tx, spender(world, job), "0.9")
        row = tx.row("SELECT organization, job, payload FROM outbox WHERE kind = 'budget'")
        assert row is not None
        assert (row["organization"], row["job"]) == (None, None)
        assert (row["payload"]["whose"], row["payload"]["spent_usd"]) == ("installation", "0.90")
        data = tx.value("SELECT data FROM job_events WHERE kind = 'job.budget_alert'")
        assert data == {"alert": "threshold", "whose": "installation", "period": "monthly"}


def test_those_are_told_who_can_do_something_about_it(world: World) -> None:
    other = world.organization("other")
    with world.everywhere() as tx:
        for number, (role, where) in enumerate(
            [("admin", world), ("viewer", world), ("operator", other), ("admin", other)]
        ):
            row = {"id": uuid.uuid4(), "organization": where.principal.organization, "role": role}
            tx.insert("users", {**row, "email": f"{role}{number}@example.org"})
        set_for(tx, world, "1", user=world.principal.user)
        budgets.set_budget(tx, id_=uuid.uuid4(), period="monthly", amount=ONE)
        assert spend(tx, spender(world), "1")
        rows = tx.rows("SELECT payload FROM outbox WHERE kind = 'budget' ORDER BY payload->>'whose'")
    assert [row["payload"]["recipients"] for row in rows] == [
        ["operator2@example.org"],
        ["acme@example.org", "admin0@example.org"],
    ]


def test_a_raised_budget_tells_again_and_a_repeated_one_does_not(world: World) -> None:
    with world.everywhere() as tx:
        set_for(tx, world, "1")
        spend(tx, spender(world), "1")
        assert not spend(tx, spender(world), "1")
        set_for(tx, world, "1")
        assert standing(tx, world).alerted_at is not None
        set_for(tx, world, "4")
        assert (standing(tx, world).alerted_at, standing(tx, world).exhausted_at) == (None, None)
        assert spend(tx, spender(world), "2.5")
        assert [kind for kind, *_ in alerts(tx)] == ["threshold", "exhausted", "threshold"]


def test_a_call_that_costs_more_than_was_reserved_is_booked_as_billed_and_stops_the_next(
    world: World,
) -> None:
    with world.everywhere() as tx:
        set_for(tx, world, "1")
        assert spend(tx, spender(world), "0.5", cost="40")
        found = standing(tx, world)
        assert (found.spent, found.left) == (40, 0)
        assert not spend(tx, spender(world), "0.000001")


def test_the_app_sees_the_installation_s_budgets_only_where_it_said_so(
    database: TestDatabase, world: World
) -> None:
    with database.system.transaction(SYSTEM) as tx:
        budgets.set_budget(tx, id_=uuid.uuid4(), period="daily", amount=ONE)
    app = Database(database.urls.app, connections=2)
    scope = Scope.organization(world.principal.organization)
    with app.transaction(scope) as tx:
        assert budgets.all_of(tx) == []
        assert not budgets.remove_budget(tx, period="daily")
        with pytest.raises(Refused) as caught, tx.savepoint():
            budgets.set_budget(tx, id_=uuid.uuid4(), period="daily", amount=ONE)
        assert caught.value.reason is Reason.NOT_ALLOWED
        budgets.see_installation(tx)
        assert [one.amount for one in budgets.all_of(tx)] == [1]
        budgets.set_budget(tx, id_=uuid.uuid4(), period="daily", amount=Decimal(2))
        assert [one.amount for one in budgets.all_of(tx)] == [2]
    with app.transaction(scope) as tx:
        assert budgets.all_of(tx) == [], "only as long as the transaction lasts"
    app.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"period": "yearly"},
        {"amount": Decimal("-0.000001")},
        {"amount": Decimal("NaN")},
        {"amount": Decimal("1e400")},
        {"amount": Decimal(10) ** 8},
        {"alert_percent": 0},
        {"alert_percent": 101},
        {"user": uuid.uuid4()},
    ],
)
def test_what_is_no_budget_is_refused_by_the_database_too(world: World, wrong: dict[str, Any]) -> None:
    values = {"period": "daily", "amount": ONE, "organization": world.principal.organization, **wrong}
    with pytest.raises(FlowForgeError), world.everywhere() as tx:
        budgets.set_budget(tx, id_=uuid.uuid4(), **values)
    with world.everywhere() as tx:
        assert budgets.all_of(tx) == []
