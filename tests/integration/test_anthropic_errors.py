"""What the Messages API says no with, over a socket: each documented error, and the wait it asks for."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.hooks.contracts import ModelRequest
from flowforge_plugins.models.anthropic_client import Messages, connect
from tests.modelserver import ModelServer, Reply, model_server, refuse

SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
REQUEST = ModelRequest(model="claude-sonnet-5-5", system="rules", prompt="a question", schema=SCHEMA)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def provider(server: ModelServer) -> Messages:
    return connect({"anthropic_api_key": server.key, "base_url": server.url, "timeout": "20"})


def failure(provider: Messages, deadline: float = 5.0) -> FlowForgeError:
    with pytest.raises(FlowForgeError) as caught:
        provider.complete(REQUEST, deadline)
    return caught.value


STATUSES = [
    (429, Temporary, Reason.MODEL_UNAVAILABLE),
    (500, Temporary, Reason.MODEL_UNAVAILABLE),
    (502, Temporary, Reason.MODEL_UNAVAILABLE),
    (503, Temporary, Reason.MODEL_UNAVAILABLE),
    (504, Temporary, Reason.MODEL_UNAVAILABLE),
    (529, Temporary, Reason.MODEL_UNAVAILABLE),
    (408, Temporary, Reason.MODEL_UNAVAILABLE),
    (409, Temporary, Reason.MODEL_UNAVAILABLE),
    (422, Broken, Reason.MODEL_UNAVAILABLE),
    (307, Broken, Reason.CONFIGURATION),
    (413, Refused, Reason.TOO_LARGE),
    (400, Broken, Reason.MODEL_UNAVAILABLE),
    (401, Broken, Reason.CONFIGURATION),
    (402, Broken, Reason.CONFIGURATION),
    (403, Broken, Reason.CONFIGURATION),
    (404, Broken, Reason.CONFIGURATION),
]


@pytest.mark.parametrize(("status", "kind", "reason"), STATUSES)
def test_every_documented_error_has_its_kind(
    server: ModelServer, provider: Messages, status: int, kind: type[FlowForgeError], reason: Reason
) -> None:
    error = {408: "timeout_error"}.get(status, "")
    server.answer(refuse(status, error=error))
    caught = failure(provider)
    assert (type(caught), caught.reason) == (kind, reason)
    assert caught.next_action
    assert server.key not in caught.sentence
    assert server.billed.calls == 0


def test_one_failure_is_one_request_since_retries_cost_money(server: ModelServer, provider: Messages) -> None:
    server.answer(refuse(500))
    failure(provider)
    assert len(server.messages) == 1


def test_a_prompt_that_is_too_long_is_refused_and_not_broken(server: ModelServer, provider: Messages) -> None:
    server.answer(refuse(400, message="prompt is too long: 1200000 tokens > 1000000 maximum"))
    assert isinstance(failure(provider), Refused)


SPEND_LIMITS = [
    refuse(429, message="You have reached your specified spend limit"),
    refuse(429, message="You have reached your API usage limits: ...", code="enforced_spend_limit_reached"),
    refuse(429, message="no words of use", code="contract_spend_limit_reached"),
    refuse(402, message="no words of use", code="linked_organization_billing_unavailable"),
    refuse(400, message="You have reached your specified API usage limits. You will regain access on ..."),
    refuse(400, message="You have reached your specified workspace API usage limits."),
    refuse(400, message="Your credit balance is too low to access the API."),
]


@pytest.mark.parametrize("reply", SPEND_LIMITS, ids=lambda reply: reply.code or reply.message[:40])
def test_a_spend_limit_is_no_rate_limit(server: ModelServer, provider: Messages, reply: Reply) -> None:
    server.answer(reply)
    caught = failure(provider)
    assert (type(caught), caught.reason) == (Broken, Reason.CONFIGURATION)
    assert "to bill" in caught.sentence


def test_a_limit_on_growth_passes_by_itself(server: ModelServer, provider: Messages) -> None:
    server.answer(refuse(429, code="ramp_limit_exceeded", retry_after="3"))
    caught = failure(provider)
    assert isinstance(caught, Temporary)
    assert caught.delay == 3


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry_after": "7"}, 7, 7),
        ({"retry_after": "2.5"}, 2.5, 2.5),
        ({"retry_after_ms": "1500"}, 1.5, 1.5),
        ({"retry_after": "soon"}, 10, 10),
        ({"retry_after": "-5"}, 10, 10),
        ({"retry_after": "nan"}, 10, 10),
        ({"retry_after": "inf"}, 10, 10),
        ({"retry_after": "99999999"}, 3600, 3600),
        ({"retry_after_ms": "0", "retry_after": "4"}, 4, 4),
        ({}, 10, 10),
    ],
)
def test_the_servers_own_delay_is_kept(
    server: ModelServer, provider: Messages, headers: dict[str, str], low: float, high: float
) -> None:
    server.answer(refuse(429, **headers))
    caught = failure(provider)
    assert isinstance(caught, Temporary)
    assert low <= caught.delay <= high


def test_a_delay_may_be_a_date(server: ModelServer, provider: Messages) -> None:
    server.answer(refuse(529, retry_after=formatdate(time.time() + 60, usegmt=True)))
    caught = failure(provider)
    assert isinstance(caught, Temporary)
    assert 50 < caught.delay <= 60


def test_without_a_delay_the_reset_of_the_limit_that_is_used_up_is_waited_for(
    server: ModelServer, provider: Messages
) -> None:
    soon, later = (datetime.now(UTC) + timedelta(seconds=s) for s in (20, 500))
    headers = {
        "anthropic_ratelimit_input_tokens_remaining": "0",
        "anthropic_ratelimit_input_tokens_reset": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "anthropic_ratelimit_output_tokens_reset": later.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "anthropic_ratelimit_requests_remaining": "0",
        "anthropic_ratelimit_requests_reset": "when we like",
    }
    server.answer(refuse(429, **headers))
    caught = failure(provider)
    assert isinstance(caught, Temporary)
    assert 10 < caught.delay <= 20


def test_the_servers_own_limit_of_requests_is_met_with_its_delay(
    server: ModelServer, provider: Messages
) -> None:
    server.allow(1, 60.0)
    provider.complete(REQUEST, 5.0)
    caught = failure(provider)
    assert isinstance(caught, Temporary)
    assert 50 < caught.delay <= 60
    server.advance(61.0)
    assert provider.complete(REQUEST, 5.0).stop == "end"


def test_an_error_event_before_anything_else_began_is_an_error(
    server: ModelServer, provider: Messages
) -> None:
    server.answer(Reply(how="first_error"))
    caught = failure(provider)
    assert isinstance(caught, Temporary)
    assert "overloaded" in caught.sentence
    assert server.billed.calls == 0


def test_a_model_that_is_not_known_is_the_operators_matter(server: ModelServer, provider: Messages) -> None:
    server.models = frozenset({"another"})
    caught = failure(provider)
    assert (type(caught), caught.reason) == (Broken, Reason.CONFIGURATION)
    assert REQUEST.model in caught.sentence


def test_a_wrong_key_is_the_operators_matter(server: ModelServer) -> None:
    wrong = connect({"anthropic_api_key": "wrong-key-value", "base_url": server.url})
    caught = failure(wrong)
    assert isinstance(caught, Broken)
    assert "wrong-key-value" not in caught.sentence + repr(caught.__dict__)


@pytest.mark.parametrize("status", [400, 401, 403, 413, 429, 500])
def test_a_service_that_repeats_the_key_is_not_quoted(
    server: ModelServer, provider: Messages, status: int
) -> None:
    said = "x" * 280 + f" invalid key {server.key} given"
    server.answer(refuse(status, message=said, request_id=server.key))
    caught = failure(provider)
    assert server.key not in caught.sentence + repr(caught.__dict__)
    assert server.key[:6] not in caught.sentence[250:]


def test_the_request_id_is_kept_for_the_services_support(server: ModelServer, provider: Messages) -> None:
    server.answer(refuse(500))
    assert failure(provider).evidence == "req_0001"
