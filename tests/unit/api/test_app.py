"""The whole application without its services: what it says to strangers and to machines."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import falcon.testing
import pytest

from flowforge.api.app import create_app
from flowforge.api.desk import client_address
from flowforge.core.errors import Reason, Temporary
from tests.unit.api.parts import lonely_parts

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def client() -> Iterator[falcon.testing.TestClient]:
    with ThreadPoolExecutor(2) as executor:
        metrics = lambda: (b"flowforge_build_info 1\n", "text/plain; version=0.0.4")  # noqa: E731 (one value)
        yield falcon.testing.TestClient(create_app(lonely_parts(executor, metrics=metrics)))


def test_a_living_process_says_so_although_its_database_is_away(client: falcon.testing.TestClient) -> None:
    assert client.simulate_get("/healthz").json == {"status": "ok"}


def test_readiness_asks_the_database_and_tells_no_stranger_where_it_is(
    client: falcon.testing.TestClient,
) -> None:
    answer = client.simulate_get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json["reason"] == "service_unavailable"
    assert "127.0.0.1" not in answer.text


def test_a_helper_that_is_away_degrades_the_service_and_stops_nothing() -> None:
    def away() -> None:
        raise Temporary(Reason.SERVICE_UNAVAILABLE, "Redis at 10.0.0.7 did not answer")

    assert ready(redis=away).json == {"status": "degraded", "degraded": ["redis"]}
    assert ready(redis=away, other=lambda: None).json == {"status": "degraded", "degraded": ["redis"]}
    assert ready(redis=lambda: None).json == {"status": "ready", "degraded": []}
    assert ready(redis=away).status_code == 200


class Alive:
    def ping(self) -> None:
        """It is there."""


def ready(**helpers: Callable[[], None]) -> falcon.testing.Result:
    with ThreadPoolExecutor(1) as executor:
        app = create_app(lonely_parts(executor, database=Alive(), helpers=helpers))
        return falcon.testing.TestClient(app).simulate_get("/readyz")


def test_the_version_is_public(client: falcon.testing.TestClient) -> None:
    assert client.simulate_get("/version").json == {"version": "0.1.0", "api": "v1"}


def test_metrics_are_what_they_were_handed(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_get("/metrics")
    assert answer.text == "flowforge_build_info 1\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v1", 404),
        ("GET", "/api/v1/jobs/", 404),
        ("PUT", "/api/v1/jobs", 405),
        ("POST", "/healthz", 405),
        ("GET", "/api/v1/jobs", 401),
        ("POST", "/api/v1/jobs", 401),
        ("DELETE", "/api/v1/jobs/00000000-0000-0000-0000-000000000001", 401),
        ("GET", "/api/v1/repositories", 401),
        ("GET", "/version?x=1", 422),
        ("GET", "/%2e%2e/etc/passwd", 404),
        ("GET", "/api/docs/problems/unheard_of", 404),
    ],
)
def test_every_refusal_is_a_problem_with_its_request(
    client: falcon.testing.TestClient, method: str, path: str, status: int
) -> None:
    answer = client.simulate_request(method, path)
    assert answer.status_code == status == answer.json["status"]
    assert answer.headers["content-type"] == PROBLEM
    assert answer.headers["x-request-id"] == "request-1"
    assert answer.json["instance"].endswith("request-1")
    assert answer.json["reason"] in set(Reason)


def test_a_token_that_nobody_gave_is_refused(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_get("/api/v1/jobs", headers={"Authorization": "Bearer ff_0123456789abcdef"})
    assert answer.status_code == 401
    assert "0123456789abcdef" not in answer.text


def test_options_names_the_methods(client: falcon.testing.TestClient) -> None:
    answer = client.simulate_options("/api/v1/jobs")
    assert {word.strip() for word in answer.headers["allow"].split(",")} == {"GET", "POST"}


def test_the_docs_page_lists_every_route_and_needs_nothing_from_elsewhere(
    client: falcon.testing.TestClient,
) -> None:
    page = client.simulate_get("/api/docs")
    for path in client.simulate_get("/api/v1/openapi.json").json["paths"]:
        assert f"<code>{path}</code>" in page.text
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_type_of_a_problem_leads_to_a_page_about_it(client: falcon.testing.TestClient) -> None:
    problem = client.simulate_get("/nowhere").json
    page = client.simulate_get(problem["type"])
    assert page.status_code == 200
    assert "<code>not_found</code>" in page.text
    assert "What to do next" in page.text


def test_every_reason_has_its_page(client: falcon.testing.TestClient) -> None:
    listing = client.simulate_get("/api/docs/problems").text
    for reason in Reason:
        assert f'href="/api/docs/problems/{reason}"' in listing
        assert client.simulate_get(f"/api/docs/problems/{reason}").status_code == 200


@pytest.mark.parametrize(
    ("route", "hops", "address"),
    [
        (["10.0.0.1"], 0, "10.0.0.1"),
        (["6.6.6.6", "10.0.0.1"], 0, "10.0.0.1"),
        (["6.6.6.6", "8.8.8.8", "10.0.0.1"], 1, "8.8.8.8"),
        (["6.6.6.6", "8.8.8.8", "9.9.9.9", "10.0.0.1"], 2, "8.8.8.8"),
        (["10.0.0.1"], 1, "10.0.0.1"),
    ],
)
def test_an_address_is_counted_from_the_right_by_the_proxies_that_are_ours(
    route: list[str], hops: int, address: str
) -> None:
    assert client_address("10.0.0.1", route, hops) == address
