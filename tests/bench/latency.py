"""How long a job waits before its first stage begins, beside a bare message of Dramatiq on the same Redis.

`python -m tests.bench.latency [--json] [--runs N] [--messages N]`: two processes of four threads for each side, all of
them idle but for one message at a time. A job goes from before its submit (three tables, committed with fsync)
through the relay's choice and the worker's claim (each committed) to the first line of its first stage; a message
goes from `send` to the first line of its actor, and nothing of it is durable. Every run sends some at random
distances of 50 to 250 ms, then some after three seconds without any; the sides take turns, run by run.

Two ratios by two Dramatiqs: `tuned` (no middleware, polls every 50 ms, prefetch as threads) and as it comes.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

from tests.bench.dramatiq_worker import bare_broker
from tests.bench.machine import Machine, machine, median, percentile, report, show, until

PROCESSES, THREADS = 2, 4
IDLE = 3.0  # seconds
IDLE_MESSAGES = 3  # of each run and side
AT_MOST = {"job_by_tuned": 1.5, "job_by_tuned_after_idling": 1.5}

Send = Callable[[str], object]


@contextmanager
def dramatiqs(made: Machine, marks: Path, *, tuned: bool) -> Iterator[Send]:
    given = {
        "redis": made.redis_url,
        "threads": THREADS,
        "folder": str(made.folder),
        "marks": str(marks),
        "tuned": tuned,
    }
    with ExitStack() as undo:
        running = [
            undo.enter_context(made.process("tests.bench.dramatiq_worker", json.dumps(given)))
            for _ in range(PROCESSES)
        ]
        for process in running:
            until((made.folder / f"{process.pid}.ready").exists)
        broker = bare_broker(made.redis_url, tuned=tuned)
        yield broker.actors["mark"].send


def times(send: Send, marks: Path, words: list[str], pause: Callable[[], float]) -> list[float]:
    """Milliseconds from before each send to its mark; the next is sent when the one before was heard."""
    found = []
    for word in words:
        time.sleep(pause())
        begun = time.monotonic()
        send(word)
        until(lambda word=word: word in _marks(marks), 30)  # type: ignore[misc]  # mypy cannot infer the default
        found.append((_marks(marks)[word] - begun) * 1000)
    return found


def _marks(file: Path) -> dict[str, float]:
    """What was noted so far."""
    if not file.exists():
        return {}
    rows = (line.split() for line in file.read_text().splitlines())
    return {row[0]: float(row[1]) for row in rows if len(row) == 2}


def run(runs: int, messages: int) -> dict[str, object]:
    with machine() as made, ExitStack() as undo:
        marks = {name: made.folder / f"{name}.marks" for name in ("job", "tuned", "bare")}
        undo.enter_context(made.relay())
        undo.enter_context(made.workers(PROCESSES, THREADS, marks["job"]))
        sends: dict[str, Send] = {
            "job": made.submit,
            "tuned": undo.enter_context(dramatiqs(made, marks["tuned"], tuned=True)),
            "bare": undo.enter_context(dramatiqs(made, marks["bare"], tuned=False)),
        }
        draw = random.Random(1)  # noqa: S311 (pauses, no secrets)
        often: dict[str, list[list[float]]] = {name: [] for name in sends}
        seldom: dict[str, list[list[float]]] = {name: [] for name in sends}
        for number in range(runs):
            for name in sorted(sends, reverse=number % 2 == 1):
                file = marks[name]
                words = [f"often-{number}-{index}" for index in range(messages)]
                often[name].append(times(sends[name], file, words, lambda: draw.uniform(0.05, 0.25)))
                words = [f"seldom-{number}-{index}" for index in range(IDLE_MESSAGES)]
                seldom[name].append(times(sends[name], file, words, lambda: IDLE))
            print(
                {name: round(median(often[name][-1]), 1) for name in sends},
                {name: round(median(seldom[name][-1]), 1) for name in sends},
                os.getloadavg()[0],
                file=sys.stderr,
            )
    return report("latency", figures(often, seldom), AT_MOST)


def figures(often: dict[str, list[list[float]]], seldom: dict[str, list[list[float]]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, runs in often.items():
        every, idle = list(chain(*runs)), list(chain(*seldom[name]))
        found |= {
            f"{name}_p50_ms": median(every),
            f"{name}_p95_ms": percentile(every, 0.95),
            f"{name}_after_idling_p50_ms": median(idle),
        }
    for side in ("tuned", "bare"):
        found[f"job_by_{side}"] = by(often["job"], often[side])
        found[f"job_by_{side}_after_idling"] = by(seldom["job"], seldom[side])
    return found


def by(mine: list[list[float]], theirs: list[list[float]]) -> float:
    """Median over the runs of the ratio of their medians."""
    return median([median(one) / median(other) for one, other in zip(mine, theirs, strict=True)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument(
        "--messages", type=int, default=20, help="of each run and side, beside those after idling"
    )
    asked = parser.parse_args()
    return show(run(asked.runs, asked.messages), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
