"""Following a job: wait for its next change of state, or stream what happens until it is final.

Nothing here holds a database connection while it waits. A waiter is woken by a bell (`bells`), looks into Postgres,
and goes on; a silent stream asks Postgres nothing, so hundreds of them cost what `watchman` asks for all.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from flowforge.api.bells import Bell, Bells
from flowforge.api.pace import Pace
from flowforge.core.errors import Temporary
from flowforge.core.job import Job

Item = TypeVar("Item")
Said = TypeVar("Said")


@dataclass(frozen=True, kw_only=True)
class Batch(Generic[Item]):
    """What stands behind a point, in order, and whether more can ever follow."""

    items: Sequence[Item]
    next: int  # the point behind them
    head: int  # highest number of the job's story, read before the items
    final: bool  # the job is final, read in the same transaction
    full: bool = False  # the batch was cut at its limit: look again at once


ReadJob = Callable[[], Awaitable[Job]]
Read = Callable[[int], Awaitable[Batch[Item]]]  # what stands behind the point in the argument
Clock = Callable[[], float]
Believed = Callable[[], Awaitable[object]]


class Live:
    """What the handlers that wait are given."""

    def __init__(self, *, bells: Bells, pace: Pace, clock: Clock = time.monotonic) -> None:
        self.bells = bells
        self.pace = pace
        self.clock = clock

    async def changed(self, job: UUID, read: ReadJob, seconds: float) -> Job:
        """The job at its next change of state; as it is when it is final, time is up or the process stops."""
        with self.bells.watch(job) as bell:
            first = found = await read()
            bell.organization = found.organization
            until = self.clock() + seconds
            while not found.final and found.state is first.state and not self.bells.stopped:
                left = until - self.clock()
                if left <= 0:
                    break
                await bell.wait(left)
                found = await read()
            return found

    async def batches(
        self, job: UUID, organization: UUID, read: Read[Item], after: int
    ) -> AsyncGenerator[Batch[Item] | None, None]:
        """What stands behind `after`, as it comes; ends when the job is final or the process stops.

        No batch is empty. None is a heartbeat, where there was nothing to say for so long. A database that goes away
        means that nothing new is seen: a stream that stands outlives its restart.
        """
        with self.bells.watch(job, organization) as bell:
            spoke = self.clock()
            while not self.bells.stopped:
                batch = await _patiently(read, after)
                if batch is not None:
                    after, bell.known = batch.next, batch.head
                    if batch.items:
                        yield batch
                        spoke = self.clock()
                    if batch.final and not batch.full:
                        return
                    if batch.full:
                        continue
                while not await self._quiet(bell, spoke, missed=batch is None):
                    yield None
                    spoke = self.clock()

    async def _quiet(self, bell: Bell, spoke: float, *, missed: bool) -> bool:
        """Wait until there is reason to look (True), or to say that one is still here."""
        await asyncio.sleep(self.pace.rest)
        left = self.pace.heartbeat - (self.clock() - spoke)
        if not missed:
            return await bell.wait(left)
        await bell.wait(min(left, self.pace.deaf))
        return left > self.pace.deaf

    async def trusted(
        self, stream: AsyncGenerator[Said, None], believe: Believed
    ) -> AsyncGenerator[Said, None]:
        """The stream for as long as its reader's token is good.

        Raises:
            Refused: it is not any more.
        """
        asked = self.clock()
        async with aclosing(stream) as said:
            async for item in said:
                if self.clock() - asked >= self.pace.believe:
                    await _still(believe)
                    asked = self.clock()
                yield item


async def _still(believe: Believed) -> None:
    try:
        await believe()
    except Temporary:
        return  # nobody can say; what stood stands


async def _patiently(read: Read[Item], after: int) -> Batch[Item] | None:
    try:
        return await read(after)
    except Temporary:
        return None
