"""Who, in this process, waits for news of which job.

A bell says "look again", nothing more: what happened is read from Postgres. Rings may be lost (Redis is away) and
may be too many; `watchman` asks Postgres once in a while, for all waiters at once, and rings for those who missed
something. `stop` wakes everybody for good, so that no stream outlives the process's own decision to end.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import UUID

_UNKNOWN = -1  # a waiter that has not looked yet has missed everything


class Bells:
    """Belongs to one event loop; `ring` and `stop` are called on it (from a thread: `call_soon_threadsafe`)."""

    def __init__(self) -> None:
        self._waiting: dict[UUID | None, set[Bell]] = {}
        self._stopped = False
        self._hearing = False
        self.awaited = asyncio.Event()  # set while somebody waits

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
        return sum(len(bells) for bells in self._waiting.values())

    @contextmanager
    def watch(self, job: UUID | None, organization: UUID | None = None) -> Iterator["Bell"]:
        """A bell for one waiter; rings between two waits are kept. Without a job it rings for any.

        The organization is whose eyes `watchman` looks with; a waiter may name it later.
        """
        bell = Bell(self, organization)
        if self._stopped:
            bell.ring()
        self._waiting.setdefault(job, set()).add(bell)
        self.awaited.set()
        try:
            yield bell
        finally:
            self._waiting[job].discard(bell)
            if not self._waiting[job]:
                del self._waiting[job]
            if not self._waiting:
                self.awaited.clear()

    def ring(self, job: UUID) -> None:
        for bell in (*self._waiting.get(job, ()), *self._waiting.get(None, ())):
            bell.ring()

    def of_jobs(self) -> Mapping[UUID, set[UUID]]:
        """The jobs that are waited for, by organization."""
        found: dict[UUID, set[UUID]] = {}
        for job, bells in self._waiting.items():
            for bell in bells:
                if job is not None and bell.organization is not None:
                    found.setdefault(bell.organization, set()).add(job)
        return found

    def tell(self, heads: Mapping[UUID, int]) -> None:
        """Ring for every waiter that knows less of its job than the number that is told here."""
        for job, head in heads.items():
            for bell in self._waiting.get(job, ()):
                if bell.known < head:
                    bell.ring()

    def hear(self, hearing: bool) -> None:
        """Rings begin or cease to arrive: everybody looks once, for what was told in between; not when it is said again."""
        changed, self._hearing = hearing is not self._hearing, hearing
        if changed:
            self._ring_all()

    def start(self) -> None:
        """The process serves (again)."""
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        self._ring_all()

    def _ring_all(self) -> None:
        for bells in self._waiting.values():
            for bell in bells:
                bell.ring()


class Bell:
    """One waiter's end. `known` is the highest number of the job's story that the waiter has looked beyond."""

    def __init__(self, bells: Bells, organization: UUID | None) -> None:
        self._bells = bells
        self._event = asyncio.Event()
        self.organization = organization
        self.known = _UNKNOWN

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Return at a ring or at stop (True), or after `seconds` (False)."""
        if self._bells.stopped:
            return True
        rung = False
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                rung = await self._event.wait()
        self._event.clear()
        return rung
