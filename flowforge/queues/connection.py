"""Clients for Redis with the settings that were measured, and its errors in the house's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis import asyncio as redis_async
from redis.backoff import NoBackoff
from redis.retry import Retry

from flowforge.core.errors import Reason, Temporary

COMMAND_TIMEOUT = 5.0  # seconds; a Redis that hangs must not hold a caller longer
CONNECT_TIMEOUT = 2.0


def connect(
    url: str, *, timeout: float | None = COMMAND_TIMEOUT, connecting: float = CONNECT_TIMEOUT
) -> redis.Redis:
    """A client that fails at once instead of retrying.

    The library's own ten retries repeat a command whose reply was lost (an enqueue then rings twice) and make
    a blocking read return after a minute. `timeout=None` is for blocking reads, on a client of their own.
    """
    return redis.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=connecting, retry=Retry(NoBackoff(), 0)
    )


def connect_async(url: str) -> redis_async.Redis:
    """A client for one long subscription: reads wait as long as nothing comes."""
    return redis_async.Redis.from_url(url, socket_timeout=None, socket_connect_timeout=CONNECT_TIMEOUT)


@contextmanager
def speaking_to_redis(doing: str) -> Iterator[None]:
    """Turn every error of the library into `Temporary`: nothing in Redis is worth a job.

    Raises:
        Temporary: with reason `service_unavailable`.
    """
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise Temporary(
            Reason.SERVICE_UNAVAILABLE,
            f"Redis did not answer while {doing}: {type(error).__name__}: {error}",
            delay=1.0,
            next_action="see whether Redis runs and is writable: flowforge doctor",
        ) from error
