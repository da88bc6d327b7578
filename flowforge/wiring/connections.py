"""The open connections of an API process, and which of them take nothing any more.

gunicorn closes a connection once what was written to it has left; a client that does not read would hold its
connection, and at the end the whole process, for as long as it likes. Here such a connection is cut.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

from gunicorn.asgi.protocol import ASGIProtocol

STALLED = 30.0  # seconds without one byte taken, while there is something to take
STALLED_AT_END = 1.0  # the same, once the process stops
_LOOK, _LOOK_AT_END = 1.0, 0.1  # seconds between two looks


class Wire(Protocol):
    """What is needed of a transport."""

    def get_write_buffer_size(self) -> int: ...

    def abort(self) -> None: ...


class Connections:
    """Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[Wire, tuple[int, float]] = {}  # how much waits, and since when as much
        self._stopping = False

    def __len__(self) -> int:
        return len(self._open)

    def add(self, wire: Wire) -> None:
        self._open[wire] = (0, self._clock())

    def remove(self, wire: Wire) -> None:
        self._open.pop(wire, None)

    def stop(self) -> None:
        """From here on nobody is waited for who does not read."""
        self._stopping = True

    async def watch(self) -> None:
        """Cut what stalls, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_AT_END if self._stopping else _LOOK)
            self.cut_stalled()

    def cut_stalled(self) -> int:
        """Look once; returns how many connections were cut."""
        limit = STALLED_AT_END if self._stopping else STALLED
        now, cut = self._clock(), 0
        for wire, (waited, since) in tuple(self._open.items()):
            waits = wire.get_write_buffer_size()
            if not waits or waits != waited:
                self._open[wire] = (waits, now)
            elif now - since >= limit:
                wire.abort()
                cut += 1
        return cut


class Connection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's connection, known to its worker while it is open."""

    def connection_made(self, transport: Any) -> None:
        self.worker.connections.add(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.worker.connections.remove(self.transport)
        super().connection_lost(exc)
