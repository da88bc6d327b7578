"""Workers that are killed inside their pushes, at moments that nobody chose.

`python -m tests.faults.push --n 200 --seed 7` lets one worker push to many branches at a time over a host that takes a
random while before and after it has moved a ref, kills -9 the worker while several of these pushes are under way,
starts the next one, and goes on until so many pushes were killed. Then the jobs are brought to their end and the
oracle is asked. One JSON object is printed.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from flowforge.api.models import JobOut
from tests.acceptance.house import Project, eventually
from tests.faults.branches import branch_off
from tests.faults.oracle import PROMISES
from tests.faults.site import Process, Site
from tests.githttp import Fault, GitServer

THREADS = 10  # of the worker: so many pushes may be under way
PROJECTS = 5
AHEAD = 2 * THREADS  # jobs that are not final, at least, while workers are killed
SLOW = 0.8  # seconds at most before a ref moves, and again before the host says so
ENDINGS = {"success pushed", "failed attempts_exhausted"}  # luck may kill one job ten times
SETTINGS = {"FLOWFORGE_WORKER_THREADS": str(THREADS)}
_INSIDE = """
SELECT i.job, i.fence FROM push_intents i JOIN jobs j ON j.id = i.job
WHERE i.settled_at IS NULL AND j.state = 'running' AND j.fence = i.fence AND j.owner LIKE %(owner)s
"""
_OPEN = "SELECT count(*) AS n FROM jobs WHERE state IN ('pending', 'queued', 'running')"
_SEEN = "SELECT outcome, count(*) AS n FROM push_intents GROUP BY outcome ORDER BY outcome"


class SlowHost(GitServer):
    """Takes its time around every push, each time another."""

    def __init__(self, root: Path, dice: random.Random) -> None:
        super().__init__(root)
        self._dice = dice

    def take_fault(self, path: str) -> Fault:
        if not path.endswith("/git-receive-pack"):
            return Fault()
        return Fault(delay=self._dice.uniform(0, SLOW), hold=self._dice.uniform(0, SLOW))


@dataclass(kw_only=True)
class Pushes:
    """One run: `n` pushes are to be killed."""

    site: Site
    n: int
    dice: random.Random
    jobs: list[JobOut] = field(default_factory=list)
    killed: int = 0
    workers: int = 0

    def run(self) -> None:
        todo = self._todo()
        while self.killed < self.n:
            self._submit(todo)
            with self.site.worker() as worker:
                self._kill_inside(worker)
                self.workers += 1
        with self.site.worker():
            eventually(lambda: self._open() == 0, "all jobs end", 120)

    def _todo(self) -> Iterator[tuple[Project, str]]:
        """Branches, more than enough; each is pushed to by one job."""
        names = [f"b{number}" for number in range(self.n // PROJECTS + AHEAD)]
        projects = [self.site.house.project() for _ in range(PROJECTS)]
        for project in projects:
            branch_off(project, names)
        return ((project, name) for name in names for project in projects)

    def _submit(self, todo: Iterator[tuple[Project, str]]) -> None:
        for project, branch in islice(todo, max(0, AHEAD - self._open())):
            self.jobs.append(project.submit(branch, max_attempts=10))

    def _kill_inside(self, worker: Process) -> None:
        owner = f"%-{worker.popen.pid}-%"
        enough = min(self.dice.randint(1, THREADS - 2), max(1, self._open() // 2))
        eventually(lambda: len(self._inside(owner)) >= enough, f"{enough} pushes: {worker.said()[-500:]}")
        time.sleep(self.dice.uniform(0, SLOW))
        worker.end()
        self.killed += len(self._inside(owner))

    def _inside(self, owner: str) -> list[Mapping[str, object]]:
        return self.site.house.truth.rows(_INSIDE, owner=owner)

    def _open(self) -> int:
        return int(self.site.house.truth.rows(_OPEN)[0]["n"])


def killed_pushes(n: int, seed: int) -> dict[str, object]:
    """Kill so many pushes on a site of their own, and say what became of them."""
    dice = random.Random(seed)  # noqa: S311 (a seed that can be given again)
    folder = Path(tempfile.mkdtemp(prefix="ff-push-"))  # a short path: sockets live in it
    try:
        with (
            SlowHost(folder / "host", random.Random(dice.random())) as host,  # noqa: S311
            Site(folder=folder, host=host, more=SETTINGS) as site,
        ):
            pushes = Pushes(site=site, n=n, dice=dice)
            begun = time.monotonic()
            pushes.run()
            return _report(pushes, seed, time.monotonic() - begun)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _report(pushes: Pushes, seed: int, seconds: float) -> dict[str, object]:
    truth, jobs = pushes.site.house.truth, [job.id for job in pushes.jobs]
    broken = {name: list(promise(truth, jobs)) for name, promise in PROMISES.items()}
    ended = [f"{row['state']} {row['reason']}" for row in truth.jobs(jobs)]
    return {
        "name": "push",
        "seed": seed,
        "seconds": round(seconds, 1),
        "killed_inside_push": pushes.killed,
        "workers_killed": pushes.workers,
        "jobs": len(jobs),
        "endings": {words: ended.count(words) for words in sorted(set(ended))},
        "intents": {row["outcome"]: row["n"] for row in truth.rows(_SEEN)},
        "broken": {name: words[:5] for name, words in broken.items() if words},
        "holds": not any(broken.values()) and set(ended) <= ENDINGS,
    }


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.push")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args(words)
    report = killed_pushes(asked.n, asked.seed)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["holds"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
