"""Turns before a provider: so many calls at once from this process, the others wait.

A free place goes to the highest priority; waiting raises it, a step every `AGEING` seconds, so that nobody waits for
ever. Among equals it goes to the organization with the fewest calls in flight, then to who came first. Whoever is
cancelled or out of time leaves at once.
"""

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.llm.ports import Asker

AGEING: Final = 10.0  # seconds of waiting that weigh as much as one step of priority
LOOK: Final = 0.1  # seconds between two looks at whether to go on waiting
AGAIN: Final = 5.0  # seconds after which a call that found no place may come again


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One call that waits, or has its turn."""

    number: int  # in the order of arrival
    organization: UUID
    priority: int
    since: float
    called: threading.Event = field(default_factory=threading.Event, compare=False)

    def rank(self, now: float, in_flight: int) -> tuple[int, int, int]:
        """The least one is next."""
        aged = self.priority + int(max(0.0, now - self.since) / AGEING)
        return (-aged, in_flight, self.number)


class Turns:
    """Places for `places` calls at once; `clock` gives monotonic seconds."""

    def __init__(self, places: int, clock: Callable[[], float]) -> None:
        self._free = places
        self._clock = clock
        self._waiting: list[Waiting] = []
        self._in_flight: Counter[UUID] = Counter()
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    @contextmanager
    def turn(self, asker: Asker, until: float) -> Iterator[None]:
        """Hold a place for the block, from the asker's turn on.

        Raises:
            Temporary: with reason `model_limit`, when `until` (on the clock) came first.
            Refused: with reason `cancelled`, when nobody waits for the call any more.
        """
        mine = self._come(asker)
        try:
            self._wait(mine, asker, until)
            yield
        finally:
            self._leave(mine)

    def _come(self, asker: Asker) -> Waiting:
        with self._lock:
            mine = Waiting(
                number=next(self._numbers),
                organization=asker.organization,
                priority=asker.priority,
                since=self._clock(),
            )
            self._waiting.append(mine)
            self._call()
            return mine

    def _call(self) -> None:
        """Give away what is free. Held under the lock."""
        while self._free and self._waiting:
            now = self._clock()
            chosen = min(self._waiting, key=lambda one: one.rank(now, self._in_flight[one.organization]))
            self._waiting.remove(chosen)
            self._free -= 1
            self._in_flight[chosen.organization] += 1
            chosen.called.set()

    def _wait(self, mine: Waiting, asker: Asker, until: float) -> None:
        while not mine.called.wait(LOOK):
            if asker.cancelled():
                raise Refused(Reason.CANCELLED, "the job was cancelled while it waited to ask a model")
            if self._clock() >= until:
                raise _no_turn(len(self))

    def _leave(self, mine: Waiting) -> None:
        with self._lock:
            if mine.called.is_set():
                self._free += 1
                self._in_flight[mine.organization] -= 1
                self._in_flight += Counter()  # forgets who has none
            else:
                self._waiting.remove(mine)
            self._call()


def _no_turn(waiting: int) -> Temporary:
    return Temporary(
        Reason.MODEL_LIMIT,
        f"no call to the model ended in time for this one, and {waiting} wait",
        delay=AGAIN,
        next_action="nothing: the call is made when its turn comes; model_calls_at_once allows more at once",
    )
