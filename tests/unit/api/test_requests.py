import itertools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import falcon.asgi
import falcon.testing
import pytest

from flowforge.api import errors
from flowforge.api.requests import Requests, request_id, traceparent

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Noted:
    """A telemetry that remembers."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, dict[str, str]]] = []
        self.observed: list[tuple[str, float, dict[str, str]]] = []

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counted.append((name, labels))

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.observed.append((name, seconds, labels))

    def gauge(self, name: str, value: float, **labels: str) -> None: ...

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        return nullcontext()


class Echo:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        resp.media = {"request_id": req.context.request_id, "traceparent": req.context.traceparent}

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        resp.media = await req.get_media()


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.fixture
def client(noted: Noted) -> falcon.testing.TestClient:
    ticks = itertools.count(step=0.5)
    requests = Requests(telemetry=noted, body_limit=10, new_id=lambda: "made-here", clock=lambda: next(ticks))
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App(middleware=[requests])
    errors.install(app)
    app.add_route("/things/{name}", Echo())
    return falcon.testing.TestClient(app)


def test_a_request_id_comes_back(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_get("/things/a", headers={"X-Request-ID": "abc-1.2_3"})
    assert answer.headers["x-request-id"] == "abc-1.2_3" == answer.json["request_id"]


def test_a_problem_names_its_request(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_get("/nothing", headers={"X-Request-ID": "abc"})
    assert answer.json["instance"] == "urn:flowforge:request:abc"
    assert answer.headers["x-request-id"] == "abc"


@pytest.mark.parametrize("odd", [None, "", "a b", "a\tb", "x" * 129, "<script>", "ü"])
def test_what_is_no_request_id_is_replaced(odd: str | None) -> None:
    assert request_id(odd, lambda: "new") == "new"


def test_a_trace_is_passed_on(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_get("/things/a", headers={"traceparent": TRACE})
    assert answer.headers["traceparent"] == TRACE == answer.json["traceparent"]


@pytest.mark.parametrize(
    "odd",
    [None, "", "00-0-0-0", TRACE + "-x", "ff" + TRACE[2:], TRACE.upper(), "00-" + "0" * 32 + TRACE[35:]],
)
def test_a_malformed_trace_is_dropped(odd: str | None) -> None:
    assert traceparent(odd) == ""


def test_every_answer_is_counted_under_its_route_and_not_its_address(
    client: falcon.testing.TestClient, noted: Noted
) -> None:
    client.simulate_get("/things/a")
    client.simulate_get("/elsewhere/17")
    client.simulate_request("BREW", "/things/a")
    routes = [(labels["method"], labels["route"], labels["status"]) for _, labels in noted.counted]
    assert routes == [
        ("GET", "/things/{name}", "200"),
        ("GET", "none", "404"),
        ("other", "/things/{name}", "400"),
    ]
    name, seconds, labels = noted.observed[0]
    assert (name, seconds, labels["route"]) == (
        "flowforge_http_request_duration_seconds",
        0.5,
        "/things/{name}",
    )


def test_a_body_over_the_limit_is_refused_by_its_declared_length(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_post("/things/a", body=b"x" * 11)
    assert answer.status_code == 413
    assert answer.json["reason"] == "too_large"
    assert answer.headers["connection"] == "close"


def test_no_answer_may_be_sniffed(client: falcon.testing.TestClient) -> None:
    assert client.simulate_get("/things/a").headers["x-content-type-options"] == "nosniff"
