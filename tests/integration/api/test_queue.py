"""The queue, its pauses and concurrency groups over REST, against a real Postgres."""

from dataclasses import replace
from uuid import uuid4

import falcon.testing
import pytest

from flowforge.core.access import Operation, Role
from flowforge.store import schedule
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.services

PAUSES, QUEUE = "/api/v1/pauses", "/api/v1/queue"


def refusal(answer: falcon.testing.Result) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json["reason"]


def pause(api: Api, **body: object) -> falcon.testing.Result:
    return api.ask("POST", PAUSES, json={"reason": "release week", **body})


def detail(api: Api, job: object) -> dict[str, object]:
    return dict(api.get(f"/api/v1/jobs/{job}").json)


def test_a_pause_is_shown_on_every_job_that_waits_for_it_and_goes_when_it_ends(api: Api) -> None:
    job = api.submitted()
    made = pause(api, repository=str(api.world.repository), target="main")
    assert made.status_code == 201
    assert (made.json["target"], made.json["by"], made.json["reason"]) == (
        "main",
        "acme@example.org",
        "release week",
    )
    why = detail(api, job)["why"]
    assert isinstance(why, dict)
    assert why["code"] == "paused"
    assert "release week" in why["sentence"]
    assert api.get(PAUSES).json["pauses"] == [made.json]
    ended = api.ask("DELETE", f"{PAUSES}/{made.json['id']}")
    assert (ended.status_code, ended.json) == (200, made.json)
    assert api.get(PAUSES).json == {"pauses": []}
    why = detail(api, job)["why"]
    assert isinstance(why, dict)
    assert why["code"] == "no_worker"


def test_pausing_what_is_paused_and_resuming_what_is_not_change_nothing(api: Api) -> None:
    made = pause(api).json
    assert refusal(pause(api, reason="another")) == (409, "conflict_of_state")
    assert refusal(api.ask("DELETE", f"{PAUSES}/{uuid4()}")) == (404, "not_found")
    assert api.get(PAUSES).json["pauses"] == [made]
    api.ask("DELETE", f"{PAUSES}/{made['id']}")
    assert refusal(api.ask("DELETE", f"{PAUSES}/{made['id']}")) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": ""}, "#/reason"),
        ({"reason": "a\nb"}, "#/reason"),
        ({"reason": "x" * 501}, "#/reason"),
        ({"reason": 7}, "#/reason"),
        ({"repository": "none"}, "#/repository"),
        ({"target": 1}, "#/target"),
        ({"until": "tomorrow"}, "#/until"),
    ],
)
def test_a_field_of_a_pause_that_is_not_possible_is_named(
    api: Api, body: dict[str, object], pointer: str
) -> None:
    answer = pause(api, **body)
    assert refusal(answer) == (422, "invalid_request")
    assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]
    assert api.get(PAUSES).json == {"pauses": []}


def test_what_only_the_house_knows_about_a_pause_is_refused_with_its_reason(api: Api) -> None:
    repository = str(api.world.repository)
    assert refusal(pause(api, target="main")) == (422, "invalid_request")
    assert refusal(pause(api, repository=repository, target="--exec=x")) == (422, "invalid_ref")
    assert refusal(pause(api, repository=str(uuid4()))) == (404, "not_found")
    assert refusal(pause(api.elsewhere(), repository=repository))[0] in {403, 404}


def test_pauses_of_others_are_neither_seen_nor_ended(api: Api) -> None:
    made = pause(api).json
    other = api.elsewhere()
    strong = replace(other, token=other.tokens.give(replace(other.world.principal, role=Role.MAINTAINER)))
    assert strong.get(PAUSES).json == {"pauses": []}
    assert strong.get(QUEUE).json["pauses"] == []
    assert refusal(strong.ask("DELETE", f"{PAUSES}/{made['id']}")) == (404, "not_found")


def test_a_user_looks_and_may_not_pause(api: Api) -> None:
    user = api.acting(Role.USER)
    assert user.get(QUEUE).status_code == 200
    assert refusal(pause(user)) == (403, "not_allowed")
    made = pause(api).json
    assert refusal(user.ask("DELETE", f"{PAUSES}/{made['id']}")) == (403, "not_allowed")
    reader = api.acting(Role.MAINTAINER, scopes=frozenset({Operation.READ}))
    assert refusal(pause(reader)) == (403, "not_allowed")


def test_the_queue_tells_its_depth_and_who_comes_next(api: Api) -> None:
    for branch, priority in (("low", 0), ("normal", 5), ("high", 9)):
        api.submit(branch=branch, priority=priority)
    with api.world.everywhere() as transaction:
        worker = schedule.Worker(id="w", host="h", version="1", slots=4)
        schedule.beat(transaction, worker, draining=False)
    api.elsewhere().submit(branch="theirs")
    shown = api.get(f"{QUEUE}?limit=2").json
    assert shown["depth"] == {"high": 1, "normal": 1, "low": 1}
    assert (shown["running"], shown["waiting"], shown["slots"], shown["workers"], shown["cap"]) == (
        0,
        0,
        4,
        1,
        50,
    )
    assert shown["oldest"]
    assert [job["branch"] for job in shown["next"]] == ["high", "normal"]
    assert {job["why"]["code"] for job in shown["next"]} == {"position"}
    assert {job["estimated_start"] for job in shown["next"]} == {None}
    assert api.get(f"{QUEUE}?limit=0").json["next"] == []


@pytest.mark.parametrize("query", ["limit=-1", "limit=101", "limit=x", "colour=red"])
def test_a_query_that_is_not_possible_is_refused(api: Api, query: str) -> None:
    assert refusal(api.get(f"{QUEUE}?{query}")) == (422, "invalid_request")


def test_an_empty_queue_is_an_answer(api: Api) -> None:
    shown = api.get(QUEUE).json
    assert shown["oldest"] is None
    assert shown["next"] == []


# --------------------------------------------------------------------------------------------- groups


def grouped(api: Api, branch: str, policy: str, **wanted: object) -> falcon.testing.Result:
    return api.submit(branch=branch, concurrency={"group": "deploy", "policy": policy}, **wanted)


def test_a_newer_job_of_a_group_takes_the_place_of_an_older_one(api: Api) -> None:
    first, second = grouped(api, "a", "supersede").json, grouped(api, "b", "supersede").json
    assert second["concurrency"] == {"group": "deploy", "policy": "supersede"}
    old = detail(api, first["id"])
    assert (old["state"], old["superseded_by"]) == ("superseded", second["id"])
    ending = old["ending"]
    assert isinstance(ending, dict)
    assert ending["reason"] == "superseded"
    assert second["id"] in ending["sentence"]


def test_a_group_that_rejects_answers_409_and_names_the_job(api: Api) -> None:
    first = grouped(api, "a", "reject").json
    answer = grouped(api, "b", "reject")
    assert refusal(answer) == (409, "group_busy")
    assert first["id"] in answer.json["detail"]
    assert api.world.value("SELECT count(*) FROM jobs") == 1


def test_a_group_that_queues_shows_who_comes_first(api: Api) -> None:
    first, second = grouped(api, "a", "queue").json, grouped(api, "b", "queue").json
    why = detail(api, second["id"])["why"]
    assert isinstance(why, dict)
    assert why["code"] == "group_busy"
    assert first["id"] in why["sentence"]
    kinds = "SELECT kind FROM job_events WHERE job = %(job)s ORDER BY seq DESC LIMIT 1"
    assert api.world.value(kinds, job=second["id"]) == "job.waits"


@pytest.mark.parametrize(
    ("concurrency", "pointer"),
    [
        ({"group": "{brnch}"}, "#/concurrency/group"),
        ({"group": ""}, "#/concurrency/group"),
        ({"group": "a\nb"}, "#/concurrency/group"),
        ({"group": "x" * 201}, "#/concurrency/group"),
        ({"group": 7}, "#/concurrency/group"),
        ({"policy": "skip"}, "#/concurrency/policy"),
        ({"cancel": True}, "#/concurrency/cancel"),
        ("branch", "#/concurrency"),
    ],
)
def test_a_group_that_cannot_be_read_is_named_by_place(api: Api, concurrency: object, pointer: str) -> None:
    answer = api.submit(concurrency=concurrency)
    assert refusal(answer) == (422, "invalid_request")
    assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]
    assert api.world.value("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("priority", ["urgent", "5", -1, 10, 5.5, None])
def test_an_unknown_priority_is_refused_and_nothing_is_stored(api: Api, priority: object) -> None:
    answer = api.submit(priority=priority)
    assert refusal(answer) == (422, "invalid_request")
    assert answer.json["errors"][0]["pointer"] == "#/priority"
    assert api.world.value("SELECT count(*) FROM jobs") == 0


def test_the_same_key_supersedes_nothing_and_gives_the_same_job(api: Api) -> None:
    first = grouped(api, "a", "supersede", headers={"Idempotency-Key": "1"}).json
    second = grouped(api, "b", "supersede", headers={"Idempotency-Key": "2"}).json
    again = grouped(api, "a", "supersede", headers={"Idempotency-Key": "1"})
    assert (again.status_code, again.json["id"], again.json["state"]) == (202, first["id"], "superseded")
    assert detail(api, second["id"])["state"] == "queued"
