"""Who is asking, and whether the handler may answer them.

The guard stands before validation: an unknown caller learns nothing about what a body should look like, and no
body of theirs is read. Whose object an id is, the store's row policies decide: another organization's id is
unknown, and answers exactly like one that never was.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import falcon.asgi

from flowforge.api.operation import Contract
from flowforge.api.stream_models import TOKEN_SUBPROTOCOL
from flowforge.core.access import Operation, Principal, may
from flowforge.core.errors import Reason, Refused

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(ff_[A-Za-z0-9_-]{8,256})")

Believe = Callable[[falcon.asgi.Request, str], Awaitable[Principal]]
Routes = Mapping[tuple[str, str], Contract]  # (uri template, method) -> what that handler promises


class Guard:
    """Middleware: token -> principal, and the contract's need against role and scopes."""

    def __init__(self, *, routes: Routes, believe: Believe) -> None:
        self._routes = routes
        self._believe = believe

    async def process_resource(
        self,
        req: falcon.asgi.Request,
        resp: falcon.asgi.Response,
        resource: object,
        params: Mapping[str, Any],
    ) -> None:
        contract = self._routes.get((str(req.uri_template), req.method))
        if contract is None or contract.needs is None:
            return  # 405 and OPTIONS have no contract: the framework answers them and no handler of ours runs
        await self._admit(req, contract.needs, bearer(req.get_header("Authorization")))

    async def process_resource_ws(
        self, req: falcon.asgi.Request, ws: falcon.asgi.WebSocket, resource: object, params: Mapping[str, Any]
    ) -> None:
        """As for a request; who can set no header sends the token as a subprotocol."""
        contract = self._routes.get((str(req.uri_template), "WEBSOCKET"))
        if contract is None or contract.needs is None:
            return
        await self._admit(req, contract.needs, shown_token(req.get_header("Authorization"), ws.subprotocols))

    async def _admit(self, req: falcon.asgi.Request, needs: Operation, token: str) -> None:
        """Let the handler know who is asking, and how to ask again while a stream lasts.

        Raises:
            Refused: not_signed_in, not_allowed.
        """

        async def believed() -> Principal:
            return allowed(await self._believe(req, token), needs)

        req.context.principal = await believed()
        req.context.believe = believed


def allowed(principal: Principal, needs: Operation) -> Principal:
    """Raises:
    Refused: not_allowed.
    """
    if not may(principal, needs):
        raise Refused(
            Reason.NOT_ALLOWED,
            f"this token may not {needs} here",
            next_action=f"ask an admin of your organization for a token with the scope {needs}",
        )
    return principal


def shown_token(header: str | None, subprotocols: Sequence[str]) -> str:
    """The token of a handshake: in the header, or behind `flowforge.token.` among the subprotocols.

    Raises:
        Refused: as `bearer`.
    """
    for word in subprotocols:
        if not header and word.startswith(TOKEN_SUBPROTOCOL):
            return bearer(f"Bearer {word.removeprefix(TOKEN_SUBPROTOCOL)}")
    return bearer(header)


def bearer(header: str | None) -> str:
    """The token of an Authorization header.

    Raises:
        Refused: there is none, or it is not shaped like a token of ours (which is then not repeated).
    """
    found = _BEARER.fullmatch((header or "").strip())
    if found is None:
        what = "the Authorization header holds no FlowForge token" if header else "no token was sent"
        raise Refused(
            Reason.NOT_SIGNED_IN,
            what,
            next_action="send `Authorization: Bearer ff_…`; `flowforge auth token` makes one",
        )
    return found[1]


def principal_of(req: falcon.asgi.Request) -> Principal:
    """Who is asking, in a handler that the guard let run."""
    principal = req.context.principal
    if not isinstance(principal, Principal):
        raise TypeError("a handler without `needs` asked who is calling")
    return principal
