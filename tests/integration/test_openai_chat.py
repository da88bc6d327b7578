"""The chat-completions provider over a socket: every dialect, every answer, every failure, and what is settled."""

import json
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.hooks.contracts import ModelRequest
from flowforge_plugins.models.openai_chat_client import Chat, connect
from tests.chatserver import ChatServer, Talk, chat_server, deny

SCHEMA = {"type": "object", "properties": {"hunks": {"type": "array"}}, "additionalProperties": False}
REQUEST = ModelRequest(
    model="a-model", system="rules " * 20, shared="commit", prompt="a question", schema=SCHEMA, max_output=500
)
LONG = json.dumps({"hunks": ["x" * 400]})


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as running:
        yield running


def provider_of(server: ChatServer, **settings: str) -> Chat:
    return connect({"openai_api_key": server.manner.key, "base_url": server.url, "timeout": "20", **settings})


@pytest.fixture
def provider(server: ChatServer) -> Chat:
    return provider_of(server)


def failure(provider: Chat, deadline: float = 5.0) -> FlowForgeError:
    with pytest.raises(FlowForgeError) as caught:
        provider.complete(REQUEST, deadline)
    return caught.value


def test_an_answer_comes_back_with_what_it_used(server: ChatServer, provider: Chat) -> None:
    server.answer(Talk(text=LONG))
    answer = provider.complete(REQUEST, 5.0)
    assert (answer.text, answer.stop, answer.request_id) == (LONG, "end", "chat_0001")
    assert (answer.usage.prompt, answer.usage.output) == (server.prompt, server.made)


def test_what_the_server_had_read_before_is_told_apart(server: ChatServer, provider: Chat) -> None:
    provider.complete(REQUEST, 5.0)
    usage = provider.complete(REQUEST, 5.0).usage
    assert usage.cache_read == server.cached > 0
    assert usage.input + usage.cache_read == server.prompt / 2


def test_the_request_is_as_the_format_wants_it(server: ChatServer, provider: Chat) -> None:
    provider.complete(REQUEST, 5.0)
    (body,) = server.seen
    assert body["messages"] == [
        {"role": "system", "content": REQUEST.system},
        {"role": "user", "content": "commit\na question"},
    ]
    assert body["response_format"]["json_schema"] == {"name": "answer", "strict": True, "schema": SCHEMA}
    assert (body["max_tokens"], body["stream"], body["stream_options"]) == (
        500,
        True,
        {"include_usage": True},
    )
    assert not {"tools", "reasoning_effort", "max_completion_tokens"} & set(body)


def test_an_effort_is_sent_only_when_it_is_set(server: ChatServer) -> None:
    provider_of(server, effort="low").complete(REQUEST, 5.0)
    assert server.seen[0]["reasoning_effort"] == "low"


MANNERS = [
    {"forms": frozenset({"json_object"})},
    {"forms": frozenset()},
    {"counts": False},
    {"lengths": frozenset({"max_completion_tokens"})},
    {"lengths": frozenset({"max_tokens"})},
    {"forms": frozenset(), "counts": False, "lengths": frozenset({"max_completion_tokens"})},
    {"streams": False},
    {"tells": False},
    {"streams": False, "tells": False, "forms": frozenset()},
]


@pytest.mark.parametrize("manner", MANNERS, ids=str)
def test_every_dialect_is_answered_and_learnt_once(manner: dict[str, object]) -> None:
    with chat_server(**manner) as server:
        provider = provider_of(server)
        server.answer(Talk(text=LONG))
        first = provider.complete(REQUEST, 5.0)
        assert (first.text, first.stop) == (LONG, "end")
        asked = len(server.seen)
        provider.complete(REQUEST, 5.0)
        assert len(server.seen) == asked + 1
        assert provider.count_tokens(REQUEST) * 2 >= server.prompt
        said = json.dumps(server.seen[-1]["messages"][0])
        assert ("JSON schema" in said) == ("forms" in manner)


def test_a_server_that_does_not_count_is_settled_at_the_upper_bound() -> None:
    with chat_server(tells=False) as server:
        provider = provider_of(server)
        usage = provider.complete(REQUEST, 5.0).usage
        assert (usage.input, usage.output) == (provider.count_tokens(REQUEST), REQUEST.max_output)


@pytest.mark.parametrize(
    "usage",
    [
        {},
        [],
        "many",
        {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": "9", "completion_tokens": 1},
    ],
)
def test_counts_that_make_no_sense_are_none(server: ChatServer, provider: Chat, usage: object) -> None:
    server.answer(Talk(usage=usage))
    answer = provider.complete(REQUEST, 5.0)
    assert answer.stop == "end"
    assert answer.usage.output == REQUEST.max_output


def test_more_cached_than_there_was_is_not_believed(server: ChatServer, provider: Chat) -> None:
    told = {"prompt_tokens": 10, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 99}}
    server.answer(Talk(usage=told))
    usage = provider.complete(REQUEST, 5.0).usage
    assert (usage.input, usage.cache_read) == (0, 10)


@pytest.mark.parametrize(
    ("said", "stop"),
    [
        ("stop", "end"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("tool_calls", "other"),
        ("function_call", "other"),
        ("a_word_of_tomorrow", "other"),
    ],
)
def test_finish_reasons_are_mapped(server: ChatServer, provider: Chat, said: str, stop: str) -> None:
    server.answer(Talk(finish=said))
    assert provider.complete(REQUEST, 5.0).stop == stop


@pytest.mark.parametrize("streams", [True, False])
def test_a_refusal_in_words_is_one(streams: bool) -> None:
    with chat_server(streams=streams) as server:
        server.answer(Talk(text="", refusal="I will not."))
        assert provider_of(server).complete(REQUEST, 5.0).stop == "refusal"


def test_a_filter_before_the_answer_is_a_refusal_that_costs_nothing(
    server: ChatServer, provider: Chat
) -> None:
    server.answer(deny(400, code="content_policy_violation"))
    answer = provider.complete(REQUEST, 5.0)
    assert (answer.stop, answer.usage.prompt, answer.usage.output) == ("refusal", 0, 0)


STATUSES = [
    (301, Broken, Reason.CONFIGURATION),
    (307, Broken, Reason.CONFIGURATION),
    (400, Broken, Reason.MODEL_UNAVAILABLE),
    (401, Broken, Reason.CONFIGURATION),
    (402, Broken, Reason.CONFIGURATION),
    (403, Broken, Reason.CONFIGURATION),
    (404, Broken, Reason.CONFIGURATION),
    (408, Temporary, Reason.MODEL_UNAVAILABLE),
    (409, Temporary, Reason.MODEL_UNAVAILABLE),
    (413, Refused, Reason.TOO_LARGE),
    (422, Broken, Reason.MODEL_UNAVAILABLE),
    (429, Temporary, Reason.MODEL_UNAVAILABLE),
    (500, Temporary, Reason.MODEL_UNAVAILABLE),
    (502, Temporary, Reason.MODEL_UNAVAILABLE),
    (503, Temporary, Reason.MODEL_UNAVAILABLE),
    (504, Temporary, Reason.MODEL_UNAVAILABLE),
]


@pytest.mark.parametrize(("status", "kind", "reason"), STATUSES)
def test_every_status_has_its_kind(
    server: ChatServer, provider: Chat, status: int, kind: type[FlowForgeError], reason: Reason
) -> None:
    server.answer(deny(status, location=f"{server.url}/elsewhere"))
    caught = failure(provider)
    assert (type(caught), caught.reason) == (kind, reason)
    assert caught.next_action
    assert caught.evidence == "chat_0001"
    assert len(server.seen) == 1


TOO_LONG = [
    deny(400, code="context_length_exceeded", message="This model's maximum context length is 8 tokens."),
    deny(
        400, message="This model's maximum context length is 4096 tokens. However, you requested 9999 tokens"
    ),
    Talk(
        how="error",
        status=400,
        body={
            "error": {"code": 400, "message": "the request exceeds the available context size", "type": "x"}
        },
    ),
    Talk(
        how="error",
        status=400,
        body={"object": "error", "message": "maximum context length is 8", "code": 400},
    ),
    Talk(how="error", status=400, body={"detail": "prompt is too long"}),
]


@pytest.mark.parametrize("talk", TOO_LONG, ids=range(len(TOO_LONG)))
def test_a_prompt_beyond_the_window_is_refused_in_every_servers_words(
    server: ChatServer, provider: Chat, talk: Talk
) -> None:
    server.answer(talk)
    assert isinstance(failure(provider), Refused)


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached"])
def test_money_that_ran_out_is_no_rate_limit(server: ChatServer, provider: Chat, code: str) -> None:
    server.answer(deny(429, code=code))
    caught = failure(provider)
    assert isinstance(caught, Broken)
    assert "to bill" in caught.sentence


@pytest.mark.parametrize(
    ("headers", "delay"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "1m30s"}, 90),
        ({"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "250ms"}, 0.25),
        ({"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "12"}, 12),
        ({"x_ratelimit_remaining_tokens": "5", "x_ratelimit_reset_tokens": "50s"}, 10),
        ({"x_ratelimit_remaining_tokens": "0", "x_ratelimit_reset_tokens": "soon"}, 10),
        ({}, 10),
    ],
)
def test_the_servers_own_delay_is_kept(
    server: ChatServer, provider: Chat, headers: dict[str, str], delay: float
) -> None:
    server.answer(deny(429, **headers))
    caught = failure(provider)
    assert isinstance(caught, Temporary)
    assert caught.delay == delay


def test_a_delay_may_be_a_date(server: ChatServer, provider: Chat) -> None:
    server.answer(deny(503, retry_after=formatdate(time.time() + 60, usegmt=True)))
    caught = failure(provider)
    assert isinstance(caught, Temporary)
    assert 50 < caught.delay <= 60


@pytest.mark.parametrize(
    "body", ["", "<html>Bad gateway</html>", "[]", "null", '"no"', '{"error": "no"}', "{", "[" * 9999]
)
def test_a_refusal_of_any_shape_is_read(server: ChatServer, provider: Chat, body: str) -> None:
    server.answer(Talk(how="error", status=502, body=body))
    assert isinstance(failure(provider), Temporary)


CUTS = [
    "cut",
    "error_event",
    "bad_event",
    "list_event",
    "hang",
    "drop",
    "empty",
    "garbage",
    "flood",
    "no_finish",
]


@pytest.mark.parametrize("how", CUTS)
def test_a_call_that_broke_after_it_began_returns_what_it_may_have_cost(
    server: ChatServer, provider: Chat, how: str
) -> None:
    server.answer(Talk(text=LONG, how=how))
    answer = provider.complete(REQUEST, 1.0)
    assert (answer.stop, answer.text) == ("cut", "")
    assert answer.why
    assert answer.usage.output == REQUEST.max_output
    assert answer.usage.prompt >= server.prompt


def test_an_error_before_anything_else_was_said_is_an_error(server: ChatServer, provider: Chat) -> None:
    server.answer(Talk(how="first_error"))
    assert isinstance(failure(provider), Temporary)


@pytest.mark.parametrize("how", ["hang", "trickle"])
def test_the_deadline_ends_a_call_that_never_ends(server: ChatServer, provider: Chat, how: str) -> None:
    server.answer(Talk(text=LONG, how=how))
    started = time.monotonic()
    assert provider.complete(REQUEST, 0.5).stop == "cut"
    assert time.monotonic() - started < 5


def test_text_that_looks_like_line_ends_is_text(server: ChatServer, provider: Chat) -> None:
    odd = json.dumps({"hunks": ["a\u2028b\u2029c\x85d\x0ce"]}, ensure_ascii=False)
    server.answer(Talk(text=odd))
    assert provider.complete(REQUEST, 5.0).text == odd


def test_no_time_left_asks_nobody(server: ChatServer, provider: Chat) -> None:
    assert failure(provider, deadline=0.0).reason is Reason.TIMEOUT
    assert server.seen == []


def test_an_unreachable_server_is_temporary() -> None:
    caught = failure(connect({"base_url": "http://127.0.0.1:9/v1"}))
    assert (type(caught), caught.reason) == (Temporary, Reason.MODEL_UNAVAILABLE)


def test_a_server_of_ones_own_needs_no_key() -> None:
    with chat_server(key="") as server:
        assert connect({"base_url": server.url}).complete(REQUEST, 5.0).stop == "end"
        assert "authorization" not in {name.lower() for name in server.headers[0]}


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_a_server_that_repeats_the_key_is_not_quoted(server: ChatServer, provider: Chat, status: int) -> None:
    key = server.manner.key
    server.answer(deny(status, code=f"c{key}", message="x" * 270 + f" key {key}", x_request_id=key))
    caught = failure(provider)
    assert key not in caught.sentence + repr(caught.__dict__)


def test_a_wrong_key_is_the_operators_matter(server: ChatServer) -> None:
    caught = failure(provider_of(server, openai_api_key="wrong-key-value"))
    assert (type(caught), caught.reason) == (Broken, Reason.CONFIGURATION)
    assert "wrong-key-value" not in caught.sentence + repr(caught.__dict__)


def test_a_proxy_of_the_environment_is_not_used(
    server: ChatServer, provider: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert provider_of(server).complete(REQUEST, 5.0).stop == "end"


def test_threads_learn_a_dialect_without_losing_an_answer() -> None:
    with chat_server(forms=frozenset(), counts=False) as server:
        provider, stops = provider_of(server), []
        threads = [
            threading.Thread(target=lambda: stops.append(provider.complete(REQUEST, 10.0).stop))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stops == ["end"] * 8


@pytest.mark.parametrize("prompt", ["", "é" * 3000, "\u4f60\u597d" * 2000, "\x01" * 500, '"' * 999, "\ud800"])
def test_the_token_bound_is_never_below_the_bill(server: ChatServer, provider: Chat, prompt: str) -> None:
    request = ModelRequest(model="m", system="s", prompt=f"p{prompt}", schema=SCHEMA)
    used = provider.complete(request, 5.0).usage
    assert provider.count_tokens(request) >= used.prompt > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "no API key"),
        ({"base_url": "https://api.openai.com/v1"}, "no API key"),
        ({"base_url": "localhost:8000"}, "cannot use the address"),
        ({"base_url": "file:///etc/passwd"}, "cannot use the address"),
        ({"base_url": "http://[::1"}, "cannot use the address"),
        ({"base_url": "http://host:port/v1"}, "cannot use the address"),
        ({"base_url": "http://host/v1", "openai_api_key": "a secret\nkey"}, "characters that no key has"),
        ({"base_url": "http://me:secret@host/v1"}, "has a key in its address"),
        ({"base_url": "http://host/v1", "timeout": "0"}, "timeout"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, str], words: str) -> None:
    with pytest.raises(Broken, match=words) as caught:
        connect(settings)
    assert caught.value.reason is Reason.CONFIGURATION
    assert "secret" not in caught.value.sentence


def test_the_whole_address_may_be_given_too(server: ChatServer) -> None:
    for end in ("/", "/chat/completions", "/chat/completions/"):
        assert provider_of(server, base_url=f"{server.url}{end}").complete(REQUEST, 5.0).stop == "end"
