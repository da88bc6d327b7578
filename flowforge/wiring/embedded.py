"""The servers that FlowForge brings along, for `flowforge up`, the demo and the tests."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flowforge.wiring.postgres import start_postgres
from flowforge.wiring.redis import start_redis

__all__ = ["Services", "start_postgres", "start_redis", "start_services"]


@dataclass(frozen=True, kw_only=True)
class Services:
    """Urls of what runs; `database_url` is the administrator's, from which the three roles' urls are derived."""

    database_url: str
    redis_url: str


@contextmanager
def start_services(
    folder: Path, *, database_url: str = "", redis_url: str = "", durable: bool = True
) -> Iterator[Services]:
    """Start what no url is given for, under `folder`, and stop it again."""
    with ExitStack() as undo:
        postgres = database_url or undo.enter_context(start_postgres(folder / "postgres", durable=durable))
        redis = redis_url or undo.enter_context(start_redis(folder / "redis"))
        yield Services(database_url=postgres, redis_url=redis)
