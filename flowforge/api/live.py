"""Following a job: wait for its next change of state, or stream its events until it is final.

Nothing here holds a database connection while it waits. A waiter is woken by a bell (`bells`), looks into
Postgres, and goes on; while no bell can be heard it looks every `Pace.deaf` seconds, so Redis being away costs
that much latency and nothing else.
"""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from falcon.asgi import SSEvent

from flowforge.api.bells import Bells
from flowforge.api.models import EventOut
from flowforge.core.errors import Temporary
from flowforge.core.job import Job


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds."""

    deaf: float = 1.0  # look again, while no rings can be heard
    heard: float = 10.0  # look again although nobody rang: a ring may get lost
    heartbeat: float = 15.0  # say something on a silent stream, so that proxies and clients know it lives


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Events after a point, in order, and whether more can ever follow."""

    events: Sequence[EventOut]
    final: bool  # the job is final, read in the same transaction
    full: bool  # the batch was cut at its limit: look again at once


_DIGITS = 18  # fits into Postgres' bigint

ReadJob = Callable[[], Awaitable[Job]]
ReadEvents = Callable[[int], Awaitable[Batch]]  # events with a seq greater than the argument
Clock = Callable[[], float]


class Live:
    """What the handlers that wait are given."""

    def __init__(self, *, bells: Bells, pace: Pace, clock: Clock = time.monotonic) -> None:
        self._bells = bells
        self._pace = pace
        self._clock = clock

    @property
    def _pause(self) -> float:
        return self._pace.heard if self._bells.hearing else self._pace.deaf

    async def changed(self, job: UUID, read: ReadJob, seconds: float) -> Job:
        """The job at its next change of state; as it is when it is final, time is up or the process stops."""
        with self._bells.watch(job) as bell:
            first = found = await read()
            until = self._clock() + seconds
            while not found.final and found.state is first.state and not self._bells.stopped:
                left = until - self._clock()
                if left <= 0:
                    break
                await bell.wait(min(left, self._pause))
                found = await read()
            return found

    async def events(self, job: UUID, read: ReadEvents, after: int) -> AsyncIterator[SSEvent | None]:
        """Every event with a seq greater than `after`; ends when the job is final or the process stops.

        None is a heartbeat (a comment line). The id of each event is its seq, so that a client that lost the
        stream goes on strictly behind what it saw.
        """
        with self._bells.watch(job) as bell:
            spoke = self._clock()
            while not self._bells.stopped:
                batch = await _patiently(read, after)
                for event in batch.events:
                    yield sse(event)
                    after, spoke = event.seq, self._clock()
                if batch.final and not batch.full:
                    return
                if self._clock() - spoke >= self._pace.heartbeat:
                    yield None
                    spoke = self._clock()
                if not batch.full:
                    await bell.wait(min(self._pause, self._pace.heartbeat))


async def _patiently(read: ReadEvents, after: int) -> Batch:
    """Nothing new while Postgres is away: a stream that stands outlives its restart."""
    try:
        return await read(after)
    except Temporary:
        return Batch(events=(), final=False, full=False)


def sse(event: EventOut) -> SSEvent:
    """One event on the wire: its seq as id, its kind as name, all of it as JSON on one line."""
    data = json.dumps(event.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    return SSEvent(text=data, event=event.kind, event_id=str(event.seq))


def last_seen(header: str | None) -> int:
    """The seq in Last-Event-ID; 0 (from the beginning) where it is none of ours."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0
