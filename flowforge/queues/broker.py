"""Dramatiq's Redis broker, cut down to a doorbell.

What differs from its defaults, each for a measured reason:

- No middleware at all. There are no retries (`max_retries` is zero because nothing retries), no results, no time
  limits and no metrics: one owner of retries, the job table, and process groups killed by a supervisor.
- No delay queues: `run_after` is a column, and six polling consumers are not needed where three do.
- A consumer fetches only for threads that are free *now*, over all three queues. The default hoards twice the
  threads per queue, and a second, idle worker never sees the hoarded rings.
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

from flowforge.core.job import PriorityClass
from flowforge.queues.connection import connect

QUEUES = (PriorityClass.HIGH.value, PriorityClass.NORMAL.value, PriorityClass.LOW.value)
NAMESPACE = "dramatiq"
HEARTBEAT_TIMEOUT = 15_000  # ms without a poll after which a worker's rings go back to the queue
MAINTENANCE_CHANCE = 10_000  # per million commands: every second or two, at 60 polls a second
POLL = 50  # ms between polls of an idle queue; the default of 1000 makes 67 ms of latency


@dataclass(kw_only=True)
class Slots:
    """How many rings may be in this process at once: one for each thread, over all queues."""

    total: int
    _taken: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self, queue: str, outstanding: int) -> int:
        """Note what `queue` holds and return how many more it may fetch."""
        with self._lock:
            self._taken[queue] = outstanding
            return max(0, self.total - sum(self._taken.values()))

    def close(self) -> None:
        """Fetch no more; what runs goes on.

        (Dramatiq's own pause sends its consumers to sleep for three seconds, and the end of the worker waits for it.)
        """
        with self._lock:
            self.total = 0


class DoorbellConsumer(_RedisConsumer):
    """Fetches for free threads only, and never minds a lost acknowledgement."""

    def __init__(self, broker: "DoorbellBroker", queue: str, timeout: int) -> None:
        super().__init__(broker, queue, broker.slots.total, timeout)  # type: ignore[no-untyped-call]  # theirs
        self.slots = broker.slots

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
        self.slots.report(self.queue_name, len(self.queued_message_ids) + len(self.message_cache))

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


def make_worker(broker: DoorbellBroker) -> Worker:
    """Dramatiq's worker with one thread a slot; the caller starts and stops it."""
    return Worker(broker, worker_timeout=POLL, worker_threads=broker.slots.total)


def quiet(level: int = logging.ERROR) -> None:
    """Dramatiq logs a critical line every three seconds while Redis is away; ours says it once, elsewhere."""
    logging.getLogger("dramatiq").setLevel(level)
