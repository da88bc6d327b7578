"""What the benches of the job machine stand on: durable servers of their own, an organization, processes, submits.

PostgreSQL runs as `flowforge up` runs it (fsync on), Redis as well; both on Unix sockets. Figures are taken over all
processes; which sides are compared, and in which order, each bench says itself.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg2

from flowforge.accounts.bootstrap import First, bootstrap
from flowforge.core.access import Principal, Role
from flowforge.core.job import JobRequest
from flowforge.git.names import plain_ref
from flowforge.jobs.submit import Door, submit
from flowforge.jobs.tell import Teller
from flowforge.queues.notify import Signals
from flowforge.store.admin import Urls, role_urls, upgrade
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.store.scope import Scope
from flowforge.wiring.embedded import start_services
from tests.bench.processes import descendants

ROOT = Path(__file__).parents[2]
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # of this process' environment
READY = 60.0  # seconds for a process to come up


@dataclass(kw_only=True)
class Machine:
    """Servers with one organization, one repository and one token."""

    folder: Path
    admin_url: str
    urls: Urls
    redis_url: str
    first: First
    repository: UUID
    app: Database
    system: Database
    door: Door

    @property
    def principal(self) -> Principal:
        return Principal(organization=self.first.organization, user=self.first.user, role=Role.OPERATOR)

    def submit(self, branch: str, priority: int = 5) -> UUID:
        """As the API does it, without the API."""
        request = JobRequest(repository=self.repository, branch=branch, target="main", priority=priority)
        with self.app.transaction(Scope.organization(self.first.organization)) as transaction:
            return submit(transaction, self.principal, request, self.door).id

    def value(self, query: str, **parameters: object) -> int:
        with self.system.transaction(Scope.system(), read_only=True) as transaction:
            return int(transaction.value(query, **parameters) or 0)

    def unfinished(self) -> int:
        return self.value("SELECT count(*) FROM jobs WHERE state IN ('pending', 'queued', 'running')")

    def run(self, *queries: str) -> None:
        """As the administrator, each in a transaction of its own."""
        connection = psycopg2.connect(self.admin_url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            for query in queries:
                cursor.execute(query)
        connection.close()

    def clear(self) -> None:
        """Without jobs, as at the beginning; who is alive stays."""
        self.run(
            "TRUNCATE jobs, job_events, log_chunks, outbox, job_executions, stage_runs, push_intents, audit_logs CASCADE"
        )

    def environment(self) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "PYTHONPATH": str(ROOT),
            "FLOWFORGE_DATA_DIR": str(self.folder / "data"),
            "FLOWFORGE_DATABASE_URL": self.admin_url,
            "FLOWFORGE_REDIS_URL": self.redis_url,
        }

    @contextmanager
    def process(self, *words: str, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A python module with its arguments; told to stop at the end, and killed if it does not."""
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                env={**self.environment(), **more},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()

    @contextmanager
    def relay(self) -> Iterator["subprocess.Popen[bytes]"]:
        with self.process("flowforge.wiring.child", "relay") as running:
            yield running

    @contextmanager
    def workers(self, processes: int, threads: int, marks: Path | None = None) -> Iterator[list[int]]:
        """Worker processes whose jobs do nothing (see `noop`), once all of them hear rings."""
        given = {
            "database": self.urls.system,
            "redis": self.redis_url,
            "threads": threads,
            "folder": str(self.folder),
            "marks": str(marks or ""),
        }
        with ExitStack() as undo:
            running = [
                undo.enter_context(self.process("tests.bench.noop", json.dumps(given)))
                for _ in range(processes)
            ]
            for process in running:
                until((self.folder / f"{process.pid}.ready").exists)
            yield [process.pid for process in running]


@contextmanager
def machine(*, durable: bool = True) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="ff-bench-") as name, ExitStack() as undo:
        folder = Path(name)
        servers = undo.enter_context(start_services(folder, durable=durable))
        upgrade(servers.database_url)
        urls = role_urls(servers.database_url)
        app, system = Database(urls.app, connections=40), Database(urls.system, connections=40)
        undo.callback(app.close)
        undo.callback(system.close)
        ids, signals = make_ids(), Signals(url=servers.redis_url)
        first = bootstrap(system, ids=ids)
        assert first is not None
        made = Machine(
            folder=folder,
            admin_url=servers.database_url,
            urls=urls,
            redis_url=servers.redis_url,
            first=first,
            repository=_repository(app, first.organization, ids()),
            app=app,
            system=system,
            door=Door(
                new_id=ids, check_ref=plain_ref, teller=Teller(publish=signals.publish, rouse=signals.rouse)
            ),
        )
        yield made


def _repository(app: Database, organization: UUID, identity: UUID) -> UUID:
    with app.transaction(Scope.organization(organization)) as transaction:
        row = {
            "id": identity,
            "organization": organization,
            "name": "bench",
            "url": "https://git.example.org/bench.git",
            "default_branch": "main",
        }
        transaction.insert("repositories", row)
    return identity


def until(true: Callable[[], object], seconds: float = READY) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(0.02)


def percentile(values: Sequence[float], of: float) -> float:
    """The smallest value that `of` (0 to 1) of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(of * len(ordered) + 0.999999) - 1))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def cpu_of(pid: int) -> float:
    """Processor seconds of one process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_below(pid: int) -> float:
    """Processor seconds of a process and of all that lives below it: servers, workers, relay."""
    found = 0.0
    for process in (pid, *descendants(pid)):
        with suppress(OSError):
            found += cpu_of(process)
    return found


def report(
    name: str,
    figures: Mapping[str, float],
    at_most: Mapping[str, float],
    at_least: Mapping[str, float] | None = None,
) -> dict[str, object]:
    """The one object that every bench prints."""
    lowest = at_least or {}
    held = [figures[name] <= bound for name, bound in at_most.items()]
    held += [figures[name] >= bound for name, bound in lowest.items()]
    bounds = {
        **{name: f"<= {bound:g}" for name, bound in at_most.items()},
        **{name: f">= {bound:g}" for name, bound in lowest.items()},
    }
    return {
        "name": name,
        "figures": {name: round(value, 3) for name, value in figures.items()},
        "load": round(os.getloadavg()[0], 1),
        "bounds": bounds,
        "holds": all(held),
    }


def show(result: Mapping[str, object], *, as_json: bool) -> int:
    print(json.dumps(result, indent=None if as_json else 2))
    return 0 if result["holds"] else 1
