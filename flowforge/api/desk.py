"""Where a handler hands over its blocking work: one thread, one transaction, the caller's scope and name.

The event loop never waits for Postgres. The executor has as many threads as the pool has connections, so that
a request waits for a thread, in order, and never for a connection with a thread in its hands.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar
from uuid import UUID

import falcon.asgi

from flowforge.api.auth import principal_of
from flowforge.core.access import Principal
from flowforge.store.database import Database
from flowforge.store.errors import once_more
from flowforge.store.scope import Actor, Scope
from flowforge.store.transaction import Transaction

T = TypeVar("T")


class Desk:
    def __init__(self, *, database: Database, executor: Executor, trusted_hops: int = 0) -> None:
        self._database = database
        self._executor = executor
        self._hops = trusted_hops

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def read(self, req: falcon.asgi.Request, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read-only transaction that sees the caller's organization only."""
        return await self._within(req, work, read_only=True)

    async def look(self, organization: UUID, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read-only transaction for nobody in particular, that sees one organization only."""

        def run() -> T:
            scope = Scope.organization(organization)
            with self._database.transaction(scope, read_only=True) as transaction:
                return work(transaction)

        return await self.call(run)

    async def write(self, req: falcon.asgi.Request, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction; what it did is in the audit log under the caller's name."""
        return await self._within(req, work, read_only=False)

    async def _within(
        self, req: falcon.asgi.Request, work: Callable[[Transaction], T], *, read_only: bool
    ) -> T:
        principal = principal_of(req)
        actor = self.actor(req, principal)

        def run() -> T:
            scope = Scope.organization(principal.organization)
            with self._database.transaction(scope, actor=actor, read_only=read_only) as transaction:
                return work(transaction)

        return await self.call(lambda: once_more(run))

    def actor(self, req: falcon.asgi.Request, principal: Principal) -> Actor:
        """Who stands in the audit log for what this request does."""
        return Actor(
            kind="token" if principal.token else "user",
            user=principal.user,
            token=principal.token,
            address=self.address(req),
            user_agent=req.user_agent or "",
            request_id=req.context.request_id,
        )

    def address(self, req: falcon.asgi.Request) -> str:
        return client_address(req.remote_addr, req.access_route, self._hops)


def client_address(peer: str, route: list[str], hops: int) -> str:
    """The client's address when `hops` proxies of ours stand before us, counted from the right.

    Everything further left was written by somebody we do not trust. With no proxies it is the peer's.
    """
    return route[-1 - hops] if 0 < hops < len(route) else peer
