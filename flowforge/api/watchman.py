"""Looks into Postgres for all that wait, so that no waiter has to: one question an organization, however many streams.

With rings it is a net for those that got lost, and looks seldom; without Redis it is what the streams live by, and
looks every second.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from uuid import UUID

from flowforge.api.bells import Bells
from flowforge.api.pace import Pace
from flowforge.core.errors import FlowForgeError

Heads = Callable[
    [UUID, Collection[UUID]], Awaitable[Mapping[UUID, int]]
]  # organization, jobs -> highest numbers

_log = logging.getLogger("flowforge.api")


class Watchman:
    def __init__(
        self, *, bells: Bells, pace: Pace, heads: Heads, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bells = bells
        self._pace = pace
        self._heads = heads
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        looked = self._clock()
        while True:
            await asyncio.sleep(self._pace.deaf)
            pause = self._pace.heard if self._bells.hearing else 0.0
            if self._clock() - looked >= pause:
                looked = self._clock()
                await self.look()

    async def look(self) -> None:
        """Once; a database that is away is asked again the next time."""
        for organization, jobs in self._bells.of_jobs().items():
            try:
                self._bells.tell(await self._heads(organization, jobs))
            except FlowForgeError as error:
                _log.debug("the watchman saw nothing: %s", error.sentence)
            except Exception:  # noqa: BLE001 (whatever it is, other streams live by this)
                _log.exception("the watchman stumbled")
