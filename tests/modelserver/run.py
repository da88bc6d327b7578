"""The service's HTTP edge."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import listening
from tests.modelserver.batches import Batch, whole, wrong_entries
from tests.modelserver.bills import blocks, tokens
from tests.modelserver.replies import Reply, error_body, refuse
from tests.modelserver.rules import problem
from tests.modelserver.state import ModelServer, Seen
from tests.modelserver.stream import Stream

BATCH = re.compile(r"/v1/messages/batches/(\w+)(?:/(results|cancel))?")
BIGGEST = 32 << 20  # bytes of a request for a message


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Run the service on a free port of 127.0.0.1 until the block ends."""
    state = ModelServer()

    class Bound(Handler):
        server_state = state

    with listening(Bound) as url:
        state.url = url
        try:
            yield state
        finally:
            state.released.set()


class Handler(BaseHTTPRequestHandler):
    server_state: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Stay silent."""

    def do_POST(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        state = self.server_state
        seen = Seen(path=self.path, headers=dict(self.headers.items()), body=body, method=self.command)
        reply = state.take(seen)
        self.request_id = f"req_{len(state.seen):04d}"
        try:
            self._route(self._stranger() or self._too_big(length), reply, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, problem: Reply | None, reply: Reply, body: Mapping[str, Any]) -> None:
        if problem is not None:
            self._refuse(problem)
        elif self.path == "/v1/messages/count_tokens":
            self._count(body)
        elif self.path == "/v1/messages":
            self._message(reply, body)
        elif self.path == "/v1/messages/batches" and self.command == "POST":
            self._create(body)
        elif (found := BATCH.fullmatch(self.path)) is not None:
            self._batch(found[1], found[2] or "retrieve")
        else:
            self._refuse(refuse(404, message="not found"))

    def _stranger(self) -> Reply | None:
        given = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
        if given != self.server_state.key:
            return refuse(401, message="invalid x-api-key")
        if not self.headers.get("anthropic-version"):
            return refuse(400, message="anthropic-version: header is required")
        return None

    def _too_big(self, length: int) -> Reply | None:
        too_big = length > BIGGEST
        return refuse(413, message="Request exceeds the maximum allowed number of bytes") if too_big else None

    def _broken(self, body: Mapping[str, Any], *, counting: bool = False) -> Reply | None:
        """What a request for a message gets whatever the script says."""
        state = self.server_state
        wrong = problem(body, counting=counting)
        if wrong is None and state.models and body["model"] not in state.models:
            return refuse(404, message=f"model: {body['model']}")
        if wrong is None and not counting and (wait := state.too_soon()):
            return refuse(
                429, message="Number of requests has exceeded your rate limit", retry_after=f"{wait:.3f}"
            )
        return wrong

    def _count(self, body: Mapping[str, Any]) -> None:
        wrong = self._broken(body, counting=True)
        if wrong is not None:
            self._refuse(wrong)
            return
        self._json(200, {"input_tokens": sum(tokens(block.text) for block in blocks(body))})

    def _message(self, reply: Reply, body: Mapping[str, Any]) -> None:
        wrong = self._broken(body)
        if wrong is not None:
            self._refuse(wrong)
        elif self._misbehaved(reply):
            return
        elif body.get("stream"):
            self._head(200, "text/event-stream", None)
            Stream(self, self.server_state, reply, body, f"msg_{self.request_id}").send()
        else:
            bill = self.server_state.bill(body)
            text, stop, bill.output = self.server_state.made(reply, body)
            self._json(200, whole(body, reply, bill, text, stop, f"msg_{self.request_id}"))

    def _misbehaved(self, reply: Reply) -> bool:
        match reply.how:
            case "error":
                self._refuse(reply)
            case "drop":
                self.hang_up()
            case "hang":
                self.server_state.released.wait(30)
                self.close_connection = True
            case "empty":
                self._head(200, "text/event-stream", 0)
            case "garbage":
                self._send(200, "text/html", b"<html><h1>It works!</h1></html>")
            case _:
                return False
        return True

    def _create(self, body: Mapping[str, Any]) -> None:
        state = self.server_state
        wrong = wrong_entries(body)
        trouble = state.trouble("create")
        if wrong or (trouble is not None and trouble.how == "error"):
            self._refuse(refuse(400, message=wrong) if wrong else trouble or Reply())
            return
        entries = [(e["custom_id"], e["params"], state.next_reply(e["params"])) for e in body["requests"]]
        made = Batch(
            id=f"msgbatch_{len(state.batches):04d}",
            entries=entries,
            polls=max(reply.polls for _id, _body, reply in entries),
        )
        state.batches[made.id] = made
        if trouble is None or not self._misbehaved(trouble):  # else it is there, and nobody was told
            self._json(200, made.told(state.url))

    def _batch(self, name: str, verb: str) -> None:
        state = self.server_state
        batch, trouble = state.batches.get(name), state.trouble(verb)
        if batch is None:
            self._refuse(refuse(404, message="Message Batch not found"))
        elif trouble is not None and self._misbehaved(trouble):
            return
        elif verb == "results":
            lines = [json.dumps(result) + "\n" for result in batch.results]
            self._send(200, "application/x-jsonl", "".join(lines).encode())
        elif verb == "cancel" and batch.status == "ended":
            self._refuse(refuse(400, message="Message Batch cannot be canceled: processing has ended"))
        else:
            batch.cancel() if verb == "cancel" else batch.look(state)
            self._json(200, batch.told(state.url))

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _refuse(self, reply: Reply) -> None:
        self._json(reply.status, error_body(reply, self.request_id), reply.headers)

    def _json(self, status: int, body: Mapping[str, Any], extra: Mapping[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(body).encode(), extra)

    def _send(self, status: int, kind: str, body: bytes, extra: Mapping[str, str] | None = None) -> None:
        self._head(status, kind, len(body), extra)
        self.wfile.write(body)

    def _head(
        self, status: int, kind: str, length: int | None, extra: Mapping[str, str] | None = None
    ) -> None:
        headers = {**rates(), **(extra or {})}
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("request-id", self.request_id)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("transfer-encoding", "chunked")
        else:
            self.send_header("content-length", str(length))
        self.end_headers()


def rates() -> dict[str, str]:
    """The documented headers of a service that is not busy."""
    reset = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    found = {}
    for kind, most in (
        ("requests", 50),
        ("input-tokens", 50_000),
        ("output-tokens", 10_000),
        ("tokens", 60_000),
    ):
        found[f"anthropic-ratelimit-{kind}-limit"] = str(most)
        found[f"anthropic-ratelimit-{kind}-remaining"] = str(most - 1)
        found[f"anthropic-ratelimit-{kind}-reset"] = reset
    return found
