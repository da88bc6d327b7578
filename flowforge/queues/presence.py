"""`ff:worker:{id}`: that a worker lives and what it does, for display only. Postgres decides whose slots count.

The key ends by itself when nobody renews it, so a worker that was killed leaves nothing behind.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import redis

from flowforge.core.errors import Temporary
from flowforge.queues.connection import connect, speaking_to_redis

PREFIX = "ff:worker:"
_MOST = 1000  # workers that one look sees
_PUBLISH = 0.5  # seconds that a sign may take; who gives it holds leases
_MUTE = 15.0  # seconds without signs after one that failed

log = logging.getLogger(__name__)


def signs(url: str, timeout: float) -> Mapping[str, Mapping[str, Any]]:
    """What the workers that live say of themselves, by id; at most `_MOST` of them.

    Raises:
        Temporary: Redis is away.
    """
    with speaking_to_redis("looking for workers"):
        client = connect(url, timeout=timeout, connecting=timeout)
        try:
            keys = list(islice(client.scan_iter(match=f"{PREFIX}*", count=_MOST), _MOST))
            said = client.mget(keys) if keys else []
        finally:
            client.close()
    return {
        key.decode().removeprefix(PREFIX): _read(text) for key, text in zip(keys, said, strict=True) if text
    }


def _read(text: bytes | str) -> Mapping[str, Any]:
    """Nothing of a sign that is none of ours."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(kw_only=True)
class Presence:
    """Signs of life of one worker. A Redis that hangs delays it by half a second, then not for a while."""

    url: str
    worker: str
    keep: float  # seconds that a sign is good
    more: Mapping[str, object] = field(default_factory=dict)  # what is true of it for as long as it lives
    clock: Callable[[], float] = time.monotonic
    _mute_until: float = 0.0  # on that clock
    _client: redis.Redis | None = field(default=None, repr=False)

    def show(self, about: Mapping[str, object]) -> None:
        """Say that the worker lives."""
        text = json.dumps({**about, **self.more})
        self._try(lambda client: client.set(self._key, text, px=int(self.keep * 1000)))

    def leave(self) -> None:
        self._try(lambda client: client.delete(self._key))

    @property
    def _key(self) -> str:
        return f"{PREFIX}{self.worker}"

    def _try(self, speak: Callable[[redis.Redis], object]) -> None:
        if self.clock() < self._mute_until:
            return
        try:
            with speaking_to_redis("showing that a worker lives"):
                speak(self._connected())
        except Temporary as error:
            self._mute_until = self.clock() + _MUTE
            log.debug("%s", error.sentence)

    def _connected(self) -> redis.Redis:
        if self._client is None:
            self._client = connect(self.url, timeout=_PUBLISH, connecting=_PUBLISH)
        return self._client
