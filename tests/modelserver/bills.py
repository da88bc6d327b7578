"""What a call costs by kind, and the cache of prompt prefixes with its lifetimes and its least length."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from flowforge.core.spend import Price, Usage, cost

LIFE = {"5m": 300.0, "1h": 3600.0}  # seconds; every read begins it anew
LEAST = 1024  # tokens of a prefix below which nothing is cached, where the model has no figure of its own
LEASTS = {"claude-opus-5": 512, "claude-haiku-4-5": 4096}


class Prices(Protocol):
    def of(self, model: str, prompt_tokens: int, /, *, batch: bool = False) -> Price: ...


@dataclass(kw_only=True)
class Billed:
    """Tokens of all calls, by kind; `cache_write` counts both lifetimes."""

    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_write_hour: int = 0  # those of `cache_write` that live for an hour
    cache_read: int = 0
    calls: int = 0


@dataclass(kw_only=True)
class Bill:
    """One call. `output` grows while an answer is made."""

    model: str
    batch: bool = False
    input: int = 0
    output: int = 0
    cache_write: int = 0
    cache_write_hour: int = 0
    cache_read: int = 0

    @property
    def prompt(self) -> int:
        return self.input + self.cache_write + self.cache_read

    @property
    def usage(self) -> Usage:
        return Usage(
            input=self.input,
            output=self.output,
            cache_write=self.cache_write - self.cache_write_hour,
            cache_write_hour=self.cache_write_hour,
            cache_read=self.cache_read,
        )

    def cost(self, prices: Prices) -> Decimal:
        return cost(self.usage, prices.of(self.model, self.prompt, batch=self.batch))

    def told(self) -> dict[str, Any]:
        """As `usage` of an answer."""
        return {
            "input_tokens": self.input,
            "output_tokens": self.output,
            "cache_creation_input_tokens": self.cache_write,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write - self.cache_write_hour,
                "ephemeral_1h_input_tokens": self.cache_write_hour,
            },
            "service_tier": "batch" if self.batch else "standard",
        }


def tokens(text: str) -> int:
    return len(text.encode()) // 4 + 1


@dataclass(frozen=True, kw_only=True)
class Block:
    text: str
    life: str = ""  # "5m", "1h"; "" = no mark stands here


def blocks(body: Mapping[str, Any]) -> list[Block]:
    """The prompt in the order in which it is read: the schema, then system, then messages."""
    system = body.get("system") or []
    parts: list[Any] = [{"text": system}] if isinstance(system, str) else list(system)
    for message in body.get("messages") or []:
        content = message["content"]
        parts += [{"text": content}] if isinstance(content, str) else content
    frame = json.dumps([body.get("output_config"), body.get("thinking")])
    return [Block(text=frame), *(Block(text=p["text"], life=_life(p)) for p in parts)]


def _life(part: Mapping[str, Any]) -> str:
    mark = part.get("cache_control")
    return "" if mark is None else str(mark.get("ttl", "5m"))


class PromptCache:
    """Prefixes that were marked, by model, until they are too old."""

    def __init__(self) -> None:
        self.least = dict(LEASTS)
        self._until: dict[str, float] = {}

    def bill(self, body: Mapping[str, Any], now: float, *, batch: bool = False) -> Bill:
        """The input of one request: read up to the longest prefix that is there, written up to the last mark."""
        model, parts = str(body["model"]), blocks(body)
        marks = list(self._marks(model, parts))
        read = max((mark for mark in marks if self._until.get(mark.key, 0.0) > now), default=None)
        bill = Bill(model=model, batch=batch, cache_read=read.tokens if read else 0)
        done = bill.cache_read
        for mark in marks:
            new = max(0, mark.tokens - done)
            bill.cache_write += new
            bill.cache_write_hour += new if mark.life == "1h" else 0
            done += new
            self._until[mark.key] = max(self._until.get(mark.key, 0.0), now + LIFE[mark.life])
        bill.input = sum(tokens(part.text) for part in parts) - done
        return bill

    def _marks(self, model: str, parts: Sequence[Block]) -> Iterator["Mark"]:
        least = self.least.get(model, LEAST)
        for end, part in enumerate(parts, start=1):
            size = sum(tokens(p.text) for p in parts[:end])
            if part.life and size >= least:
                yield Mark(
                    tokens=size, key=json.dumps([model, *(p.text for p in parts[:end])]), life=part.life
                )


@dataclass(frozen=True, order=True, kw_only=True)
class Mark:
    tokens: int
    key: str
    life: str
