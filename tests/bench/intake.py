"""How many jobs a second the API takes, beside the same statements without us.

`python -m tests.bench.intake [--json] [--runs N] [--seconds S] [--steady S]`: three sides take turns, each with 16
posts or transactions at a time and for the same seconds:

- `ours`: POST /api/v1/jobs of one API process (16 threads), with a relay beside it that is woken by every job;
- `bare`: one gunicorn process with a Falcon handler that runs the same statements in 16 threads and does nothing else:
  no validation, no rights, no documents, no signals;
- `plain` (the floor): the same statements, committed by psycopg2 from two processes of eight threads.

The statements of a job's arrival, its token's check included, are recorded from our own run (`tests.bench.tape`), so
they stay the same when they change. Then `steady`: 200 jobs a second over 32 connections, sent by the clock and
whatever comes back; a latency counts from when the post was due. There are no rate limits yet.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from flowforge.accounts.tokens import believe
from tests.bench.machine import ROOT, Machine, machine, median, percentile, report, show, until
from tests.bench.tape import MARK, Tape
from tests.faults.site import free_port

AT_ONCE, THREADS = 16, 16
RATE, CONNECTIONS = 200, 32
AT_LEAST = {"ours_by_plain": 0.25, "ours_by_bare": 0.6}
AT_MOST = {"steady_p99_ms": 250.0, "errors": 0.0}


def side(made: Machine, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """Run one side's process to its end; what it printed."""
    words = [sys.executable, "-m", "tests.bench.intake_side", name, json.dumps(given)]
    said = subprocess.run(words, check=True, capture_output=True, cwd=ROOT, env=made.environment()).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def plain(made: Machine, tape: Path, seconds: float) -> float:
    """Transactions of both processes a second; they begin together."""
    given = {"url": made.urls.app, "tape": str(tape), "threads": AT_ONCE // 2, "seconds": seconds}
    words = [sys.executable, "-m", "tests.bench.intake_side", "plain", json.dumps(given)]
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, env=made.environment()) for _ in range(2)
    ]
    return float(sum(json.loads(process.communicate()[0])["count"] for process in both) / seconds)


def load(made: Machine, port: int, name: str, seconds: float, rate: float = 0.0) -> dict[str, Any]:
    given = {
        "port": port,
        "token": made.first.token,
        "repository": str(made.repository),
        "seconds": seconds,
        "rate": rate,
        "connections": CONNECTIONS if rate else AT_ONCE,
        "name": name,
    }
    return side(made, "load", given)


def recorded(made: Machine) -> Path:
    tape, file = Tape(), made.folder / "tape.json"
    with tape.recording(made.app):
        believe(made.app, made.first.token, address="127.0.0.1")
        job = made.submit(MARK)
    tape.save(file, job)
    return file


@contextmanager
def servers(made: Machine, tape: Path) -> Iterator[dict[str, int]]:
    ports = {"ours": free_port(), "bare": free_port()}
    given = {"port": ports["bare"], "url": made.urls.app, "tape": str(tape), "threads": THREADS}
    more = {"FLOWFORGE_PORT": str(ports["ours"]), "FLOWFORGE_API_THREADS": str(THREADS)}
    with ExitStack() as undo:
        undo.enter_context(made.relay())
        undo.enter_context(made.process("flowforge.wiring.child", "api", **more))
        undo.enter_context(made.process("tests.bench.intake_side", "bare", json.dumps(given)))
        for port in ports.values():
            until(lambda port=port: _answers(port))  # type: ignore[misc]  # mypy cannot infer the default
        yield ports


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def run(runs: int, seconds: float, steady: float) -> dict[str, object]:
    rates: dict[str, list[float]] = {"ours": [], "bare": [], "plain": []}
    errors = 0
    with machine() as made:
        tape = recorded(made)
        with servers(made, tape) as ports:
            for number in range(-1, runs):  # the first warms all of them
                for name in sorted(rates, reverse=number % 2 == 1):
                    made.clear()
                    if name == "plain":
                        rate = plain(made, tape, seconds)
                    else:
                        found = load(made, ports[name], f"{name}{number}", seconds)
                        rate, errors = found["count"] / found["seconds"], errors + found["errors"]
                    if number >= 0:
                        rates[name].append(rate)
                print(
                    {name: values[-1:] for name, values in rates.items()}, os.getloadavg()[0], file=sys.stderr
                )
            made.clear()
            time.sleep(1.0)
            even = load(made, ports["ours"], "steady", steady, RATE)
    figures = {f"{name}_a_second": median(values) for name, values in rates.items()}
    for other in ("plain", "bare"):
        pairs = zip(rates["ours"], rates[other], strict=True)
        figures[f"ours_by_{other}"] = median([mine / theirs for mine, theirs in pairs])
    figures |= {
        "steady_a_second": even["count"] / even["seconds"],
        "steady_p50_ms": percentile(even["ms"], 0.5),
        "steady_p99_ms": percentile(even["ms"], 0.99),
        "errors": errors + even["errors"],
    }
    return report("intake", figures, AT_MOST, AT_LEAST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each run and side")
    parser.add_argument("--steady", type=float, default=60.0, help="seconds at 200 jobs a second")
    asked = parser.parse_args()
    return show(run(asked.runs, asked.seconds, asked.steady), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
