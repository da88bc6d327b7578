"""The Messages API through its SDK: one question, one streamed answer, one deadline.

Two rules of money. A call that was refused before it began raises. A call that broke after it began *returns*,
with stop `cut` and the most it can have cost, because it will be billed and the caller must settle it.
"""

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import anthropic
import httpx2

from flowforge.plugin import Broken, ModelAnswer, ModelRequest, Reason, Temporary, Usage
from flowforge_plugins.models.anthropic_deadline import DeadlineTransport
from flowforge_plugins.models.anthropic_errors import from_status

BASE_URL: Final = "https://api.anthropic.com"
DEFAULT_TIMEOUT: Final = 120.0
CONNECT_TIMEOUT: Final = 10.0
MAX_ANSWER: Final = 4 << 20  # bytes; a longer answer is cut

# A tokenizer over bytes makes at most one token of a byte; the service adds text of its own for the schema and
# the message frames, which is billed too.
FRAME_TOKENS: Final = 1024

_STOPS: Final = {
    "end_turn": "end",
    "stop_sequence": "end",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "max_tokens",
    "refusal": "refusal",
}


def connect(settings: Mapping[str, str]) -> "Messages":
    """Build the provider from settings `anthropic_api_key`, `base_url`, `timeout` (seconds), `effort`.

    Raises:
        Broken: there is no key, or the timeout is no number above 0.
    """
    key = settings.get("anthropic_api_key", "")
    if not key:
        raise Broken(
            Reason.CONFIGURATION,
            "the model provider 'anthropic' has no API key",
            next_action="set FLOWFORGE_MODEL_KEY, or leave the model rung out of the pipeline",
        )
    return Messages(
        key=key,
        base_url=settings.get("base_url") or BASE_URL,
        timeout=_seconds(settings.get("timeout", "")),
        effort=settings.get("effort", ""),
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text or DEFAULT_TIMEOUT)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Broken(
            Reason.CONFIGURATION,
            f"the model timeout {text!r} is no number of seconds above 0",
            next_action=f"set it to a number such as {DEFAULT_TIMEOUT:g}",
        )
    return seconds


class Messages:
    """A `ModelProvider`. Safe for threads; every call has a connection of its own."""

    def __init__(self, *, key: str, base_url: str, timeout: float, effort: str = "") -> None:
        self._timeout = timeout
        self._effort = effort
        self._client = anthropic.Anthropic(
            api_key=key,
            base_url=base_url,
            max_retries=0,  # the service above owns retries, since each one costs money
            http_client=httpx2.Client(transport=DeadlineTransport(), follow_redirects=False),
        )

    def complete(self, request: ModelRequest, deadline: float) -> ModelAnswer:
        seconds = min(deadline, self._timeout)
        if seconds <= 0:
            raise Temporary(Reason.TIMEOUT, "no time is left for a model call", delay=1.0)
        reading = _Reading(worst=Usage(input=self.count_tokens(request), output=request.max_output))
        try:
            stream = self._client.messages.create(
                **self._body(request),
                max_tokens=request.max_output,
                stream=True,
                timeout=httpx2.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds)),
            )
            with stream:
                reading.request_id = stream.response.headers.get("request-id", "")
                for event in stream:
                    reading.take(event)
        except anthropic.APIStatusError as error:
            return self._broken_off(reading, error)
        except anthropic.APIConnectionError as error:
            return self._unreached(reading, error)
        except (httpx2.HTTPError, json.JSONDecodeError, anthropic.APIError):
            return reading.cut()
        return reading.answer()

    def count_tokens(self, request: ModelRequest) -> int:
        """A bound that holds without asking anybody: no token is shorter than a byte."""
        schema = json.dumps(request.schema, ensure_ascii=False)
        return len((request.system + request.shared + request.prompt + schema).encode()) + FRAME_TOKENS

    def measure_tokens(self, request: ModelRequest, deadline: float) -> int:
        """The service's own count, which is an estimate: for figures, never for a reservation."""
        try:
            counted = self._client.messages.count_tokens(
                **self._body(request), timeout=httpx2.Timeout(min(deadline, self._timeout))
            )
        except anthropic.APIStatusError as error:
            raise from_status(error, time.time) from error
        except (httpx2.HTTPError, anthropic.APIError) as error:
            raise _unreachable(error) from error
        return counted.input_tokens

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": dict(request.schema)}}
        if self._effort:
            output["effort"] = self._effort
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": "user", "content": request.prompt}],
            "output_config": output,
        }
        parts = [text for text in (request.system, request.shared) if text]  # an empty block is refused
        if parts:
            body["system"] = [
                {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}} for text in parts
            ]
        return body

    @staticmethod
    def _broken_off(reading: "_Reading", error: anthropic.APIStatusError) -> ModelAnswer:
        if reading.started:
            return reading.cut()
        raise from_status(error, time.time) from error

    @staticmethod
    def _unreached(reading: "_Reading", error: anthropic.APIConnectionError) -> ModelAnswer:
        """Where the connection was never made nothing can be billed; else the question may have been read."""
        if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
            raise _unreachable(error) from error
        return reading.cut()


class _Reading:
    """What a stream has said so far."""

    def __init__(self, worst: Usage) -> None:
        self.request_id = ""
        self.started = False
        self._worst = worst
        self._parts: list[str] = []
        self._size = 0
        self._usage: dict[str, int] = {}
        self._stop: str | None = None
        self._ended = False

    def take(self, event: anthropic.types.RawMessageStreamEvent) -> None:
        match event.type:
            case "message_start":
                self.started = True
                self._count(event.message.usage)
            case "content_block_delta" if event.delta.type == "text_delta":
                self._add(event.delta.text)
            case "message_delta":
                self._count(event.usage)
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

    def _count(self, usage: object) -> None:
        """Later counts are cumulative and replace earlier ones; a count that is not given stands."""
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ):
            value = getattr(usage, name, None)
            if isinstance(value, int):
                self._usage[name] = max(0, value)

    def answer(self) -> ModelAnswer:
        if not self._ended or self._stop is None:
            return self.cut()
        stop = _STOPS.get(self._stop, "other")
        return ModelAnswer(
            text="".join(self._parts), usage=self._spent(), stop=stop, request_id=self.request_id
        )

    def cut(self) -> ModelAnswer:
        """The most this call can have cost: what the service counted of the input, and all of the output."""
        usage = self._worst
        if self.started:
            spent = self._spent()
            usage = Usage(
                input=spent.input,
                output=max(spent.output, self._worst.output),
                cache_write=spent.cache_write,
                cache_read=spent.cache_read,
            )
        return ModelAnswer(text="", usage=usage, stop="cut", request_id=self.request_id)

    def _spent(self) -> Usage:
        return Usage(
            input=self._usage.get("input_tokens", 0),
            output=self._usage.get("output_tokens", 0),
            cache_write=self._usage.get("cache_creation_input_tokens", 0),
            cache_read=self._usage.get("cache_read_input_tokens", 0),
        )


def _unreachable(error: Exception) -> Temporary:
    return Temporary(
        Reason.MODEL_UNAVAILABLE,
        f"the model service could not be reached: {type(error.__cause__ or error).__name__}",
        delay=5.0,
        next_action="check the base URL and the network of the worker",
    )
