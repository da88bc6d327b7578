"""A server on loopback that speaks OpenAI's chat-completions format, in whichever dialect it is told to.

It answers `POST /v1/chat/completions`, streamed or whole. `Talk` says what one request gets; they are taken in
order and the last one stays. What the server knows of the format (`Manner`) is set apart: a server that does not
take a part of it refuses it in the words that servers use.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import listening


@dataclass(frozen=True, kw_only=True)
class Talk:
    """`how`: ok | error (with `status`) | hang | trickle | cut | error_event | first_error | bad_event | list_event |
    flood | empty | garbage | drop | no_finish."""

    text: str = '{"hunks": []}'
    how: str = "ok"
    status: int = 200
    finish: str = "stop"
    body: object = None  # of an error; None = the usual one
    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""
    usage: object = "usual"  # what it says it used, or nothing at all (None)


def deny(status: int, *, code: str = "", message: str = "scripted error", **headers: str) -> Talk:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": code or None}
    }
    return Talk(how="error", status=status, body=body, headers=names)


@dataclass(kw_only=True)
class Manner:
    """What the server takes."""

    forms: frozenset[str] = frozenset({"json_schema", "json_object"})
    lengths: frozenset[str] = frozenset({"max_tokens", "max_completion_tokens"})
    counts: bool = True  # takes stream_options
    streams: bool = True  # else it answers in one piece whatever is asked
    tells: bool = True  # says what it used
    key: str = "chat-key"  # "" = needs none


class ChatServer:
    """State of the server; `url` is its base. Thread-safe."""

    def __init__(self, manner: Manner) -> None:
        self.url = ""
        self.manner = manner
        self.seen: list[Mapping[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.script: list[Talk] = [Talk()]
        self.prompt = self.made = self.cached = 0  # tokens it would bill
        self.released = threading.Event()
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def answer(self, *script: Talk) -> None:
        with self._lock:
            self.script = list(script)

    def take(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Talk:
        """What the script has for a request, which is noted."""
        with self._lock:
            self.seen.append(body)
            self.headers.append(headers)
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def bill(self, body: Mapping[str, Any], text: str) -> dict[str, Any]:
        """Count as a server does: its template is billed, and a message it has read before is cached."""
        with self._lock:
            texts = [message["content"] for message in body["messages"]]
            prompt = 30 + sum(tokens(text) for text in texts)
            cached = sum(tokens(text) for text in texts if text in self._known)
            self._known.update(texts)
            made = min(tokens(text), body.get("max_tokens") or body["max_completion_tokens"])
            self.prompt, self.made, self.cached = self.prompt + prompt, self.made + made, self.cached + cached
        return {
            "prompt_tokens": prompt,
            "completion_tokens": made,
            "total_tokens": prompt + made,
            "prompt_tokens_details": {"cached_tokens": cached},
        }


def tokens(text: str) -> int:
    return len(text.encode()) // 3 + 1


@contextmanager
def chat_server(**manner: Any) -> Iterator[ChatServer]:
    """Run the server on a free port of 127.0.0.1 until the block ends."""
    state = ChatServer(Manner(**manner))

    class Bound(Handler):
        server_state = state

    with listening(Bound) as url:
        state.url = f"{url}/v1"
        try:
            yield state
        finally:
            state.released.set()


class Handler(BaseHTTPRequestHandler):
    server_state: ChatServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Stay silent."""

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        talk = state.take(body, dict(self.headers.items()))
        denied = self._denied(body)
        try:
            if self.path != "/v1/chat/completions":
                self._error(deny(404, message="no such route"))
            elif denied is not None:
                self._error(denied)
            elif not self._misbehaved(talk):
                self._chat(talk, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _denied(self, body: Mapping[str, Any]) -> Talk | None:
        """What this server refuses, in the words of servers that do."""
        manner = self.server_state.manner
        given = self.headers.get("authorization", "").removeprefix("Bearer ")
        if manner.key and given != manner.key:
            return deny(401, code="invalid_api_key", message=f"Incorrect API key provided: {given}.")
        form = (body.get("response_format") or {}).get("type")
        if form and form not in manner.forms:
            return deny(400, message=f"response_format.type {form!r} is not supported")
        if "stream_options" in body and not manner.counts:
            return deny(422, message="stream_options: Extra inputs are not permitted")
        for name in {"max_tokens", "max_completion_tokens"} & set(body) - manner.lengths:
            (other,) = manner.lengths
            return deny(
                400, code="unsupported_parameter", message=f"{name!r} is not supported. Use {other!r}."
            )
        if not body.get("messages") or not any(name in body for name in manner.lengths):
            return deny(400, message="messages and a length are required")
        return None

    def _misbehaved(self, talk: Talk) -> bool:
        match talk.how:
            case "error":
                self._error(talk)
            case "drop":
                self._hang_up()
            case "hang":
                self.server_state.released.wait(30)
                self.close_connection = True
            case "empty":
                self._send(200, "text/event-stream", b"", {})
            case "garbage":
                self._send(200, "text/html", b"<html><h1>It works!</h1></html>", {})
            case _:
                return False
        return True

    def _chat(self, talk: Talk, body: Mapping[str, Any]) -> None:
        state = self.server_state
        usage = state.bill(body, talk.text) if talk.usage == "usual" else talk.usage
        if body.get("stream") and state.manner.streams:
            told = (
                usage
                if state.manner.tells and (body.get("stream_options") or talk.usage != "usual")
                else None
            )
            self._stream(talk, told)
            return
        message = {"role": "assistant", "content": talk.text, "refusal": talk.refusal or None}
        whole = {"choices": [{"index": 0, "message": message, "finish_reason": talk.finish}]}
        told = {"usage": usage} if state.manner.tells else {}
        self._send(200, "application/json", json.dumps({**whole, **told}).encode(), {})

    def _stream(self, talk: Talk, usage: object) -> None:
        self._head(200, "text/event-stream", None, talk.headers)
        if talk.how == "first_error":
            self._event({"error": {"message": "busy", "type": "server_error", "code": 503}})
            self._chunk(b"")
            return
        self._delta({"role": "assistant", "content": ""})
        parts = [talk.text[at : at + 40] for at in range(0, len(talk.text), 40)]
        for number, part in enumerate(parts):
            if number == len(parts) // 2 and self._interrupted(talk):
                return
            self._delta({"content": part})
        if talk.refusal:
            self._delta({"refusal": talk.refusal})
        if talk.how != "no_finish":
            self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": talk.finish}], "usage": None})
        if usage is not None:
            self._event({"choices": [], "usage": usage})
        self._chunk(b": a comment\n\ndata: [DONE]\n\n")
        self._chunk(b"")

    def _interrupted(self, talk: Talk) -> bool:
        match talk.how:
            case "error_event":
                self._event({"error": {"message": "out of memory"}})
                self._chunk(b"")
            case "bad_event":
                self._chunk(b"data: {not json\n\n")
                self._chunk(b"")
            case "list_event":
                self._chunk(b"data: [1]\n\n")
                self._chunk(b"")
            case "trickle":
                while not self.server_state.released.wait(0.05):
                    self._chunk(b":\n")
            case "flood":
                while not self.server_state.released.is_set():
                    self._delta({"content": "x" * 65536})
            case "cut":
                self._hang_up()
            case _:
                return False
        return True

    def _delta(self, delta: Mapping[str, Any]) -> None:
        self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    def _event(self, data: Mapping[str, Any]) -> None:
        # As some servers do, without escapes: a text may hold what others take for the end of a line.
        self._chunk(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _error(self, talk: Talk) -> None:
        body = talk.body if isinstance(talk.body, str) else json.dumps(talk.body)
        self._send(talk.status, "application/json", body.encode(), talk.headers)

    def _send(self, status: int, kind: str, body: bytes, extra: Mapping[str, str]) -> None:
        self._head(status, kind, len(body), extra)
        self.wfile.write(body)

    def _head(self, status: int, kind: str, length: int | None, extra: Mapping[str, str]) -> None:
        headers = {"content-type": kind, "x-request-id": f"chat_{len(self.server_state.seen):04d}", **extra}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(length))
        self.end_headers()
