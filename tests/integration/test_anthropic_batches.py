"""Batches of the Messages API over a socket: handed in, waited for, fetched, and settled to the cent."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.spend import cost, worst_case
from flowforge.hooks.contracts import ModelAnswer, ModelRequest
from flowforge.llm.prices import read_prices
from flowforge_plugins.models.anthropic_client import Messages, connect
from tests.modelserver import ModelServer, Reply, model_server, refuse

SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
REQUEST = ModelRequest(
    model="claude-sonnet-5-5", system="r" * 6000, shared="s" * 6000, prompt="a question", schema=SCHEMA
)
PRICES = read_prices(YAML(typ="safe").load(Path(__file__).parents[2] / "config" / "prices.yaml"))


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def provider(server: ModelServer) -> Messages:
    return connect({"anthropic_api_key": server.key, "base_url": server.url})


def settled(answer: ModelAnswer) -> Decimal:
    return cost(answer.usage, PRICES.of(REQUEST.model, answer.usage.prompt, batch=True))


def collected(provider: Messages, batch: str) -> ModelAnswer:
    answer = provider.collect(batch, 5.0)
    assert answer is not None
    return answer


def failure(provider: Messages, batch: str) -> FlowForgeError:
    with pytest.raises(FlowForgeError) as caught:
        provider.collect(batch, 5.0)
    return caught.value


def test_an_answer_is_fetched_when_it_is_there_and_costs_half(
    server: ModelServer, provider: Messages
) -> None:
    server.answer(Reply(text="the answer", polls=2, thinking="hm " * 50))
    batch = provider.submit(REQUEST, 5.0)
    assert provider.collect(batch, 5.0) is None
    assert provider.collect(batch, 5.0) is None
    answer = collected(provider, batch)
    assert (answer.text, answer.stop) == ("the answer", "end")
    assert settled(answer) == server.cost(PRICES) > 0
    assert collected(provider, batch) == answer
    assert len(server.bills) == 1


def test_another_process_fetches_what_one_has_handed_in(server: ModelServer, provider: Messages) -> None:
    batch = provider.submit(REQUEST, 5.0)
    other = connect({"anthropic_api_key": server.key, "base_url": server.url})
    assert collected(other, batch).stop == "end"


def test_the_rules_are_kept_for_an_hour_and_what_a_commit_shares_for_minutes(
    server: ModelServer, provider: Messages
) -> None:
    provider.submit(REQUEST, 5.0)
    (entry,) = server.seen[0].body["requests"]
    system, shared = entry["params"]["system"]
    assert system["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert shared["cache_control"] == {"type": "ephemeral"}
    assert "stream" not in entry["params"]
    assert entry["params"]["max_tokens"] == REQUEST.max_output


def test_what_was_written_for_an_hour_is_billed_and_settled_as_such(
    server: ModelServer, provider: Messages
) -> None:
    first = collected(provider, provider.submit(REQUEST, 5.0))
    assert 0 < first.usage.cache_write_hour == server.billed.cache_write_hour < server.billed.cache_write
    server.advance(600.0)  # more than minutes, less than an hour
    second = collected(provider, provider.submit(REQUEST, 5.0))
    assert second.usage.cache_read == first.usage.cache_write_hour
    assert second.usage.cache_write == first.usage.cache_write
    assert settled(first) + settled(second) == server.cost(PRICES)


def test_no_batch_costs_more_than_its_worst_case(server: ModelServer, provider: Messages) -> None:
    server.answer(Reply(text="x" * 100_000))  # more than was allowed
    answer = collected(provider, provider.submit(REQUEST, 5.0))
    assert answer.stop == "max_tokens"
    price = PRICES.of(REQUEST.model, 0, batch=True)
    assert settled(answer) <= worst_case(provider.count_tokens(REQUEST), REQUEST.max_output, price, hour=True)


@pytest.mark.parametrize("how", ["expired", "canceled"])
def test_a_batch_that_ended_without_an_answer_is_asked_anew_and_was_free(
    server: ModelServer, provider: Messages, how: str
) -> None:
    server.answer(Reply(how=how))
    caught = failure(provider, provider.submit(REQUEST, 5.0))
    assert (type(caught), caught.reason) == (Temporary, Reason.MODEL_UNAVAILABLE)
    assert how in caught.sentence
    assert server.bills == []


@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        ("api_error", "Internal server error", Temporary),
        ("overloaded_error", "Overloaded", Temporary),
        ("invalid_request_error", "prompt is too long: 2 > 1", Refused),
        ("invalid_request_error", "schema: no", Broken),
        ("authentication_error", "invalid x-api-key", Broken),
        ("billing_error", "no money", Broken),
        ("an_error_of_tomorrow", "?", Broken),
    ],
)
def test_an_error_in_a_batch_is_told_as_if_it_had_been_asked_at_once(
    server: ModelServer, provider: Messages, error: str, message: str, kind: type[FlowForgeError]
) -> None:
    server.answer(Reply(how="errored", error=error, message=message))
    caught = failure(provider, provider.submit(REQUEST, 5.0))
    assert type(caught) is kind
    assert caught.evidence.startswith("msgbatch_")
    assert server.bills == []


def test_a_batch_that_breaks_a_rule_errs_when_it_is_worked_on(
    server: ModelServer, provider: Messages
) -> None:
    wrong = replace(REQUEST, schema={"type": "object", "properties": {}})
    caught = failure(provider, provider.submit(wrong, 5.0))
    assert isinstance(caught, Broken)
    assert "additionalProperties" in caught.sentence


@pytest.mark.parametrize("status", [401, 429, 500, 529, 400])
def test_a_batch_that_was_refused_was_never_taken(
    server: ModelServer, provider: Messages, status: int
) -> None:
    server.fail("create", refuse(status))
    with pytest.raises(FlowForgeError):
        provider.submit(REQUEST, 5.0)
    assert server.batches == {}


@pytest.mark.parametrize("how", ["drop", "garbage", "hang"])
def test_a_batch_of_which_nobody_was_told_is_settled_at_its_worst(
    server: ModelServer, provider: Messages, how: str
) -> None:
    server.fail("create", Reply(how=how))
    answer = collected(provider, provider.submit(REQUEST, 0.5))
    assert (answer.stop, answer.text) == ("cut", "")
    (batch,) = server.batches.values()
    batch.look(server)  # the service took it, and bills it
    assert settled(answer) >= server.cost(PRICES) > 0
    price = PRICES.of(REQUEST.model, 0, batch=True)
    assert settled(answer) <= worst_case(provider.count_tokens(REQUEST), REQUEST.max_output, price, hour=True)


def test_an_unreachable_service_took_no_batch() -> None:
    nobody = connect({"anthropic_api_key": "k", "base_url": "http://127.0.0.1:9"})
    with pytest.raises(Temporary):
        nobody.submit(REQUEST, 5.0)
    with pytest.raises(Temporary):
        nobody.submit(REQUEST, 0.0)


@pytest.mark.parametrize("verb", ["retrieve", "results"])
@pytest.mark.parametrize(
    "reply", [refuse(529), refuse(429), *(Reply(how=how) for how in ("drop", "garbage", "hang", "empty"))]
)
def test_while_the_service_does_not_say_it_is_asked_again(
    server: ModelServer, provider: Messages, verb: str, reply: Reply
) -> None:
    batch = provider.submit(REQUEST, 5.0)
    server.fail(verb, reply)
    assert provider.collect(batch, 0.5) is None
    assert collected(provider, batch).stop == "end"


def test_a_key_that_was_withdrawn_is_told(server: ModelServer, provider: Messages) -> None:
    batch = provider.submit(REQUEST, 5.0)
    server.key = "another"
    assert isinstance(failure(provider, batch), Broken)


def test_results_that_are_no_longer_kept_are_settled_at_their_worst(
    server: ModelServer, provider: Messages
) -> None:
    batch = provider.submit(REQUEST, 5.0)
    collected(provider, batch)
    for one in server.batches.values():
        one.gone = True
    assert collected(provider, batch).stop == "cut"
    server.batches.clear()
    lost = collected(provider, batch)
    assert lost.stop == "cut"
    assert settled(lost) >= server.cost(PRICES)


def test_what_is_withdrawn_ends_without_a_bill(server: ModelServer, provider: Messages) -> None:
    server.answer(Reply(polls=99))
    batch = provider.submit(REQUEST, 5.0)
    assert provider.collect(batch, 5.0) is None
    provider.withdraw(batch, 5.0)
    assert "canceled" in failure(provider, batch).sentence
    assert server.bills == []


def test_what_could_not_be_stopped_any_more_is_answered_and_billed(
    server: ModelServer, provider: Messages
) -> None:
    server.answer(Reply(polls=99, how="finished", text="in time"))
    batch = provider.submit(REQUEST, 5.0)
    provider.withdraw(batch, 5.0)
    answer = collected(provider, batch)
    assert answer.text == "in time"
    assert settled(answer) == server.cost(PRICES) > 0


def test_withdrawing_what_has_ended_or_never_was_is_no_error(server: ModelServer, provider: Messages) -> None:
    batch = provider.submit(REQUEST, 5.0)
    collected(provider, batch)
    provider.withdraw(batch, 5.0)
    server.batches.clear()
    provider.withdraw(batch, 5.0)
    server.fail("create", Reply(how="drop"))
    provider.withdraw(provider.submit(REQUEST, 5.0), 5.0)


@pytest.mark.parametrize("reply", [refuse(529), refuse(401), Reply(how="drop")])
def test_a_withdrawal_that_failed_is_told(server: ModelServer, provider: Messages, reply: Reply) -> None:
    batch = provider.submit(REQUEST, 5.0)
    server.fail("cancel", reply)
    with pytest.raises(FlowForgeError):
        provider.withdraw(batch, 5.0)


@pytest.mark.parametrize("text", ["", "msgbatch_1", "a.b.c", "a.1.2.3"])
def test_an_id_that_is_none_of_its_own_is_refused(provider: Messages, text: str) -> None:
    for call in (provider.collect, provider.withdraw):
        with pytest.raises(Broken):
            call(text, 5.0)


def test_the_key_goes_to_no_address_that_an_answer_names(server: ModelServer, provider: Messages) -> None:
    with model_server() as other:
        batch = provider.submit(REQUEST, 5.0)
        server.url = other.url  # stands in `results_url`
        assert collected(provider, batch).stop == "end"
        assert other.seen == []


def test_lines_about_other_requests_are_not_taken_for_ours(server: ModelServer, provider: Messages) -> None:
    batch = provider.submit(REQUEST, 5.0)
    collected(provider, batch)
    (kept,) = server.batches.values()
    kept.results.insert(0, {"custom_id": "another", "result": {"type": "canceled"}})
    assert json.loads(collected(provider, batch).text) == {"hunks": []}
