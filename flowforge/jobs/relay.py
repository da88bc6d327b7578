"""The relay: rings for the jobs that may run, as many as there are free slots, and sweeps. Order is decided here.

It keeps nothing in memory, so any number may run and any may die. Woken by who moved a job, or once a second.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from flowforge.core.errors import Temporary
from flowforge.core.job import PriorityClass
from flowforge.jobs.sweep import EVERY, RELAY, RING_LOST, Swept, sweep
from flowforge.jobs.tell import CAME, SILENT, Teller
from flowforge.jobs.why import ALIVE, CAP
from flowforge.store import schedule
from flowforge.store.database import Database
from flowforge.store.scope import Scope

LOOK = 1.0  # seconds between looks when nothing is signalled
MOST = 500  # rings of one look

log = logging.getLogger(__name__)


class Bell(Protocol):
    """Where to ring (`queues.doorbell.Doorbell`)."""

    def ring_all(self, jobs: Sequence[tuple[UUID, PriorityClass]]) -> tuple[UUID, ...]:
        """Ring in order; returns the ids that were not rung."""
        ...

    def waiting(self) -> int:
        """Rings that lie unheard.

        Raises:
            Temporary: nobody can ring now.
        """
        ...


@dataclass(kw_only=True)
class Relay:
    """`wait(seconds)` blocks until there may be a reason to look, or that long, and returns the words that were said (see
    `queues.wake`). Where no slot is free, a job that has come is no reason: it could not be rung for.

    `first` runs before each look, for what may add to the queue; `chores` run after each sweep.
    """

    database: Database  # of role ff_system
    bell: Bell
    wait: Callable[[float], Collection[str]]
    teller: Teller = SILENT
    alive: float = ALIVE  # seconds since its last beat within which a worker's slots count
    sweep_every: float = EVERY
    ring_lost: float = RING_LOST
    cap: int = CAP  # running jobs of an organization whose settings name no number of their own
    first: Sequence[Callable[[], object]] = ()
    chores: Sequence[Callable[[], object]] = ()
    clock: Callable[[], float] = time.monotonic
    _swept: float = field(default=float("-inf"))
    _room: bool = True  # whether the last look left a slot free
    _trouble: str = ""

    def run(self, stop: threading.Event) -> None:
        """Look, sweep and wait until `stop` is set. Survives the absence of both servers."""
        while not stop.is_set():
            try:
                self.step()
                self.rest(stop)
                self._say("")
            except Temporary as error:
                self._say(error.sentence)
                stop.wait(min(error.delay, LOOK))

    def step(self) -> tuple[tuple[UUID, ...], Swept]:
        """One look: what was rung, and what a sweep took back when one was due.

        Raises:
            Temporary: Postgres or Redis is away. The sweep has been done all the same where it could be.
        """
        swept = Swept()
        for prepare in self.first:
            prepare()
        if self.clock() - self._swept >= self.sweep_every:
            self._swept = self.clock()
            swept = sweep(self.database, ring_lost=self.ring_lost, teller=self.teller)
            if swept:
                log.info(
                    "took back %s leases and %s rings, gave up %s jobs", swept.leases, swept.rings, swept.dead
                )
            for chore in self.chores:
                chore()
        return self.ring(), swept

    def rest(self, stop: threading.Event) -> None:
        """Until there is reason to look: what was said, or a second without."""
        end = self.clock() + LOOK
        while not stop.is_set() and (left := end - self.clock()) > 0:
            said = self.wait(left)
            if self._room or not {CAME}.issuperset(said):
                return

    def ring(self) -> tuple[UUID, ...]:
        """Ring for what runs next. Rings that lie in Redis unheard are not added to beyond twice the slots."""
        unheard, self._room = self.bell.waiting(), False
        # Not durable: a choice that a crash of the server forgets is made again, and its ring finds the job all the same.
        with self.database.transaction(Scope.system(), actor=RELAY, durable=False) as transaction:
            if unheard and unheard >= 2 * schedule.slots(transaction, self.alive):
                return ()
            picked = schedule.pick(transaction, alive=self.alive, most=MOST, cap=self.cap)
        failed = self.bell.ring_all(picked.jobs) if picked.jobs else ()
        self._room = picked.room or bool(failed)
        if failed:
            with self.database.transaction(Scope.system(), actor=RELAY) as transaction:
                schedule.unring(transaction, *failed)
        return tuple(job for job, _ in picked.jobs if job not in failed)

    def _say(self, trouble: str) -> None:
        """Once when trouble begins, once when it ends."""
        if trouble and not self._trouble:
            log.warning("the relay cannot ring: %s", trouble)
        elif self._trouble and not trouble:
            log.info("the relay rings again")
        self._trouble = trouble
