"""Signals are heard while somebody waits for them, and by nobody else."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

from flowforge.api.bells import Bells
from flowforge.api.lifespan import hear_while_awaited

JOB, OTHER = UUID(int=1), UUID(int=2)


class Ear:
    """Signals as Redis would give them: `given` is rung for as soon as somebody hears."""

    def __init__(self, *, ill: Exception | None = None) -> None:
        self.begun = self.ended = 0
        self.ill = ill

    async def hear(self, ring: Callable[[UUID], None], hearing: Callable[[bool], None]) -> None:
        self.begun += 1
        if self.ill is not None:
            raise self.ill
        try:
            hearing(True)
            await asyncio.sleep(0.005)
            ring(JOB)
            await asyncio.sleep(3600)
        finally:
            self.ended += 1


async def comes(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            await asyncio.sleep(0.001)
            if true():
                return


async def scene(ear: Ear, play: Callable[[Bells], Awaitable[None]]) -> Bells:
    """Play with a process that hears for `ear`; what it began has ended afterwards."""
    bells = Bells()
    task = asyncio.ensure_future(hear_while_awaited(bells, ear.hear, linger=0.01))
    try:
        await play(bells)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    return bells


def test_who_waits_for_news_hears_them() -> None:
    ear = Ear()

    async def play(bells: Bells) -> None:
        with bells.watch(JOB) as bell:
            assert await bell.wait(20), "the signal begins: look once"
            assert bells.hearing
            assert await bell.wait(20), "its own news"

    asyncio.run(scene(ear, play))
    assert (ear.begun, ear.ended) == (1, 1)


def test_nothing_is_heard_while_nobody_waits() -> None:
    ear = Ear()

    async def play(bells: Bells) -> None:
        await asyncio.sleep(0.05)
        assert not ear.begun
        with bells.watch(JOB), bells.watch(OTHER):
            await comes(lambda: bells.hearing)
        await comes(lambda: not bells.hearing)
        assert ear.ended == 1
        with bells.watch(None) as bell:
            await comes(lambda: bells.hearing)
            assert await bell.wait(20)
        await comes(lambda: not bells.hearing)

    asyncio.run(scene(ear, play))
    assert (ear.begun, ear.ended) == (2, 2)


def test_it_is_heard_on_as_long_as_one_still_waits() -> None:
    ear = Ear()

    async def play(bells: Bells) -> None:
        with bells.watch(JOB):
            with bells.watch(OTHER), bells.watch(JOB):
                await comes(lambda: bells.hearing)
            await asyncio.sleep(0.05)
            assert bells.hearing
            assert not ear.ended

    asyncio.run(scene(ear, play))


def test_an_ear_that_fails_is_tried_again_for_the_next_who_waits() -> None:
    ear = Ear(ill=ValueError("not what was expected"))

    async def play(bells: Bells) -> None:
        for number in (1, 2):
            with bells.watch(JOB):
                await comes(lambda number=number: ear.begun == number)  # type: ignore[misc]  # mypy cannot infer it
            await asyncio.sleep(0.05)

    bells = asyncio.run(scene(ear, play))
    assert not bells.hearing
