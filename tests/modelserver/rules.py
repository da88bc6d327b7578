"""What the service refuses whatever the script says: the documented rules of a request."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.modelserver.bills import tokens
from tests.modelserver.replies import Reply, refuse

FIELDS = {
    *("model", "max_tokens", "messages", "system", "stream", "output_config", "metadata", "thinking"),
    *("service_tier", "stop_sequences", "cache_control", "inference_geo"),
}
EFFORTS = {"low", "medium", "high", "xhigh", "max"}
UNSUPPORTED = {  # words of JSON schema that structured output does not take
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"),
    *("maxItems", "uniqueItems", "patternProperties", "propertyNames", "not", "if"),
}
MODES = {  # beginning of a model's name -> modes of thinking that it takes
    "claude-sonnet-5-5": {"adaptive", "between_tools"},
    "claude-opus-5-5": {"adaptive"},
    "claude-fable": {"adaptive"},
    "claude-haiku-4-5": {"enabled", "disabled"},
}
WINDOW, LONGEST = (
    1_000_000,
    128_000,
)  # tokens of a prompt and of an answer, where the model has none of its own
WINDOWS = {"claude-haiku-4-5": (200_000, 64_000)}
BREAKPOINTS = 4


def problem(body: Mapping[str, Any], *, counting: bool = False) -> Reply | None:
    """The first rule that a request breaks, as the answer it gets; `counting`: it asks for tokens only."""
    said = next(_problems(body, counting=counting), "")
    return refuse(400, message=said) if said else None


def _problems(body: Mapping[str, Any], *, counting: bool) -> Iterator[str]:
    unknown = set(body) - FIELDS
    if unknown:
        yield f"{min(unknown)}: Extra inputs are not permitted"
    if not counting and (not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1):
        yield "max_tokens: Field required"
    if not body.get("messages") or not body.get("model"):
        yield "messages: Field required"
    yield from _texts(body)
    yield from _thinking(body)
    yield from _format(body.get("output_config") or {})
    window, longest = WINDOWS.get(body["model"], (WINDOW, LONGEST))
    size = tokens(json.dumps([body.get("messages"), body.get("system")]))
    if size > window:
        yield f"prompt is too long: {size} tokens > {window} maximum"
    if body.get("max_tokens", 0) > longest:
        yield f"max_tokens: {body['max_tokens']} > {longest}, which is the maximum allowed number of output tokens"


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    system = body.get("system") or []
    parts = [] if isinstance(system, str) else list(system)
    for message in body["messages"]:
        parts += message["content"] if isinstance(message["content"], list) else []
        if message["content"] == "":
            yield "messages: user messages must have non-empty content"
    if any(not part["text"] for part in parts):
        yield "system: text content blocks must be non-empty"
    lives = [part["cache_control"].get("ttl", "5m") for part in parts if "cache_control" in part]
    if len(lives) > BREAKPOINTS:
        yield f"A maximum of {BREAKPOINTS} blocks with cache_control may be provided. Found {len(lives)}."
    if set(lives) - {"5m", "1h"} or lives != sorted(lives):  # "1h" sorts before "5m"
        yield "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"


def _thinking(body: Mapping[str, Any]) -> Iterator[str]:
    mode = (body.get("thinking") or {}).get("type")
    takes = next((modes for name, modes in MODES.items() if body["model"].startswith(name)), None)
    if mode and mode not in (takes or {"adaptive", "disabled"}):
        yield f"thinking.type: {mode!r} is not supported for this model"
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None and effort not in EFFORTS:
        yield f"output_config.effort: {effort!r} is not supported"
    if mode in {"between_tools", "disabled"} and effort in {"xhigh", "max"}:
        yield f"thinking.type: {mode!r} is not supported at effort {effort!r}"


def _format(output: Mapping[str, Any]) -> Iterator[str]:
    given = output.get("format")
    if given is not None and given.get("type") != "json_schema":
        yield "output_config.format.type: Input should be 'json_schema'"
    if given is not None:
        yield from _schema(given.get("schema"))


def _schema(schema: object) -> Iterator[str]:
    if isinstance(schema, list):
        for part in schema:
            yield from _schema(part)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield "output_config.format.schema: 'additionalProperties' must be set to false for 'object' type"
    for word in UNSUPPORTED & set(schema):
        yield f"output_config.format.schema: property '{word}' is not supported"
    for name, part in schema.items():
        if name == "properties" and isinstance(part, dict):
            for field in part.values():
                yield from _schema(field)
        elif name in {"items", "anyOf", "allOf", "$defs"}:
            yield from _schema(part)
