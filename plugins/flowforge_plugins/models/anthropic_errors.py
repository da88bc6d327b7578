"""What the Messages API can say when it does not answer, in the words of the house.

Matched by the documented error type, else by status: an error inside a stream comes with status 200.
"""

import email.utils
from collections.abc import Callable
from typing import Final

import anthropic

from flowforge.plugin import Broken, FlowForgeError, Reason, Refused, Temporary

_BY_STATUS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

# Error type -> seconds to wait where the server names none; these may pass by themselves.
_PASSING: Final = {
    "rate_limit_error": 10.0,
    "overloaded_error": 10.0,
    "api_error": 5.0,
    "timeout_error": 5.0,
    "conflict_error": 2.0,
}

# Error type -> (reason, what it means, what to do); the operator must act.
_OPERATOR: Final = {
    "authentication_error": (
        Reason.CONFIGURATION,
        "did not accept the API key",
        "set a valid key: FLOWFORGE_MODEL_KEY",
    ),
    "billing_error": (
        Reason.MODEL_UNAVAILABLE,
        "refuses to bill this account",
        "look at the billing page of the model account",
    ),
    "permission_error": (
        Reason.CONFIGURATION,
        "does not allow this key to do that",
        "give the key access to the model, or choose another model",
    ),
    "not_found_error": (
        Reason.CONFIGURATION,
        "knows no such model or address",
        "check the model's name and the base URL in the settings",
    ),
}

_TOO_LONG = "prompt is too long"


def from_status(error: anthropic.APIStatusError, now: Callable[[], float]) -> FlowForgeError:
    """Map an error answer. `now` gives seconds since 1970, to read a date in retry-after."""
    kind = _kind(error)
    said = f"{kind}: {error.api_message or error.message}"[:300]
    if kind in _PASSING and not _spend_limit(error):
        return Temporary(
            Reason.MODEL_UNAVAILABLE,
            f"the model service answered {said}",
            delay=retry_after(error, now) or _PASSING[kind],
            next_action="nothing: the call is repeated; if it lasts, look at the provider's status page",
            evidence=error.request_id or "",
        )
    if kind == "request_too_large" or _TOO_LONG in said:
        return Refused(
            Reason.TOO_LARGE,
            f"the request is too long for the model: {said}",
            next_action="resolve this conflict by hand",
            evidence=error.request_id or "",
        )
    reason, meaning, action = _OPERATOR.get(
        "billing_error" if _spend_limit(error) else kind,
        (Reason.MODEL_UNAVAILABLE, "refused the request", "report this: the request was not as documented"),
    )
    return Broken(
        reason,
        f"the model service {meaning} ({said})",
        next_action=action,
        evidence=error.request_id or "",
    )


def retry_after(error: anthropic.APIStatusError, now: Callable[[], float]) -> float:
    """Seconds the server asks to wait: milliseconds, seconds or a date; 0 = it does not say."""
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers.get(name, "")) * unit)
        except ValueError:
            continue
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, email.utils.mktime_tz(date) - now()) if date else 0.0


def _kind(error: anthropic.APIStatusError) -> str:
    """The documented type; where a proxy answered, or a type is new, what the status means."""
    said, status = str(error.type), error.status_code
    if said in _BY_STATUS.values() or said in _PASSING:
        return said
    server = status >= 500  # noqa: PLR2004 (HTTP's server errors)
    return _BY_STATUS.get(status, "api_error" if server else "invalid_request_error")


def _spend_limit(error: anthropic.APIStatusError) -> bool:
    """Whether a rate limit is really the account's spend limit, which no waiting within a job lifts."""
    return "spend_limit" in (error.error_code or "") or "spend limit" in (error.api_message or "").lower()
