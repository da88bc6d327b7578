"""How long a person waits for `flowforge --version` and `flowforge --help`, beside python's own start.

`python -m tests.bench.startup [--json] [--runs N]`: medians of wall and processor milliseconds of interleaved runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

FLOWFORGE = str(Path(sys.executable).parent / "flowforge")
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "version": [FLOWFORGE, "--version"],
    "help": [FLOWFORGE, "--help"],
    "pipeline_show": [FLOWFORGE, "pipeline", "show", "rebase"],
}
BOUNDS = {"version_ms": 150.0, "help_ms": 300.0}


def once(command: Sequence[str]) -> tuple[float, float]:
    """Wall and processor milliseconds of one run."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.perf_counter() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall * 1000, used * 1000


def measure(runs: int) -> dict[str, float]:
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, command in COMMANDS.items():
            samples[name].append(once(command))
    figures = {}
    for name, taken in samples.items():
        figures[f"{name}_ms"] = round(statistics.median(wall for wall, _ in taken), 1)
        figures[f"{name}_cpu_ms"] = round(statistics.median(used for _, used in taken), 1)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=11)
    figures = measure(parser.parse_args().runs)
    holds = all(figures[name] <= bound for name, bound in BOUNDS.items())
    print(json.dumps({"name": "startup", "figures": figures, "bounds": BOUNDS, "holds": holds}))
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
