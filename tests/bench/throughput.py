"""How many jobs a second go from submit to their end, and what a job costs the database.

`python -m tests.bench.throughput [--json] [--jobs N] [--runs N]`: a relay and two worker processes of four threads run
pipelines of seven stages that return success (`tests.bench.noop`): no git, no sandbox, all else. Jobs are submitted
by this process while they run; the clock goes from the first submit to the last end.

The floor is the same work without us: the very statements of one job, as its own run has recorded them, committed
by plain psycopg2 in two processes of four threads, while the relay stands still.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flowforge.artifacts.store import Artifacts
from flowforge.hooks.manager import load_plugins
from flowforge.jobs.claim import claim
from flowforge.jobs.run import Workbench
from flowforge.jobs.session import JobSession
from tests.bench.machine import ROOT, Machine, cpu_below, cpu_of, machine, median, report, show, until
from tests.bench.noop import NoopRunner
from tests.bench.tape import MARK, Tape

PROCESSES, THREADS = 2, 4
SUBMITTERS = 4
FLOOR = 3.0  # seconds of each run without us
AT_LEAST = {"jobs_a_second": 50.0}
AT_MOST = {"commits_a_job": 16.0}


def drain(made: Machine, jobs: int, pids: Sequence[int]) -> dict[str, float]:
    made.clear()
    before, cpu, whole = writes(made), sum(map(cpu_of, pids)), cpu_below(os.getpid())
    begun = time.monotonic()
    with ThreadPoolExecutor(SUBMITTERS) as pool:
        list(pool.map(lambda number: made.submit(f"topic-{number}"), range(jobs)))
    submitted = time.monotonic() - begun
    until(lambda: made.unfinished() == 0, 600)
    seconds = (
        made.value("SELECT extract(epoch FROM max(completed_at) - min(created_at)) * 1000 FROM jobs") / 1000
    )
    assert made.value("SELECT count(*) FROM jobs WHERE state = 'success'") == jobs
    return {
        "jobs_a_second": jobs / seconds,
        "submitted_in_s": submitted,
        "commits_a_job": (writes(made) - before) / jobs,
        "worker_cpu_ms_a_job": (sum(map(cpu_of, pids)) - cpu) * 1000 / jobs,
        "cpu_ms_a_job": (cpu_below(os.getpid()) - whole) * 1000 / jobs,
    }


def recorded(made: Machine) -> Path:
    """The statements of one job, from its submit to its end, as this process runs it."""
    tape, file = Tape(), made.folder / "job.json"
    bench = Workbench(
        database=made.system,
        artifacts=Artifacts(made.folder / "artifacts"),
        run_pipeline=NoopRunner(folder=made.folder, registry=load_plugins([])),
    )
    with tape.recording(made.app), tape.recording(made.system):
        identity = made.submit(MARK)
        job = claim(made.system, identity, "bench")
        assert job is not None
        bench.run(job, JobSession(job=job.id, fence=job.fence))
    tape.save(file, identity)
    return file


def plain(made: Machine, tape: Path, seconds: float) -> float:
    """Jobs a second without us."""
    made.clear()
    given = {"url": made.urls.system, "tape": str(tape), "threads": THREADS, "seconds": seconds}
    words = [sys.executable, "-m", "tests.bench.intake_side", "plain", json.dumps(given)]
    environment = made.environment()
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, env=environment) for _ in range(PROCESSES)
    ]
    return float(sum(json.loads(process.communicate()[0])["count"] for process in both) / seconds)


def writes(made: Machine) -> int:
    """Transactions that wrote something, ever: each takes one number."""
    return made.value("SELECT txid_snapshot_xmax(txid_current_snapshot())")


def run(jobs: int, runs: int) -> dict[str, object]:
    rows = []
    with machine() as made:
        tape = recorded(made)
        with made.relay() as relay, made.workers(PROCESSES, THREADS) as pids:
            drain(made, 20, pids)
            for _ in range(runs):
                row = drain(made, jobs, pids)
                relay.send_signal(signal.SIGSTOP)  # or it would have the floor's jobs run as well
                row["plain_a_second"] = plain(made, tape, FLOOR)
                made.clear()
                relay.send_signal(signal.SIGCONT)
                row["jobs_by_plain"] = row["jobs_a_second"] / row["plain_a_second"]
                rows.append(row)
                print(
                    {name: round(value, 2) for name, value in row.items()},
                    os.getloadavg()[0],
                    file=sys.stderr,
                )
    figures = {name: median([row[name] for row in rows]) for name in rows[0]}
    return report("throughput", figures, AT_MOST, AT_LEAST)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args()
    return show(run(asked.jobs, asked.runs), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
