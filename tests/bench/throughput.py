"""How many jobs a second go from submit to their end, and what a job costs the database.

`python -m tests.bench.throughput [--json] [--jobs N] [--runs N]`: a relay and two worker processes of four threads run
pipelines of seven stages that return success (`tests.bench.noop`): no git, no sandbox, all else. Jobs are submitted
by this process while they run; the clock goes from the first submit to the last end.

The floor is the same work without us: the very statements of one job, as its own run has recorded them, committed
by plain psycopg2 in two processes of four threads.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.bench.machine import Machine, cpu_below, cpu_of, machine, median, report, show, until

PROCESSES, THREADS = 2, 4
SUBMITTERS = 4
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


def writes(made: Machine) -> int:
    """Transactions that wrote something, ever: each takes one number."""
    return made.value("SELECT txid_snapshot_xmax(txid_current_snapshot())")


def run(jobs: int, runs: int) -> dict[str, object]:
    rows = []
    with machine() as made, made.relay(), made.workers(PROCESSES, THREADS) as pids:
        drain(made, 20, pids)
        for _ in range(runs):
            rows.append(drain(made, jobs, pids))
            print(rows[-1], os.getloadavg()[0], file=sys.stderr)
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
