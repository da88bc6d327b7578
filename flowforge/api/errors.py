"""The house's errors as RFC 9457 problems: the one place where a reason becomes an HTTP status.

A problem tells the caller what was wrong in one sentence and what to do next. It never repeats the request's
values (they may be secrets), and a bug's traceback goes to the log, never into the answer.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import falcon
import falcon.asgi
from pydantic import ValidationError

from flowforge.api.stream_models import SUBPROTOCOL
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.store.errors import UnknownOutcome

MEDIA_PROBLEM = "application/problem+json"
TYPE_PATH = "/api/docs/problems/"

_log = logging.getLogger("flowforge.api")

_STATUS: Mapping[Reason, HTTPStatus] = {
    Reason.NOT_SIGNED_IN: HTTPStatus.UNAUTHORIZED,
    Reason.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    Reason.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Reason.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Reason.CONFLICT_OF_STATE: HTTPStatus.CONFLICT,
    Reason.GROUP_BUSY: HTTPStatus.CONFLICT,
    Reason.CANCEL_TOO_LATE: HTTPStatus.CONFLICT,
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Reason.MALFORMED: HTTPStatus.BAD_REQUEST,
    Reason.BUDGET_EXHAUSTED: HTTPStatus.PAYMENT_REQUIRED,
    Reason.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.SERVICE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
}

_REASON_OF_STATUS: Mapping[int, Reason] = {
    **{status.value: reason for reason, status in _STATUS.items() if reason is not Reason.CANCEL_TOO_LATE},
    HTTPStatus.SERVICE_UNAVAILABLE.value: Reason.SERVICE_UNAVAILABLE,
    HTTPStatus.CONFLICT.value: Reason.CONFLICT_OF_STATE,
    HTTPStatus.UNPROCESSABLE_ENTITY.value: Reason.INVALID_REQUEST,
}

_SENTENCES: Mapping[Reason, tuple[str, str]] = {  # for what the framework itself refuses
    Reason.NOT_FOUND: ("there is nothing at this address", "look the address up in /api/docs"),
    Reason.METHOD_NOT_ALLOWED: (
        "this address does not take that method",
        "use one of the methods that the Allow header names",
    ),
    Reason.TOO_LARGE: ("the request's body is too large", "send at most 1 MiB"),
    Reason.MEDIA_TYPE: (
        "the request's body is of a media type that is not read here",
        "send JSON with Content-Type: application/json",
    ),
    Reason.MALFORMED: ("the request could not be read", "look the request up in /api/docs"),
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that validation found. Exactly one of the places is set."""

    detail: str
    pointer: str = ""  # JSON pointer into the body, as a URI fragment
    parameter: str = ""  # name of a query parameter
    header: str = ""

    def to_json(self) -> dict[str, str]:
        places = {"pointer": self.pointer, "parameter": self.parameter, "header": self.header}
        return {"detail": self.detail, **{name: place for name, place in places.items() if place}}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An answer that is not the one asked for."""

    status: int
    reason: Reason
    detail: str
    next_action: str = ""
    evidence: str = ""
    faults: tuple[Fault, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_json(self, request_id: str) -> dict[str, object]:
        """The members of RFC 9457 and ours; empty ones are left out."""
        members: dict[str, object] = {
            "type": f"{TYPE_PATH}{self.reason}",
            "title": self.reason.replace("_", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            "instance": f"urn:flowforge:request:{request_id}",
            "reason": str(self.reason),
            "next_action": self.next_action,
            "evidence": self.evidence,
            "errors": [fault.to_json() for fault in self.faults],
        }
        return {name: member for name, member in members.items() if member not in ("", [])}


class Unreadable(Refused):
    """Validation refused a request; carries what it found, by place."""

    def __init__(self, sentence: str, faults: Sequence[Fault]) -> None:
        super().__init__(
            Reason.INVALID_REQUEST, sentence, next_action="correct what `errors` names and send it again"
        )
        self.faults = tuple(faults)


def problem_of(error: Exception) -> Problem:
    """Any exception as the problem that the caller sees."""
    match error:
        case FlowForgeError():
            return _of_house(error)
        case falcon.HTTPError():
            return _of_framework(error)
        case _:
            return Problem(
                status=HTTPStatus.INTERNAL_SERVER_ERROR,
                reason=Reason.INTERNAL_ERROR,
                detail="FlowForge failed while it answered; what happened is in its log",
                next_action="try again; if it stays, give the operator the request id",
            )


_OURS: Mapping[Reason, str] = {  # their sentences name our machines; callers need not know those
    Reason.SERVICE_UNAVAILABLE: "a service that FlowForge needs does not answer",
    Reason.NO_SPACE: "FlowForge has no room to store this",
    Reason.CONFIGURATION: "FlowForge is not set up as it must be",
    Reason.INTERNAL_ERROR: "FlowForge failed while it answered; what happened is in its log",
    Reason.INFRASTRUCTURE: "something that FlowForge needs failed",
}


def _of_house(error: FlowForgeError) -> Problem:
    shown = error.sentence if isinstance(error, UnknownOutcome) else _OURS.get(error.reason, error.sentence)
    return Problem(
        status=_status_of(error),
        reason=error.reason,
        detail=shown,
        next_action=error.next_action,
        evidence=error.evidence,
        faults=error.faults if isinstance(error, Unreadable) else (),
        headers=_headers_of(error),
    )


def _status_of(error: FlowForgeError) -> int:
    if isinstance(error, Temporary):
        return HTTPStatus.SERVICE_UNAVAILABLE
    fallback = (
        HTTPStatus.INTERNAL_SERVER_ERROR if isinstance(error, Broken) else HTTPStatus.UNPROCESSABLE_ENTITY
    )
    return _STATUS.get(error.reason, fallback)


def _headers_of(error: FlowForgeError) -> dict[str, str]:
    if isinstance(error, Temporary):
        return {"Retry-After": str(math.ceil(error.delay))}
    if error.reason is Reason.NOT_SIGNED_IN:
        return {"WWW-Authenticate": 'Bearer realm="flowforge"'}
    return {}


def _of_framework(error: falcon.HTTPError) -> Problem:
    """The framework's own refusals; its descriptions may repeat the input, so they are not passed on."""
    status = error.status_code
    reason = _REASON_OF_STATUS.get(
        status, Reason.MALFORMED if status < HTTPStatus.INTERNAL_SERVER_ERROR else Reason.INTERNAL_ERROR
    )
    sentence, next_action = _SENTENCES.get(reason, (HTTPStatus(status).phrase.lower(), ""))
    headers = {name: value for name, value in dict(error.headers or {}).items() if name.lower() != "vary"}
    return Problem(status=status, reason=reason, detail=sentence, next_action=next_action, headers=headers)


_MOST_FAULTS = 50  # a body can hold thousands of unknown fields; nobody reads the fifty-first
_LONGEST_PLACE = 200


def unreadable(error: ValidationError, place: str) -> Unreadable:
    """Pydantic's findings without the input that it found them in. `place`: body, parameter or header."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    faults = [_fault(place, row["loc"], row["msg"]) for row in found[:_MOST_FAULTS]]
    what = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    return Unreadable(f"the request has {what}", faults)


def _fault(place: str, loc: Sequence[int | str], message: str) -> Fault:
    detail = message.removeprefix("Value error, ")
    if place == "body":
        return Fault(detail=detail, pointer=pointer(loc)[:_LONGEST_PLACE])
    name = ".".join(str(step) for step in loc)[:_LONGEST_PLACE]
    return Fault(detail=detail, header=name) if place == "header" else Fault(detail=detail, parameter=name)


def pointer(loc: Sequence[int | str]) -> str:
    """A path as an RFC 6901 pointer in its URI fragment form: `#/environment/A~1B`."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in loc)
    return "#" + "".join(f"/{falcon.uri.encode_value(step)}" for step in steps)


async def answer(
    req: falcon.asgi.Request,
    resp: falcon.asgi.Response,
    error: Exception,
    params: Mapping[str, Any],
    ws: falcon.asgi.WebSocket | None = None,
) -> None:
    """Error handler for everything: one shape of answer, and a traceback in the log for what is our fault."""
    problem = problem_of(error)
    request_id = str(getattr(req.context, "request_id", ""))
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        about = {"request_id": request_id, "route": req.uri_template}
        if isinstance(error, Temporary):
            _log.warning("request put off: %s", error.sentence, extra=about)
        else:
            _log.error("request failed", exc_info=error, extra=about)
    if ws is not None:
        await refuse_handshake(ws, problem)
        return
    write(resp, problem, request_id)


_AGAIN_LATER, _BROKEN = 1013, 1011  # close codes of the protocol


async def refuse_handshake(ws: falcon.asgi.WebSocket, problem: Problem) -> None:
    """403 to every refusal, alike; where it is our fault, a stream that ends at once and says so."""
    if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        await ws.close()
        return
    if ws.unaccepted:
        await ws.accept(SUBPROTOCOL if SUBPROTOCOL in ws.subprotocols else None)
    later = problem.status == HTTPStatus.SERVICE_UNAVAILABLE
    await ws.close(_AGAIN_LATER if later else _BROKEN, problem.detail[:120])


def write(resp: falcon.asgi.Response, problem: Problem, request_id: str) -> None:
    """Put a problem into a response."""
    resp.status = falcon.code_to_http_status(problem.status)
    resp.sse = None
    resp.stream = None
    resp.content_type = MEDIA_PROBLEM
    resp.data = json.dumps(problem.to_json(request_id), ensure_ascii=False).encode()
    resp.set_headers({**problem.headers, "Cache-Control": "no-store"})


def install(app: "falcon.asgi.App[Any, Any]") -> None:
    """Let every error of `app`, ours and the framework's, end in `answer`."""
    for kind in (Exception, falcon.HTTPError, FlowForgeError):
        app.add_error_handler(kind, answer)
