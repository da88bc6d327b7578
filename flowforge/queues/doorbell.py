"""Ring for a job: `{job_id}` and nothing else crosses the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from dramatiq import Message

from flowforge.core.job import PriorityClass
from flowforge.queues.broker import NAMESPACE, QUEUES, DoorbellBroker
from flowforge.queues.connection import speaking_to_redis
from flowforge.queues.wake import WORKERS, call

ACTOR = "job"  # the one actor that answers; `flowforge.worker.actors` declares it


@dataclass(frozen=True, kw_only=True)
class Doorbell:
    """What the relay rings with."""

    broker: DoorbellBroker

    def ring(self, job: UUID, priority: PriorityClass) -> None:
        """Put the id into the queue of its class, and wake who serves it.

        Raises:
            Temporary: Redis is away, read-only or full. The ring may have arrived all the same, which is harmless.
        """
        self._put(job, priority)
        call(self.broker.client, WORKERS, (priority.value,))

    def _put(self, job: UUID, priority: PriorityClass) -> None:
        with speaking_to_redis(f"ringing for job {job}"):
            self.broker.enqueue(
                Message(
                    queue_name=priority.value,
                    actor_name=ACTOR,
                    args=(),
                    kwargs={"job_id": str(job)},
                    options={},
                )
            )

    def ring_all(self, jobs: Sequence[tuple[UUID, PriorityClass]]) -> tuple[UUID, ...]:
        """Ring in order until one fails; returns the ids that were *not* rung, for the caller to take back."""
        rung = 0
        try:
            for job, priority in jobs:
                self._put(job, priority)
                rung += 1
        except Exception:  # noqa: BLE001 (the ring is optional by design; who was not rung is the answer)
            return tuple(job for job, _ in jobs[rung:])
        finally:
            if rung:
                call(self.broker.client, WORKERS, {priority.value for _, priority in jobs[:rung]})
        return ()

    def waiting(self) -> int:
        """How many rings lie in Redis unfetched.

        Raises:
            Temporary: Redis is away.
        """
        with speaking_to_redis("counting rings"), self.broker.client.pipeline(transaction=False) as pipe:
            for queue in QUEUES:
                pipe.llen(f"{NAMESPACE}:{queue}")
            return sum(int(length) for length in pipe.execute())
