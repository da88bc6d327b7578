"""News of many jobs: nothing missed, nothing twice, and bounds for who is slow."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.api.bells import Bells
from flowforge.api.feeds import Cursor, Feeds, News, Told, TooFarBehind, TooSlow, read_cursor, told
from flowforge.api.pace import Pace
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.store.events import FeedEvent, JobEvent

ACME, SHOP, TOOLS, JOB = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=7)
SOON = Pace(deaf=0.001, heard=0.001, rest=0.0, heartbeat=30.0, patience=30.0)


def happened(seq: int, repository: UUID = SHOP) -> FeedEvent:
    event = JobEvent(seq=seq, kind="job.claim", at=datetime(2026, 1, 1, tzinfo=UTC), data={})
    return FeedEvent(job=JOB, repository=repository, event=event)


class Table:
    """Events with the transaction that wrote them; a snapshot `N:N:` has seen those below N."""

    def __init__(self) -> None:
        self.events: list[FeedEvent] = []
        self.away = False
        self.full = False

    @property
    def now(self) -> str:
        return f"{len(self.events) + 1}:{len(self.events) + 1}:"

    async def read(self, organization: UUID, seen: str, upto: str) -> News:
        assert organization == ACME
        if self.away:
            raise Temporary(Reason.SERVICE_UNAVAILABLE, "away")
        now = upto or self.now
        begin = int(seen.partition(":")[0]) - 1 if seen else 10**9
        return News(
            now=now, events=self.events[begin : int(now.partition(":")[0]) - 1], full=self.full and bool(seen)
        )

    def write(self, *events: FeedEvent) -> None:
        self.events += events


Stream = AsyncGenerator[list[Told] | str | None, None]


def feeds(table: Table, bells: Bells, queue: int = 100, pace: Pace = SOON) -> Feeds:
    return Feeds(bells=bells, pace=pace, read=table.read, queue=queue)


async def begun(stream: Stream) -> str:
    first = await anext(stream)
    assert isinstance(first, str)
    return first


async def take(stream: Stream, count: int) -> list[Told]:
    found: list[Told] = []
    while len(found) < count:
        part = await asyncio.wait_for(anext(stream), 30)
        assert part is None or isinstance(part, list)
        found += part or []
    return found


def seqs(found: list[Told]) -> list[int]:
    return [one.news.event.seq for one in found]


def test_a_feed_begins_now_and_tells_what_follows() -> None:
    async def scene() -> list[int]:
        table = Table()
        table.write(happened(1))
        async with aclosing(feeds(table, Bells()).stream(ACME, None, None)) as stream:
            assert await begun(stream) == "2:2:"
            table.write(happened(2), happened(3))
            return seqs(await take(stream, 2))

    assert asyncio.run(scene()) == [2, 3]


def test_every_cursor_of_a_look_leads_to_the_rest_of_it() -> None:
    async def scene() -> None:
        table = Table()
        table.write(*(happened(seq) for seq in range(1, 9)))
        everything = list(told("1:1:", await table.read(ACME, "1:1:", "")))
        table.write(happened(9))
        for place, one in enumerate(everything):
            cursor = read_cursor(one.cursor)
            async with aclosing(feeds(table, Bells()).stream(ACME, None, cursor)) as stream:
                assert await begun(stream) == one.cursor
                rest = await take(stream, 8 - place)
                assert seqs(rest) == list(range(place + 2, 10))
                assert [later.cursor for later in rest[:-1]] == [
                    later.cursor for later in everything[place + 1 :]
                ]

    asyncio.run(scene())


def test_what_came_while_the_missed_was_read_comes_once() -> None:
    async def scene() -> list[int]:
        table, bells = Table(), Bells()
        house = feeds(table, bells)
        async with aclosing(house.stream(ACME, None, None)) as first:
            await begun(first)
            table.write(happened(1), happened(2))
            async with aclosing(house.stream(ACME, None, Cursor(seen="1:1:"))) as second:
                await begun(second)
                await asyncio.sleep(
                    0.01
                )  # the feed looks meanwhile, and puts both into the second's queue too
                table.write(happened(3))
                return seqs(await take(second, 3))

    assert asyncio.run(scene()) == [1, 2, 3]


def test_a_repository_hears_its_own() -> None:
    async def scene() -> list[int]:
        table = Table()
        async with aclosing(feeds(table, Bells()).stream(ACME, TOOLS, Cursor(seen="1:1:"))) as stream:
            await begun(stream)
            table.write(happened(1), happened(2, TOOLS), happened(3), happened(4, TOOLS))
            return seqs(await take(stream, 2))

    assert asyncio.run(scene()) == [2, 4]


def test_one_reader_serves_all_listeners_and_ends_with_the_last() -> None:
    async def scene() -> tuple[int, int]:
        house = feeds(Table(), Bells())
        streams = [house.stream(ACME, None, None) for _ in range(5)]
        for stream in streams:
            await begun(stream)
        standing = house.open
        for stream in streams:
            await stream.aclose()
        return standing, house.open

    assert asyncio.run(scene()) == (1, 0)


def test_who_is_slower_than_the_bound_is_dropped_and_nobody_else() -> None:
    async def scene() -> list[int]:
        table = Table()
        house = feeds(table, Bells(), queue=10)
        async with (
            aclosing(house.stream(ACME, None, None)) as slow,
            aclosing(house.stream(ACME, TOOLS, None)) as other,
        ):
            await begun(slow)
            await begun(other)
            table.write(*(happened(seq) for seq in range(1, 12)), happened(12, TOOLS))
            heard = seqs(await take(other, 1))
            with pytest.raises(TooSlow):
                await take(slow, 1)
            return heard

    assert asyncio.run(scene()) == [12]


def test_more_than_a_stream_makes_up_for_is_said() -> None:
    async def scene() -> None:
        table = Table()
        table.full = True
        stream = feeds(table, Bells(), pace=replace(SOON, deaf=60.0)).stream(ACME, None, Cursor(seen="1:1:"))
        async with aclosing(stream):
            await begun(stream)
            with pytest.raises(TooFarBehind):
                await anext(stream)

    asyncio.run(scene())


def test_a_cursor_from_the_future_is_none() -> None:
    async def scene(cursor: str) -> None:
        stream = feeds(Table(), Bells()).stream(ACME, None, read_cursor(cursor))
        async with aclosing(stream):
            await begun(stream)
            with pytest.raises(Refused):
                await anext(stream)

    for cursor in ("100:100:", "1:1:~100:100:~1", "100:100:~1:1:~0"):
        asyncio.run(scene(cursor))


def test_a_feed_outlives_a_restart_of_the_database() -> None:
    async def scene() -> list[int]:
        table = Table()
        async with aclosing(feeds(table, Bells()).stream(ACME, None, None)) as stream:
            await begun(stream)
            table.away = True
            table.write(happened(1))
            await asyncio.sleep(0.02)
            table.away = False
            return seqs(await take(stream, 1))

    assert asyncio.run(scene()) == [1]


def test_a_feed_that_cannot_begin_says_so() -> None:
    async def scene() -> None:
        table = Table()
        table.away = True
        stream = feeds(table, Bells(), pace=replace(SOON, patience=0.01)).stream(ACME, None, None)
        async with aclosing(stream):
            with pytest.raises(Temporary):
                await anext(stream)

    asyncio.run(scene())


def test_a_silent_feed_gives_heartbeats_and_stop_ends_it() -> None:
    async def scene() -> list[object]:
        bells = Bells()
        said: list[object] = []
        async for part in feeds(Table(), bells, pace=replace(SOON, heartbeat=0.01)).stream(ACME, None, None):
            said.append(part)
            if len(said) == 3:
                bells.stop()
        return said

    assert asyncio.run(asyncio.wait_for(asyncio.to_thread(asyncio.run, scene()), 30)) == ["1:1:", None, None]


@given(st.text(max_size=40))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    cursor = None
    with suppress(Refused):
        cursor = read_cursor(text)
    assert cursor is None or str(cursor) == text


@given(low=st.integers(1, 10**9), more=st.integers(0, 50), data=st.data())
def test_every_snapshot_of_postgres_is_read(low: int, more: int, data: st.DataObject) -> None:
    running = data.draw(st.lists(st.integers(low, low + more), unique=True, max_size=9)) if more else []
    text = f"{low}:{low + more}:" + ",".join(map(str, sorted(one for one in running if one < low + more)))
    assert str(read_cursor(text)) == text
    assert read_cursor(f"{text}~{text}~3") == Cursor(seen=text, now=text, place=3)
