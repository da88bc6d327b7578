"""A bare Dramatiq worker, what ours is compared with: ``python -m tests.bench.dramatiq_worker JSON``.

`tuned` is what its documentation and a day of measuring give: no middleware, a poll of 50 ms, as much prefetched as
there are threads. Otherwise everything is as the library comes.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from flowforge.queues.connection import connect
from flowforge.wiring.worker import stopped_by_signals
from tests.bench.noop import MARKS, mark

TUNED_POLL = 50  # ms


def bare_broker(url: str, *, tuned: bool) -> RedisBroker:
    """The broker of either side, with its one actor."""
    namespace = "tuned" if tuned else "bare"
    more: dict[str, Any] = {"middleware": []} if tuned else {}
    broker = RedisBroker(client=connect(url), namespace=namespace, **more)  # type: ignore[no-untyped-call]  # theirs
    dramatiq.actor(broker=broker, actor_name="mark", queue_name="default")(mark)
    return broker


def main(given: dict[str, Any]) -> int:
    os.environ[MARKS] = str(given["marks"])
    broker, threads = bare_broker(str(given["redis"]), tuned=bool(given["tuned"])), int(given["threads"])
    more = {"worker_timeout": TUNED_POLL} if given["tuned"] else {}
    worker = dramatiq.Worker(broker, worker_threads=threads, **more)
    if given["tuned"]:
        worker.queue_prefetch = threads
    worker.start()
    (Path(given["folder"]) / f"{os.getpid()}.ready").touch()
    with stopped_by_signals() as stop:
        stop.wait()
    worker.stop(timeout=5_000)
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
