"""What servers of the chat-completions format say when they do not answer.

The format has no list of errors that all servers keep: the status decides, and words only where a status means two
things. The words are those of the servers named beside them.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flowforge.plugin import FlowForgeError
from flowforge_plugins.models.service_errors import Kind, Said, asked_delay, masked, number, trouble

_STATUSES: Final[Mapping[int, Kind]] = {
    401: Kind.KEY,
    402: Kind.BILLING,
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    405: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    409: Kind.CONFLICT,
    413: Kind.TOO_LARGE,
    425: Kind.CONFLICT,
    429: Kind.RATE_LIMIT,
    503: Kind.OVERLOADED,
    504: Kind.TIMEOUT,
    529: Kind.OVERLOADED,
}
_SERVER_ERRORS: Final = 500
_REDIRECTS: Final = range(300, 400)

_NO_MONEY: Final = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient credits",
)
_TOO_LONG: Final = (
    "context_length_exceeded",  # OpenAI
    "maximum context length",  # OpenAI, vLLM
    "exceed_context_size_error",  # llama.cpp
    "available context size",  # llama.cpp
    "context window",  # LiteLLM
    "prompt is too long",
    "string_above_max_length",
)
_FILTERED: Final = ("content_policy_violation", "content_filter", "responsibleaipolicyviolation")

_LIMITS: Final = ("requests", "tokens")
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer that is none: its status, headers, and what its body says."""

    status: int
    headers: Mapping[str, str]
    type: str
    code: str
    message: str

    @property
    def words(self) -> str:
        """All that it says, to look for words in."""
        return f"{self.type} {self.code} {self.message}".lower()

    @property
    def filtered(self) -> bool:
        """Whether the server will not speak of this, rather than cannot."""
        return any(word in self.words for word in _FILTERED)


def read_refusal(status: int, headers: Mapping[str, str], text: str) -> Refusal:
    """Read a body that may be JSON of any shape, or the page of a proxy."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        found = {}
    return refusal_of(status, headers, found, text.strip()[:200])


def refusal_of(status: int, headers: Mapping[str, str], body: object, otherwise: str = "") -> Refusal:
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        error = {"message": error if isinstance(error, str) else otherwise}
    message = error.get("message") or error.get("detail") or otherwise
    return Refusal(
        status=status,
        headers=headers,
        type=str(error.get("type") or ""),
        code=str(error.get("code") or ""),
        message=str(message),
    )


def error_of(refusal: Refusal, now: Callable[[], float], *secrets: str) -> FlowForgeError:
    """Map a refusal. `now` gives seconds since 1970, to read a date in retry-after."""
    said = f"{refusal.code or refusal.type or refusal.status}: {refusal.message or 'no words'}"
    if refusal.status in _REDIRECTS:
        said = f"{refusal.status}: it is elsewhere, and a redirect is not followed"
    return trouble(
        Said(
            kind=_kind(refusal),
            text=masked(said, *secrets),
            request_id=masked(refusal.headers.get("x-request-id", ""), *secrets),
            delay=asked_delay(refusal.headers, now) or _until_reset(refusal.headers),
        )
    )


def _kind(refusal: Refusal) -> Kind:
    if any(word in refusal.words for word in _NO_MONEY):
        return Kind.BILLING
    if refusal.status < _SERVER_ERRORS and any(word in refusal.words for word in _TOO_LONG):
        return Kind.TOO_LARGE
    if refusal.status in _REDIRECTS:
        return Kind.NOT_FOUND
    usual = Kind.SERVER if refusal.status >= _SERVER_ERRORS else Kind.INVALID
    return _STATUSES.get(refusal.status, usual)


def _until_reset(headers: Mapping[str, str]) -> float:
    """Seconds until every limit that is used up is replenished, as `6m0s` or `20ms`; 0 = it does not say."""
    used_up = (name for name in _LIMITS if headers.get(f"x-ratelimit-remaining-{name}") == "0")
    return max((_seconds(headers.get(f"x-ratelimit-reset-{name}", "")) for name in used_up), default=0.0)


def _seconds(duration: str) -> float:
    found = _DURATION.fullmatch(duration)
    if found is None:
        return number(duration)
    units = zip(found.groups(), (3600.0, 60.0, 1.0, 0.001), strict=True)
    return sum(number(part or "") * unit for part, unit in units)
