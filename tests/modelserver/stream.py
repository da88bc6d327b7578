"""One message as server-sent events, and every way in which a stream can go wrong."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from tests.modelserver.batches import whole
from tests.modelserver.bills import Bill, tokens
from tests.modelserver.replies import Reply
from tests.modelserver.state import ModelServer

PART = 40  # characters of one delta


class Wire(Protocol):
    """The open answer of one request."""

    def chunk(self, data: bytes) -> None: ...

    def hang_up(self) -> None: ...


class Stream:
    def __init__(
        self, wire: Wire, server: ModelServer, reply: Reply, body: Mapping[str, Any], name: str
    ) -> None:
        self._wire, self._server, self._reply, self._body, self._name = wire, server, reply, body, name

    def send(self) -> None:
        if self._reply.how == "first_error":
            self._error()
            return
        bill = self._server.bill(self._body)
        text, stop, made = self._server.made(self._reply, self._body)
        started = whole(self._body, self._reply, bill, "", None, self._name)
        usage = (
            {"usage": {**started["usage"], "output_tokens": 1, **self._reply.told}}
            if self._reply.how != "no_usage"
            else {}
        )
        bare = {name: value for name, value in started.items() if name != "usage"}
        self._event("message_start", {"message": {**bare, "content": [], **usage}})
        index = self._think()
        self._event("content_block_start", {"index": index, "content_block": {"type": "text", "text": ""}})
        self._event("ping", {})
        if self._text(bill, text, index):
            return
        self._event("content_block_stop", {"index": index})
        bill.output = made
        delta = {"stop_reason": stop, "stop_sequence": None, "stop_details": self._details(stop)}
        told = {"usage": {"output_tokens": made, **self._reply.told}} if self._reply.how != "no_usage" else {}
        self._event("message_delta", {"delta": delta, **told})
        self._event("message_stop", {})
        self._wire.chunk(b"")

    def _think(self) -> int:
        if not self._reply.thinking:
            return 0
        block = {"type": "thinking", "thinking": "", "signature": ""}
        self._event("content_block_start", {"index": 0, "content_block": block})
        for delta in (
            {"type": "thinking_delta", "thinking": self._reply.thinking},
            {"type": "signature_delta", "signature": "c2ln"},
        ):
            self._event("content_block_delta", {"index": 0, "delta": delta})
        self._event("content_block_stop", {"index": 0})
        return 1

    def _text(self, bill: Bill, text: str, index: int) -> bool:
        """Send the text; True where the stream ended in its midst."""
        parts = [text[at : at + PART] for at in range(0, len(text), PART)]
        for number, part in enumerate(parts):
            if number == len(parts) // 2 and self._reply.how not in {"ok", "no_usage"}:
                bill.output = tokens("".join(parts[:number]))  # what was made so far is billed
                return self._interrupted(index)
            self._delta(part, index)
        return False

    def _interrupted(self, index: int) -> bool:
        match self._reply.how:
            case "error_event":
                self._error()
            case "bad_event":
                self._wire.chunk(b"event: content_block_delta\ndata: {not json\n\n")
                self._wire.chunk(b"")
            case "trickle":
                while not self._server.released.wait(0.05):
                    self._wire.chunk(b":")
            case "flood":
                while not self._server.released.is_set():
                    self._delta("x" * 65536, index)
            case "cut":
                self._wire.hang_up()
        return True

    def _details(self, stop: str) -> dict[str, Any] | None:
        return {"type": "refusal", "category": "cyber", "explanation": None} if stop == "refusal" else None

    def _delta(self, text: str, index: int) -> None:
        self._event("content_block_delta", {"index": index, "delta": {"type": "text_delta", "text": text}})

    def _error(self) -> None:
        error = {"type": self._reply.error or "overloaded_error", "message": "Overloaded"}
        self._event("error", {"error": error})
        self._wire.chunk(b"")

    def _event(self, name: str, data: Mapping[str, Any]) -> None:
        self._wire.chunk(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode())
