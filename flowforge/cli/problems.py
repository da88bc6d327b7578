"""A server's refusal as the house's error: what `flowforge.api.errors` made into a problem, made back."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import httpx2

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary

_TEXT_LIMIT = 2000  # characters of a server's sentence that are shown
_DELAY = 5.0  # seconds, where the server names none


def refuse(response: httpx2.Response) -> None:
    """Return if the answer is the one asked for.

    Raises:
        FlowForgeError: Refused, Temporary or Broken, with the reason and the sentences of the problem.
    """
    if response.is_success:
        return
    response.read()
    raise error_of(response.status_code, _problem(response), response.headers.get("Retry-After", ""))


def error_of(status: int, problem: Mapping[str, object], retry_after: str) -> FlowForgeError:
    """Whose turn it is follows from the status: 503 and 429 pass, 5xx is the server's fault, 4xx the caller's."""
    reason = _reason(status, str(problem.get("reason", "")))
    sentence = _sentence(status, problem)
    next_action = str(problem.get("next_action", ""))[:_TEXT_LIMIT] or _NEXT.get(reason, "")
    evidence = str(problem.get("instance", ""))
    if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
        delay = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else _DELAY
        return Temporary(reason, sentence, delay=delay, next_action=next_action, evidence=evidence)
    kind = Broken if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Refused
    return kind(reason, sentence, next_action=next_action, evidence=evidence)


def unreachable(url: str, error: Exception) -> Temporary:
    return Temporary(
        Reason.SERVICE_UNAVAILABLE,
        f"no answer from {url}: {str(error) or type(error).__name__}",
        next_action="see whether the server runs there, or set FLOWFORGE_URL; `flowforge up` starts one here",
    )


_BY_STATUS: Mapping[int, Reason] = {
    HTTPStatus.UNAUTHORIZED: Reason.NOT_SIGNED_IN,
    HTTPStatus.FORBIDDEN: Reason.NOT_ALLOWED,
    HTTPStatus.NOT_FOUND: Reason.NOT_FOUND,
    HTTPStatus.CONFLICT: Reason.CONFLICT_OF_STATE,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Reason.TOO_LARGE,
    HTTPStatus.SERVICE_UNAVAILABLE: Reason.SERVICE_UNAVAILABLE,
    HTTPStatus.TOO_MANY_REQUESTS: Reason.BUSY,
}

_NEXT: Mapping[Reason, str] = {Reason.NOT_SIGNED_IN: "set FLOWFORGE_TOKEN to a token of this server"}


def _reason(status: int, word: str) -> Reason:
    """The problem's reason; by status where a newer server, or a proxy, says a word that is not known here."""
    if word in set(Reason):
        return Reason(word)
    fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return _BY_STATUS.get(status, Reason.INTERNAL_ERROR if fault else Reason.INVALID_REQUEST)


def _sentence(status: int, problem: Mapping[str, object]) -> str:
    detail = str(problem.get("detail", "")) or f"the server answered {status}"
    faults = problem.get("errors")
    listed = (
        [_fault(fault) for fault in faults if isinstance(fault, dict)] if isinstance(faults, list) else []
    )
    return "; ".join([detail, *listed])[:_TEXT_LIMIT]


def _fault(fault: Mapping[str, object]) -> str:
    place = fault.get("pointer") or fault.get("parameter") or fault.get("header") or ""
    return f"{str(place).removeprefix('#/')}: {fault.get('detail', '')}"


def _problem(response: httpx2.Response) -> Mapping[str, object]:
    """The members of a problem; none where the answer is not one (a proxy's page)."""
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        found = json.loads(response.content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
