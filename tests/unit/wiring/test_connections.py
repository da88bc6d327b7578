"""Who does not read is not waited for; who reads slowly is."""

import asyncio
from dataclasses import dataclass

from flowforge.wiring.connections import STALLED, STALLED_AT_END, Connections


@dataclass(eq=False)
class Wire:
    waits: int = 0
    aborted: bool = False

    def get_write_buffer_size(self) -> int:
        return self.waits

    def abort(self) -> None:
        self.aborted = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def scene(*waits: int) -> tuple[Clock, Connections, list[Wire]]:
    clock = Clock()
    open_, wires = Connections(clock), [Wire(waits=one) for one in waits]
    for wire in wires:
        open_.add(wire)
    open_.cut_stalled()
    return clock, open_, wires


def test_a_connection_that_takes_nothing_is_cut_in_time_and_a_silent_one_never() -> None:
    clock, open_, (stalled, silent) = scene(100, 0)
    clock.now = STALLED - 1
    assert open_.cut_stalled() == 0
    clock.now = STALLED + 1
    assert open_.cut_stalled() == 1
    assert (stalled.aborted, silent.aborted) == (True, False)


def test_whoever_takes_a_little_is_waited_for() -> None:
    clock, open_, (slow,) = scene(1000)
    for second in range(int(STALLED) * 3):
        clock.now = second
        slow.waits -= 1
        assert open_.cut_stalled() == 0


def test_at_the_end_patience_is_short() -> None:
    clock, open_, (stalled,) = scene(100)
    open_.stop()
    clock.now = STALLED_AT_END
    assert open_.cut_stalled() == 1
    assert stalled.aborted


def test_a_connection_that_was_lost_is_forgotten() -> None:
    _, open_, (one, _) = scene(1, 1)
    open_.remove(one)
    open_.remove(one)
    assert len(open_) == 1


def test_the_watch_looks_again_and_again() -> None:
    async def watch() -> bool:
        open_, wire = Connections(), Wire(waits=5)
        open_.add(wire)
        open_.stop()
        watching = asyncio.create_task(open_.watch())
        for _ in range(2_000):
            if wire.aborted:
                break
            await asyncio.sleep(0.01)
        watching.cancel()
        return wire.aborted

    assert asyncio.run(watch())
