"""Role x operation and scope x operation, enumerated from what is served; and inputs nobody thought of."""

import json
import re
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowforge.api.app import contracts, routes
from flowforge.api.bells import Bells
from flowforge.api.desk import Desk
from flowforge.api.docs import Docs
from flowforge.core.access import Operation, Role, may
from tests.integration.api.conftest import Api
from tests.unit.api.parts import lonely_parts

pytestmark = pytest.mark.services

FORBIDDEN, UNKNOWN = 403, 401


def guarded() -> list[tuple[str, str, Operation]]:
    """(method, template, need) of every route that asks for a token."""
    parts = lonely_parts(None)  # type: ignore[arg-type]  # nothing runs
    desk = Desk(database=parts.database, executor=parts.executor)
    table = contracts(routes(parts, desk, Bells(), Docs(reasons={})))
    return [
        (method, template, c.needs)
        for (template, method), c in table.items()
        if c.needs is not None and method != "WEBSOCKET"  # a handshake has one answer: see test_sockets
    ]


GUARDED = guarded()


def knock(api: Api, method: str, template: str) -> int:
    """Ask with ids that do not exist, and an empty object where a body is read."""
    path = re.sub(r"{\w+:uuid}", lambda _: str(uuid4()), template)
    return api.ask(method, path, json={} if method in {"POST", "PATCH", "PUT"} else None).status_code


def test_there_is_something_to_guard() -> None:
    assert len(GUARDED) >= 14  # grows with every route
    assert {need for *_, need in GUARDED} == {
        Operation.READ,
        Operation.SUBMIT,
        Operation.CONTROL,
        Operation.CONFIGURE,
        Operation.ADMINISTER,
        Operation.OPERATE,
    }


@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name.lower())
def test_a_role_opens_exactly_what_it_may(api: Api, role: Role) -> None:
    somebody = api.acting(role)
    principal = replace(api.world.principal, role=role)
    for method, template, need in GUARDED:
        status = knock(somebody, method, template)
        assert (status == FORBIDDEN) is not may(principal, need), (method, template, status)
        assert status not in {UNKNOWN, 500, 503}, (method, template, status)


@pytest.mark.parametrize("scope", list(Operation), ids=str)
def test_a_scope_opens_exactly_one_operation(api: Api, scope: Operation) -> None:
    somebody = api.acting(Role.OPERATOR, scopes=frozenset({scope}))
    for method, template, need in GUARDED:
        status = knock(somebody, method, template)
        assert (status == FORBIDDEN) is (need is not scope), (method, template, status)


def test_nothing_guarded_answers_a_stranger(api: Api) -> None:
    for method, template, _ in GUARDED:
        assert knock(replace(api, token=""), method, template) == UNKNOWN
        assert knock(replace(api, token="ff_somebodyelse"), method, template) == UNKNOWN


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("repository", "branch", "target", "task", "pipeline", "priority", "environment", "max_attempts")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON, max_size=6), st.booleans())
def test_no_body_is_a_servers_fault(api: Api, fields: dict[str, object], real: bool) -> None:
    if real:  # past the first checks, to where the house decides
        fields = {"repository": str(api.world.repository), "branch": "b", "target": "main", **fields}
    answer = api.ask("POST", "/api/v1/jobs", body=json.dumps(fields).encode())
    assert answer.status_code == 202 or 400 <= answer.status_code < 500, answer.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["state", "branch", "repository", "cursor", "limit", "x"]), st.text(max_size=40))
def test_no_filter_is_a_servers_fault(api: Api, name: str, value: str) -> None:
    answer = api.get("/api/v1/jobs", params={name: value.encode("utf-8", "ignore").decode()})
    assert answer.status_code == 200 or 400 <= answer.status_code < 500, answer.text
