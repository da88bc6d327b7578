"""A question as the Messages API wants it: marks for its cache, the schema, and thinking on or off."""

import json
from typing import Any, Final, Literal

from flowforge.plugin import ModelRequest, Usage

# A tokenizer over bytes makes at most one token of a byte; the service adds text of its own for the schema and
# the message frames, which is billed too.
FRAME_TOKENS: Final = 1024

# How thinking is turned off where a model thinks unless it is told not to. Models that always think are not
# here: they are given room by `thinking`, or spend what they think from `max_output`.
_OFF: Final = {
    "claude-sonnet-5-5": "between_tools",
    "claude-haiku-5-5": "disabled",
    "claude-sonnet-5": "disabled",
    "claude-opus-5": "disabled",
}
_DEEP: Final = frozenset({"xhigh", "max"})  # efforts at which no model lets thinking be turned off
_BUDGETED: Final = (
    "claude-haiku-4-5",
    "claude-sonnet-4-5",
    "claude-opus-4-5",
)  # take a budget, not "adaptive"
_LEAST_BUDGET: Final = 1024


def body(request: ModelRequest, effort: str, life: Literal["5m", "1h"] = "5m") -> dict[str, Any]:
    """All but `max_tokens` and `stream`. `life`: how long `system` is to be kept in the service's cache."""
    output: dict[str, Any] = {"format": {"type": "json_schema", "schema": dict(request.schema)}}
    if effort:
        output["effort"] = effort
    made: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": "user", "content": _plain(request.prompt)}],
        "output_config": output,
    }
    system = [_marked(request.system, life)] if request.system else []  # an empty block is refused
    # The questions of one commit are asked together, so minutes are enough for what they share.
    shared = [_marked(request.shared, "5m")] if request.shared else []
    if system or shared:
        made["system"] = [*system, *shared]
    thinking = _thinking(request, effort)
    if thinking:
        made["thinking"] = thinking
    return made


def max_tokens(request: ModelRequest) -> int:
    """Thinking and answer together; both are billed as output."""
    return request.max_output + request.thinking


def input_bound(request: ModelRequest) -> int:
    """Tokens that the question can at most be billed as."""
    schema = json.dumps(request.schema, ensure_ascii=False)
    text = request.system + request.shared + request.prompt + schema
    return len(text.encode(errors="surrogatepass")) + FRAME_TOKENS


def worst(request: ModelRequest) -> Usage:
    """The most that one call can use: all of it written to the cache, which costs more than reading it plainly."""
    return Usage(cache_write=input_bound(request), output=max_tokens(request))


def _marked(text: str, life: str) -> dict[str, Any]:
    mark = {"type": "ephemeral"} if life == "5m" else {"type": "ephemeral", "ttl": life}
    return {"type": "text", "text": _plain(text), "cache_control": mark}


def _plain(text: str) -> str:
    """As it can be sent: a half of a character is none."""
    return text.encode(errors="replace").decode()


def _thinking(request: ModelRequest, effort: str) -> dict[str, Any]:
    if request.thinking > 0:
        if request.model.startswith(_BUDGETED):
            return {"type": "enabled", "budget_tokens": max(_LEAST_BUDGET, request.thinking)}
        return {"type": "adaptive"}
    if effort in _DEEP or request.model not in _OFF:
        return {}
    return {"type": _OFF[request.model]}
