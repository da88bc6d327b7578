"""Many jobs while everything around them breaks, and what became of every single one.

`python -m tests.faults.soak --jobs 1000 --seed 7` starts an API, a relay, workers in processes of their own, a git
host, Postgres and Redis, submits jobs that clone, rebase, validate and push, and meanwhile: kills -9 a random worker
every two seconds and now and then one of two relays, restarts Redis, empties it, restarts Postgres, cancels jobs, retries those that ended, and submits
with keys that were used. Then the oracle is asked about every job. One JSON object is printed; the command fails when
it says that a promise was broken.

The lease is the one of production (15 s, renewed every 5 s, swept every 5 s) unless `--lease` says otherwise. How long
a killed worker's job waits until another runs it is a figure of this; with `--calm` nothing else is broken and there
are slots to spare, so that it is the figure of the lease and the sweep alone, which has bounds.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg2

from flowforge.api.models import JobOut
from flowforge.core.errors import FlowForgeError, Temporary
from flowforge.core.job import FINAL
from flowforge.queues.connection import connect
from tests.acceptance.house import Project
from tests.faults.branches import branch_off
from tests.faults.oracle import PROMISES
from tests.faults.site import Process, Site
from tests.githttp import GitServer

T = TypeVar("T")

PROJECTS = 10
NEVER = float("inf")
CALM: Mapping[str, Any] = {
    "kill": 2.0,
    "threads": 6,
    "open": 16,
    "relay": NEVER,
    "flush": NEVER,
    "redis": NEVER,
    "postgres": NEVER,
}
BOUNDS = {"of": 30, "p50": 20.0, "p99": 30.0}  # kills at least; seconds at most, with the lease of production
_RUNNING = "SELECT id::text, fence, clock_timestamp() AS at FROM jobs WHERE state = 'running' AND owner LIKE %(owner)s"
_OPEN = "SELECT count(*) AS n FROM jobs WHERE state <> ALL(%(final)s)"
_ENDED = "SELECT id::text FROM jobs WHERE state IN ('failed', 'cancelled') ORDER BY id DESC LIMIT 20"
_AGAIN = """
SELECT min(started_at) AS at FROM job_executions WHERE job::text = %(job)s AND fence > %(fence)s
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do; the times are seconds."""

    jobs: int
    seed: int
    workers: int = 3
    threads: int = 2
    open: int = 30  # jobs that are not final, at most: the rest is submitted as they end
    lease: float = 15.0
    kill: float = 2.0  # between two kills
    relay: float = 13.0
    flush: float = 7.0
    redis: float = 19.0  # between two restarts
    postgres: float = 37.0
    stride: float = (
        0.0  # jobs that end between two kills, at least: so a slow machine is not broken more often
    )
    away: float = 0.5  # that a server is gone
    patience: float = 240.0  # for the last jobs, once nothing is broken any more

    @property
    def settings(self) -> dict[str, str]:
        return {
            "FLOWFORGE_WORKER_THREADS": str(self.threads),
            "FLOWFORGE_LEASE_SECONDS": str(self.lease),
            "FLOWFORGE_RENEW_SECONDS": str(self.lease / 3),
            "FLOWFORGE_SWEEP_SECONDS": str(self.lease / 3),
        }


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A job whose worker was killed under it."""

    job: str
    fence: int
    at: datetime  # by the database's clock


@dataclass(kw_only=True)
class Soak:
    """One run. `faults` counts what was done; `accepted` are the jobs that a 2xx stands for."""

    plan: Plan
    site: Site
    faults: Counter[str] = field(default_factory=Counter)
    accepted: dict[UUID, str] = field(default_factory=dict)  # job -> key, "" for a retry
    doubled: list[str] = field(default_factory=list)  # keys that two jobs were given for
    killed: list[Killed] = field(default_factory=list)
    seconds: float = 0.0
    _ended: int = 0
    _workers: list[tuple[ExitStack, Process]] = field(default_factory=list)
    _relay: ExitStack = field(default_factory=ExitStack)  # beside the site's own
    _stop: threading.Event = field(default_factory=threading.Event)
    _broken: list[BaseException] = field(default_factory=list)  # what the disturber itself met

    def run(self) -> dict[str, object]:
        dice = random.Random(self.plan.seed)  # noqa: S311 (a seed that can be given again)
        projects = self._projects()
        begun = time.monotonic()
        with self._disturbed(random.Random(dice.random())):  # noqa: S311
            self._submit_all(projects, dice)
            self._wait_until_open(0, self.plan.patience + self.plan.jobs)
        self.seconds = time.monotonic() - begun
        self._leave()
        if self._broken:
            raise self._broken[0]
        return self._report()

    # ------------------------------------------------------------------------------------------------- the users

    def _projects(self) -> list[tuple[Project, list[str]]]:
        share = -(-self.plan.jobs // PROJECTS)
        names = [f"b{number}" for number in range(share)]
        found = [(self.site.house.project(), names) for _ in range(PROJECTS)]
        for project, branches in found:
            branch_off(project, branches)
        return found

    def _submit_all(self, projects: list[tuple[Project, list[str]]], dice: random.Random) -> None:
        todo = [(project, name) for project, names in projects for name in names][: self.plan.jobs]
        dice.shuffle(todo)
        for number, (project, branch) in enumerate(todo):
            self._wait_until_open(self.plan.open, self.plan.patience)
            key = f"soak-{self.plan.seed}-{number}"
            job = self._submit(project, branch, key, dice.choice((2, 5, 8)))
            if number % 100 == 99:
                sys.stderr.write(f"{number + 1} jobs submitted\n")
            if dice.random() < 0.1:
                self._again(project, branch, key, job)
            if dice.random() < 0.05:
                self._cancel(job)
            if dice.random() < 0.03:
                self._retry_one(dice)

    def _submit(self, project: Project, branch: str, key: str, priority: int) -> JobOut:
        job = insist(lambda: project.submit(branch, key=key, priority=priority, max_attempts=10))
        self.accepted[job.id] = key
        return job

    def _again(self, project: Project, branch: str, key: str, job: JobOut) -> None:
        """The same body under the same key is the same job, whatever has become of it."""
        self.faults["same key"] += 1
        same = insist(lambda: project.submit(branch, key=key, priority=job.priority, max_attempts=10))
        if same.id != job.id:
            self.accepted[same.id] = key
            self.doubled.append(key)

    def _cancel(self, job: JobOut) -> None:
        self.faults["cancel"] += 1
        with suppress(FlowForgeError):  # it has ended: that is told, and changes nothing
            insist(lambda: self.site.house.cancel(job))

    def _retry_one(self, dice: random.Random) -> None:
        ended = [row["id"] for row in insist(lambda: self.site.house.truth.rows(_ENDED))]
        if not ended:
            return
        self.faults["retry"] += 1
        with (
            suppress(FlowForgeError),
            self.site.house.client as client,
        ):  # no key: asked once, or it is another job
            child = client.retry(UUID(dice.choice(ended)))
            self.accepted[child.id] = ""

    def _open(self) -> int:
        final = [str(state) for state in FINAL]
        left = int(insist(lambda: self.site.house.truth.rows(_OPEN, final=final))[0]["n"])
        self._ended = len(self.accepted) - left
        return left

    def _wait_until_open(self, most: int, patience: float) -> None:
        until = time.monotonic() + patience
        while self._open() > most and not self._broken and time.monotonic() < until:
            time.sleep(0.2)

    # -------------------------------------------------------------------------------------------- the disturber

    @contextmanager
    def _disturbed(self, dice: random.Random) -> Iterator[None]:
        for _ in range(self.plan.workers):
            self._hire()
        self._relay.enter_context(self.site.process("relay"))
        thread = threading.Thread(target=self._disturb, args=(dice,), name="disturber")
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _disturb(self, dice: random.Random) -> None:
        """One thing after the other, so that what is measured after a kill is the kill's."""
        plan = self.plan
        every = {
            self._kill: plan.kill,
            self._kill_relay: plan.relay,
            self._flush: plan.flush,
            self._restart_redis: plan.redis,
            self._restart_postgres: plan.postgres,
        }
        due = {doing: self._due(pause) for doing, pause in every.items()}
        try:
            while not self._stop.wait(0.05):
                for doing in [
                    doing
                    for doing, (at, ended) in due.items()
                    if at <= time.monotonic() and ended <= self._ended
                ]:
                    doing(dice)
                    due[doing] = self._due(every[doing])
        except BaseException as error:  # noqa: BLE001 (told by the thread that waits)
            self._broken.append(error)

    def _due(self, pause: float) -> tuple[float, float]:
        """From when on, and from how many ended jobs on."""
        return time.monotonic() + pause, self._ended + self.plan.stride * pause / self.plan.kill

    def _hire(self) -> None:
        undo = ExitStack()
        self._workers.append((undo, undo.enter_context(self.site.worker())))

    def _kill(self, dice: random.Random) -> None:
        undo, worker = self._workers.pop(dice.randrange(len(self._workers)))
        undo.close()
        with suppress(psycopg2.Error):
            rows = self.site.house.truth.rows(_RUNNING, owner=f"%-{worker.popen.pid}-%")
            self.killed += [Killed(job=row["id"], fence=row["fence"], at=row["at"]) for row in rows]
        self.faults["kill -9"] += 1
        self._hire()

    def _kill_relay(self, _dice: random.Random) -> None:
        self._relay.close()
        self._relay.enter_context(self.site.process("relay"))
        self.faults["kill -9 of a relay"] += 1

    def _flush(self, _dice: random.Random) -> None:
        with connect(self.site.redis_url) as redis:
            redis.flushall()
        self.faults["FLUSHALL"] += 1

    def _restart_redis(self, _dice: random.Random) -> None:
        self.site.stop_redis()
        time.sleep(self.plan.away)
        self.site.start_redis()
        self.faults["restart of Redis"] += 1

    def _restart_postgres(self, _dice: random.Random) -> None:
        self.site.stop_postgres()
        time.sleep(self.plan.away)
        self.site.start_postgres()
        self.faults["restart of Postgres"] += 1

    def _leave(self) -> None:
        for undo in (self._relay, *(undo for undo, _ in self._workers)):
            undo.close()

    # ------------------------------------------------------------------------------------------------ the report

    def _report(self) -> dict[str, object]:
        truth, jobs = self.site.house.truth, [*self.accepted]
        broken = {name: list(promise(truth, jobs)) for name, promise in PROMISES.items()}
        rows = truth.jobs(jobs)
        again = sorted(self._waits())
        return {
            "name": "soak",
            "seed": self.plan.seed,
            "lease_seconds": self.plan.lease,
            "jobs": len(jobs),
            "seconds": round(self.seconds, 1),
            "jobs_per_second": round(len(jobs) / self.seconds, 2),
            "faults": dict(self.faults),
            "lost": len(broken["O1"]),
            "double_pushes": len(broken["O2"]) + len(self.doubled),
            "stale_writes": sum(len(broken[name]) for name in ("O4", "O5", "O9")),
            "broken": {name: words[:5] for name, words in broken.items() if words},
            "endings": _counted(f"{row['state']} {row['reason'] or ''}".strip() for row in rows),
            "attempts": _counted(str(row["attempts"]) for row in rows),
            "killed_under": len(self.killed),
            "again": {"of": len(again), "p50": _at(again, 0.5), "p99": _at(again, 0.99)},
        }

    def _waits(self) -> Iterator[float]:
        """Seconds from each kill until its job ran again; a job that was cancelled instead has none."""
        for one in self.killed:
            row = self.site.house.truth.rows(_AGAIN, job=one.job, fence=one.fence)[0]
            if row["at"] is not None:
                yield (row["at"] - one.at).total_seconds()


def insist(doing: Callable[[], T], patience: float = 60.0) -> T:
    """Try again while a server is away, as a caller would."""
    until = time.monotonic() + patience
    while True:
        try:
            return doing()
        except (Temporary, psycopg2.OperationalError, psycopg2.InterfaceError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def _counted(words: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _at(ordered: list[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None


def soak(plan: Plan) -> dict[str, object]:
    """Run the plan on a site of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ff-soak-"))  # a short path: sockets live in it
    try:
        with GitServer(folder / "host") as host:
            site = Site(folder=folder, host=host, more=plan.settings)
            with site:
                return Soak(plan=plan, site=site).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def holds(report: Mapping[str, object]) -> bool:
    return not (report["lost"] or report["double_pushes"] or report["stale_writes"] or report["broken"])


def within(report: Mapping[str, object]) -> bool:
    again = report["again"]
    assert isinstance(again, dict)
    return again["of"] >= BOUNDS["of"] and all(again[name] <= BOUNDS[name] for name in ("p50", "p99"))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--lease", type=float, default=15.0)
    parser.add_argument("--calm", action="store_true", help="kill workers, break nothing else")
    asked = parser.parse_args(words)
    plan = Plan(jobs=asked.jobs, seed=asked.seed, workers=asked.workers, lease=asked.lease)
    report = soak(replace(plan, **CALM) if asked.calm else plan)
    kept = holds(report) and (not asked.calm or within(report))
    bounds = BOUNDS if asked.calm else {}
    sys.stdout.write(json.dumps({**report, "bounds": bounds, "holds": kept}, indent=2) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
