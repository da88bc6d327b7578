"""What a model service can say when it does not answer, in the words of the house. One table for all services.

A service's own module finds the `Kind` of what was said; what follows from it is decided here. The text that is
shown is the service's, without the key: some services repeat it in their answer to a wrong one.
"""

import email.utils
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from flowforge.plugin import Broken, FlowForgeError, Reason, Refused, Temporary

LONGEST_DELAY: Final = 3600.0  # seconds; who asks for more is asked again after this
_SHOWN: Final = 300  # characters of what the service said


class Kind(StrEnum):
    # may pass by themselves
    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    SERVER = "server"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    # the question is why
    TOO_LARGE = "too_large"
    # the operator must act
    KEY = "key"
    BILLING = "billing"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    INVALID = "invalid"


# Seconds to wait where the service names none.
_PASSING: Final[Mapping[Kind, float]] = {
    Kind.RATE_LIMIT: 10.0,
    Kind.OVERLOADED: 10.0,
    Kind.SERVER: 5.0,
    Kind.TIMEOUT: 5.0,
    Kind.CONFLICT: 2.0,
}

# (reason, what it means, what to do)
_OPERATOR: Final[Mapping[Kind, tuple[Reason, str, str]]] = {
    Kind.KEY: (Reason.CONFIGURATION, "did not accept the API key", "set a valid key: FLOWFORGE_MODEL_KEY"),
    Kind.BILLING: (
        Reason.CONFIGURATION,
        "refuses to bill this account",
        "look at the billing page of the model account",
    ),
    Kind.PERMISSION: (
        Reason.CONFIGURATION,
        "does not allow this key to do that",
        "give the key access to the model, or choose another model",
    ),
    Kind.NOT_FOUND: (
        Reason.CONFIGURATION,
        "knows no such model or address",
        "check the model's name and the base URL in the settings",
    ),
    Kind.INVALID: (
        Reason.MODEL_UNAVAILABLE,
        "refused the request",
        "report this: the request was not as documented",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Said:
    kind: Kind
    text: str  # as the service said it, without secrets
    request_id: str = ""
    delay: float = 0.0  # seconds it asks for; 0 = it names none


def trouble(said: Said) -> FlowForgeError:
    """The house's error for what a service said."""
    if said.kind in _PASSING:
        return Temporary(
            Reason.MODEL_UNAVAILABLE,
            f"the model service answered {said.text[:_SHOWN]}",
            delay=min(said.delay, LONGEST_DELAY) or _PASSING[said.kind],
            next_action="nothing: the call is repeated; if it lasts, look at the provider's status page",
            evidence=said.request_id,
        )
    if said.kind is Kind.TOO_LARGE:
        return Refused(
            Reason.TOO_LARGE,
            f"the request is too long for the model: {said.text[:_SHOWN]}",
            next_action="resolve this conflict by hand",
            evidence=said.request_id,
        )
    reason, meaning, action = _OPERATOR[said.kind]
    return Broken(
        reason,
        f"the model service {meaning} ({said.text[:_SHOWN]})",
        next_action=action,
        evidence=said.request_id,
    )


def unreachable(error: BaseException) -> Temporary:
    """No connection was made, so nothing was asked and nothing is billed."""
    return Temporary(
        Reason.MODEL_UNAVAILABLE,
        f"the model service could not be reached: {type(error.__cause__ or error).__name__}",
        delay=5.0,
        next_action="check the base URL and the network of the worker",
    )


def no_time() -> Temporary:
    return Temporary(Reason.TIMEOUT, "no time is left for a model call", delay=1.0)


def asked_delay(headers: Mapping[str, str], now: Callable[[], float]) -> float:
    """Seconds that `retry-after-ms` or `retry-after` ask to wait: a number or a date; 0 = they do not say.

    `now` gives seconds since 1970.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = number(headers.get(name, "")) * unit
        if seconds > 0:
            return seconds
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    return max(0.0, email.utils.mktime_tz(date) - now()) if date else 0.0


def number(text: str) -> float:
    """A number of 0 or more; anything else is 0."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return max(0.0, value) if math.isfinite(value) else 0.0


def masked(text: str, *secrets: str) -> str:
    """The text without the secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[key]")
    return text
