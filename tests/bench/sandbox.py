"""What a sandbox and a child process cost: `python -m tests.bench.sandbox --json`.

Each figure stands beside its floor, measured in the same run, interleaved; medians of `--n` rounds. "cpu" is processor
time of this process and of those that it has waited for: not of a child of the pool that lives on.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from flowforge.sandbox.choose import choose_sandbox
from flowforge.sandbox.contract import Command, Sandbox
from flowforge.sandbox.pool import Pool
from tests.bench.rebase import Cost, measure

START_OVER_BARE = 30.0  # milliseconds
FIRST_CALL = 150.0  # milliseconds
SCRIPT = ("sh", "-c", "true")


def first_call() -> None:
    with Pool(1) as pool:
        pool.call("math:sqrt", 4.0, deadline=60)


def measured(rounds: int) -> dict[str, float]:
    numbers = itertools.count()
    walls = choose_sandbox("auto", unique=lambda: f"bench-{os.getpid()}-{next(numbers)}", warn=print)
    with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as place, Pool(1) as warm:
        folder = Path(place)
        warm.call("math:sqrt", 4.0, deadline=60)
        works: dict[str, Callable[[], object]] = {
            "bare_command_ms": lambda: subprocess.run(SCRIPT, cwd=folder, check=True),
            "sandboxed_command_ms": lambda: run(walls, folder),
            "bare_python_ms": lambda: subprocess.run(["python3", "-c", "0"], cwd=folder, check=True),
            "first_call_ms": first_call,
            "warm_call_ms": lambda: warm.call("math:sqrt", 4.0, deadline=60),
            "call_after_a_killed_one_ms": lambda: after_a_killed_one(warm),
        }
        taken: dict[str, list[Cost]] = {name: [] for name in works}
        for _round in range(rounds):
            for name, work in works.items():
                taken[name].append(measure(work))
    figures = {}
    for name, costs in taken.items():
        figures[name] = round(statistics.median(cost.wall for cost in costs) * 1000, 2)
        figures[name.replace("_ms", "_cpu_ms")] = round(
            statistics.median(cost.cpu for cost in costs) * 1000, 2
        )
    figures["start_over_bare_ms"] = round(figures["sandboxed_command_ms"] - figures["bare_command_ms"], 2)
    figures["sandbox_over_bare_ratio"] = round(
        figures["sandboxed_command_ms"] / figures["bare_command_ms"], 1
    )
    return figures


def after_a_killed_one(pool: Pool) -> None:
    """Ends a child and calls again: what is measured is mostly the new child."""
    try:
        pool.call("os:_exit", 1, deadline=60)
    except Exception:  # noqa: BLE001 (that it died is the point)
        pool.call("math:sqrt", 4.0, deadline=60)


def run(walls: Sandbox, folder: Path) -> None:
    ended = walls.run(Command(argv=SCRIPT, folder=folder), lambda _text: None, lambda: False)
    assert ended.ok


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=21)
    parser.add_argument("--json", action="store_true", help="the only form there is")
    figures = measured(parser.parse_args().n)
    bounds = {"start_over_bare_ms": START_OVER_BARE, "first_call_ms": FIRST_CALL}
    holds = all(figures[name] <= most for name, most in bounds.items())
    print(json.dumps({"name": "sandbox", "figures": figures, "bounds": bounds, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
