"""Batches: each request in one is answered by the script, billed at half price, and read as a line of JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.modelserver.bills import Bill
from tests.modelserver.replies import Reply, error_body
from tests.modelserver.rules import problem

CREATED, EXPIRES = "2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"


class Desk(Protocol):
    def next_reply(self, body: Mapping[str, Any]) -> Reply: ...

    def bill(self, body: Mapping[str, Any], *, batch: bool = False) -> Bill: ...

    def made(self, reply: Reply, body: Mapping[str, Any]) -> tuple[str, str, int]: ...


@dataclass(kw_only=True)
class Batch:
    """One batch; it ends when it was looked at often enough, or was cancelled and looked at once more."""

    id: str
    entries: list[tuple[str, Mapping[str, Any], Reply]]
    polls: int
    status: str = "in_progress"
    cancelled: bool = False
    gone: bool = False  # its results were archived
    results: list[dict[str, Any]] = field(default_factory=list)

    def look(self, desk: Desk) -> None:
        """Go on: one look less to wait for; the last one answers and bills."""
        if self.status == "ended":
            return
        if self.polls > 0 and not self.cancelled:
            self.polls -= 1
            return
        self.results = [self._result(desk, *entry) for entry in self.entries]
        self.status = "ended"

    def cancel(self) -> None:
        if self.status != "ended":
            self.cancelled, self.status = True, "canceling"

    def _result(self, desk: Desk, custom_id: str, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        return {"custom_id": custom_id, "result": self._outcome(desk, body, reply)}

    def _outcome(self, desk: Desk, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
        wrong = problem(body)
        if wrong is not None:
            return {"type": "errored", "error": error_body(wrong, "req_batch")}
        if self.cancelled and reply.how != "finished":  # one that was in the midst of it may finish
            return {"type": "canceled"}
        if reply.how in {"error", "errored"}:
            return {"type": "errored", "error": error_body(reply, "req_batch")}
        if reply.how in {"expired", "canceled"}:
            return {"type": reply.how}
        bill = desk.bill(body, batch=True)
        text, stop, bill.output = desk.made(reply, body)
        return {"type": "succeeded", "message": whole(body, reply, bill, text, stop, f"msg_{self.id}")}

    def told(self, url: str) -> dict[str, Any]:
        kinds = [result["result"]["type"] for result in self.results]
        counts = {kind: kinds.count(kind) for kind in ("succeeded", "errored", "canceled", "expired")}
        ended = self.status == "ended"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": self.status,
            "request_counts": {"processing": 0 if ended else len(self.entries), **counts},
            "created_at": CREATED,
            "expires_at": EXPIRES,
            "ended_at": EXPIRES if ended else None,
            "archived_at": EXPIRES if self.gone else None,
            "cancel_initiated_at": CREATED if self.cancelled else None,
            "results_url": f"{url}/v1/messages/batches/{self.id}/results"
            if ended and not self.gone
            else None,
        }


def wrong_entries(body: Mapping[str, Any]) -> str:
    """What is wrong with a list of requests as a whole; "" = nothing."""
    entries = body.get("requests")
    if set(body) != {"requests"} or not isinstance(entries, list) or not entries:
        return "requests: Field required"
    names = [entry.get("custom_id") for entry in entries]
    if len(set(names)) < len(names) or not all(name and len(name) <= 64 for name in names):
        return "requests: custom_id must be unique and have 1 to 64 characters"
    return ""


def whole(
    body: Mapping[str, Any], reply: Reply, bill: Bill, text: str, stop: str | None, message_id: str
) -> dict[str, Any]:
    """A message as one JSON object."""
    thought = (
        [{"type": "thinking", "thinking": reply.thinking, "signature": "c2ln"}] if reply.thinking else []
    )
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [*thought, {"type": "text", "text": text}],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {**bill.told(), **reply.told},
    }
