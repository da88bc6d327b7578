"""The one actor. Three queues lead to it; a ring says `{job_id}` and nothing else."""

import logging
from collections.abc import Callable
from uuid import UUID

import dramatiq

from flowforge.core.errors import FlowForgeError
from flowforge.core.job import PriorityClass
from flowforge.queues.broker import DoorbellBroker
from flowforge.queues.doorbell import ACTOR

log = logging.getLogger(__name__)


def declare(broker: DoorbellBroker, answer: Callable[[UUID], object]) -> None:
    """Let `answer` be called in a worker thread for every ring. Nothing it raises rings again: the sweep does."""

    def heard(job_id: str) -> None:
        try:
            identity = UUID(job_id)
        except ValueError:
            log.warning("a ring for %r, which is no job", job_id[:80])
            return
        try:
            answer(identity)
        except FlowForgeError as error:
            log.warning("job %s: %s", job_id, error.sentence)
        except Exception:
            log.exception("job %s could not be answered", job_id)

    dramatiq.actor(broker=broker, actor_name=ACTOR, queue_name=PriorityClass.NORMAL.value)(heard)
