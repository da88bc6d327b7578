"""What live streams cost an API process, and how soon they end with it.

`python -m tests.bench.streams [--json] [--streams N] [--seconds S]`: a server of one process on Postgres and Redis.
`idle`: N streams, half of them of one job, a quarter each of a repository and of the organization, are silent for S
seconds; statements are counted as three for each transaction of the database (begin, question, commit), beside the
same server without a stream. `end`: 50 open streams, server-sent events and WebSockets, then SIGTERM; seconds until
the process is gone, the median of five, beside the same without streams.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
from websockets.asyncio.client import connect

from flowforge.core.job import Job
from flowforge.store.admin import create_database, drop_database, upgrade, with_database
from flowforge.store.scope import Scope
from flowforge.wiring.embedded import start_postgres, start_redis
from tests.conftest import TestDatabase
from tests.integration.api.streams import PATIENCE, Site, fresh_database, site, take

BOUNDS = {"idle_statements_per_second": 5.0, "end_seconds": 3.0}
STATEMENTS = 3  # of one transaction
TOLD = 13.0  # seconds after which idle connections have told the statistics what they did (PostgreSQL's own are 10)
_COMMITS = """
SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()
"""


@contextmanager
def servers(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(administrator's url, template, Redis)."""
    with (
        start_postgres(folder / "postgres", durable=False) as postgres,
        start_redis(folder / "redis") as redis,
    ):
        template = f"ff_bench_{uuid.uuid4().hex[:8]}"
        create_database(postgres, template)
        upgrade(with_database(postgres, template))
        yield postgres, template, redis
        drop_database(postgres, template)


def transactions(database: TestDatabase) -> int:
    with database.system.transaction(Scope.system(), read_only=True) as tx:
        return int(tx.value(_COMMITS))


async def held_open(here: Site, paths: list[str], seconds: float) -> tuple[int, float]:
    """Transactions while these streams are silent, and for how long."""
    address = here.running.url.replace("http://", "ws://")
    headers = {"Authorization": f"Bearer {here.first.token}"}
    opened = [
        await connect(address + path, additional_headers=headers, open_timeout=PATIENCE, proxy=None)
        for path in paths
    ]
    for ws in opened:
        await ws.recv()
    await asyncio.sleep(TOLD)
    before, began = await asyncio.to_thread(transactions, here.database), time.monotonic()
    await asyncio.sleep(seconds)
    after, took = await asyncio.to_thread(transactions, here.database), time.monotonic() - began
    for ws in opened:
        await ws.close()
    return after - before - 1, took  # the first count is one of them


def idle(here: Site, streams: int, seconds: float) -> float:
    job = here.start()
    each = [
        f"/api/v1/jobs/{job.id}/live?logs=true",
        f"/api/v1/jobs/{job.id}/live",
        f"/api/v1/repositories/{here.repository}/live",
        "/api/v1/live",
    ]
    count, took = asyncio.run(held_open(here, [each[n % 4] for n in range(streams)], seconds))
    return count * STATEMENTS / took


def opened(here: Site, job: Job, stack: ExitStack) -> None:
    """Fifty streams of every kind."""
    http = stack.enter_context(httpx2.Client(timeout=PATIENCE, limits=httpx2.Limits(max_connections=60)))
    for kind in ("events", "logs"):
        for _ in range(13):
            headers = {"Authorization": f"Bearer {here.first.token}", "Accept": "text/event-stream"}
            path = f"{here.running.url}/api/v1/jobs/{job.id}/{kind}"
            stack.enter_context(http.stream("GET", path, headers=headers))
    kinds = [f"/api/v1/jobs/{job.id}/live", "/api/v1/live", f"/api/v1/repositories/{here.repository}/live"]
    for path in kinds * 8:
        take(stack.enter_context(here.socket(path)))


def end(here: Site, *, streams: bool) -> float:
    """Seconds from SIGTERM to the end of the process."""
    job = here.start()
    with ExitStack() as stack:
        if streams:
            opened(here, job, stack)
        began = time.monotonic()
        here.running.process.terminate()
        here.running.process.wait(PATIENCE)
        return time.monotonic() - began


def measure(streams: int, seconds: float, runs: int) -> dict[str, float]:
    ends: dict[bool, list[float]] = {True: [], False: []}
    with (
        tempfile.TemporaryDirectory(prefix="ff-bench-") as name,
        servers(Path(name)) as (admin, template, redis),
    ):

        @contextmanager
        def fresh(part: str) -> Iterator[Site]:
            folder = Path(name) / part
            folder.mkdir()
            with (
                fresh_database(admin, template) as database,
                site(database, folder, FLOWFORGE_REDIS_URL=redis) as here,
            ):
                yield here

        with fresh("idle") as here:
            floor, cost = idle(here, 0, seconds), idle(here, streams, seconds)
        for run in range(runs):
            for with_streams in (True, False):
                with fresh(f"end-{run}-{with_streams}") as here:
                    ends[with_streams].append(end(here, streams=with_streams))
    return {
        "streams": streams,
        "idle_statements_per_second": round(cost, 2),
        "idle_floor_per_second": round(floor, 2),
        "end_seconds": round(statistics.median(ends[True]), 2),
        "end_longest_seconds": round(max(ends[True]), 2),
        "end_floor_seconds": round(statistics.median(ends[False]), 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    figures = measure(asked.streams, asked.seconds, asked.runs)
    holds = all(figures[name] <= bound for name, bound in BOUNDS.items())
    print(json.dumps({"name": "streams", "figures": figures, "bounds": BOUNDS, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
