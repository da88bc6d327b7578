"""The session of one claimed job: whether it may go on, why not, and which process groups die with it."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from uuid import UUID

from flowforge.core.errors import Broken, Reason


class Stop(IntEnum):
    """Why a session stopped; a greater one overrules a smaller one."""

    NO = 0
    DRAINED = 1  # the worker ends: give the job back
    CANCELLED = 2  # somebody asked for it
    LOST = 3  # the lease is another's, or may be: write nothing more


@dataclass(kw_only=True)
class JobSession:
    """Implements `core.session.Session`. The lease thread stops it, the job's thread and its doors ask it."""

    job: UUID
    fence: int
    clock: Callable[[], float] = time.monotonic
    good_until: float = math.inf  # on that clock: the lease as this process last knew it
    _stop: Stop = Stop.NO
    _leaving: bool = False
    _groups: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def why(self) -> Stop:
        return Stop.LOST if self.clock() > self.good_until else self._stop

    @property
    def leaving(self) -> bool:
        """The worker drains: the job shall be handed over before its next stage."""
        return self._leaving

    def cancelled(self) -> bool:
        """Every door asks this; a process that slept past its lease learns it here first."""
        return self.why is not Stop.NO

    def extend(self, until: float) -> None:
        """The lease was renewed. One that had run out stays lost: somebody may have acted on it."""
        if self.why is not Stop.LOST:
            self.good_until = until

    def leave(self) -> None:
        self._leaving = True

    def stop(self, why: Stop) -> None:
        """Stop for good and kill every lent process group."""
        with self._lock:
            self._stop = max(self._stop, why)
            groups, self._groups = self._groups, set()
        for group in groups:
            _kill(group)

    def adopt(self, group: int) -> None:
        with self._lock:
            if self._stop is Stop.NO:
                self._groups.add(group)
                return
        _kill(group)

    def release(self, group: int) -> None:
        with self._lock:
            self._groups.discard(group)

    def lost(self) -> Broken:
        """What whoever would go on is told once the lease is not ours."""
        return Broken(
            Reason.LEASE_LOST,
            f"job {self.job} is another worker's now (this one held fence {self.fence})",
            next_action="nothing: it goes on there",
        )


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it ended by itself
        os.killpg(group, signal.SIGKILL)
