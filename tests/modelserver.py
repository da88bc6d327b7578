"""A model service on loopback that speaks the Messages API, can be told to misbehave, and counts what it bills.

It answers `POST /v1/messages` (whole or as server-sent events) and `POST /v1/messages/count_tokens`. What each
request gets is scripted by `Reply` values, taken in order; the last one stays. A request that the real service
would refuse (no version header, no key, unknown fields, no max_tokens) is refused here too, so that a provider
cannot pass by sending nonsense.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ERRORS = {  # status -> error type, as documented
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

FIELDS = {"model", "max_tokens", "messages", "system", "stream", "output_config", "metadata", "thinking"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one request gets.

    `how`: ok | error (with `status`) | hang | trickle | cut | error_event | empty | garbage | bad_event |
    drop (the connection is closed without a byte).
    """

    text: str = '{"hunks": []}'
    how: str = "ok"
    status: int = 200
    stop: str = "end_turn"
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "scripted error"
    error: str = ""  # error type where it is not the status's usual one
    output_tokens: int = 0  # 0 = counted from the text


def refuse(status: int, *, error: str = "", message: str = "scripted error", **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(how="error", status=status, headers=names, error=error, message=message)


@dataclass(kw_only=True)
class Billed:
    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_read: int = 0
    calls: int = 0


@dataclass(frozen=True, kw_only=True)
class Seen:
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


Answer = Reply | Callable[[Mapping[str, Any]], Reply]


class ModelServer:
    """State of the service; `url` is its base. Thread-safe."""

    def __init__(self) -> None:
        self.url = ""
        self.key = "test-key"
        self.billed = Billed()
        self.seen: list[Seen] = []
        self.script: list[Answer] = [Reply()]
        self.released = threading.Event()  # ends every hang when the server closes
        self._cached: set[str] = set()
        self._lock = threading.Lock()

    def answer(self, *script: Answer) -> None:
        with self._lock:
            self.script = list(script)

    @property
    def messages(self) -> list[Seen]:
        """The requests for a message, token counts left out."""
        return [seen for seen in self.seen if seen.path == "/v1/messages"]

    def take(self, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append(seen)
            if seen.path != "/v1/messages":
                return Reply()
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return step if isinstance(step, Reply) else step(seen.body)

    def bill_input(self, body: Mapping[str, Any]) -> dict[str, int]:
        """Count the prompt; a system part marked for caching is written once and read afterwards."""
        shared = _cacheable(body)
        rest = tokens(
            json.dumps(body["messages"]) + _plain_system(body) + json.dumps(body.get("output_config"))
        )
        usage = {"input_tokens": rest, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        with self._lock:
            if shared:
                hit = shared in self._cached
                self._cached.add(shared)
                usage["cache_read_input_tokens" if hit else "cache_creation_input_tokens"] = tokens(shared)
            self.billed.calls += 1
            self.billed.input += usage["input_tokens"]
            self.billed.cache_write += usage["cache_creation_input_tokens"]
            self.billed.cache_read += usage["cache_read_input_tokens"]
        return usage

    def bill_output(self, count: int) -> int:
        with self._lock:
            self.billed.output += count
        return count


def tokens(text: str) -> int:
    return len(text.encode()) // 4 + 1


def _cacheable(body: Mapping[str, Any]) -> str:
    blocks = body.get("system") or []
    return "".join(b["text"] for b in blocks if isinstance(b, dict) and "cache_control" in b)


def _plain_system(body: Mapping[str, Any]) -> str:
    system = body.get("system") or []
    if isinstance(system, str):
        return system
    return "".join(b["text"] for b in system if "cache_control" not in b)


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Run the service on a free port of 127.0.0.1 until the block ends."""
    state = ModelServer()

    class Bound(Handler):
        server_state = state

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


class Handler(BaseHTTPRequestHandler):
    server_state: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Stay silent."""

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        state = self.server_state
        reply = state.take(Seen(path=self.path, headers=dict(self.headers.items()), body=body))
        self.request_id = f"req_{len(state.seen):04d}"
        problem = self._refusal(body)
        try:
            if problem is not None:
                self._error(problem)
            elif self.path == "/v1/messages/count_tokens":
                everything = json.dumps([body.get("messages"), body.get("system"), body.get("output_config")])
                self._json(200, {"input_tokens": tokens(everything)})
            else:
                self._message(reply, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _refusal(self, body: Mapping[str, Any]) -> Reply | None:
        """What the real service would refuse whatever the script says."""
        given = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
        if given != self.server_state.key:
            return refuse(401, message="invalid API key")
        if not self.headers.get("anthropic-version"):
            return refuse(400, message="anthropic-version: header is required")
        unknown = set(body) - FIELDS
        if unknown:
            return refuse(400, message=f"{min(unknown)}: Extra inputs are not permitted")
        if self.path == "/v1/messages" and not isinstance(body.get("max_tokens"), int):
            return refuse(400, message="max_tokens: Field required")
        if not body.get("messages") or not body.get("model"):
            return refuse(400, message="messages: Field required")
        return None

    def _message(self, reply: Reply, body: Mapping[str, Any]) -> None:
        match reply.how:
            case "error":
                self._error(reply)
            case "drop":
                self.close_connection = True
                self.connection.close()
            case "hang":
                self.server_state.released.wait(30)
                self.close_connection = True
            case "empty":
                self._head(200, "text/event-stream", 0)
            case "garbage":
                self._send(200, "text/html", b"<html><h1>It works!</h1></html>")
            case _ if body.get("stream"):
                self._stream(reply, body)
            case _:
                self._whole(reply, body)

    def _whole(self, reply: Reply, body: Mapping[str, Any]) -> None:
        usage = self.server_state.bill_input(body)
        made = self.server_state.bill_output(reply.output_tokens or tokens(reply.text))
        message = self._start(body, {**usage, "output_tokens": made})
        message |= {"content": [{"type": "text", "text": reply.text}], "stop_reason": reply.stop}
        self._json(200, message)

    def _start(self, body: Mapping[str, Any], usage: Mapping[str, int]) -> dict[str, Any]:
        return {
            "id": f"msg_{self.request_id}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": dict(usage),
        }

    def _stream(self, reply: Reply, body: Mapping[str, Any]) -> None:
        usage = self.server_state.bill_input(body)
        self._head(200, "text/event-stream", None)
        self._event("message_start", {"message": self._start(body, {**usage, "output_tokens": 1})})
        self._event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
        self._event("ping", {})
        parts = [reply.text[at : at + 40] for at in range(0, len(reply.text), 40)]
        for number, part in enumerate(parts):
            if number == len(parts) // 2 and self._interrupted(reply, "".join(parts[:number])):
                return
            self._event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": part}})
        self._event("content_block_stop", {"index": 0})
        made = self.server_state.bill_output(reply.output_tokens or tokens(reply.text))
        delta = {"stop_reason": reply.stop, "stop_sequence": None}
        self._event("message_delta", {"delta": delta, "usage": {"output_tokens": made}})
        self._event("message_stop", {})
        self._chunk(b"")

    def _interrupted(self, reply: Reply, sent: str) -> bool:
        """Misbehave in the middle of a stream; what was made so far is billed."""
        if reply.how not in {"cut", "error_event", "bad_event", "trickle"}:
            return False
        self.server_state.bill_output(tokens(sent))
        if reply.how == "error_event":
            error = {"type": reply.error or "overloaded_error", "message": "Overloaded"}
            self._event("error", {"error": error})
            self._chunk(b"")
        elif reply.how == "bad_event":
            self._chunk(b"event: content_block_delta\ndata: {not json\n\n")
            self._chunk(b"")
        elif reply.how == "trickle":
            while not self.server_state.released.wait(0.05):
                self._chunk(b":")
        self.close_connection = True
        if reply.how == "cut":
            self.connection.close()
        return True

    def _event(self, name: str, data: Mapping[str, Any]) -> None:
        self._chunk(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _error(self, reply: Reply) -> None:
        kind = reply.error or ERRORS.get(reply.status, "api_error")
        error = {"type": kind, "message": reply.message}
        body = {"type": "error", "error": error, "request_id": self.request_id}
        self._json(reply.status, body, reply.headers)

    def _json(self, status: int, body: Mapping[str, Any], extra: Mapping[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(body).encode(), extra)

    def _send(self, status: int, kind: str, body: bytes, extra: Mapping[str, str] | None = None) -> None:
        self._head(status, kind, len(body), extra)
        self.wfile.write(body)

    def _head(
        self, status: int, kind: str, length: int | None, extra: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("request-id", self.request_id)
        self.send_header("anthropic-ratelimit-requests-limit", "50")
        self.send_header("anthropic-ratelimit-requests-remaining", "49")
        reset = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(0))
        self.send_header("anthropic-ratelimit-requests-reset", reset)
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        if length is None:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(length))
        self.end_headers()
