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

LINGER = 10.0  # seconds that signals are heard after the last waiter went: often the next one comes soon
STOP = "flowforge.stop"  # key of the function in the lifespan's state

Hear = Callable[
    [Callable[[UUID], None], Callable[[bool], None]], Awaitable[None]
]  # (ring, hearing) -> forever


async def hear_while_awaited(bells: Bells, hear: Hear, *, linger: float = LINGER) -> None:
    """Hear signals as long as somebody waits for news, and up to `linger` seconds more; until cancelled.

    Signals of all jobs come to who hears: to a process without streams they would be work for nothing.
    """
    while True:
        await bells.awaited.wait()
        hearing = asyncio.ensure_future(hear(bells.ring, bells.hear))
        try:
            await _nobody_awaits(bells, linger)
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
            bells.hear(False)


async def _nobody_awaits(bells: Bells, linger: float) -> None:
    while True:
        await asyncio.sleep(linger)
        if not bells.awaited.is_set():
            return


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
            self._tasks.append(asyncio.ensure_future(hear_while_awaited(self._bells, self._hear)))

    async def process_shutdown(self, scope: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        self._bells.stop()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._tasks.clear()
        for close in self._on_close:
            close()
