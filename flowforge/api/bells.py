"""Who, in this process, waits for news of which job.

A bell says "look again", nothing more: what happened is read from Postgres. Rings may be lost (Redis is away)
and may be too many; a waiter looks again after its own pause in any case. `stop` wakes everybody for good, so
that no stream outlives the process's own decision to end.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID


class Bells:
    """Belongs to one event loop; `ring` and `stop` are called on it (from a thread: `call_soon_threadsafe`)."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self._stopped = False
        self._hearing = False

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def hearing(self) -> bool:
        """Whether rings can be expected at all."""
        return self._hearing

    @property
    def watched(self) -> int:
        """How many waiters there are, for the metrics and the tests."""
        return sum(len(events) for events in self._waiting.values())

    @contextmanager
    def watch(self, job: UUID) -> Iterator["Bell"]:
        """A bell for one waiter; rings between two waits are kept."""
        event = asyncio.Event()
        if self._stopped:
            event.set()
        self._waiting.setdefault(job, set()).add(event)
        try:
            yield Bell(self, event)
        finally:
            self._waiting[job].discard(event)
            if not self._waiting[job]:
                del self._waiting[job]

    def ring(self, job: UUID) -> None:
        for event in self._waiting.get(job, ()):
            event.set()

    def hear(self, hearing: bool) -> None:
        """Rings begin or cease to arrive: everybody looks once, for what was told in between."""
        self._hearing = hearing
        self._ring_all()

    def start(self) -> None:
        """The process serves (again)."""
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        self._ring_all()

    def _ring_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()


class Bell:
    """One waiter's end."""

    def __init__(self, bells: Bells, event: asyncio.Event) -> None:
        self._bells = bells
        self._event = event

    async def wait(self, seconds: float) -> None:
        """Return at a ring, at stop, or after `seconds`."""
        if self._bells.stopped:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()
