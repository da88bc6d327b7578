"""What the Messages API says when it does not answer: which kind it is, and how long to wait.

Matched by the documented error type, else by status: an error inside a stream comes with status 200.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import anthropic

from flowforge.plugin import FlowForgeError
from flowforge_plugins.models.service_errors import Kind, Said, asked_delay, masked, trouble

_TYPES: Final[Mapping[str, Kind]] = {
    "invalid_request_error": Kind.INVALID,
    "authentication_error": Kind.KEY,
    "billing_error": Kind.BILLING,
    "permission_error": Kind.PERMISSION,
    "not_found_error": Kind.NOT_FOUND,
    "request_too_large": Kind.TOO_LARGE,
    "rate_limit_error": Kind.RATE_LIMIT,
    "timeout_error": Kind.TIMEOUT,
    "api_error": Kind.SERVER,
    "overloaded_error": Kind.OVERLOADED,
    "conflict_error": Kind.CONFLICT,
}

_STATUSES: Final[Mapping[int, Kind]] = {  # where a proxy answered, or a type is new
    401: Kind.KEY,
    402: Kind.BILLING,
    403: Kind.PERMISSION,
    404: Kind.NOT_FOUND,
    408: Kind.TIMEOUT,
    409: Kind.CONFLICT,
    413: Kind.TOO_LARGE,
    429: Kind.RATE_LIMIT,
    504: Kind.TIMEOUT,
    529: Kind.OVERLOADED,
}
_SERVER_ERRORS: Final = 500
_REDIRECTS: Final = range(300, 400)

# A spend limit comes as a rate limit (the account's tier) or as a wrong request (one that the account set
# itself); no waiting within a job lifts either.
_SPEND_CODES: Final = ("spend_limit", "billing_unavailable", "not_billable")
_SPEND_WORDS: Final = ("spend limit", "api usage limits", "credit balance is too low")
_TOO_LONG: Final = "prompt is too long"
_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


def from_status(error: anthropic.APIStatusError, now: Callable[[], float], *secrets: str) -> FlowForgeError:
    """Map an error answer. `now` gives seconds since 1970, to read dates in headers."""
    headers = error.response.headers
    message = error.api_message or error.message
    return from_words(
        str(error.type or ""),
        message,
        code=error.error_code or "",
        status=error.status_code,
        request_id=masked(error.request_id or "", *secrets),
        delay=asked_delay(headers, now) or _until_reset(headers, now),
        secrets=secrets,
    )


def from_words(
    type_: str,
    message: str,
    *,
    code: str = "",
    status: int = 0,
    request_id: str = "",
    delay: float = 0.0,
    secrets: tuple[str, ...] = (),
) -> FlowForgeError:
    """Map what an error says, wherever it stood: in an answer, in a stream or in the results of a batch."""
    kind = _kind(type_, status)
    if any(word in code for word in _SPEND_CODES) or any(word in message.lower() for word in _SPEND_WORDS):
        kind = Kind.BILLING
    elif _TOO_LONG in message:
        kind = Kind.TOO_LARGE
    said = masked(f"{type_ or status}: {message}", *secrets)
    return trouble(Said(kind=kind, text=said, request_id=request_id, delay=delay))


def _kind(type_: str, status: int) -> Kind:
    if status in _REDIRECTS:  # not followed: the key is for this address
        return Kind.NOT_FOUND
    if type_ in _TYPES:
        return _TYPES[type_]
    return _STATUSES.get(status, Kind.SERVER if status >= _SERVER_ERRORS else Kind.INVALID)


def _until_reset(headers: Mapping[str, str], now: Callable[[], float]) -> float:
    """Seconds until every limit that is used up is replenished; 0 = none is, or it does not say."""
    used_up = (name for name in _LIMITS if headers.get(f"anthropic-ratelimit-{name}-remaining") == "0")
    waits = (_seconds_to(headers.get(f"anthropic-ratelimit-{name}-reset", ""), now) for name in used_up)
    return max(waits, default=0.0)


def _seconds_to(moment: str, now: Callable[[], float]) -> float:
    """From now to an RFC 3339 moment."""
    try:
        return max(0.0, datetime.fromisoformat(moment).timestamp() - now())
    except (ValueError, OverflowError):
        return 0.0
