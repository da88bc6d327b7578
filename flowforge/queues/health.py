"""Whether Redis does its part: what a health check asks. Its absence slows FlowForge down and stops nothing."""

from dataclasses import dataclass, field

import redis

from flowforge.queues.connection import connect, speaking_to_redis

KEY = "ff:health"
_PATIENCE = 0.5  # seconds; a check is asked every few of them, by somebody who waits
_KEEP = 60  # seconds that the key lives


@dataclass(kw_only=True)
class Pulse:
    """A write, not a ping: a Redis that is read-only, full or without its replicas still answers those."""

    url: str
    _client: redis.Redis | None = field(default=None, repr=False)

    def __call__(self) -> None:
        """Raises:
        Temporary: it is away, hangs, or takes no writes.
        """
        if self._client is None:
            self._client = connect(self.url, timeout=_PATIENCE, connecting=_PATIENCE)
        with speaking_to_redis("asked for its health"):
            self._client.set(KEY, 1, ex=_KEEP)
