"""What the service knows: its script, who asked what, what is cached, what was billed, and its batches."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.modelserver.batches import Batch
from tests.modelserver.bills import Bill, Billed, Prices, PromptCache, tokens
from tests.modelserver.replies import Answer, Reply


@dataclass(frozen=True, kw_only=True)
class Seen:
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    method: str = "POST"


class ModelServer:
    """State of the service; `url` is its base. Thread-safe."""

    def __init__(self) -> None:
        self.url = ""
        self.key = "test-key"
        self.seen: list[Seen] = []
        self.script: list[Answer] = [Reply()]
        self.bills: list[Bill] = []
        self.batches: dict[str, Batch] = {}
        self.models: frozenset[str] = frozenset()  # those it knows; empty = any
        self.released = threading.Event()  # ends every hang when the server closes
        self.cache = PromptCache()
        self._trouble: dict[str, list[Reply]] = {}
        self._calls: list[float] = []
        self._allowed = (0, 0.0)
        self._ahead = 0.0
        self._lock = threading.Lock()

    def answer(self, *script: Answer) -> None:
        with self._lock:
            self.script = list(script)

    def fail(self, verb: str, *replies: Reply) -> None:
        """What the next calls of a verb of batches get: create, retrieve, results, cancel."""
        self._trouble[verb] = list(replies)

    def allow(self, calls: int, seconds: float) -> None:
        """Refuse, as documented, more than so many messages in so many seconds."""
        self._allowed = (calls, seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass for what is cached and for rate limits."""
        self._ahead += seconds

    @property
    def now(self) -> float:
        return time.monotonic() + self._ahead

    @property
    def messages(self) -> list[Seen]:
        """The requests for a message, token counts and batches left out."""
        return [seen for seen in self.seen if seen.path == "/v1/messages"]

    @property
    def billed(self) -> Billed:
        with self._lock:
            bills = [*self.bills]
        return Billed(
            input=sum(b.input for b in bills),
            output=sum(b.output for b in bills),
            cache_write=sum(b.cache_write for b in bills),
            cache_write_hour=sum(b.cache_write_hour for b in bills),
            cache_read=sum(b.cache_read for b in bills),
            calls=len(bills),
        )

    def cost(self, prices: Prices) -> Decimal:
        """US dollars of everything that was billed, each call rounded up to a millionth."""
        with self._lock:
            return sum((bill.cost(prices) for bill in self.bills), Decimal(0))

    def take(self, seen: Seen) -> Reply:
        """The reply that the script has for a request; it is noted."""
        with self._lock:
            self.seen.append(seen)
            if seen.path != "/v1/messages":
                return Reply()
        return self.next_reply(seen.body)

    def next_reply(self, body: Mapping[str, Any]) -> Reply:
        with self._lock:
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return step if isinstance(step, Reply) else step(body)

    def trouble(self, verb: str) -> Reply | None:
        with self._lock:
            waiting = self._trouble.get(verb)
            return waiting.pop(0) if waiting else None

    def too_soon(self) -> float:
        """Seconds until another message is allowed; 0 = now, and it is counted."""
        calls, seconds = self._allowed
        with self._lock:
            now = self.now
            self._calls = [at for at in self._calls if at > now - seconds]
            if calls and len(self._calls) >= calls:
                return self._calls[0] + seconds - now
            self._calls.append(now)
        return 0.0

    def bill(self, body: Mapping[str, Any], *, batch: bool = False) -> Bill:
        """Open the bill of one request with its input."""
        with self._lock:
            bill = self.cache.bill(body, self.now, batch=batch)
            self.bills.append(bill)
        return bill

    def made(self, reply: Reply, body: Mapping[str, Any]) -> tuple[str, str, int]:
        """Text, stop reason and output tokens, cut where the request's own limit ends them."""
        thought = tokens(reply.thinking) if reply.thinking else 0
        wanted = reply.output_tokens or thought + tokens(reply.text)
        most = int(body["max_tokens"])
        if wanted <= most:
            return reply.text, reply.stop, wanted
        return reply.text[: max(0, most - thought) * 4], "max_tokens", most
