"""The schedules' routes against a real Postgres."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowforge.core.access import Role
from flowforge.jobs.due import Starter
from tests.integration.api.conftest import Api
from tests.integration.api.test_jobs import refusal

pytestmark = pytest.mark.services

PATH = "/api/v1/schedules"
NIGHTLY = {"name": "nightly", "branch": "feature", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
def keeper(api: Api) -> Api:
    """The fixture's maintainer, who is one in the database too: a schedule acts as its user stands there."""
    api.world.run("UPDATE users SET role = 'maintainer'")
    return api


def post(api: Api, **changes: object) -> Any:
    return api.ask("POST", PATH, json={**NIGHTLY, "repository": str(api.world.repository), **changes})


def add(api: Api, **changes: object) -> str:
    answer = post(api, **changes)
    assert answer.status_code == 201, answer.text
    return f"{PATH}/{answer.json['id']}"


def test_a_schedule_is_added_and_shown_with_its_next_times(keeper: Api) -> None:
    answer = post(keeper, environment={"A": "hunter2"})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{PATH}/{answer.json['id']}"
    shown = keeper.get(answer.headers["location"])
    assert {name: shown.json[name] for name in NIGHTLY} == NIGHTLY
    assert shown.json["upcoming"][0] == shown.json["next_at"]
    assert len(shown.json["upcoming"]) == len(set(shown.json["upcoming"])) == 5
    assert (shown.json["is_active"], shown.json["last_job"], shown.json["last_error"]) == (True, None, "")
    assert shown.json["user"] == str(keeper.world.principal.user)
    assert shown.json["environment"] == ["A"]
    assert "hunter2" not in answer.text + shown.text + keeper.get(PATH).text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"cron": "0 0 30 2 *"}, (422, "never_due")),
        ({"cron": "0 0 * *"}, (422, "invalid_schedule")),
        ({"cron": "* * * * * *"}, (422, "invalid_schedule")),
        ({"cron": ""}, (422, "invalid_request")),
        ({"cron": "*" * 201}, (422, "invalid_request")),
        ({"cron": "0 0\n* * *"}, (422, "invalid_request")),
        ({"timezone": "Mars/Base"}, (422, "unknown_timezone")),
        ({"timezone": "../../etc/passwd"}, (422, "unknown_timezone")),
        ({"priority": 10}, (422, "invalid_request")),
        ({"priority": "high"}, (422, "invalid_request")),
        ({"name": "../x"}, (422, "invalid_request")),
        ({"branch": ""}, (422, "invalid_request")),
        ({"branch": "--exec=id"}, (422, "invalid_ref")),
        ({"branch": "main"}, (422, "branch_is_target")),
        ({"environment": {"LD_PRELOAD": "x"}}, (422, "invalid_request")),
        ({"repository": str(uuid4())}, (404, "not_found")),
        ({"every": "day"}, (422, "invalid_request")),
        ({"cron": None}, (422, "invalid_request")),
    ],
)
def test_a_schedule_that_is_not_possible_is_refused_and_nothing_is_left(
    keeper: Api, changes: dict[str, object], expected: tuple[int, str]
) -> None:
    assert refusal(post(keeper, **changes)) == expected
    assert keeper.get(PATH).json["schedules"] == []


def test_a_name_is_taken_once(keeper: Api) -> None:
    add(keeper)
    assert refusal(post(keeper)) == (409, "conflict_of_state")


def test_pausing_and_resuming_is_a_change(keeper: Api) -> None:
    path = add(keeper)
    paused = keeper.ask("PATCH", path, json={"is_active": False}).json
    assert (paused["is_active"], paused["next_at"], paused["upcoming"]) == (False, None, [])
    again = keeper.ask("PATCH", path, json={"is_active": False})
    assert (again.status_code, again.json["is_active"]) == (200, False)
    resumed = keeper.ask("PATCH", path, json={"is_active": True}).json
    assert resumed["next_at"] == resumed["upcoming"][0]


def test_a_change_touches_only_what_it_names(keeper: Api) -> None:
    path = add(keeper, priority=8)
    changed = keeper.ask("PATCH", path, json={"cron": "0 5 * * 1-5"}).json
    assert (changed["cron"], changed["timezone"], changed["priority"]) == ("0 5 * * 1-5", "Europe/Berlin", 8)
    before = keeper.get(path).json
    assert refusal(keeper.ask("PATCH", path, json={"cron": "0 0 30 2 *"})) == (422, "never_due")
    assert refusal(keeper.ask("PATCH", path, json={"is_active": "yes"})) == (422, "invalid_request")
    assert keeper.get(path).json == before
    assert keeper.ask("PATCH", path, json={}).status_code == 200


def test_a_list_goes_by_name_in_pages_and_may_be_narrowed(keeper: Api) -> None:
    for name in ("c", "a", "b"):
        add(keeper, name=name)
    seen, path = [], f"{PATH}?limit=2"
    while path:
        page = keeper.get(path)
        seen += [schedule["name"] for schedule in page.json["schedules"]]
        path = page.headers["link"].split(">")[0].lstrip("<") if "link" in page.headers else ""
    assert seen == ["a", "b", "c"]
    for narrowed, found in (
        ({"name": "b"}, ["b"]),
        ({"name": "zz"}, []),
        ({"repository": str(keeper.world.repository)}, ["a", "b", "c"]),
        ({"repository": str(uuid4())}, []),
    ):
        listed = keeper.get(PATH, params=narrowed).json["schedules"]
        assert [schedule["name"] for schedule in listed] == found
    assert refusal(keeper.get(PATH, params={"cursor": "%%%"})) == (422, "invalid_request")


def test_what_the_relay_could_not_start_is_shown(keeper: Api) -> None:
    path = add(keeper)
    keeper.world.run("UPDATE repositories SET is_active = false")
    keeper.world.run("UPDATE schedules SET next_at = now()")
    Starter(database=keeper.world.database.system, door=keeper.world.door)()
    shown = keeper.get(path).json
    assert shown["last_reason"] == "conflict_of_state"
    assert "is switched off" in shown["last_error"]
    assert shown["next_at"] is not None


def test_removing_leaves_nothing_but_the_jobs(keeper: Api) -> None:
    path = add(keeper)
    keeper.world.run("UPDATE schedules SET next_at = now()")
    Starter(database=keeper.world.database.system, door=keeper.world.door)()
    job = keeper.get(path).json["last_job"]
    assert keeper.ask("DELETE", path).json["name"] == "nightly"
    assert refusal(keeper.get(path)) == refusal(keeper.ask("DELETE", path)) == (404, "not_found")
    assert keeper.get(f"/api/v1/jobs/{job}").json["trigger"] == "schedule"


def test_a_user_looks_and_only_a_maintainer_changes(keeper: Api) -> None:
    path, user = add(keeper), keeper.acting(Role.USER)
    assert user.get(path).status_code == 200
    assert refusal(post(user, name="mine")) == (403, "not_allowed")
    for method, body in (("PATCH", {"is_active": False}), ("DELETE", None)):
        assert refusal(user.ask(method, path, json=body)) == (403, "not_allowed")
    assert keeper.get(path).json["is_active"] is True


def test_another_organizations_schedule_is_unknown(keeper: Api) -> None:
    path = add(keeper)
    stranger = keeper.elsewhere().acting(Role.ADMIN)
    for method, body in [("GET", None), ("PATCH", {"is_active": False}), ("DELETE", None)]:
        theirs = stranger.ask(method, path, json=body)
        never = stranger.ask(method, f"{PATH}/{uuid4()}", json=body)
        assert refusal(theirs) == refusal(never) == (404, "not_found")
    assert refusal(post(stranger, repository=str(keeper.world.repository))) == (404, "not_found")
    assert "nightly" not in stranger.get(PATH).text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "name",
    "branch",
    "target",
    "task",
    "cron",
    "timezone",
    "priority",
    "environment",
    "max_attempts",
    "is_active",
)
CRONS = st.text(st.sampled_from("0123456789*/,-#L ?W@"), max_size=20)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON, max_size=4)
    | st.fixed_dictionaries(
        {}, optional={"cron": CRONS, "timezone": st.text(max_size=20), "name": st.just("x")}
    ),
    st.booleans(),
)
def test_no_body_is_a_servers_fault(keeper: Api, fields: dict[str, object], change: bool) -> None:
    if change:
        keeper.world.run("DELETE FROM schedules")
        answer = keeper.ask("PATCH", add(keeper), json=fields)
    else:
        answer = post(keeper, **fields)
    assert answer.status_code < 300 or 400 <= answer.status_code < 500, answer.text
