"""A site whose processes reach Postgres and Redis over wires that a test can break."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from flowforge.api.models import JobDetail, JobOut
from flowforge.queues.connection import connect
from flowforge.wiring.embedded import start_postgres
from tests.acceptance.house import Answer, Project, ending, eventually
from tests.acceptance.stories import shop
from tests.faults.oracle import broken_promises
from tests.faults.proxy import Proxy, through, upstream_of
from tests.faults.site import Process, Site

JOBS = int(os.environ.get("FLOWFORGE_FAULTS_JOBS", "20"))  # queued at once; the long run says 1000
SECONDS = float(os.environ.get("FLOWFORGE_FAULTS_SECONDS", "6"))  # without a service; the long run says 60


@dataclass(kw_only=True)
class WiredSite(Site):
    """As Site. `truth` asks the database directly; everything of the service goes over the wires."""

    database_wire: Proxy = field(init=False)
    redis_wire: Proxy = field(init=False)

    def __post_init__(self) -> None:
        self.database_wire, self.redis_wire = Proxy(""), Proxy("")

    def __enter__(self) -> Self:
        for wire in (self.database_wire, self.redis_wire):
            self._undo.enter_context(wire)
        super().__enter__()
        return self

    def start_postgres(self) -> str:
        """Durable: what it has said to be committed must outlive its processes."""
        self._postgres = start_postgres(self.folder / "postgres")
        url = self._postgres.__enter__()
        self.database_wire.upstream = upstream_of(url)
        return url

    def start_redis(self) -> None:
        super().start_redis()
        self.redis_wire.upstream = upstream_of(self.redis_url)

    @contextmanager
    def process(self, name: str, failpoints: str = "", **more: str) -> Iterator[Process]:
        wires = {
            "FLOWFORGE_DATABASE_URL": through(self.house.truth.database, self.database_wire),
            "FLOWFORGE_REDIS_URL": through(self.redis_url, self.redis_wire),
        }
        with super().process(name, failpoints, **{**wires, **more}) as made:
            yield made

    def heal(self) -> None:
        self.database_wire.heal()
        self.redis_wire.heal()

    # ------------------------------------------------------------------------------------------------ what it says

    @property
    def readiness(self) -> tuple[int, Mapping[str, Any]]:
        answer = self.house.ask("GET", "/readyz")
        return answer.status, answer.json

    def degraded(self) -> bool:
        return self.readiness == (200, {"status": "degraded", "degraded": ["redis"]})

    def ready(self) -> bool:
        return self.readiness == (200, {"status": "ready", "degraded": []})

    # ------------------------------------------------------------------------------------------------------ servers

    def redis(self, *words: str) -> Any:
        """One command to Redis, past the wire."""
        client = connect(self.redis_url)
        try:
            return client.execute_command(*words)
        finally:
            client.close()

    @property
    def elsewhere(self) -> str:
        """A Redis database in which nobody rings: whoever listens there is alive, has slots, and is deaf."""
        return through(self.redis_url, self.redis_wire).rpartition("/")[0] + "/7"

    def redis_pid(self) -> int:
        return int(self.redis("INFO", "server")["process_id"])

    @property
    def cluster(self) -> Path:
        return self.folder / "postgres" / "cluster"

    def postgres_pid(self) -> int:
        """Of the server that all its processes descend from."""
        return int((self.cluster / "postmaster.pid").read_text().splitlines()[0])

    def postgres_ends(self, number: int) -> None:
        """By a signal; its sessions notice by themselves."""
        os.kill(self.postgres_pid(), number)
        self.stop_postgres()


def retry_after(answer: Answer) -> int:
    """Seconds that a refusal asks for; 0 where it asks for none."""
    return int({name.lower(): value for name, value in answer.headers.items()}.get("retry-after", 0))


def rings(site: WiredSite) -> int:
    """Those that lie in Redis unheard."""
    return sum(int(site.redis("LLEN", f"dramatiq:{queue}")) for queue in ("high", "normal", "low"))


def topic_branches(project: Project, count: int) -> list[str]:
    """Branches that need no turn at one ref, on a main that they can be validated against."""
    start = shop("")
    del start[".flowforge.yml"]
    base = project.repository.commit(start, branch="main", message="Open the shop")
    files = {**start, "docs/more.md": "more\n"}
    names = [f"b{number}" for number in range(count)]
    for name in names:
        project.repository.commit(files, base, branch=name)
    return names


def queue_many(project: Project, count: int) -> list[JobOut]:
    """Jobs that need no turn at one ref and little time."""
    return [project.submit(name, task="validate-only") for name in topic_branches(project, count)]


def all_end(site: Site, jobs: list[JobOut]) -> list[JobDetail]:
    """The jobs once they are final. Asked again and again: a long poll would wait for a signal through Redis."""
    for job in jobs:
        eventually(partial(is_final, site, job), f"job {job.id} ends")
    return [site.house.job(job.id) for job in jobs]


def is_final(site: Site, job: JobOut) -> bool:
    return site.house.job(job.id).final


def open_jobs(site: Site) -> list[str]:
    """All that have not ended; whoever submits jobs that nobody looks at waits for them too."""
    query = "SELECT id::text FROM jobs WHERE state IN ('pending', 'queued', 'running', 'waiting')"
    return [row["id"] for row in site.house.truth.rows(query)]


def handed_back(site: Site, jobs: list[JobOut]) -> list[Mapping[str, Any]]:
    """What is told of attempts that did not end their job."""
    events = site.house.truth.of_jobs("job_events", [job.id for job in jobs], "seq")
    return [row["data"] for rows in events.values() for row in rows if row["kind"] == "job.hand_back"]


def all_succeed(site: Site, jobs: list[JobOut], attempts: int = 1) -> None:
    """Each ran, and as often as it should."""
    ended = all_end(site, jobs)
    found = {(*ending(job), job.attempts, job.ending.sentence if job.ending else "") for job in ended}
    assert {(state, count) for state, _, count, _ in found} == {("success", attempts)}, (
        found,
        handed_back(site, jobs),
    )
    broken = broken_promises(site.house.truth, [job.id for job in jobs])
    assert broken == [], broken
    site.keeps_its_promises(*jobs)
