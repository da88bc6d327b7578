"""The jobs' routes against a real Postgres."""

import asyncio
import json
import threading
from collections.abc import Mapping
from uuid import UUID, uuid4

import falcon.testing
import pytest

from flowforge.core.access import Operation, Role
from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Result, State
from flowforge.store import events as story
from flowforge.store import jobs as table
from flowforge.store import stages
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.api.conftest import Api

pytestmark = pytest.mark.services

LAST = b"event: job.succeed"


def refusal(answer: falcon.testing.Result) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status_code
    assert answer.json["detail"]
    return answer.status_code, answer.json["reason"]


def finish(api: Api, job: UUID, state: State = State.SUCCESS) -> None:
    """As a worker: claim and end the job."""
    standing = api.world.job(job)
    running = standing if standing.state is State.RUNNING else api.world.claim(standing)
    assert running is not None
    ending = Ending(result=Result.SUCCESS, reason=Reason.PUSHED, sentence="pushed")
    with api.world.everywhere() as transaction:
        assert table.end(transaction, running, state, ending) is not None


def test_a_submitted_job_is_accepted_and_can_be_found(api: Api) -> None:
    answer = api.submit(branch="feature", environment={"MODE": "hunter2"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/jobs/{answer.json['id']}"
    assert answer.json["state"] == "queued"
    assert answer.json["priority_class"] == "normal"
    assert answer.json["environment"] == ["MODE"]
    assert "hunter2" not in answer.text
    found = api.get(answer.headers["location"])
    assert found.status_code == 200
    assert found.json["id"] == answer.json["id"]
    assert found.json["stages"] == []
    assert found.json["why"]["code"] == "no_worker"


def test_what_was_done_stands_in_the_audit_log_with_its_request(api: Api) -> None:
    job = api.submit(headers={"X-Request-ID": "req-17"}).json["id"]
    rows = api.world.column(
        "SELECT request_id FROM audit_logs WHERE resource_id = %(job)s AND action = 'job.submit'", job=job
    )
    assert rows == ["req-17"]


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"branch": ""}, "#/branch"),
        ({"branch": 7}, "#/branch"),
        ({"branch": "a\nb"}, "#/branch"),
        ({"repository": "no-uuid"}, "#/repository"),
        ({"priority": "5"}, "#/priority"),
        ({"priority": 10}, "#/priority"),
        ({"priority": True}, "#/priority"),
        ({"priority": 5.0}, "#/priority"),
        ({"max_attempts": 0}, "#/max_attempts"),
        ({"environment": {"A-B": "x"}}, "#/environment/A-B/[key]"),
        ({"environment": {"A": 1}}, "#/environment/A"),
        ({"pipeline": "x" * 70_000}, "#/pipeline"),
        ({"brnch": "typo"}, "#/brnch"),
    ],
)
def test_a_field_that_is_not_possible_is_named(api: Api, wanted: dict[str, object], pointer: str) -> None:
    answer = api.submit(**wanted)
    assert refusal(answer) == (422, "invalid_request")
    pointers = {fault["pointer"].replace("%5B", "[").replace("%5D", "]") for fault in answer.json["errors"]}
    assert pointer in pointers


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"branch": "main"}, "branch_is_target"),
        ({"branch": "--exec=touch x"}, "invalid_ref"),
        ({"branch": "$(id)", "target": "a..b"}, "invalid_ref"),
        ({"environment": {"GIT_DIR": "/x"}}, "invalid_request"),
    ],
)
def test_what_only_the_house_can_know_is_refused_with_its_reason(
    api: Api, wanted: dict[str, object], reason: str
) -> None:
    assert refusal(api.submit(**wanted)) == (422, reason)
    assert api.world.value("SELECT count(*) FROM jobs") == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b'"x"'])
def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    answer = api.ask("POST", "/api/v1/jobs", body=body, headers={"Content-Type": "application/json"})
    assert refusal(answer) == (422, "invalid_request")


def test_a_body_of_another_type_is_refused(api: Api) -> None:
    answer = api.ask("POST", "/api/v1/jobs", body=b"a=1", headers={"Content-Type": "text/yaml"})
    assert refusal(answer) == (415, "media_type")


def test_an_unknown_query_parameter_is_refused(api: Api) -> None:
    answer = api.get("/api/v1/jobs?colour=red")
    assert refusal(answer) == (422, "invalid_request")
    assert answer.json["errors"][0]["parameter"] == "colour"


def test_the_same_key_and_request_give_the_same_job(api: Api) -> None:
    key = {"Idempotency-Key": "k-1"}
    first, second = api.submit(headers=key), api.submit(headers=key)
    assert first.status_code == second.status_code == 202
    assert first.json["id"] == second.json["id"]
    assert api.world.value("SELECT count(*) FROM jobs") == 1


def test_a_pooler_that_takes_prepared_statements_away_is_not_seen_by_callers(
    api: Api, database: TestDatabase
) -> None:
    api.submitted(branch="one")
    with database.app.transaction(Scope.nobody()) as tx:
        assert tx.value("SELECT count(*) FROM pg_prepared_statements")
        tx.run("DEALLOCATE ALL")
    answers = [api.submit(branch=branch) for branch in ("two", "three")]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert api.world.value("SELECT count(*) FROM jobs") == 3


def test_the_same_key_with_another_request_is_refused(api: Api) -> None:
    key = {"Idempotency-Key": "k-1"}
    api.submit(headers=key)
    assert refusal(api.submit(headers=key, branch="other")) == (422, "invalid_request")


@pytest.mark.parametrize("key", ["with space", "x" * 256, "ü"])
def test_an_odd_key_is_refused_by_name(api: Api, key: str) -> None:
    answer = api.submit(headers={"Idempotency-Key": key})
    assert refusal(answer) == (422, "invalid_request")
    assert answer.json["errors"][0]["header"] == "Idempotency-Key"


def test_one_key_pressed_many_times_at_once_makes_one_job(api: Api) -> None:
    body = {"repository": str(api.world.repository), "branch": "feature"}
    headers = {"Authorization": f"Bearer {api.token}", "Idempotency-Key": "k"}

    async def scene() -> list[str]:
        async with falcon.testing.ASGIConductor(api.client.app) as service:
            presses = [service.simulate_post("/api/v1/jobs", json=body, headers=headers) for _ in range(8)]
            return [answer.json["id"] for answer in await asyncio.gather(*presses)]

    assert len(set(asyncio.run(scene()))) == 1
    assert api.world.value("SELECT count(*) FROM jobs") == 1


def test_pages_follow_each_other_and_lose_nothing(api: Api) -> None:
    submitted = [str(api.submitted(branch=f"b{n}")) for n in range(5)]
    seen, path = [], "/api/v1/jobs?limit=2"
    for _ in range(3):
        page = api.get(path)
        seen += [job["id"] for job in page.json["jobs"]]
        path = page.headers["link"].split(">")[0].lstrip("<") if "link" in page.headers else ""
    assert path == ""
    assert page.json["next_cursor"] is None
    assert seen == submitted[::-1]


def test_filters_narrow_the_list_and_stay_in_the_link(api: Api) -> None:
    wanted = [str(api.submitted(branch="a+b#c")) for _ in range(2)]
    api.submitted(branch="other")
    page = api.get("/api/v1/jobs", params={"branch": "a+b#c", "state": "queued", "limit": 1})
    assert [job["id"] for job in page.json["jobs"]] == wanted[:0:-1]
    following = api.get(page.headers["link"].split(">")[0].lstrip("<"))
    assert [job["id"] for job in following.json["jobs"]] == wanted[:1]
    assert api.get("/api/v1/jobs", params={"repository": str(uuid4())}).json["jobs"] == []
    assert api.get("/api/v1/jobs", params={"state": "success"}).json["jobs"] == []


@pytest.mark.parametrize(
    "query",
    ["state=busy", "limit=0", "limit=201", "limit=x", "repository=7", "cursor=nonsense", "branch=a&branch=b"],
)
def test_a_filter_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    assert refusal(api.get(f"/api/v1/jobs?{query}")) == (422, "invalid_request")


def test_another_organizations_job_answers_exactly_as_none(api: Api) -> None:
    job, stranger = api.submitted(), api.elsewhere()
    headers = {"X-Request-ID": "same"}
    for method, tail in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("GET", "/logs"),
        ("GET", "/events"),
        ("GET", "/conflicts"),
    ]:
        body = {} if method == "POST" else None
        theirs = stranger.ask(method, f"/api/v1/jobs/{job}{tail}", json=body, headers=headers)
        never = stranger.ask(method, f"/api/v1/jobs/{uuid4()}{tail}", json=body, headers=headers)
        assert refusal(theirs) == refusal(never) == (404, "not_found")
        assert set(theirs.json) == set(never.json)
    assert stranger.get("/api/v1/jobs").json["jobs"] == []


def test_an_id_that_is_none_is_an_unknown_address(api: Api) -> None:
    assert refusal(api.get("/api/v1/jobs/latest")) == (404, "not_found")


def test_a_viewer_may_look_and_nothing_else(api: Api) -> None:
    job, viewer = api.submitted(), api.acting(Role.VIEWER)
    assert viewer.get(f"/api/v1/jobs/{job}").status_code == 200
    assert refusal(viewer.submit()) == (403, "not_allowed")
    assert refusal(viewer.ask("DELETE", f"/api/v1/jobs/{job}")) == (403, "not_allowed")


def test_a_token_without_the_scope_is_refused(api: Api) -> None:
    reader = api.acting(Role.ADMIN, scopes=frozenset({Operation.READ}))
    assert refusal(reader.submit()) == (403, "not_allowed")


def test_a_queued_job_is_cancelled_at_once_and_twice_is_no_error(api: Api) -> None:
    job = api.submitted()
    assert api.ask("POST", f"/api/v1/jobs/{job}/cancel").json["state"] == "cancelled"
    assert api.ask("DELETE", f"/api/v1/jobs/{job}").json["state"] == "cancelled"


def test_a_running_job_is_asked_to_stop(api: Api) -> None:
    job = api.submitted()
    api.world.claim(api.world.job(job))
    answer = api.ask("DELETE", f"/api/v1/jobs/{job}")
    assert (answer.json["state"], answer.json["cancel_requested"]) == ("running", True)


def test_what_has_ended_cannot_be_cancelled(api: Api) -> None:
    job = api.submitted()
    finish(api, job)
    assert refusal(api.ask("POST", f"/api/v1/jobs/{job}/cancel")) == (409, "conflict_of_state")


def test_a_retry_is_a_new_job_that_names_its_parent(api: Api) -> None:
    job = api.submitted()
    assert refusal(api.ask("POST", f"/api/v1/jobs/{job}/retry", json={})) == (409, "conflict_of_state")
    finish(api, job)
    child = api.ask("POST", f"/api/v1/jobs/{job}/retry", json={})
    assert child.status_code == 202
    assert child.json["parent_job"] == str(job)
    assert child.headers["location"].endswith(child.json["id"])
    nowhere = api.ask("POST", f"/api/v1/jobs/{job}/retry", json={"from_stage": "test"})
    assert refusal(nowhere) == (422, "invalid_request")


def test_a_log_is_read_in_pieces_by_bytes(api: Api) -> None:
    job = api.submitted()
    running = api.world.claim(api.world.job(job))
    assert running is not None
    with api.world.everywhere() as transaction:
        story.append_log(transaction, job, running.fence, "test", "grün\n".encode())
        story.append_log(transaction, job, running.fence, "test", b"two\n")
    first = api.get(f"/api/v1/jobs/{job}/logs", params={"limit": 6})
    shown = first.json
    pieces = shown.pop("pieces")
    assert shown == {
        "offset": 0,
        "next_offset": 6,
        "complete": False,
        "removed": False,
        "text": "grün\n",
    }
    assert [(one["stage"], one["attempt"], one["offset"], one["size"]) for one in pieces] == [
        ("test", 1, 0, 6)
    ]
    rest = api.get(f"/api/v1/jobs/{job}/logs", params={"offset": 6}, headers={"Accept": "text/plain"})
    assert rest.headers["content-type"].startswith("text/plain")
    assert (rest.text, rest.headers["x-next-offset"]) == ("two\n", "10")
    finish(api, job)
    assert api.get(f"/api/v1/jobs/{job}/logs", params={"offset": 10}).json["complete"] is True


def streamed(api: Api, job: UUID, headers: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """All events of one stream, as its client reads them until it ends."""

    async def read() -> str:
        bearer = {"Authorization": f"Bearer {api.token}", **(headers or {})}
        async with (
            falcon.testing.ASGIConductor(api.client.app) as service,
            service.simulate_get_stream(f"/api/v1/jobs/{job}/events", headers=bearer) as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            text = b""
            while not text.endswith(b"\n\n") or LAST not in text:
                text += await answer.stream.read()
                await asyncio.sleep(0.01)
            return text.decode()

    blocks = [block for block in asyncio.run(read()).split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def test_events_come_in_order_until_the_job_is_final(api: Api) -> None:
    job = api.submitted()
    finish(api, job)
    found = streamed(api, job)
    assert [event["event"] for event in found] == api.world.kinds(api.world.job(job))
    seqs = [int(event["id"]) for event in found]
    assert seqs == sorted(set(seqs))
    assert [json.loads(event["data"])["seq"] for event in found] == seqs


def test_a_stream_goes_on_strictly_behind_what_was_seen(api: Api) -> None:
    job = api.submitted()
    finish(api, job)
    path = f"/api/v1/jobs/{job}/events"
    ids = [event["id"] for event in streamed(api, job)]
    again = streamed(api, job, {"Last-Event-ID": ids[1]})
    assert [event["id"] for event in again] == ids[2:]
    assert api.get(path, headers={"Last-Event-ID": ids[-1]}).status_code == 204


def test_a_stream_sees_what_happens_while_it_is_open(api: Api) -> None:
    job = api.submitted()
    later = threading.Timer(0.3, finish, args=(api, job))
    later.start()
    kinds = [event["event"] for event in streamed(api, job)]
    later.join()
    assert kinds == api.world.kinds(api.world.job(job))


def test_a_long_poll_answers_when_the_state_changes(api: Api) -> None:
    job = api.submitted()
    later = threading.Timer(0.3, lambda: api.world.claim(api.world.job(job)))
    later.start()
    answer = api.get(f"/api/v1/jobs/{job}", params={"wait": 30})
    later.join()
    assert answer.json["state"] == "running"


def test_a_long_poll_gives_up_in_time(api: Api) -> None:
    job = api.submitted()
    assert api.get(f"/api/v1/jobs/{job}", params={"wait": 1}).json["state"] == "queued"
    assert refusal(api.get(f"/api/v1/jobs/{job}", params={"wait": 61})) == (422, "invalid_request")


def test_a_job_shows_its_stages_as_they_run(api: Api) -> None:
    job = api.submitted()
    running = api.world.claim(api.world.job(job))
    assert running is not None
    with api.world.everywhere() as transaction:
        story_ = ("stage.started", {"stage": "clone"})
        stages.start(transaction, job, running.fence, stage="clone", ordinal=0, story=story_)
    shown = api.get(f"/api/v1/jobs/{job}").json
    assert [(stage["stage"], stage["result"]) for stage in shown["stages"]] == [("clone", None)]
    assert shown["why"] is None
    assert shown["worker"] == "w1"


def test_conflicts_are_listed_with_who_answered(api: Api) -> None:
    job = api.submitted()
    api.world.claim(api.world.job(job))
    row = {
        "organization": api.world.principal.organization,
        "job": job,
        "stage": "resolve",
        "path": "a.py",
        "kind": "content",
        "method": "structural",
        "hunks": [{"rung": "structural", "rule": "imports", "why": "both added imports"}],
        "success": True,
    }
    with api.world.everywhere() as transaction:
        stages.add_resolutions(transaction, [row])
    (found,) = api.get(f"/api/v1/jobs/{job}/conflicts").json["conflicts"]
    assert (found["path"], found["resolved"], found["method"]) == ("a.py", True, "structural")
    (hunk,) = found["hunks"]
    wanted = {"rung": "structural", "rule": "imports", "why": "both added imports", "whole": ""}
    assert {name: hunk[name] for name in wanted} == wanted
    assert not any(hunk["account"].values())


def test_what_is_known_of_a_models_answer_is_listed_with_it(api: Api) -> None:
    job = api.submitted()
    account = {
        "model": "m",
        "kept": ["a"],
        "dropped": ["b of commit (old)"],
        "elsewhere": ["c"],
        "review": "accept: d",
    }
    hunk = {"rung": "model", "why": "w", "approval": "it gives up a test", "account": account}
    row = {
        "organization": api.world.principal.organization,
        "job": job,
        "stage": "resolve",
        "path": "a.py",
        "kind": "content",
        "method": "model",
        "model": "m",
        "hunks": [hunk],
        "success": True,
    }
    with api.world.everywhere() as transaction:
        stages.add_resolutions(transaction, [row])
    (found,) = api.get(f"/api/v1/jobs/{job}/conflicts").json["conflicts"]
    (shown,) = found["hunks"]
    assert (found["model"], shown["approval"]) == ("m", "it gives up a test")
    assert {name: value for name, value in shown["account"].items() if value} == account
