"""Budgets, usage and receipts over a real Postgres: who sees and sets what, and that the sums agree."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from flowforge.core.access import Role
from flowforge.core.spend import Usage
from flowforge.store import budgets, ledger
from flowforge.store.ids import make_ids
from flowforge.store.ledger import Call, Spender
from tests.integration.api.conftest import Api
from tests.integration.api.test_jobs import refusal

pytestmark = pytest.mark.services

BUDGETS = "/api/v1/budgets"
OURS = f"{BUDGETS}/organization/monthly"
ALL = f"{BUDGETS}/installation/monthly"
IDS = make_ids()


@pytest.fixture
def admin(api: Api) -> Api:
    return api.acting(Role.ADMIN)


@pytest.fixture
def operator(api: Api) -> Api:
    return api.acting(Role.OPERATOR)


def put(api: Api, path: str, amount: object = "25.00", **more: object) -> Any:
    return api.ask("PUT", path, json={"amount_usd": amount, **more})


def mine(api: Api, period: str = "monthly") -> str:
    return f"{BUDGETS}/users/{api.world.principal.user}/{period}"


def listed(api: Api) -> list[tuple[str, str]]:
    return [(one["whose"], one["period"]) for one in api.get(BUDGETS).json["budgets"]]


def audited(api: Api) -> list[tuple[str, str, str, str]]:
    with api.world.everywhere() as tx:
        rows = tx.rows(
            "SELECT action, actor, details FROM audit_logs WHERE resource = 'budget' ORDER BY at, id"
        )
    return [
        (row["action"], row["details"]["whose"], row["details"]["before_usd"], row["details"]["amount_usd"])
        for row in rows
    ]


def call(api: Api, cost: str, **changes: Any) -> UUID:
    """One settled call of a job, recorded as the model service does it."""
    job = changes.pop("job", None)
    who = Spender(
        organization=api.world.principal.organization,
        user=api.world.principal.user,
        repository=changes.pop("repository", None),
        job=job,
    )
    known: dict[str, Any] = {
        "provider": "p",
        "model": "m",
        "operation": "resolve",
        "usage": Usage(input=100, output=10, cache_write=5, cache_read=50),
        "cost": Decimal(cost),
        "milliseconds": 7,
        "request_id": f"req_{uuid4().hex}",
    }
    reservation = IDS()
    made = Call(**{**known, **changes})
    with api.world.everywhere() as tx:
        if not made.cache_hit:
            assert ledger.reserve(tx, id_=reservation, spender=who, amount=Decimal(cost) * 2) is None
            ledger.settle(tx, reservation, Decimal(cost))
        ledger.record_call(tx, who, made, None if made.cache_hit else reservation)
    return reservation


def test_an_admin_sets_a_budget_and_everybody_sees_how_it_stands(admin: Api) -> None:
    made = put(admin, OURS, "10.50", alert_percent=90)
    assert made.status_code == 201
    again = put(admin, OURS, "10.50", alert_percent=90)
    assert (again.status_code, again.json) == (200, made.json), "the same again changes nothing"
    assert put(admin, OURS, "12").status_code == 200
    call(admin, "2.25")
    shown = admin.acting(Role.VIEWER).get(OURS).json
    assert {name: shown[name] for name in ("amount_usd", "spent_usd", "reserved_usd", "left_usd")} == {
        "amount_usd": "12.00",
        "spent_usd": "2.25",
        "reserved_usd": "0.00",
        "left_usd": "9.75",
    }
    assert (shown["whose"], shown["user"], shown["alert_percent"]) == ("organization", None, 80)
    today = datetime.now(UTC)
    assert shown["starts_at"] == f"{today:%Y-%m}-01T00:00:00Z"
    assert audited(admin) == [
        ("budget.set", "organization", "", "10.50"),
        ("budget.set", "organization", "10.50", "12.00"),
    ]


def test_a_budget_is_lifted_once(admin: Api) -> None:
    put(admin, OURS)
    assert admin.ask("DELETE", OURS).json["amount_usd"] == "25.00"
    assert refusal(admin.ask("DELETE", OURS)) == (404, "not_found")
    assert refusal(admin.get(OURS)) == (404, "not_found")
    assert audited(admin)[-1] == ("budget.remove", "organization", "25.00", "25.00")


def test_a_user_s_budget_is_seen_by_the_user_and_by_admins(admin: Api) -> None:
    other = uuid4()
    with admin.world.everywhere() as tx:
        row = {"id": other, "organization": admin.world.principal.organization}
        tx.insert("users", {**row, "email": "Ann+x@Example.org", "role": "user"})
    assert (
        put(admin, f"{BUDGETS}/users/ann%2Bx%40example.org/weekly", "3").json["email"] == "Ann+x@Example.org"
    )
    assert put(admin, mine(admin), "4").status_code == 201
    assert listed(admin) == [("user", "weekly"), ("user", "monthly")]
    user = admin.acting(Role.USER)
    assert listed(user) == [("user", "monthly")]
    assert user.get(mine(user)).json["amount_usd"] == "4.00"
    assert refusal(user.get(f"{BUDGETS}/users/{other}/weekly")) == (404, "not_found")
    assert admin.get(f"{BUDGETS}/users/{other}/weekly").json["user"] == str(other)


def test_the_installation_s_budget_is_the_operators_own(api: Api, operator: Api, admin: Api) -> None:
    assert put(operator, ALL, "100").status_code == 201
    assert listed(operator) == [("installation", "monthly")]
    assert listed(admin) == []
    assert refusal(admin.get(ALL)) == (404, "not_found")
    assert refusal(put(admin, ALL)) == (403, "not_allowed")
    assert refusal(admin.ask("DELETE", ALL)) == (403, "not_allowed")
    assert operator.get(ALL).json["set_by"] == "person"
    assert operator.ask("DELETE", ALL).status_code == 200
    with api.world.everywhere() as tx:
        rows = tx.rows("SELECT organization, user_id FROM audit_logs WHERE resource = 'budget'")
    assert [row["organization"] for row in rows] == [None, None]
    assert {row["user_id"] for row in rows} == {api.world.principal.user}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.USER, Role.MAINTAINER])
def test_only_admins_set_budgets(api: Api, role: Role) -> None:
    somebody = api.acting(role)
    for path in (OURS, mine(api)):
        assert refusal(put(somebody, path)) == (403, "not_allowed")
        assert refusal(somebody.ask("DELETE", path)) == (403, "not_allowed")


def test_another_organization_s_user_is_nobody(admin: Api) -> None:
    put(admin, OURS)
    stranger = replace(admin, token=admin.elsewhere().token)
    assert listed(stranger) == []
    other = admin.world.organization("third")
    for who in (other.principal.user, "third@example.org", uuid4(), "nobody@example.org"):
        answer = put(admin, f"{BUDGETS}/users/{who}/daily")
        assert refusal(answer) == (404, "not_found")
        assert "third" not in answer.text


AMOUNTS = [
    *(
        "-1",
        "-0.01",
        "+1",
        "1e2",
        "1E400",
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "0x10",
        "1_000",
        "1,50",
        " 1",
    ),
    *(
        "1 ",
        "",
        ".5",
        "5.",
        "01",
        "1.0000001",
        "100000000",
        "9" * 400,
        "1.2.3",
        "\u0661",
        "1\n",
        "$5",
        "5 USD",
    ),
    *(5, 5.5, -1, 0, True, None, [], {}, ["5"], {"usd": "5"}),
]


@pytest.mark.parametrize("amount", AMOUNTS, ids=repr)
def test_what_is_no_amount_is_refused_and_changes_nothing(admin: Api, amount: object) -> None:
    put(admin, OURS, "7")
    assert refusal(put(admin, OURS, amount)) == (422, "invalid_request")
    assert admin.get(OURS).json["amount_usd"] == "7.00"


@pytest.mark.parametrize("amount", ["0", "0.00", "0.000001", "99999999.999999", "1.5"])
def test_every_amount_that_the_ledger_can_hold_is_taken(admin: Api, amount: str) -> None:
    assert Decimal(put(admin, OURS, amount).json["amount_usd"]) == Decimal(amount)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (f"{BUDGETS}/organization/yearly", {"amount_usd": "1"}, (404, "not_found")),
        (f"{BUDGETS}/organization/Monthly", {"amount_usd": "1"}, (404, "not_found")),
        (OURS, {}, (422, "invalid_request")),
        (OURS, {"amount_usd": "1", "currency": "EUR"}, (422, "invalid_request")),
        (OURS, {"amount_usd": "1", "alert_percent": 0}, (422, "invalid_request")),
        (OURS, {"amount_usd": "1", "alert_percent": 101}, (422, "invalid_request")),
        (OURS, {"amount_usd": "1", "alert_percent": "80"}, (422, "invalid_request")),
    ],
)
def test_what_is_no_budget_is_refused(
    admin: Api, path: str, body: dict[str, object], expected: tuple[int, str]
) -> None:
    assert refusal(admin.ask("PUT", path, json=body)) == expected
    assert listed(admin) == []


def test_a_number_beyond_every_float_is_no_json(admin: Api) -> None:
    answer = admin.ask("PUT", OURS, body=b'{"amount_usd": 1e400}')
    assert refusal(answer) == (400, "malformed")


def test_usage_adds_up_whatever_it_is_grouped_by(api: Api) -> None:
    job = api.submitted()
    call(api, "0.10", job=job)
    call(api, "0.20", job=job, operation="review")
    call(api, "0.05", model="small")
    call(api, "0", job=job, cache_hit=True, usage=Usage())
    groups = {}
    for by in ("day", "repository", "model", "operation", "user"):
        found = api.get("/api/v1/usage", params={"by": by}).json
        assert found["total"]["cost_usd"] == "0.35"
        assert (found["total"]["calls"], found["total"]["cached"], found["more"]) == (4, 1, False)
        assert sum(Decimal(row["cost_usd"]) for row in found["rows"]) == Decimal("0.35")
        groups[by] = [(row["name"], row["calls"], row["cost_usd"]) for row in found["rows"]]
    assert groups["day"] == [(f"{datetime.now(UTC):%Y-%m-%d}", 4, "0.35")]
    assert groups["repository"] == [("repository", 3, "0.30"), ("", 1, "0.05")]
    assert groups["model"] == [("p/m", 3, "0.30"), ("p/small", 1, "0.05")]
    assert groups["operation"] == [("review", 1, "0.20"), ("resolve", 3, "0.15")]
    assert groups["user"] == [("acme@example.org", 4, "0.35")]
    assert api.elsewhere().get("/api/v1/usage").json["total"]["calls"] == 0


def test_usage_is_of_the_days_that_are_asked_for(api: Api) -> None:
    with api.world.everywhere() as tx:
        day = {"kind": "operation", "key": "o", "calls": 1, "cached": 0, "input_tokens": 1}
        row = {**day, "output_tokens": 1, "cache_write_tokens": 0, "cache_read_tokens": 0, "cost_usd": 1}
        days = ("2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01")
        tx.insert(
            "usage_days",
            *({**row, "organization": api.world.principal.organization, "day": day} for day in days),
        )
    found = api.get("/api/v1/usage", params={"from": "2026-02-01", "to": "2026-02-28"}).json
    assert [row["key"] for row in found["rows"]] == ["2026-02-01", "2026-02-28"]
    assert (found["first"], found["last"], found["total"]["cost_usd"]) == ("2026-02-01", "2026-02-28", "2.00")
    assert api.get("/api/v1/usage").json["first"] == f"{datetime.now(UTC):%Y-%m}-01"


@pytest.mark.parametrize(
    "parameters",
    [
        {"by": "week"},
        {"from": "2026-02-30"},
        {"from": "yesterday"},
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"since": "2026-03-02"},
    ],
)
def test_usage_of_no_period_is_refused(api: Api, parameters: dict[str, str]) -> None:
    assert refusal(api.get("/api/v1/usage", params=parameters)) == (422, "invalid_request")


def test_usage_is_a_file_where_one_is_asked_for(api: Api) -> None:
    api.world.run("UPDATE repositories SET name = '=HYPERLINK(1)'")
    call(api, "0.10", job=api.submitted())
    call(api, "0.20")
    table = api.get("/api/v1/usage", params={"by": "repository"}, headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["name"], row["cost_usd"]) for row in rows] == [("", "0.20"), ("'=HYPERLINK(1)", "0.10")]
    lines = api.get("/api/v1/usage", headers={"Accept": "application/x-ndjson"})
    assert lines.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line)["calls"] for line in lines.text.splitlines()] == [2]


def test_a_job_s_receipt_sums_to_what_the_budgets_booked(admin: Api) -> None:
    put(admin, OURS)
    job = admin.submitted()
    bought = call(admin, "0.123456", job=job, request_id="req_1")
    call(admin, "0", job=job, cache_hit=True, usage=Usage(), request_id="req_1")
    lost = IDS()
    with admin.world.everywhere() as tx:
        who = Spender(organization=admin.world.principal.organization, job=job)
        for id_, amount in ((lost, "0.5"), (IDS(), "0.25")):
            assert ledger.reserve(tx, id_=id_, spender=who, amount=Decimal(amount)) is None
        assert ledger.begin(tx, lost, provider="p", model="m", operation="repair")
        tx.run(
            "UPDATE budget_reservations SET expires_at = now() - interval '1 s' WHERE id = %(id)s", id=lost
        )
        assert ledger.expire(tx) == 1
    found = admin.get(f"/api/v1/jobs/{job}/cost").json
    assert found["total"] == {
        "calls": 3,
        "cached": 1,
        "input_tokens": 100,
        "output_tokens": 10,
        "cache_write_tokens": 5,
        "cache_read_tokens": 50,
        "cost_usd": "0.623456",
        "saved_usd": "0.123456",
        "reserved_usd": "0.25",
    }
    first, cached, expired = found["calls"]
    assert (first["reservation"], first["cost_usd"], first["request_id"]) == (
        str(bought),
        "0.123456",
        "req_1",
    )
    assert (cached["cached"], cached["cost_usd"], cached["saved_usd"]) == (True, "0.00", "0.123456")
    assert (expired["result"], expired["cost_usd"], expired["operation"]) == ("lost", "0.50", "repair")
    assert admin.get(OURS).json["spent_usd"] == "0.623456"
    assert admin.get(f"/api/v1/jobs/{job}").json["cost"] == found["total"]


def test_a_job_without_calls_has_no_cost_and_another_organization_s_none_at_all(api: Api) -> None:
    job = api.submitted()
    assert api.get(f"/api/v1/jobs/{job}").json["cost"] is None
    empty = api.get(f"/api/v1/jobs/{job}/cost").json
    assert (empty["calls"], empty["total"]["cost_usd"]) == ([], "0.00")
    assert refusal(api.elsewhere().get(f"/api/v1/jobs/{job}/cost")) == (404, "not_found")
    assert refusal(api.get(f"/api/v1/jobs/{uuid4()}/cost")) == (404, "not_found")


def test_what_a_person_set_for_the_installation_outlives_the_setting(operator: Api) -> None:
    put(operator, ALL, "9")
    with operator.world.everywhere() as tx:
        found = budgets.one(tx, period="monthly")
    assert found is not None
    assert (found.amount, found.set_by) == (9, "person")
