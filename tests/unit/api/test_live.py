import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from flowforge.api.bells import Bells
from flowforge.api.live import Batch, Live, Pace, last_seen, sse
from flowforge.api.models import EventOut
from flowforge.core.errors import Reason, Temporary
from flowforge.core.job import Job, State

JOB = UUID(int=7)
SOON = Pace(deaf=0.01, heard=5.0, heartbeat=5.0)


def event(seq: int) -> EventOut:
    return EventOut(seq=seq, kind="job.queued", at=datetime(2026, 1, 1, tzinfo=UTC), data={"n": seq})


class Story:
    """A job's events as they are written; counts how often it was read."""

    def __init__(self, *, written: int = 0, final: bool = False, cut: int = 100) -> None:
        self.written, self.final, self.cut, self.reads = written, final, cut, 0

    async def read(self, after: int) -> Batch:
        self.reads += 1
        new = [event(seq) for seq in range(after + 1, self.written + 1)]
        return Batch(events=new[: self.cut], final=self.final, full=len(new) > self.cut)


def live(bells: Bells, pace: Pace = SOON) -> Live:
    return Live(bells=bells, pace=pace)


async def until(true: Callable[[], bool]) -> None:
    """Let the others run until something is true; two seconds are plenty."""
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never became true")


async def ids(stream: AsyncIterator[object]) -> list[str | None]:
    return [getattr(item, "event_id", None) for item in [item async for item in stream]]


def test_a_final_jobs_events_come_once_and_the_stream_ends() -> None:
    story = Story(written=3, final=True)
    assert asyncio.run(ids(live(Bells()).events(JOB, story.read, 0))) == ["1", "2", "3"]


def test_events_are_strictly_after_the_last_one_seen() -> None:
    story = Story(written=5, final=True)
    assert asyncio.run(ids(live(Bells()).events(JOB, story.read, 3))) == ["4", "5"]


def test_a_long_story_is_read_in_pieces_without_waiting() -> None:
    story = Story(written=7, final=True, cut=3)
    bells = Bells()
    bells.hear(True)  # a pause would last five seconds
    found = asyncio.run(asyncio.wait_for(ids(live(bells).events(JOB, story.read, 0)), 2))
    assert found == [str(seq) for seq in range(1, 8)]


def test_a_ring_wakes_a_stream_that_hears() -> None:
    async def scene() -> list[str | None]:
        bells, story = Bells(), Story(written=1)
        bells.hear(True)
        task = asyncio.create_task(ids(live(bells).events(JOB, story.read, 0)))
        await until(lambda: story.reads > 0)
        story.written, story.final = 2, True
        bells.ring(JOB)
        return await asyncio.wait_for(task, 2)

    assert asyncio.run(scene()) == ["1", "2"]


def test_without_bells_a_stream_looks_by_itself() -> None:
    async def scene() -> list[str | None]:
        story = Story(written=1)
        task = asyncio.create_task(ids(live(Bells()).events(JOB, story.read, 0)))
        await until(lambda: story.reads >= 3)
        story.written, story.final = 2, True
        return await asyncio.wait_for(task, 2)

    assert asyncio.run(scene()) == ["1", "2"]


def test_a_ring_for_another_job_wakes_nobody() -> None:
    async def scene() -> int:
        bells, story = Bells(), Story(written=1)
        bells.hear(True)
        task = asyncio.create_task(ids(live(bells).events(JOB, story.read, 0)))
        await until(lambda: story.reads > 0)
        bells.ring(UUID(int=8))
        await asyncio.sleep(0.02)
        task.cancel()
        return story.reads

    assert asyncio.run(scene()) == 1


def test_a_stream_outlives_a_restart_of_the_database() -> None:
    story, away = Story(written=2, final=True), [True, True]

    async def read(after: int) -> Batch:
        if away:
            away.pop()
            raise Temporary(Reason.SERVICE_UNAVAILABLE, "PostgreSQL does not answer")
        return await story.read(after)

    assert asyncio.run(asyncio.wait_for(ids(live(Bells()).events(JOB, read, 0)), 2)) == ["1", "2"]


def test_a_silent_stream_gives_heartbeats() -> None:
    async def scene() -> object:
        stream = live(Bells(), Pace(deaf=0.01, heard=0.01, heartbeat=0.02)).events(JOB, Story().read, 0)
        return await asyncio.wait_for(anext(stream), 2)

    assert asyncio.run(scene()) is None


def test_stop_ends_every_stream_at_once_and_forgets_the_waiters() -> None:
    async def scene() -> tuple[int, int]:
        bells = Bells()
        bells.hear(True)
        stories = [Story(written=1) for _ in range(50)]
        tasks = [asyncio.create_task(ids(live(bells).events(JOB, s.read, 0))) for s in stories]
        await until(lambda: all(story.reads for story in stories))
        before = bells.watched
        bells.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 2)
        return before, bells.watched

    assert asyncio.run(scene()) == (50, 0)


def test_a_stream_that_begins_after_stop_ends_unread() -> None:
    bells, story = Bells(), Story(written=1)
    bells.stop()
    assert asyncio.run(ids(live(bells).events(JOB, story.read, 0))) == []
    assert story.reads == 0


class Row:
    """A job whose state a test changes."""

    def __init__(self, job: Job) -> None:
        self.job, self.reads = job, 0

    async def read(self) -> Job:
        self.reads += 1
        return self.job


async def _watch(row: Row, seconds: float, act: Callable[[Bells], None]) -> Job:
    bells = Bells()
    bells.hear(True)
    task = asyncio.create_task(live(bells).changed(JOB, row.read, seconds))
    await until(lambda: row.reads > 0)
    act(bells)
    return await asyncio.wait_for(task, 2)


def test_a_long_poll_answers_at_the_next_change_of_state(queued: Job) -> None:
    row = Row(queued)

    def act(bells: Bells) -> None:
        row.job = replace(queued, state=State.RUNNING)
        bells.ring(JOB)

    assert asyncio.run(_watch(row, 30, act)).state is State.RUNNING


def test_a_long_poll_answers_a_final_job_at_once(queued: Job) -> None:
    row = Row(replace(queued, state=State.SUCCESS))
    assert asyncio.run(_watch(row, 30, lambda _: None)).state is State.SUCCESS
    assert row.reads == 1


def test_a_long_poll_ends_with_its_time(queued: Job) -> None:
    assert asyncio.run(_watch(Row(queued), 0.05, lambda _: None)).state is State.QUEUED


def test_a_long_poll_ends_when_the_process_stops(queued: Job) -> None:
    assert asyncio.run(_watch(Row(queued), 30, Bells.stop)).state is State.QUEUED


def test_an_event_on_the_wire_has_its_seq_as_id_and_one_line_of_data() -> None:
    text = sse(event(4)).serialize().decode()
    assert text.startswith('event: job.queued\nid: 4\ndata: {"seq":4,')
    assert text.count("\n") == 4


@pytest.mark.parametrize(
    ("header", "seq"),
    [(None, 0), ("", 0), ("17", 17), (" 17 ", 17), ("-1", 0), ("x", 0), ("9" * 30, 0), ("²", 0)],
)
def test_an_odd_last_event_id_means_from_the_beginning(header: str | None, seq: int) -> None:
    assert last_seen(header) == seq
