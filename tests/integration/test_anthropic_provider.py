"""The Messages API provider over a socket: what it sends, what it makes of every answer and every failure."""

import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from subprocess import run

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from flowforge.core.errors import Broken, FlowForgeError, Reason, Temporary
from flowforge.hooks.contracts import ModelRequest
from flowforge_plugins.models.anthropic_client import Messages, connect
from tests.modelserver import ModelServer, Reply, model_server, refuse

SCHEMA = {"type": "object", "properties": {"hunks": {"type": "array"}}, "additionalProperties": False}
RULES = "rules " * 800  # long enough to be cached
REQUEST = ModelRequest(model="claude-sonnet-5-5", system=RULES, prompt="a question", schema=SCHEMA)
LONG = json.dumps({"hunks": ["x" * 400]})


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


def test_an_answer_comes_back_with_what_it_was_billed(server: ModelServer, provider: Messages) -> None:
    server.answer(Reply(text=LONG))
    answer = provider.complete(REQUEST, 5.0)
    assert (answer.text, answer.stop) == (LONG, "end")
    assert answer.request_id.startswith("req_")
    assert answer.usage.input == server.billed.input
    assert answer.usage.output == server.billed.output
    assert answer.usage.cache_write == server.billed.cache_write > 0


def test_the_shared_part_is_read_from_the_cache_the_second_time(
    server: ModelServer, provider: Messages
) -> None:
    provider.complete(REQUEST, 5.0)
    second = provider.complete(REQUEST, 5.0)
    assert second.usage.cache_write == 0
    assert second.usage.cache_read == server.billed.cache_read > 0


def test_the_request_is_as_documented(server: ModelServer, provider: Messages) -> None:
    provider.complete(REQUEST, 5.0)
    (seen,) = server.messages
    assert seen.body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert seen.body["system"] == [
        {"type": "text", "text": REQUEST.system, "cache_control": {"type": "ephemeral"}}
    ]
    assert seen.body["messages"] == [{"role": "user", "content": "a question"}]
    assert (seen.body["max_tokens"], seen.body["stream"]) == (REQUEST.max_output, True)
    assert "tools" not in seen.body


def test_an_effort_is_sent_only_when_it_is_set(server: ModelServer) -> None:
    low = connect({"anthropic_api_key": server.key, "base_url": server.url, "effort": "low"})
    low.complete(REQUEST, 5.0)
    assert server.messages[0].body["output_config"]["effort"] == "low"


@pytest.mark.parametrize(
    ("said", "stop"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("max_tokens", "max_tokens"),
        ("model_context_window_exceeded", "max_tokens"),
        ("refusal", "refusal"),
        ("pause_turn", "other"),
        ("tool_use", "other"),
        ("a_word_of_tomorrow", "other"),
    ],
)
def test_stop_reasons_are_mapped(server: ModelServer, provider: Messages, said: str, stop: str) -> None:
    server.answer(Reply(stop=said))
    assert provider.complete(REQUEST, 5.0).stop == stop


@pytest.mark.parametrize(
    "how", ["cut", "error_event", "bad_event", "hang", "drop", "empty", "garbage", "flood"]
)
def test_a_call_that_broke_after_it_began_returns_what_it_may_have_cost(
    server: ModelServer, provider: Messages, how: str
) -> None:
    server.answer(Reply(text=LONG, how=how))
    answer = provider.complete(REQUEST, 1.0)
    assert (answer.stop, answer.text) == ("cut", "")
    assert answer.why
    assert answer.usage.output >= max(server.billed.output, REQUEST.max_output)
    assert answer.usage.prompt >= server.billed.input + server.billed.cache_write


@pytest.mark.parametrize("how", ["hang", "trickle"])
def test_the_deadline_ends_a_call_that_never_ends(server: ModelServer, provider: Messages, how: str) -> None:
    server.answer(Reply(text=LONG, how=how))
    started = time.monotonic()
    assert provider.complete(REQUEST, 0.5).stop == "cut"
    assert time.monotonic() - started < 5  # the server would go on for 30 s


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return file


def test_the_deadline_cuts_an_encrypted_connection_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    done, asked = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as peer:
            if peer.recv(1 << 16):
                asked.set()
            with contextlib.suppress(OSError):  # the client hangs up, which is the point
                peer.sendall(b"HTTP/1.1 200 OK\r\nx-endless: ")
                while not done.wait(0.1):
                    peer.sendall(b"a")  # always something to read, never an answer

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        started = time.monotonic()
        answer = connect({"anthropic_api_key": "k", "base_url": url}).complete(REQUEST, 1.0)
        took = time.monotonic() - started
        done.set()
        thread.join()
    assert asked.is_set()
    assert answer.stop == "cut"
    assert took < 10


def test_deadlines_leave_no_thread_behind(server: ModelServer, provider: Messages) -> None:
    before = timers()  # other rooms' libraries keep timers of their own in this process
    for _ in range(5):
        provider.complete(REQUEST, 60.0)
    # A timer that was cancelled ends by itself; one that was not would sleep for the rest of its minute.
    for timer in timers() - before:
        timer.join(10.0)
    assert timers() <= before


def timers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)}


def test_no_time_left_asks_nobody(server: ModelServer, provider: Messages) -> None:
    assert failure(provider, deadline=0.0).reason is Reason.TIMEOUT
    assert server.seen == []


def test_an_unreachable_service_is_temporary_and_costs_nothing() -> None:
    nobody = connect({"anthropic_api_key": "k", "base_url": "http://127.0.0.1:9"})
    caught = failure(nobody)
    assert (type(caught), caught.reason) == (Temporary, Reason.MODEL_UNAVAILABLE)


def test_a_redirect_is_not_followed_with_the_key(server: ModelServer, provider: Messages) -> None:
    with model_server() as other:
        server.answer(refuse(307, location=f"{other.url}/v1/messages"))
        failure(provider)
        assert other.seen == []


def test_the_token_bound_is_never_below_the_bill(server: ModelServer, provider: Messages) -> None:
    for prompt in ("short", "half \ud800", "ü" * 3000, "\u4f60\u597d" * 2000, "\x01" * 500):
        request = ModelRequest(model="m", system="s" * 50, prompt=prompt, schema=SCHEMA)
        used = provider.complete(request, 5.0).usage
        assert provider.count_tokens(request) >= used.prompt


def test_the_services_own_count_can_be_asked(server: ModelServer, provider: Messages) -> None:
    counted = provider.measure_tokens(REQUEST, 5.0)
    assert 0 < counted < provider.count_tokens(REQUEST)
    assert [seen.path for seen in server.seen] == ["/v1/messages/count_tokens"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"anthropic_api_key": ""},
        *({"anthropic_api_key": "k", "timeout": t} for t in ("0", "x", "inf", "-1", "nan")),
        {"anthropic_api_key": "k", "effort": "enormous"},
        *({"anthropic_api_key": k} for k in ("two words", "k\nx-odd: 1", "\u00e9", "k\x00")),
        *(
            {"anthropic_api_key": "k", "base_url": u}
            for u in ("host", "ftp://h", "http://", "http://h:x", "//h")
        ),
        {"anthropic_api_key": "k", "base_url": "https://me:secret@host"},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, str]) -> None:
    with pytest.raises(Broken) as caught:
        connect(settings)
    assert caught.value.reason is Reason.CONFIGURATION


def test_registering_the_provider_does_not_import_its_sdk() -> None:
    code = "import sys, flowforge_plugins.models.anthropic as p; p.register_model_providers(); print('anthropic' in sys.modules)"
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_nothing_of_the_environment_is_sent(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = "x-odd: canary\nauthorization: Bearer canary\nx-api-key: canary"
    others = {
        "API_KEY": "canary",
        "AUTH_TOKEN": "canary",
        "BASE_URL": "http://127.0.0.1:9",
        "CUSTOM_HEADERS": headers,
    }
    for name, value in others.items():
        monkeypatch.setenv(f"ANTHROPIC_{name}", value)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    made = connect({"anthropic_api_key": server.key, "base_url": server.url})
    assert made.complete(REQUEST, 5.0).stop == "end"
    assert "canary" not in json.dumps(dict(server.seen[0].headers))


def test_space_around_a_key_is_no_part_of_it(server: ModelServer) -> None:
    made = connect({"anthropic_api_key": f" {server.key}\n", "base_url": f"{server.url}/"})
    assert made.complete(REQUEST, 5.0).stop == "end"
