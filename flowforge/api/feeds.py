"""News of many jobs: everything that happens in an organization, or in one of its repositories.

One feed an organization and process reads what is new and hands it to all that listen, each through a queue with a
bound; who is slower than the bound is told so and dropped. Where a stream stands is written in a cursor: what a
snapshot of Postgres had seen (`10:12:10,11`), or a place between two of them (`SEEN~NOW~PLACE`). Events of a
transaction that commits late are in the next snapshot and in no former one, so who goes on from a cursor misses
nothing and gets nothing twice.
"""

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from flowforge.api.bells import Bells
from flowforge.api.pace import Pace
from flowforge.core.errors import FlowForgeError, Reason, Refused, Temporary
from flowforge.store.events import FeedEvent

MOST = 5_000  # events that a stream may have missed; who missed more asks for the jobs as they are
QUEUE = 1_000  # events that wait for one listener
_LONGEST = 4_096  # characters of a cursor
_SNAPSHOT = re.compile(r"(\d{1,19}):(\d{1,19}):((?:\d{1,19}(?:,\d{1,19})*)?)")
_PLACE = re.compile(r"\d{1,6}")

_log = logging.getLogger("flowforge.api")


@dataclass(frozen=True, kw_only=True)
class News:
    """What one look saw: the events that committed after a snapshot, up to another."""

    now: str
    events: Sequence[FeedEvent]
    full: bool = False  # there were more than `MOST`


@dataclass(frozen=True, kw_only=True)
class Told:
    """An event, and the cursor of a stream that has told it."""

    news: FeedEvent
    cursor: str


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in a feed: everything that `seen` saw and, where `now` is named, so many events up to that."""

    seen: str
    now: str = ""
    place: int = 0

    def __str__(self) -> str:
        return f"{self.seen}~{self.now}~{self.place}" if self.now else self.seen


ReadNews = Callable[[UUID, str, str], Awaitable[News]]  # organization, seen, up to ("" = the present)


class TooFarBehind(Exception):
    """More was missed than a stream makes up for."""


class TooSlow(Exception):
    """The client takes less than there is."""


def read_cursor(text: str) -> Cursor:
    """A cursor that somebody sent.

    Raises:
        Refused: it is none of ours.
    """
    parts = text.split("~")
    if len(text) <= _LONGEST and _possible(parts[0]):
        if len(parts) == 1:
            return Cursor(seen=text)
        if len(parts) == 3 and _possible(parts[1]) and _PLACE.fullmatch(parts[2]):  # noqa: PLR2004 (its parts)
            return Cursor(seen=parts[0], now=parts[1], place=int(parts[2]))
    raise no_cursor()


def no_cursor() -> Refused:
    return Refused(
        Reason.INVALID_REQUEST,
        "`after` is no cursor of this stream",
        next_action="take it from the last message, or begin without",
    )


def _possible(snapshot: str) -> bool:
    """Whether Postgres would read it."""
    found = _SNAPSHOT.fullmatch(snapshot)
    if found is None:
        return False
    low, high = int(found[1]), int(found[2])
    running = [int(one) for one in found[3].split(",") if one]
    return (
        0 < low <= high < 1 << 63 and running == sorted(running) and all(low <= one < high for one in running)
    )


def newest(snapshot: str) -> int:
    """The first transaction that a snapshot cannot have seen."""
    return int(snapshot.split(":")[1])


def told(seen: str, news: News, first: int = 0) -> Iterator[Told]:
    """The events of one look from a place on, each with the cursor behind it."""
    for place, event in enumerate(news.events[first:], first + 1):
        last = place == len(news.events)
        cursor = Cursor(seen=news.now) if last else Cursor(seen=seen, now=news.now, place=place)
        yield Told(news=event, cursor=str(cursor))


@dataclass(eq=False, kw_only=True)
class Listener:
    """One stream's end of a feed."""

    repository: UUID | None
    bound: int
    seen: str = ""  # the feed's snapshot when this began
    trouble: Exception | None = None
    _waiting: deque[Told] = field(default_factory=deque)
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, one: Told) -> None:
        if self.trouble is not None or self.repository not in {None, one.news.repository}:
            return
        if len(self._waiting) >= self.bound:
            self.end(TooSlow())
            return
        self._waiting.append(one)
        self._event.set()

    def end(self, trouble: Exception) -> None:
        """No more; what waits is dropped with it."""
        self.trouble = self.trouble or trouble
        self._waiting.clear()
        self._event.set()

    def wake(self) -> None:
        self._event.set()

    async def take(self, seconds: float) -> list[Told]:
        """What has come, or nothing after `seconds` or when woken.

        Raises:
            TooSlow, TooFarBehind: this listener was dropped.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return []
        self._event.clear()
        if self.trouble is not None:
            raise self.trouble
        found, self._waiting = list(self._waiting), deque()
        return found


@dataclass(eq=False)
class _Feed:
    listeners: set[Listener] = field(default_factory=set)
    seen: str = ""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Feeds:
    """The feeds of one process; belongs to its event loop."""

    def __init__(
        self,
        *,
        bells: Bells,
        pace: Pace,
        read: ReadNews,
        queue: int = QUEUE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bells = bells
        self._pace = pace
        self._read = read
        self._queue = queue
        self._clock = clock
        self._feeds: dict[UUID, _Feed] = {}

    @property
    def open(self) -> int:
        """How many feeds are read."""
        return len(self._feeds)

    async def stream(
        self, organization: UUID, repository: UUID | None, after: Cursor | None
    ) -> AsyncGenerator[list[Told] | str | None, None]:
        """First the cursor of the beginning (a text), then events as they come, until the process stops.

        None is a heartbeat.

        Raises:
            Refused: the cursor is from the future, so it is none of this installation.
            Temporary: the database is away at the beginning.
            TooFarBehind: more than `MOST` events were missed.
            TooSlow: more than the bound waited for the reader.
        """
        with self._listening(organization, repository) as (feed, listener):
            await self._begun(feed)
            yield str(after or Cursor(seen=listener.seen))
            known: dict[UUID, int] = {}
            if after is not None:
                async for part in self._missed(organization, after):
                    mine = [one for one in part if repository in {None, one.news.repository}]
                    known.update({one.news.job: one.news.event.seq for one in part})
                    if mine:
                        yield mine
            while not self._bells.stopped:
                found = await listener.take(self._pace.heartbeat)
                fresh = [one for one in found if one.news.event.seq > known.get(one.news.job, 0)]
                if fresh:
                    yield fresh
                elif not found and not self._bells.stopped:
                    yield None

    async def _missed(self, organization: UUID, after: Cursor) -> AsyncGenerator[list[Told], None]:
        """What happened between a cursor and the present."""
        begin = after.now or after.seen
        news = await self._look(organization, begin, "")
        if newest(begin) > newest(news.now) or newest(after.seen) > newest(begin):
            raise no_cursor()
        if after.now:
            former = await self._look(organization, after.seen, after.now)
            yield list(told(after.seen, former, after.place))
        yield list(told(begin, news))

    async def _look(self, organization: UUID, seen: str, upto: str) -> News:
        news = await self._read(organization, seen, upto)
        if news.full:
            raise TooFarBehind
        return news

    @contextmanager
    def _listening(self, organization: UUID, repository: UUID | None) -> Iterator[tuple[_Feed, Listener]]:
        feed = self._feeds.get(organization)
        if feed is None:
            feed = self._feeds[organization] = _Feed()
            feed.task = asyncio.ensure_future(self._run(organization, feed))
        listener = Listener(repository=repository, bound=self._queue, seen=feed.seen)
        feed.listeners.add(listener)
        try:
            yield feed, listener
        finally:
            feed.listeners.discard(listener)
            if not feed.listeners and feed.task is not None:
                feed.task.cancel()
                self._feeds.pop(organization, None)

    async def _begun(self, feed: _Feed) -> None:
        try:
            async with asyncio.timeout(self._pace.patience):
                await feed.begun.wait()
        except TimeoutError:
            raise Temporary(Reason.SERVICE_UNAVAILABLE, "the database does not answer") from None

    async def _run(self, organization: UUID, feed: _Feed) -> None:
        """Read on and on, for as long as somebody listens."""
        with self._bells.watch(None) as bell:
            while not self._bells.stopped:
                looked = self._clock()
                await self._once(organization, feed)
                await asyncio.sleep(self._pace.rest)
                pause = self._pace.heard if self._bells.hearing and feed.begun.is_set() else self._pace.deaf
                await bell.wait(pause - (self._clock() - looked))
        for listener in feed.listeners:
            listener.wake()

    async def _once(self, organization: UUID, feed: _Feed) -> None:
        try:
            news = await self._read(organization, feed.seen, "")
        except FlowForgeError as error:
            _log.debug("a feed saw nothing: %s", error.sentence)
            return
        except Exception:  # noqa: BLE001 (whatever it is, this is what the listeners live by)
            _log.exception("a feed stumbled")
            return
        ones = list(told(feed.seen, news))
        feed.seen = news.now
        feed.begun.set()
        for listener in tuple(feed.listeners):
            listener.seen = listener.seen or news.now
            if news.full:
                listener.end(TooFarBehind())
            for one in ones:
                listener.put(one)
