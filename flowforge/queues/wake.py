"""Wake-ups beside the polls: "look now", on two channels of Redis. Whoever hears nothing looks all the same, later.

A wake-up is said after the commit (or the ring) that it is about, reaches who listens at that moment, and may be lost
or come twice. That is why nothing but speed depends on it: the relay looks every second without one, and a worker
polls its queues as often as it must while it does not hear.
"""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import redis

from flowforge.core.errors import Temporary
from flowforge.queues.connection import speaking_to_redis

RELAY = "ff:wake:relay"  # a job may run now, or a slot is free
WORKERS = "ff:wake:workers"  # a ring lies in the queue that the message names
MISSED = ""  # the word that a new connection counts as: who knows what was said before
_CONFIRMED = 2.0  # seconds for Redis to confirm a subscription
_DEAF = 1.0  # seconds before a connection that was lost is tried again

log = logging.getLogger(__name__)


def call(client: redis.Redis, channel: str, words: Collection[str] = (MISSED,)) -> bool:
    """Wake who listens; False where Redis is away, which nobody needs to mind."""
    try:
        with speaking_to_redis("waking"), client.pipeline(transaction=False) as pipe:
            for word in words:
                pipe.publish(channel, word)
            pipe.execute()
    except Temporary as error:
        log.debug("%s", error.sentence)
        return False
    return True


@dataclass(kw_only=True)
class Ear:
    """Hears one channel, for one thread, on a connection of its own; without Redis it only waits.

    `rest` is how it waits then: a sleep, or the wait of an event that ends it.
    """

    client: redis.Redis
    channel: str
    rest: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _line: redis.client.PubSub | None = field(default=None, repr=False)
    _again: float = field(default=float("-inf"))  # on that clock: not to be tried before

    @property
    def hears(self) -> bool:
        """Whether a wake-up that is said now would be heard."""
        return self._line is not None

    def wait(self, seconds: float) -> frozenset[str]:
        """Block until something is said or `seconds` have passed; the words that were said, often none."""
        try:
            if self._line is not None:
                return self._listen(self._line, seconds)
            if self.clock() >= self._again:
                self._line = self._connected()
                return frozenset({MISSED})
        except (redis.RedisError, OSError) as error:
            log.debug("wake-ups are not heard: %s: %s", type(error).__name__, error)
            self.close()
            self._again = self.clock() + _DEAF
        self.rest(seconds)
        return frozenset()

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _connected(self) -> redis.client.PubSub:
        line: redis.client.PubSub = self.client.pubsub()  # type: ignore[no-untyped-call]  # theirs
        try:
            line.subscribe(self.channel)
            line.get_message(timeout=_CONFIRMED)  # from here on nothing is missed
        except BaseException:
            line.close()
            raise
        return line

    def _listen(self, line: redis.client.PubSub, seconds: float) -> frozenset[str]:
        """What has come while nobody waited is taken together: it is one reason to look."""
        words = set()
        message = line.get_message(ignore_subscribe_messages=True, timeout=seconds)
        while message is not None:
            words.add(_word(message["data"]))
            message = line.get_message(ignore_subscribe_messages=True, timeout=0.0)
        return frozenset(words)


def _word(data: object) -> str:
    return data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)
