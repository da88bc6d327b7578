"""Dramatiq's Redis broker, cut down to a doorbell.

What differs from its defaults, each for a measured reason:

- No middleware at all. There are no retries (`max_retries` is zero because nothing retries), no results, no time
  limits and no metrics: one owner of retries, the job table, and process groups killed by a supervisor.
- No delay queues: `run_after` is a column, and six polling consumers are not needed where three do.
- A consumer fetches only for threads that are free *now*, over all three queues. The default hoards twice the
  threads per queue, and a second, idle worker never sees the hoarded rings.
- Consumers do not sleep between polls, they wait: for a wake-up that names their queue, or for a thread of this process
  that has become free. One thread a process hears the wake-ups (`wake`). While it hears, polls are rare; while it does
  not, they are as frequent as they must be.
- An acknowledgement that Redis refuses is dropped. It would hold the thread until Redis is back, and a ring that
  comes again finds its job claimed.
- Heartbeat and maintenance are set: at the defaults a dead worker's rings came back after 82 to 1577 seconds. (The
  sweep does not wait for them; this keeps Redis clean.)
"""

import logging
import threading
from dataclasses import dataclass, field

import redis
from dramatiq import Worker
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.common import compute_backoff

from flowforge.core.job import PriorityClass
from flowforge.queues.connection import connect
from flowforge.queues.wake import MISSED, WORKERS, Ear

QUEUES = (PriorityClass.HIGH.value, PriorityClass.NORMAL.value, PriorityClass.LOW.value)
NAMESPACE = "dramatiq"
HEARTBEAT_TIMEOUT = 15_000  # ms without a poll after which a worker's rings go back to the queue
MAINTENANCE_CHANCE = 50_000  # per million commands: every few seconds, at the 6 polls a second of who hears
POLL = 50  # ms between polls of an idle queue while no wake-up can be heard; the default of 1000 makes 67 ms of latency
SELDOM = 500  # ms between polls while wake-ups are heard: only a ring of a relay that says none waits for one
_HEAR = 0.2  # seconds until the thread that hears looks whether it shall end


@dataclass(kw_only=True)
class Alarm:
    """Wakes the consumers of this process; a reason that comes before its consumer waits is not lost."""

    hears: bool = False  # whether wake-ups from outside would come
    _reasons: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0))
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def reasons(self, queue: str) -> int:
        """How many reasons to look into `queue` there were so far."""
        return self._reasons[queue]

    def give(self, *queues: str) -> None:
        """There is reason to look into these queues; into all where none is named."""
        with self._changed:
            for queue in queues or QUEUES:
                if queue in self._reasons:  # else it is no queue of ours
                    self._reasons[queue] += 1
            self._changed.notify_all()

    def wait(self, queue: str, known: int, seconds: float) -> None:
        """Until there are more than `known` reasons, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._reasons[queue] > known, timeout=seconds)


@dataclass(kw_only=True)
class Slots:
    """How many rings may be in this process at once: one for each thread, over all queues."""

    total: int
    _taken: dict[str, int] = field(default_factory=dict)
    _turned_away: set[str] = field(default_factory=set)  # queues that could not look, as no thread was free
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self, queue: str, outstanding: int) -> int:
        """Note what `queue` holds and return how many more it may fetch."""
        with self._lock:
            self._taken[queue] = outstanding
            free = max(0, self.total - sum(self._taken.values()))
            if not free:
                self._turned_away.add(queue)
            return free

    def free(self, queue: str, outstanding: int) -> frozenset[str]:
        """Note what `queue` holds now that it has given one back; which queues were turned away meanwhile."""
        with self._lock:
            self._taken[queue] = outstanding
            away, self._turned_away = frozenset(self._turned_away), set()
            return away

    def close(self) -> None:
        """Fetch no more; what runs goes on.

        (Dramatiq's own pause sends its consumers to sleep for three seconds, and the end of the worker waits for it.)
        """
        with self._lock:
            self.total = 0


class DoorbellConsumer(_RedisConsumer):
    """Fetches for free threads only, and never minds a lost acknowledgement."""

    def __init__(self, broker: "DoorbellBroker", queue: str, timeout: int) -> None:
        super().__init__(broker, queue, broker.slots.total, 0)  # type: ignore[no-untyped-call]  # theirs
        self.slots = broker.slots
        self.alarm = broker.alarm
        self._poll = timeout
        self._tries = 0

    def __next__(self) -> MessageProxy | None:
        """The next ring; None, after a wait, where there was none or no thread to answer it."""
        known = self.alarm.reasons(self.queue_name)
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]  # does not wait: 0 above
        if message is not None:
            self._tries = 0
            return message
        longest = SELDOM if self.alarm.hears else self._poll
        self._tries, pause = compute_backoff(self._tries, max_backoff=longest)
        self.alarm.wait(self.queue_name, known, pause / 1000)
        if self.alarm.reasons(self.queue_name) != known:
            self._tries = 0
        return None

    @property
    def outstanding_message_count(self) -> int:
        """What the parent subtracts from its prefetch: everything but the threads that are free."""
        own = len(self.queued_message_ids) + len(self.message_cache)
        return int(self.prefetch) - self.slots.report(self.queue_name, own)

    def ack(self, message: MessageProxy) -> None:
        try:
            super().ack(message)  # type: ignore[no-untyped-call]  # theirs
        except Exception as error:  # noqa: BLE001 (whatever Redis says: the claim decided, not the ring)
            self.logger.warning("ring %s not acknowledged: %s", message.message_id, error)
        away = self.slots.free(self.queue_name, len(self.queued_message_ids) + len(self.message_cache))
        if away:
            self.alarm.give(*away)

    nack = ack  # a ring that failed is gone too: the sweep rings again


class DoorbellBroker(RedisBroker):
    """The three queues on one Redis; `slots` is only of use in a process that consumes."""

    def __init__(self, client: redis.Redis, *, slots: Slots) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # theirs
            client=client,
            middleware=[],
            namespace=NAMESPACE,
            maintenance_chance=MAINTENANCE_CHANCE,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
        )
        self.slots = slots
        self.alarm = Alarm()
        for queue in QUEUES:
            self.declare_queue(queue)

    def declare_queue(self, queue_name: str) -> None:
        if queue_name in self.queues:
            return
        self.queues.add(queue_name)
        self.emit_after("declare_queue", queue_name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = POLL) -> Consumer:  # noqa: ARG002
        return DoorbellConsumer(self, queue_name, timeout)


def make_broker(url: str, *, threads: int = 1) -> DoorbellBroker:
    """Build the broker. Nothing connects before the first ring or poll."""
    return DoorbellBroker(connect(url), slots=Slots(total=threads))


class DoorbellWorker(Worker):
    """Dramatiq's worker, and the thread that hears wake-ups for it."""

    def __init__(self, broker: DoorbellBroker) -> None:
        super().__init__(broker, worker_timeout=POLL, worker_threads=broker.slots.total)
        self._alarm = broker.alarm
        self._ended = threading.Event()
        self._ear = Ear(client=broker.client, channel=WORKERS, rest=self._ended.wait)
        self._thread = threading.Thread(target=self._hear, name="wake-ups", daemon=True)

    def start(self) -> None:
        super().start()
        self._thread.start()

    def stop(self, timeout: int = 600_000) -> None:
        """As theirs, after the thread that hears has ended: consumers poll often again, and so end at once."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        super().stop(timeout)

    def _hear(self) -> None:
        try:
            while not self._ended.is_set():
                said = self._ear.wait(_HEAR)
                self._alarm.hears = self._ear.hears
                if said:
                    self._alarm.give(*(said if MISSED not in said else ()))
        finally:
            self._alarm.hears = False
            self._alarm.give()
            self._ear.close()


def make_worker(broker: DoorbellBroker) -> DoorbellWorker:
    """Dramatiq's worker with one thread a slot; the caller starts and stops it."""
    return DoorbellWorker(broker)


def quiet(level: int = logging.ERROR) -> None:
    """Dramatiq logs a critical line every three seconds while Redis is away; ours says it once, elsewhere."""
    logging.getLogger("dramatiq").setLevel(level)
