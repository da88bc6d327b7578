"""The framework's application, beginning before the body has arrived.

The framework waits for a request's first bytes of body before it looks at anything, so a caller without a token,
or with a body that is declared too large, could hold a request open by sending nothing. Here the first piece of
every body is empty and comes at once; the guard and the limits answer, and only a handler that wants the body
waits for it.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import falcon.asgi

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class EagerApp(falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]):
    async def __call__(  # type: ignore[override]  # the framework's own asgi form differs from its wsgi form
        self, scope: dict[str, Any], receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "http":
            scope["headers"] = [tuple(pair) for pair in scope["headers"]]  # each may be read once only
            if announces_body(scope["headers"]):
                receive = after_nothing(receive)
        await super().__call__(scope, receive, send)


def announces_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    names = {name.lower() for name, _ in headers}
    return b"content-length" in names or b"transfer-encoding" in names


def after_nothing(receive: Receive) -> Receive:
    """Give an empty first piece, then what really comes."""
    given = False

    async def next_event() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": b"", "more_body": True}

    return next_event
