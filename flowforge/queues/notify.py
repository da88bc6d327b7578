"""`ff:new:{job}`: something new up to number n of its story. A signal only: readers fetch from Postgres, and poll it when deaf.

The key keeps the last signal for an hour, so that a reader who looks first and subscribes second misses nothing;
the channel of the same name wakes who waits. A Redis that takes no writes (a replica, one that is full) keeps no key,
and wakes all the same: words are no writes.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

import redis

from flowforge.core.errors import Temporary
from flowforge.queues.connection import connect, connect_async, speaking_to_redis
from flowforge.queues.wake import MISSED, RELAY

KEEP = 3600  # seconds that a signal's key lives
PREFIX = "ff:new:"
_PUBLISH = 0.5  # seconds that a signal may take; who gives it has better things to do
_MUTE = 5.0  # seconds without signals after one that failed: readers poll meanwhile
_RETRY = 1.0  # seconds before an async subscription is tried again

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Signals:
    """Publish and wait, for threads. A Redis that hangs delays one caller by half a second, then nobody for five."""

    url: str
    clock: Callable[[], float] = time.monotonic
    _mute_until: float = 0.0  # on that clock
    _client: redis.Redis | None = field(default=None, repr=False)
    _one_client: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def publish(self, job: UUID, seq: int) -> bool:
        """Tell whoever waits; False where Redis is away, which nobody needs to mind."""
        return self._say(job, seq)

    def rouse(self, job: UUID, seq: int, word: str = MISSED) -> bool:
        """As `publish`, and wake the relay with a word in the same breath."""
        return self._say(job, seq, word)

    def wake(self) -> bool:
        """Wake the relay, without news of a job."""
        return self._spoken(lambda pipe: pipe.publish(RELAY, MISSED))

    def _say(self, job: UUID, seq: int, *relay: str) -> bool:
        def words(pipe: "redis.client.Pipeline") -> None:
            pipe.set(f"{PREFIX}{job}", seq, ex=KEEP)  # first: who subscribes in between finds it
            pipe.publish(f"{PREFIX}{job}", seq)
            for word in relay:
                pipe.publish(RELAY, word)

        return self._spoken(words)

    def _spoken(self, words: "Callable[[redis.client.Pipeline], object]") -> bool:
        if self.clock() < self._mute_until:
            return False
        try:
            with speaking_to_redis("signalling"), self._connected().pipeline(transaction=False) as pipe:
                words(pipe)
                _mind(*pipe.execute(raise_on_error=False))
        except Temporary as error:
            self._mute_until = self.clock() + _MUTE
            log.debug("%s", error.sentence)
            return False
        return True

    def wait(self, job: UUID, known: int, timeout: float) -> bool:
        """Wait until a number beyond `known` is told, at most `timeout` seconds; True where it was.

        Raises:
            Temporary: Redis is away; the caller polls Postgres instead.
        """
        with speaking_to_redis("waiting for news"), self._subscribed(job) as channel:
            if _number(self._connected().get(f"{PREFIX}{job}")) > known:
                return True
            return channel.get_message(ignore_subscribe_messages=True, timeout=timeout) is not None

    @contextmanager
    def _subscribed(self, job: UUID) -> Iterator[redis.client.PubSub]:
        client = connect(self.url, timeout=None)  # its own: a subscription waits longer than a command may
        channel: redis.client.PubSub = client.pubsub()  # type: ignore[no-untyped-call]  # theirs
        try:
            channel.subscribe(f"{PREFIX}{job}")
            channel.get_message(timeout=2.0)  # the confirmation: from here on nothing is missed
            yield channel
        finally:
            channel.close()
            client.close()

    def _connected(self) -> redis.Redis:
        """One client for all threads: a second one, made at the same moment and dropped, would close what it lent."""
        with self._one_client:
            if self._client is None:
                self._client = connect(self.url, timeout=_PUBLISH, connecting=_PUBLISH)
            return self._client


async def hear(url: str, ring: Callable[[UUID], None], hearing: Callable[[bool], None]) -> None:
    """Call `ring` for every signal of any job, for the live streams of one process, until cancelled.

    Reconnects by itself. `hearing` is told True when the subscription stands and False when it is lost: after
    either, a stream must look into Postgres once, for what was told in between.
    """
    while True:
        try:
            await _hear_once(url, ring, hearing)
        except (redis.RedisError, OSError) as error:
            log.warning("live streams poll Postgres until Redis is back: %s: %s", type(error).__name__, error)
            hearing(False)
            await asyncio.sleep(_RETRY)


async def _hear_once(url: str, ring: Callable[[UUID], None], hearing: Callable[[bool], None]) -> None:
    client = connect_async(url)
    try:
        async with client.pubsub() as channel:
            await channel.psubscribe(f"{PREFIX}*")
            hearing(True)
            async for message in channel.listen():
                job = _job_of(message)
                if job is not None:
                    ring(job)
    finally:
        with suppress(redis.RedisError, OSError):
            await client.aclose()


def _mind(kept: object, *said: object) -> None:
    """What became of a signal. A Redis that takes no writes refuses the key alone: who listens has heard it.

    Raises:
        redis.RedisError: a word was refused too.
    """
    for answer in said:
        if isinstance(answer, Exception):
            raise answer
    if isinstance(kept, Exception):
        log.debug("a signal was said, and is not kept: %s", kept)


def _number(data: bytes | str | None) -> int:
    """The last number told; 0 where the key is gone or holds something else."""
    return int(data) if data is not None and data.isdigit() else 0


def _job_of(message: Mapping[str, object]) -> UUID | None:
    channel = message.get("channel")
    if message.get("type") != "pmessage" or not isinstance(channel, bytes):
        return None
    try:
        return UUID(channel.decode().removeprefix(PREFIX))
    except ValueError:
        return None
