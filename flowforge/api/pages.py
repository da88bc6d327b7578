"""Cursor pagination: an opaque mark of the last row that was shown, and the Link header to the next page.

A mark is a place in the order (time, id), so rows that come or go never move a page.
"""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

import falcon.asgi
import falcon.uri

from flowforge.api.errors import Fault, Unreadable

Place = tuple[datetime, UUID]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIME, _SIZE = 8, 24  # bytes


def cursor_of(place: Place) -> str:
    at, row = place
    moment = (at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(moment.to_bytes(_TIME) + row.bytes).decode()


def read_cursor(cursor: str | None) -> Place | None:
    """The place in a cursor that we gave out.

    Raises:
        Unreadable: it is not one of ours.
    """
    if cursor is None:
        return None
    try:
        data = base64.b64decode(cursor, altchars=b"-_", validate=True)
        at = _EPOCH + int.from_bytes(data[:_TIME]) * _MICROSECOND
    except (binascii.Error, OverflowError, ValueError):
        data = b""
    if len(data) != _SIZE:
        fault = Fault(detail="no cursor of this API", parameter="cursor")
        raise Unreadable("the cursor is not one that this API gave out", [fault])
    return at, UUID(bytes=data[_TIME:])


def link_next(req: falcon.asgi.Request, resp: falcon.asgi.Response, cursor: str) -> None:
    """Point to the next page with the same filters, as a path: no Host header is believed."""
    pairs = [(name, value) for name, value in req.params.items() if name != "cursor"]
    query = falcon.uri.encode_value
    parts = [f"{name}={query(item)}" for name, value in pairs for item in _items(value)]
    resp.append_link(f"{req.path}?{'&'.join([*parts, f'cursor={cursor}'])}", "next")


def _items(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
