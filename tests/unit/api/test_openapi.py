"""The contract as a document. `python -m tests.unit.api.test_openapi` writes the golden one anew."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import falcon.asgi
import falcon.testing
import pytest
from openapi_spec_validator import validate

from flowforge.api import openapi
from flowforge.api.app import create_app
from flowforge.core.access import Operation
from tests.unit.api.parts import lonely_parts

GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"
PUBLIC = {
    "healthz",
    "readyz",
    "metrics",
    "version",
    "read_openapi",
    "read_docs",
    "list_reasons",
    "explain_reason",
}


def made() -> dict[str, Any]:
    with ThreadPoolExecutor(1) as executor:
        app = create_app(lonely_parts(executor))
        found = falcon.testing.TestClient(app).simulate_get("/api/v1/openapi.json").json
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return made()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_contract_changes_on_purpose_only(document: dict[str, Any]) -> None:
    """A difference here is a change of the public API: note it in the changelog, then write the file anew."""
    assert document == json.loads(GOLDEN.read_text())


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_operation_has_a_name_a_sentence_and_a_tag(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for *_, operation in operations(document)]
    assert len(names) == len(set(names))
    for *_, operation in operations(document):
        assert operation["summary"].endswith("."), operation["operationId"]
        assert len(operation["tags"]) == 1


def test_every_operation_but_the_public_ones_asks_for_a_token(document: dict[str, Any]) -> None:
    open_ = {o["operationId"] for *_, o in operations(document) if not o.get("security")}
    assert open_ == PUBLIC
    for *_, operation in operations(document):
        if operation["operationId"] not in PUBLIC:
            (needed,) = operation["security"]
            assert set(needed["token"]) <= {str(word) for word in Operation}
            assert {"401", "403", "503"} <= set(operation["responses"])


def test_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"], (path, method, status)


def test_every_operation_with_a_body_says_how_a_body_is_refused(document: dict[str, Any]) -> None:
    bodies = [operation for *_, operation in operations(document) if "requestBody" in operation]
    assert len(bodies) >= 4  # grows with every route
    for operation in bodies:
        assert {"400", "413", "415", "422"} <= set(operation["responses"])


def test_what_comes_in_refuses_unknown_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for *_, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"]["$ref"].rsplit("/", 1)[1]
            assert schemas[name]["additionalProperties"] is False


def test_addresses_are_those_that_are_served(document: dict[str, Any]) -> None:
    assert "/api/v1/openapi.json" in document["paths"]
    assert "\\" not in "".join(document["paths"])


def test_a_list_and_what_is_made_say_where_to_go_on(document: dict[str, Any]) -> None:
    assert "Link" in document["paths"]["/api/v1/jobs"]["get"]["responses"]["200"]["headers"]
    assert "Location" in document["paths"]["/api/v1/jobs"]["post"]["responses"]["202"]["headers"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for part in text.split('"$ref": "#/components/schemas/')[1:]:
        assert part.split('"')[0] in document["components"]["schemas"]


def test_a_handler_without_a_contract_stops_the_start() -> None:
    class Careless:
        async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None: ...

    with pytest.raises(TypeError, match=r"Careless\.on_get has no contract"):
        openapi.bind(openapi.make_spec("1"), Careless())


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(made(), indent=1, ensure_ascii=False) + "\n")
