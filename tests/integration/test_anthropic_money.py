"""What is billed is what is settled: the prompt cache, thinking, long prompts, and a service that does not say."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flowforge.core.errors import Refused
from flowforge.core.spend import cost, worst_case
from flowforge.hooks.contracts import ModelAnswer, ModelRequest
from flowforge.llm.prices import read_prices
from flowforge_plugins.models.anthropic_client import Messages, connect
from tests.modelserver import ModelServer, Reply, model_server

SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
REQUEST = ModelRequest(
    model="claude-sonnet-5-5", system="r" * 6000, shared="s" * 6000, prompt="a question", schema=SCHEMA
)
PRICES = read_prices(YAML(typ="safe").load(Path(__file__).parents[2] / "config" / "prices.yaml"))
MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5", "claude-fable-5-1")


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


def made(server: ModelServer, effort: str = "") -> Messages:
    return connect({"anthropic_api_key": server.key, "base_url": server.url, "effort": effort})


@pytest.fixture
def provider(server: ModelServer) -> Messages:
    return made(server)


def settled(answer: ModelAnswer, model: str) -> Decimal:
    return cost(answer.usage, PRICES.of(model, answer.usage.prompt))


@pytest.mark.parametrize("model", MODELS)
def test_what_is_settled_is_what_is_billed_whatever_the_cache_did(
    server: ModelServer, provider: Messages, model: str
) -> None:
    server.answer(Reply(text="an answer " * 30, thinking="hm " * 100))
    asked = [replace(REQUEST, model=model, prompt=f"question {number}") for number in range(4)]
    asked[2] = replace(asked[2], shared="t" * 8000)  # another commit
    asked[3] = replace(asked[3], prompt="p" * 500_000)  # beyond the threshold of one of them
    spent = Decimal(0)
    for request in asked:
        spent += settled(provider.complete(request, 10.0), model)
        server.advance(200.0)
    assert spent == server.cost(PRICES) > 0
    assert server.billed.cache_read > 0
    assert server.billed.cache_write > 0


def test_another_commit_reads_the_rules_and_writes_its_own_part(
    server: ModelServer, provider: Messages
) -> None:
    first = provider.complete(REQUEST, 5.0).usage
    second = provider.complete(replace(REQUEST, shared="t" * 6000), 5.0).usage
    assert 0 < second.cache_read < first.cache_write
    assert second.cache_read + second.cache_write == first.cache_write


def test_what_was_not_asked_for_minutes_is_written_anew(server: ModelServer, provider: Messages) -> None:
    first = provider.complete(REQUEST, 5.0).usage
    server.advance(301.0)
    assert provider.complete(REQUEST, 5.0).usage == first


def test_what_is_too_short_to_be_cached_is_plain_input(server: ModelServer, provider: Messages) -> None:
    usage = provider.complete(replace(REQUEST, system="short", shared="too"), 5.0).usage
    assert (usage.cache_write, usage.cache_read) == (0, 0)
    assert usage.input == server.billed.input


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "sent"),
    [
        ("claude-sonnet-5-5", "", 0, {"type": "between_tools"}),
        ("claude-sonnet-5-5", "high", 0, {"type": "between_tools"}),
        ("claude-sonnet-5-5", "max", 0, None),  # no such effort without thinking
        ("claude-sonnet-5-5", "max", 2000, {"type": "adaptive"}),
        ("claude-haiku-5-5", "", 0, {"type": "disabled"}),
        ("claude-opus-5-5", "", 0, None),  # always thinks
        ("claude-opus-5-5", "", 2000, {"type": "adaptive"}),
        ("claude-haiku-4-5", "", 0, None),  # thinks only when told to
        ("claude-haiku-4-5", "", 10, {"type": "enabled", "budget_tokens": 1024}),
        ("a-model-of-tomorrow", "", 0, None),
    ],
)
def test_thinking_is_off_unless_it_is_given_room(
    server: ModelServer, model: str, effort: str, thinking: int, sent: object
) -> None:
    request = replace(REQUEST, model=model, thinking=thinking)
    made(server, effort).complete(request, 5.0)
    body = server.messages[0].body
    assert body.get("thinking") == sent
    assert body["max_tokens"] == request.max_output + thinking


def test_what_it_thinks_is_paid_as_output_and_within_the_worst_case(
    server: ModelServer, provider: Messages
) -> None:
    request = replace(REQUEST, max_output=100, thinking=300)
    server.answer(Reply(text="short", thinking="a long thought " * 200))
    answer = provider.complete(request, 5.0)
    assert answer.stop == "max_tokens"
    assert "thought" not in answer.text
    assert answer.usage.output == server.billed.output == 400
    price = PRICES.of(request.model, 0)
    assert settled(answer, request.model) <= worst_case(provider.count_tokens(request), 400, price)


@pytest.mark.parametrize("how", ["cut", "error_event", "bad_event", "hang", "drop", "empty", "garbage"])
def test_a_cut_call_is_settled_within_its_worst_case_and_never_below_the_bill(
    server: ModelServer, provider: Messages, how: str
) -> None:
    server.answer(Reply(text="x" * 4000, how=how, thinking="hm"))
    answer = provider.complete(REQUEST, 1.0)
    price = PRICES.of(REQUEST.model, 0)
    worst = worst_case(provider.count_tokens(REQUEST), REQUEST.max_output, price)
    assert server.cost(PRICES) <= settled(answer, REQUEST.model) <= worst


def test_a_gateway_that_does_not_count_is_settled_at_the_upper_bound(
    server: ModelServer, provider: Messages
) -> None:
    server.answer(Reply(text="an answer", how="no_usage"))
    answer = provider.complete(REQUEST, 5.0)
    assert (answer.text, answer.stop) == ("an answer", "end")
    assert answer.usage.prompt == provider.count_tokens(REQUEST)
    assert answer.usage.output == REQUEST.max_output
    assert server.cost(PRICES) <= settled(answer, REQUEST.model)


def test_each_model_has_its_own_least_length_and_its_own_window(
    server: ModelServer, provider: Messages
) -> None:
    small = replace(REQUEST, system="r" * 3000, shared="")  # 750 tokens
    assert provider.complete(replace(small, model="claude-opus-5"), 5.0).usage.written > 0
    assert provider.complete(small, 5.0).usage.written == 0
    with pytest.raises(Refused, match="too long"):
        provider.complete(replace(small, model="claude-haiku-4-5", prompt="p" * 900_000), 5.0)
