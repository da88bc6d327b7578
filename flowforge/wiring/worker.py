"""The worker process: rings in, jobs run, leases held; on SIGTERM everything is handed over."""

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import flowforge
from flowforge.core.errors import Temporary
from flowforge.queues.broker import DoorbellBroker, make_broker, make_worker, quiet
from flowforge.settings import Settings
from flowforge.store.database import Limits
from flowforge.store.schedule import Worker
from flowforge.worker.actors import declare
from flowforge.worker.supervisor import Pace, Supervisor

STOP_RINGS = 5_000  # ms for the threads of Dramatiq to end, once nothing runs in them

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WorkerProcess:
    """A supervisor and the bells that it answers. One a process."""

    supervisor: Supervisor
    broker: DoorbellBroker
    ready: Callable[[], None] = field(default=lambda: None)  # called once rings are heard

    def run(self, stop: threading.Event) -> bool:
        """Work until `stop` is set, then hand over; True when every job was."""
        declare(self.broker, self.supervisor.answer)
        rings = make_worker(self.broker)
        if not self._start(stop):
            return True
        rings.start()
        self.ready()
        log.info("worker %s waits for rings", self.supervisor.worker.id)
        stop.wait()
        log.info("worker %s is leaving; %s jobs run", self.supervisor.worker.id, self.supervisor.running)
        self.broker.slots.close()
        handed_over = self.supervisor.drain()
        rings.stop(timeout=STOP_RINGS)
        self.supervisor.close()
        return handed_over

    def _start(self, stop: threading.Event) -> bool:
        """Announce the worker; a database that is away at the start is waited for."""
        while not stop.is_set():
            try:
                self.supervisor.start()
            except Temporary as error:
                log.warning("not started yet: %s", error.sentence)
                stop.wait(error.delay)
            else:
                return True
        return False


def worker_of_this_process(slots: int) -> Worker:
    """A name that no other process has, now or later."""
    host = socket.gethostname()
    return Worker(
        id=f"{host}-{os.getpid()}-{secrets.token_hex(4)}",
        host=host,
        version=flowforge.__version__,
        slots=slots,
    )


def limits_of(lease: float) -> Limits:
    """A process that is stopped in the middle of a transaction holds its rows; not for longer than a third lease."""
    return Limits(idle=lease / 3)


def doorbells(redis_url: str, threads: int) -> DoorbellBroker:
    quiet()
    return make_broker(redis_url, threads=threads)


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; a second signal ends the process at once."""
    stop = threading.Event()

    def leave(number: int, _frame: object) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def pace_of(settings: Settings) -> Pace:
    """A drain ends in time: what is left of it after the stages' share is for handing back."""
    last = min(8.0, settings.drain_seconds / 4)
    return Pace(
        lease=settings.lease_seconds,
        renew=settings.renew_seconds,
        watch=min(1.0, settings.renew_seconds),
        margin=settings.lease_seconds / 15,
        drain=settings.drain_seconds - last,
        last=last,
    )
