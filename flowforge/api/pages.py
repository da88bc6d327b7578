"""Marks of a place in a list, and the Link header of a page that has a next one."""

import base64
import binascii

import falcon.asgi
import falcon.uri

from flowforge.api.errors import Fault, Unreadable

LINK = {"Link": 'the next page, rel="next"; missing on the last'}


def write_cursor(name: str) -> str:
    """A mark of the row that has this name, for lists in the order of names."""
    return base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """The name in a mark.

    Raises:
        Unreadable: it is none of ours.
    """
    try:
        padding = "=" * (-len(cursor) % 4)
        return base64.b64decode(cursor + padding, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        fault = Fault(detail="no cursor of this list", parameter="cursor")
        raise Unreadable("the cursor is not one that this list gave out", [fault]) from None


def link_next(req: falcon.asgi.Request, resp: falcon.asgi.Response, cursor: str) -> None:
    """Point to the next page with the same filters, as a path: no Host header is believed."""
    pairs = [(name, value) for name, value in req.params.items() if name != "cursor"]
    query = falcon.uri.encode_value
    parts = [f"{name}={query(item)}" for name, value in pairs for item in _items(value)]
    resp.append_link(f"{req.path}?{'&'.join([*parts, f'cursor={cursor}'])}", "next")


def _items(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
