"""What happens once when the process starts and once when it stops.

The server puts a place for shared state into the scope; the function that ends all streams is left there, so
that the server's own handler of SIGTERM can call it before it begins to wait for connections.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from flowforge.api.bells import Bells

STOP = "flowforge.stop"  # key of the function in the lifespan's state

Hear = Callable[
    [Callable[[UUID], None], Callable[[bool], None]], Awaitable[None]
]  # (ring, hearing) -> forever


class Lifespan:
    """Middleware without requests."""

    def __init__(
        self,
        *,
        bells: Bells,
        hear: Hear | None,
        watch: Callable[[], Awaitable[None]],
        on_close: Sequence[Callable[[], None]],
    ) -> None:
        self._bells = bells
        self._hear = hear
        self._watch = watch
        self._on_close = on_close
        self._tasks: list[asyncio.Future[None]] = []

    async def process_startup(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        self._bells.start()
        state = scope.get("state")
        if state is not None:
            state[STOP] = self._bells.stop
        self._tasks.append(asyncio.ensure_future(self._watch()))
        if self._hear is not None:
            self._tasks.append(asyncio.ensure_future(self._hear(self._bells.ring, self._bells.hear)))

    async def process_shutdown(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        self._bells.stop()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        for close in self._on_close:
            close()
