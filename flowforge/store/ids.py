"""Ids that sort by the time they were made (uuid version 7), from a clock and randomness that are handed in."""

import os
import time
from collections.abc import Callable
from uuid import UUID

Ids = Callable[[], UUID]


def uuid7(milliseconds: int, random: bytes) -> UUID:
    """The uuid of a moment (milliseconds since 1970) and ten random bytes, as RFC 9562 lays them out."""
    tail = int.from_bytes(random[:10], "big") & ((1 << 74) - 1)
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    return UUID(int=(milliseconds & ((1 << 48) - 1)) << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


def make_ids(clock: Callable[[], int] = time.time_ns, random: Callable[[int], bytes] = os.urandom) -> Ids:
    """A source of new ids; `clock` gives nanoseconds since 1970."""
    return lambda: uuid7(clock() // 1_000_000, random(10))
