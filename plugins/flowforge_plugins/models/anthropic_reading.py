"""What an answer of the Messages API says: its text, why it stopped, and what it is billed, by kind."""

from collections.abc import Mapping
from typing import Any, Final

import anthropic
import httpx2

from flowforge.plugin import ModelAnswer, Usage

MAX_ANSWER: Final = 4 << 20  # bytes; a longer answer is cut

STOPS: Final = {  # tool_use and pause_turn are for requests with tools, which ours never have
    "end_turn": "end",
    "stop_sequence": "end",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "refusal": "refusal",
}

_COUNTS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)


class Meter:
    """Usage as it is told. Later counts are cumulative and replace earlier ones; one that is not given stands."""

    def __init__(self, worst: Usage) -> None:
        self._worst = worst
        self._told: dict[str, int] = {}

    def take(self, usage: object) -> None:
        for name in _COUNTS:
            self._note(name, _field(usage, name))
        self._note("hour", _field(_field(usage, "cache_creation"), "ephemeral_1h_input_tokens"))

    def _note(self, name: str, value: object) -> None:
        if isinstance(value, int) and value >= 0:  # below zero it says nothing
            self._told[name] = value

    def spent(self) -> Usage:
        """What was told; the most it can have been where nothing was."""
        if "input_tokens" not in self._told:
            return self._worst
        written = self._told.get("cache_creation_input_tokens", 0)
        hour = min(self._told.get("hour", 0), written)
        return Usage(
            input=self._told["input_tokens"],
            output=self._told.get("output_tokens", self._worst.output),
            cache_write=written - hour,
            cache_write_hour=hour,
            cache_read=self._told.get("cache_read_input_tokens", 0),
        )

    def most(self) -> Usage:
        """The input as it was told, and all of the output."""
        spent = self.spent()
        return Usage(
            input=spent.input,
            output=max(spent.output, self._worst.output),
            cache_write=spent.cache_write,
            cache_write_hour=spent.cache_write_hour,
            cache_read=spent.cache_read,
        )


class Reading:
    """What a stream has said so far."""

    def __init__(self, worst: Usage) -> None:
        self.request_id = ""
        self.started = False
        self._meter = Meter(worst)
        self._parts: list[str] = []
        self._size = 0
        self._stop: str | None = None
        self._ended = False

    def take(self, event: anthropic.types.RawMessageStreamEvent) -> None:
        match event.type:
            case "message_start":
                self.started = True
                self._meter.take(_field(event.message, "usage"))
            case "content_block_delta" if event.delta.type == "text_delta":
                self._add(event.delta.text)
            case "message_delta":
                self._meter.take(event.usage)
                self._stop = event.delta.stop_reason
            case "message_stop":
                self._ended = True
            case _:
                pass

    def _add(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_ANSWER:
            raise httpx2.DecodingError("the answer is longer than any that was asked for")
        self._parts.append(text)

    def answer(self) -> ModelAnswer:
        if not self._ended or self._stop is None:
            return self.cut("the stream ended before the answer did")
        stop = STOPS.get(self._stop, "other")
        text = "".join(self._parts)
        return ModelAnswer(text=text, usage=self._meter.spent(), stop=stop, request_id=self.request_id)

    def cut(self, why: str) -> ModelAnswer:
        """The most this call can have cost: what the service counted of the input, and all of the output."""
        return ModelAnswer(text="", usage=self._meter.most(), stop="cut", request_id=self.request_id, why=why)


def whole_answer(message: object, worst: Usage, request_id: str) -> ModelAnswer:
    """An answer that came in one piece, as JSON; thinking and whatever else is no text is left out."""
    meter = Meter(worst)
    meter.take(_field(message, "usage"))
    content = _field(message, "content")
    parts = content if isinstance(content, list) else []
    texts = (_field(part, "text") for part in parts if _field(part, "type") == "text")
    return ModelAnswer(
        text="".join(text for text in texts if isinstance(text, str)),
        usage=meter.spent(),
        stop=STOPS.get(str(_field(message, "stop_reason")), "other"),
        request_id=request_id,
    )


def _field(value: object, name: str) -> Any:
    """Of the SDK's objects and of plain JSON alike; None where it is not there."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
