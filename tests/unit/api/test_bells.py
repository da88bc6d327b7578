import asyncio
from uuid import UUID

from flowforge.api.bells import Bells

JOB, OTHER = UUID(int=1), UUID(int=2)


def test_a_ring_before_the_wait_is_kept() -> None:
    async def scene() -> None:
        bells = Bells()
        with bells.watch(JOB) as bell:
            bells.ring(JOB)
            await asyncio.wait_for(bell.wait(60), 2)

    asyncio.run(scene())


def test_one_ring_is_heard_once() -> None:
    async def scene() -> float:
        bells, loop = Bells(), asyncio.get_running_loop()
        with bells.watch(JOB) as bell:
            bells.ring(JOB)
            await bell.wait(60)
            start = loop.time()
            await bell.wait(0.05)
            return loop.time() - start

    assert asyncio.run(scene()) >= 0.04


def test_losing_or_gaining_the_signal_wakes_everybody_once() -> None:
    async def scene() -> None:
        bells = Bells()
        with bells.watch(JOB) as one, bells.watch(OTHER) as two:
            for hearing in (True, False):
                bells.hear(hearing)
                assert bells.hearing is hearing
                await asyncio.wait_for(asyncio.gather(one.wait(60), two.wait(60)), 2)

    asyncio.run(scene())


def test_a_silence_that_goes_on_wakes_nobody_again() -> None:
    """Who tries to reach Redis says so each second; a stream that looked each time would ask Postgres for nothing."""

    async def scene() -> list[bool]:
        bells, woken = Bells(), []
        with bells.watch(JOB) as bell:
            for hearing in (False, True, True, False, False):
                bells.hear(hearing)
                woken.append(await bell.wait(0.02))
        return woken

    assert asyncio.run(scene()) == [False, True, False, True, False]


def test_after_stop_no_wait_lasts() -> None:
    async def scene() -> None:
        bells = Bells()
        bells.stop()
        with bells.watch(JOB) as bell:
            for _ in range(3):
                await asyncio.wait_for(bell.wait(60), 2)

    asyncio.run(scene())


def test_nobody_is_remembered_after_leaving() -> None:
    bells = Bells()
    with bells.watch(JOB), bells.watch(JOB), bells.watch(OTHER):
        assert bells.watched == 3
    assert bells.watched == 0
    bells.ring(JOB)
