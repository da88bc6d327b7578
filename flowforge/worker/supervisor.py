"""Answers rings, holds the leases of what runs, stops what was cancelled or lost, and hands over when it leaves.

The lease thread has a database pool of its own: jobs that use up theirs cannot keep it from renewing. When it cannot
renew, sessions end by their own clock, a little before anybody else may claim their job.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from flowforge.core.errors import FlowForgeError
from flowforge.core.job import Job
from flowforge.jobs.claim import LEASE, claim, decline
from flowforge.jobs.recorder import WORKER
from flowforge.jobs.session import JobSession, Stop
from flowforge.jobs.tell import SILENT, Teller
from flowforge.queues.presence import Presence
from flowforge.store import jobs as table
from flowforge.store import schedule
from flowforge.store.database import Database
from flowforge.store.schedule import Worker
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction

log = logging.getLogger(__name__)

Work = Callable[[Job, JobSession], object]  # `jobs.run.Workbench.run`


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds."""

    lease: float = LEASE
    renew: float = 5.0
    watch: float = 1.0  # between looks for cancelled jobs
    margin: float = 1.0  # a session ends so much before its lease does
    drain: float = 20.0  # that jobs get to come to the end of their stage
    last: float = 8.0  # that stopped jobs get to hand themselves back


@dataclass(kw_only=True)
class Supervisor:
    """One a process. `answer` is called by many threads, the rest by one."""

    worker: Worker
    work: Work
    database: Database  # for claims; of role ff_system
    leases: Database  # for the lease thread alone
    pace: Pace = field(default_factory=Pace)
    teller: Teller = SILENT
    signs: Presence | None = None  # for display; the beat in Postgres decides
    clock: Callable[[], float] = time.monotonic
    _running: dict[UUID, JobSession] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _ended: threading.Event = field(default_factory=threading.Event, repr=False)
    _leaving: bool = False
    _thread: threading.Thread | None = None
    _renewed: float = field(default=float("-inf"))

    def start(self) -> None:
        """Announce the worker, so that the relay counts its slots, and begin to hold leases.

        Raises:
            Temporary: the database is away.
        """
        self._beat()
        self.teller.wake()  # there are more slots
        self._thread = threading.Thread(target=self._hold, name="leases", daemon=True)
        self._thread.start()

    def answer(self, identity: UUID) -> bool:
        """Claim the job and run it, if it is to be had; True when it was.

        Raises:
            Temporary: the database is away.
        """
        if self._leaving:
            decline(self.database, identity)
            return False
        before = self.clock()
        job = claim(self.database, identity, self.worker.id, lease=self.pace.lease, teller=self.teller)
        if job is None:
            return False
        session = JobSession(job=job.id, fence=job.fence, clock=self.clock, good_until=self._good(before))
        self._enter(session)
        try:
            self.work(job, session)
        finally:
            self._leave(session)
        return True

    @property
    def running(self) -> int:
        return len(self._running)

    def drain(self) -> bool:
        """Claim no more; let jobs come to a stage's end, then stop them; True when all were handed over."""
        with self._changed:
            self._leaving = True
            for session in self._running.values():
                session.leave()
        self._try(self._beat)
        if not self._wait_idle(self.pace.drain):
            self._stop_all(Stop.DRAINED)
        return self._wait_idle(self.pace.last)

    def close(self) -> None:
        """End the lease thread and take the worker's row away. What still runs is lost, and killed."""
        self._stop_all(Stop.LOST)
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self.pace.watch + 5.0)
        self._try(lambda: self._within(lambda tx: schedule.gone(tx, self.worker.id)))
        if self.signs is not None:
            self.signs.leave()

    # ------------------------------------------------------------------------------------------ the lease thread

    def _hold(self) -> None:
        while not self._ended.wait(self.pace.watch):
            due = self.clock() - self._renewed >= self.pace.renew
            self._try(self._renew if due else self._watch)

    def _renew(self) -> None:
        """Prolong every lease and say that the worker lives, in one transaction."""
        held = self._held()
        before = self.clock()
        with self.leases.transaction(Scope.system(), actor=WORKER) as transaction:
            schedule.beat(transaction, self.worker, draining=self._leaving)
            fences = {session.job: session.fence for session in held}
            answers = table.renew(transaction, fences, self.pace.lease) if fences else {}
        self._renewed = before
        for session in held:
            self._apply(session, answers.get(session.job), self._good(before))
        self._show()

    def _apply(self, session: JobSession, stop: bool | None, good_until: float) -> None:
        if stop is None:
            if session.job in self._running:  # else it has just ended, which frees the lease too
                session.stop(Stop.LOST)
            return
        session.extend(good_until)
        if stop:
            session.stop(Stop.CANCELLED)

    def _watch(self) -> None:
        """Between renewals: which jobs were cancelled."""
        held = {session.job: session for session in self._held()}
        if not held:
            return
        with self.leases.transaction(Scope.system(), actor=WORKER, read_only=True) as transaction:
            stopping = table.stopping(transaction, held)
        for identity in stopping:
            held[identity].stop(Stop.CANCELLED)

    def _show(self) -> None:
        if self.signs is not None:
            about = {"host": self.worker.host, "version": self.worker.version, "slots": self.worker.slots}
            self.signs.show({**about, "running": self.running, "draining": self._leaving})

    def _beat(self) -> None:
        self._within(lambda tx: schedule.beat(tx, self.worker, draining=self._leaving))

    def _within(self, write: Callable[[Transaction], None]) -> None:
        with self.leases.transaction(Scope.system(), actor=WORKER) as transaction:
            write(transaction)

    def _try(self, doing: Callable[[], None]) -> None:
        """The lease thread never dies: sessions end by their clock while it cannot do its work."""
        try:
            doing()
        except FlowForgeError as error:
            log.warning("leases: %s", error.sentence)
        except Exception:
            log.exception("leases: a bug; trying again")

    # --------------------------------------------------------------------------------------------------- sessions

    def _good(self, since: float) -> float:
        return since + self.pace.lease - self.pace.margin

    def _held(self) -> list[JobSession]:
        with self._changed:
            return list(self._running.values())

    def _enter(self, session: JobSession) -> None:
        with self._changed:
            self._running[session.job] = session
            if self._leaving:
                session.leave()

    def _leave(self, session: JobSession) -> None:
        session.stop(Stop.DRAINED)  # whatever it lent and did not take back dies with it
        with self._changed:
            self._running.pop(session.job, None)
            self._changed.notify_all()

    def _stop_all(self, why: Stop) -> None:
        for session in self._held():
            session.stop(why)

    def _wait_idle(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, timeout=seconds)
