"""What every request brings and takes along: its id, the caller's trace, its size, and its measure."""

import re
import time
from collections.abc import Callable

import falcon.asgi

from flowforge.api.errors import Fault, Unreadable
from flowforge.api.media import too_large
from flowforge.core.telemetry import Telemetry

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

UNROUTED = "none"  # one label for every unknown address: a scanner must not fill the metrics


class Requests:
    """Outermost middleware. An id that is not one is replaced, never echoed."""

    def __init__(
        self,
        *,
        telemetry: Telemetry,
        body_limit: int,
        new_id: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._telemetry = telemetry
        self._body_limit = body_limit
        self._new_id = new_id
        self._clock = clock

    async def process_request(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        req.context.started = self._clock()
        req.context.request_id = request_id(req.get_header("X-Request-ID"), self._new_id)
        req.context.traceparent = traceparent(req.get_header("traceparent"))
        resp.set_header("X-Request-ID", req.context.request_id)
        if req.context.traceparent:
            resp.set_header("traceparent", req.context.traceparent)
        if (req.content_length or 0) > self._body_limit:
            resp.set_header("Connection", "close")
            raise too_large(self._body_limit)

    async def process_request_ws(self, req: falcon.asgi.Request, ws: falcon.asgi.WebSocket) -> None:
        req.context.request_id = request_id(req.get_header("X-Request-ID"), self._new_id)

    async def process_response(
        self,
        req: falcon.asgi.Request,
        resp: falcon.asgi.Response,
        resource: object,
        req_succeeded: bool,
    ) -> None:
        resp.set_header("X-Content-Type-Options", "nosniff")
        route = str(req.uri_template or UNROUTED)
        self._telemetry.count(
            "flowforge_http_requests_total", method=_method(req), route=route, status=str(resp.status_code)
        )
        seconds = self._clock() - getattr(req.context, "started", self._clock())
        self._telemetry.observe(
            "flowforge_http_request_duration_seconds", seconds, method=_method(req), route=route
        )


def _method(req: falcon.asgi.Request) -> str:
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return req.method if req.method in known else "other"


def request_id(offered: str | None, new_id: Callable[[], object]) -> str:
    """The caller's id where it is one, else a new one."""
    return offered if offered and _REQUEST_ID.fullmatch(offered) else str(new_id())


def traceparent(offered: str | None) -> str:
    """W3C trace context to pass on; "" where it is malformed or names the forbidden version or ids."""
    if not offered or not _TRACEPARENT.fullmatch(offered):
        return ""
    version, trace, span, _ = offered.split("-")
    return "" if version == "ff" or not int(trace, 16) or not int(span, 16) else offered


def idempotency_key(req: falcon.asgi.Request) -> str:
    """The caller's key; "" where none was sent.

    Raises:
        Unreadable: it is longer than 255 characters or not plain text.
    """
    key = req.get_header("Idempotency-Key") or ""
    if key and not _KEY.fullmatch(key):
        fault = Fault(detail="must be 1 to 255 visible ASCII characters", header="Idempotency-Key")
        raise Unreadable("the Idempotency-Key cannot be used", [fault])
    return key
