"""Following a job: who is woken when, and what a stream says."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import ExitStack, aclosing
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from flowforge.api.bells import Bells
from flowforge.api.following import last_seen
from flowforge.api.live import Batch, Live
from flowforge.api.models import EventOut
from flowforge.api.pace import Pace
from flowforge.api.stories import event_sse
from flowforge.api.watchman import Watchman
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import Job, State

JOB, ACME = UUID(int=7), UUID(int=1)
SOON = Pace(deaf=0.01, heard=5.0, heartbeat=5.0, rest=0.0)


def event(seq: int) -> EventOut:
    return EventOut(seq=seq, kind="job.queued", at=datetime(2026, 1, 1, tzinfo=UTC), data={"n": seq})


class Story:
    """A job's events as they are written; counts how often it was read."""

    def __init__(self, *, written: int = 0, final: bool = False, cut: int = 100) -> None:
        self.written, self.final, self.cut, self.reads = written, final, cut, 0

    async def read(self, after: int) -> Batch[EventOut]:
        self.reads += 1
        new = [event(seq) for seq in range(after + 1, self.written + 1)]
        shown = new[: self.cut]
        return Batch(
            items=shown,
            next=shown[-1].seq if shown else after,
            head=self.written,
            final=self.final,
            full=len(new) > self.cut,
        )

    async def heads(self, organization: UUID, jobs: Collection[UUID]) -> Mapping[UUID, int]:
        assert organization == ACME
        return dict.fromkeys(jobs, self.written)


def live(bells: Bells, pace: Pace = SOON) -> Live:
    return Live(bells=bells, pace=pace)


Seen = list[int | None]  # numbers of events; None is a heartbeat


async def events(bells: Bells, read: object, after: int = 0, pace: Pace = SOON) -> Seen:
    """Everything that a stream says until it ends."""
    found: Seen = []
    stream = live(bells, pace).batches(JOB, ACME, read, after)  # type: ignore[arg-type]  # the tests' own readers
    async for batch in stream:
        found += [item.seq for item in batch.items] if batch else [None]
    return found


async def until(true: Callable[[], bool]) -> None:
    """Let the others run until something is true."""
    for _ in range(20_000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never became true")


def test_a_final_jobs_events_come_once_and_the_stream_ends() -> None:
    assert asyncio.run(events(Bells(), Story(written=3, final=True).read)) == [1, 2, 3]


def test_events_are_strictly_after_the_last_one_seen() -> None:
    assert asyncio.run(events(Bells(), Story(written=5, final=True).read, 3)) == [4, 5]


def test_a_long_story_is_read_in_pieces_without_waiting() -> None:
    story, bells = Story(written=7, final=True, cut=3), Bells()
    bells.hear(True)  # a pause would last five seconds
    assert asyncio.run(asyncio.wait_for(events(bells, story.read), 4)) == list(range(1, 8))


async def later(bells: Bells, story: Story, act: Callable[[], object], pace: Pace = SOON) -> Seen:
    """What a stream says that has read once before something happens."""
    task = asyncio.create_task(events(bells, story.read, 0, pace))
    await until(lambda: story.reads > 0)
    story.written, story.final = 2, True
    act()
    return await asyncio.wait_for(task, 20)


def test_a_ring_wakes_a_stream() -> None:
    async def scene() -> Seen:
        bells, story = Bells(), Story(written=1)
        bells.hear(True)
        return await later(bells, story, lambda: bells.ring(JOB))

    assert asyncio.run(scene()) == [1, 2]


def test_a_watchman_wakes_a_stream_that_nobody_rang_for() -> None:
    async def scene() -> Seen:
        bells, story = Bells(), Story(written=1)
        watchman = asyncio.create_task(Watchman(bells=bells, pace=SOON, heads=story.heads).run())
        found = await later(bells, story, lambda: None)
        watchman.cancel()
        return found

    assert asyncio.run(scene()) == [1, 2]


def test_a_silent_stream_asks_the_database_nothing() -> None:
    async def scene() -> tuple[int, Seen]:
        bells, story = Bells(), Story(written=1)
        pace = replace(SOON, heartbeat=0.01)
        watchman = Watchman(bells=bells, pace=pace, heads=story.heads)
        stream = live(bells, pace).batches(JOB, ACME, story.read, 0)
        said: Seen = []
        async with aclosing(stream):
            async for batch in stream:
                said += [item.seq for item in batch.items] if batch else [None]
                await watchman.look()
                if len(said) == 30:
                    break
        return story.reads, said

    assert asyncio.run(scene()) == (1, [1, *([None] * 29)])


def test_the_watchman_asks_once_an_organization_however_many_wait() -> None:
    asked: list[tuple[UUID, int]] = []

    async def heads(organization: UUID, jobs: Collection[UUID]) -> Mapping[UUID, int]:
        asked.append((organization, len(jobs)))
        return {}

    async def scene() -> None:
        bells, other = Bells(), UUID(int=2)
        ours = (bells.watch(JOB, ACME), bells.watch(JOB, ACME), bells.watch(UUID(int=8), ACME))
        others = (bells.watch(UUID(int=9), other), bells.watch(UUID(int=10)), bells.watch(None))
        with ExitStack() as stack:
            for bell in (*ours, *others):
                stack.enter_context(bell)
            await Watchman(bells=bells, pace=SOON, heads=heads).look()

    asyncio.run(scene())
    assert sorted(asked) == [(ACME, 2), (UUID(int=2), 1)]


def test_a_watchman_goes_on_after_every_kind_of_trouble() -> None:
    troubles = [Temporary(Reason.SERVICE_UNAVAILABLE, "away"), ValueError("a bug")]

    async def scene() -> Seen:
        bells, story = Bells(), Story(written=1)

        async def heads(organization: UUID, jobs: Collection[UUID]) -> Mapping[UUID, int]:
            if troubles:
                raise troubles.pop()
            return await story.heads(organization, jobs)

        watchman = asyncio.create_task(Watchman(bells=bells, pace=SOON, heads=heads).run())
        found = await later(bells, story, lambda: None)
        watchman.cancel()
        return found

    assert asyncio.run(scene()) == [1, 2]


def test_a_ring_for_another_job_wakes_nobody() -> None:
    async def scene() -> int:
        bells, story = Bells(), Story(written=1)
        bells.hear(True)
        task = asyncio.create_task(events(bells, story.read))
        await until(lambda: story.reads > 0)
        bells.ring(UUID(int=8))
        await asyncio.sleep(0.02)
        task.cancel()
        return story.reads

    assert asyncio.run(scene()) == 1


def test_a_stream_outlives_a_restart_of_the_database() -> None:
    story, away = Story(written=2, final=True), [True, True]

    async def read(after: int) -> Batch[EventOut]:
        if away:
            away.pop()
            raise Temporary(Reason.SERVICE_UNAVAILABLE, "PostgreSQL does not answer")
        return await story.read(after)

    assert asyncio.run(asyncio.wait_for(events(Bells(), read), 20)) == [1, 2]


def test_stop_ends_every_stream_at_once_and_forgets_the_waiters() -> None:
    async def scene() -> tuple[int, int]:
        bells = Bells()
        bells.hear(True)
        stories = [Story(written=1) for _ in range(50)]
        tasks = [asyncio.create_task(events(bells, story.read)) for story in stories]
        await until(lambda: all(story.reads for story in stories))
        before = bells.watched
        bells.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
        return before, bells.watched

    assert asyncio.run(scene()) == (50, 0)


def test_a_stream_that_begins_after_stop_ends_unread() -> None:
    bells, story = Bells(), Story(written=1)
    bells.stop()
    assert asyncio.run(events(bells, story.read)) == []
    assert story.reads == 0


async def numbers() -> AsyncGenerator[int, None]:
    for number in itertools.count():
        yield number


def trusted(believe: Callable[[int], None]) -> list[int]:
    """What a stream says whose token is asked about at each step: `believe` is told how often."""

    async def scene() -> list[int]:
        asked, said = itertools.count(), []

        async def again() -> None:
            believe(next(asked))

        ears = live(Bells(), replace(SOON, believe=0.0)).trusted(numbers(), again)
        try:
            async for number in ears:
                said.append(number)
                if number == 9:
                    break
        except Refused:
            said.append(-1)
        return said

    return asyncio.run(scene())


def test_a_stream_ends_with_its_token() -> None:
    def revoked(asked: int) -> None:
        if asked == 3:
            raise Refused(Reason.NOT_SIGNED_IN, "revoked")

    assert trusted(revoked) == [0, 1, 2, -1]


def test_a_token_is_believed_on_while_nobody_can_say() -> None:
    def away(asked: int) -> None:
        raise Temporary(Reason.SERVICE_UNAVAILABLE, "away")

    assert trusted(away) == list(range(10))


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
    text = event_sse(event(4)).serialize().decode()
    assert text.startswith('event: job.queued\nid: 4\ndata: {"seq":4,')
    assert text.count("\n") == 4


@pytest.mark.parametrize(
    ("header", "seq"),
    [(None, 0), ("", 0), ("17", 17), (" 17 ", 17), ("-1", 0), ("x", 0), ("9" * 30, 0), ("²", 0)],
)
def test_an_odd_last_event_id_means_from_the_beginning(header: str | None, seq: int) -> None:
    assert last_seen(header) == seq
