import json
import logging
from typing import Any

import falcon
import falcon.asgi
import falcon.testing
import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from flowforge.api import errors
from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.store.errors import UnknownOutcome


class Raises:
    """A resource that raises what the test wants."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = {"half": "written"}
        raise self.error

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = await req.get_media()


def client(error: Exception) -> falcon.testing.TestClient:
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    errors.install(app)
    app.add_route("/x", Raises(error))
    return falcon.testing.TestClient(app)


def test_a_refusal_carries_reason_sentence_and_next_action() -> None:
    answer = client(Refused(Reason.NOT_FOUND, "no job 7", next_action="look")).simulate_get("/x")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == "/api/docs/problems/not_found"
    assert answer.json["title"] == "Not found"
    assert answer.json["detail"] == "no job 7"
    assert answer.json["next_action"] == "look"
    assert answer.json["reason"] == "not_found"
    assert "half" not in answer.text


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused(Reason.INVALID_REF, "bad ref"), 422),
        (Refused(Reason.NOT_SIGNED_IN, "who"), 401),
        (Refused(Reason.NOT_ALLOWED, "no"), 403),
        (Refused(Reason.CONFLICT_OF_STATE, "final"), 409),
        (Refused(Reason.TOO_LARGE, "big"), 413),
        (Refused(Reason.BUDGET_EXHAUSTED, "spent"), 402),
        (Refused(Reason.MALFORMED, "no JSON"), 400),
        (Temporary(Reason.MODEL_UNAVAILABLE, "later"), 503),
        (Broken(Reason.PLUGIN_FAILED, "it raised"), 500),
        (falcon.HTTPNotFound(), 404),
        (falcon.HTTPMethodNotAllowed(["GET"]), 405),
        (falcon.HTTPUnsupportedMediaType(), 415),
        (falcon.HTTPContentTooLarge(), 413),
        (falcon.HTTPBadRequest(title="t", description="secret-input"), 400),
        (falcon.HTTPUnprocessableEntity(description="secret-input"), 422),
        (falcon.HTTPServiceUnavailable(), 503),
        (ZeroDivisionError("secret-input"), 500),
    ],
)
def test_every_error_becomes_a_problem_of_its_status(error: Exception, status: int) -> None:
    answer = client(error).simulate_get("/x")
    assert answer.status_code == status == answer.json["status"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["reason"] in set(Reason)
    assert "secret-input" not in answer.text


def test_a_bug_is_logged_with_its_traceback_and_answered_without(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client(ZeroDivisionError("the boiler")).simulate_get("/x")
    assert answer.json["reason"] == "internal_error"
    assert "boiler" not in answer.text
    assert "Traceback" not in answer.text
    assert caplog.records[0].exc_info is not None
    assert "boiler" in caplog.text


def test_what_names_our_machines_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    error = Temporary(
        Reason.SERVICE_UNAVAILABLE, "no answer from db.internal:5432", delay=2.2, next_action="wait"
    )
    answer = client(error).simulate_get("/x")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "3"
    assert "db.internal" not in answer.text
    assert answer.json["next_action"] == "wait"
    assert "db.internal" in caplog.text


def test_an_unknown_outcome_says_that_it_is_unknown() -> None:
    error = UnknownOutcome(Reason.SERVICE_UNAVAILABLE, "whether it happened is not known")
    assert client(error).simulate_get("/x").json["detail"] == "whether it happened is not known"


def test_a_missing_token_is_answered_with_the_scheme() -> None:
    answer = client(Refused(Reason.NOT_SIGNED_IN, "who")).simulate_get("/x")
    assert answer.headers["www-authenticate"] == 'Bearer realm="flowforge"'


def test_the_allow_header_survives() -> None:
    assert client(Refused(Reason.BUSY, "x")).simulate_put("/x").headers["allow"] == "GET, POST, OPTIONS"


def test_an_unknown_address_is_a_problem_too() -> None:
    answer = client(Refused(Reason.BUSY, "x")).simulate_get("/nowhere/secret-input")
    assert answer.status_code == 404
    assert "secret-input" not in answer.text


def test_empty_members_are_left_out() -> None:
    problem = errors.problem_of(Refused(Reason.NOT_FOUND, "no"))
    assert set(problem.to_json("r1")) == {"type", "title", "status", "detail", "instance", "reason"}
    assert problem.to_json("r1")["instance"] == "urn:flowforge:request:r1"


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int
    inner: dict[str, int] = {}


def findings(data: object) -> errors.Unreadable:
    try:
        Shape.model_validate(data)
    except ValidationError as error:
        return errors.unreadable(error, "body")
    raise AssertionError("it was valid")


def test_validation_names_each_place_and_never_the_input() -> None:
    found = findings({"count": "hunter2", "inner": {"a/b~c": "hunter3"}, "token": "hunter4"})
    assert {fault.pointer for fault in found.faults} == {"#/count", "#/inner/a~1b~0c", "#/token"}
    text = json.dumps(errors.problem_of(found).to_json(""))
    assert "hunter" not in text
    assert found.sentence == "the request has 3 problems"


def test_thousands_of_unknown_fields_are_counted_but_not_all_listed() -> None:
    found = findings({"count": 1, **{f"field{n}": n for n in range(5000)}})
    assert found.sentence == "the request has 5000 problems"
    assert len(found.faults) == 50


@pytest.mark.parametrize(("place", "member"), [("parameter", "parameter"), ("header", "header")])
def test_a_fault_outside_the_body_names_its_kind(place: str, member: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Shape.model_validate({"count": "x"})
    (fault,) = errors.unreadable(caught.value, place).faults
    assert fault.to_json()[member] == "count"


def test_every_reason_has_a_status() -> None:
    for reason in Reason:
        assert 400 <= errors.problem_of(Refused(reason, "x")).status < 600
