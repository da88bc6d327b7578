"""How a server wants a question put. The format is spoken in dialects, and a server says no to what it does not know.

It is asked in the fullest form first; where it refuses a part by name, the question is put again without that part,
and so is every later one. A refused question costs nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from flowforge.plugin import ModelRequest
from flowforge_plugins.models.openai_chat_errors import Refusal

_ANEW: Final = frozenset({400, 404, 415, 422, 500, 501})  # statuses with which servers refuse a part
_SCHEMA_WORDS: Final = ("response_format", "json_schema", "json_object", "structured", "grammar", "guided")
_STREAM_WORDS: Final = ("stream_options", "include_usage")
_LENGTH_WORDS: Final = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    length: str = "max_tokens"  # or max_completion_tokens, as OpenAI's own models want it
    form: str = "json_schema"  # then json_object, then text: the schema stands in the question
    counts: bool = True  # whether a stream is asked to say what it used

    def body(self, request: ModelRequest, effort: str) -> dict[str, Any]:
        system = request.system if self.form == "json_schema" else _with_schema(request)
        made: dict[str, Any] = {
            "model": request.model,
            "messages": [
                *([{"role": "system", "content": system}] if system else []),
                {
                    "role": "user",
                    "content": f"{request.shared}\n{request.prompt}" if request.shared else request.prompt,
                },
            ],
            self.length: request.max_output + request.thinking,
            "stream": True,
        }
        if self.counts:
            made["stream_options"] = {"include_usage": True}
        if self.form == "json_schema":
            schema = {"name": "answer", "strict": True, "schema": dict(request.schema)}
            made["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.form == "json_object":
            made["response_format"] = {"type": "json_object"}
        if effort:
            made["reasoning_effort"] = effort
        return made

    def without(self, refusal: Refusal) -> "Dialect | None":
        """The dialect to try next; None where the refusal names no part that can be left out."""
        if refusal.status not in _ANEW:
            return None
        if self.counts and _names(refusal, _STREAM_WORDS):
            return replace(self, counts=False)
        if self.form != "text" and _names(refusal, _SCHEMA_WORDS):
            return replace(self, form="json_object" if self.form == "json_schema" else "text")
        if self.length == "max_tokens" and "max_completion_tokens" in refusal.words:
            return replace(self, length="max_completion_tokens")
        if self.length == "max_completion_tokens" and _names(refusal, _LENGTH_WORDS):
            return replace(self, length="max_tokens")
        return None


def _names(refusal: Refusal, words: tuple[str, ...]) -> bool:
    return any(word in refusal.words for word in words)


def _with_schema(request: ModelRequest) -> str:
    schema = schema_text(request.schema)
    return f"{request.system}\n\nAnswer with one JSON object by this JSON schema, and nothing else:\n{schema}"


def schema_text(schema: Mapping[str, object]) -> str:
    return json.dumps(schema, ensure_ascii=False)
