"""What an answer of the chat-completions format says, streamed or whole, with or without what it cost."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeGuard

import httpx2

from flowforge.plugin import ModelAnswer, Usage

MAX_ANSWER: Final = 4 << 20  # characters; a longer answer is cut

_STOPS: Final = {  # tool_calls and function_call are for requests with tools, which ours never have
    "stop": "end",
    "eos": "end",
    "end_turn": "end",
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "content_filter": "refusal",
    "refusal": "refusal",
}
_DONE: Final = "[DONE]"


class ServerError(Exception):
    """An error that came inside an answer of status 200; the first argument is its JSON."""


def events(chunks: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a stream of server-sent events.

    Lines end with a line feed alone: a text in JSON may hold other characters that some take for line ends.

    Raises:
        ValueError: a line is no JSON object.
    """
    for line in _lines(chunks):
        name, _, value = line.decode(errors="replace").rstrip("\r").partition(":")
        if name != "data" or value.strip() in {"", _DONE}:
            continue
        found = json.loads(value)
        yield json_object(found)


def json_object(found: object) -> Mapping[str, Any]:
    if isinstance(found, dict):
        return found
    raise ValueError(f"{type(found).__name__} is no object")


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


class Reading:
    """What was said so far. `worst` is settled where the server does not say what it used."""

    def __init__(self, worst: Usage) -> None:
        self.request_id = ""
        self.started = False
        self._worst = worst
        self._parts: list[str] = []
        self._size = 0
        self._refused = False
        self._stop: str | None = None
        self._usage: Usage | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """One chunk of a stream, or a whole answer.

        Raises:
            ServerError: it is an error.
            DecodingError: the answer is longer than any that was asked for.
        """
        if event.get("error"):
            raise ServerError(event)
        self.started = True
        self._usage = _usage(event.get("usage")) or self._usage
        choices = event.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(first, Mapping):
            return
        said = first.get("delta") or first.get("message")
        if isinstance(said, Mapping):
            self._refused = self._refused or bool(said.get("refusal"))
            self._add(said.get("content"))
        self._stop = first.get("finish_reason") or self._stop

    def _add(self, text: object) -> None:
        if not isinstance(text, str):
            return
        self._size += len(text)
        if self._size > MAX_ANSWER:
            raise httpx2.DecodingError("the answer is longer than any that was asked for")
        self._parts.append(text)

    def answer(self) -> ModelAnswer:
        if self._stop is None:
            return self.cut("the answer ended before it said why")
        stop = "refusal" if self._refused else _STOPS.get(self._stop, "other")
        return ModelAnswer(
            text="".join(self._parts),
            usage=self._usage or self._worst,
            stop=stop,
            request_id=self.request_id,
        )

    def cut(self, why: str) -> ModelAnswer:
        """Broke off: the most that it can have cost."""
        return ModelAnswer(text="", usage=self._worst, stop="cut", request_id=self.request_id, why=why)


def _usage(told: object) -> Usage | None:
    """Tokens by kind; None where the server does not count, or not in a way that can be read."""
    if not isinstance(told, Mapping):
        return None
    prompt, made = told.get("prompt_tokens"), told.get("completion_tokens")
    if not _count(prompt) or not _count(made):
        return None
    details = told.get("prompt_tokens_details")
    cached: object = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    read = min(cached, prompt) if _count(cached) else 0
    return Usage(input=prompt - read, output=made, cache_read=read)


def _count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
