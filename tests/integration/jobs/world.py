"""A small installation for tests: an organization, a repository, and short words for what is done with them."""

import atexit
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

from flowforge.artifacts.store import Artifacts
from flowforge.core.access import Principal, Role
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job, JobRequest, Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.plan import Plan, conclude, next_stage
from flowforge.jobs import claim as claims
from flowforge.jobs.cancel import cancel
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.resume import resume
from flowforge.jobs.retry import retry
from flowforge.jobs.run import Outcome, RunPipeline, Workbench
from flowforge.jobs.session import JobSession
from flowforge.jobs.submit import Door, submit
from flowforge.jobs.tell import SILENT, Teller
from flowforge.pipeline.context import Work
from flowforge.store import jobs as table
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction
from tests.conftest import TestDatabase

T = TypeVar("T")


def check_ref(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_./-]*", name):
        raise Refused(Reason.INVALID_REF, f"{name!r} is no name of a ref", next_action="use a plain name")


@dataclass(frozen=True, kw_only=True)
class World:
    database: TestDatabase
    principal: Principal
    repository: UUID
    door: Door = field(default_factory=lambda: Door(new_id=uuid4, check_ref=check_ref))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """As the API: one organization."""
        with self.database.app.transaction(Scope.organization(self.principal.organization)) as transaction:
            yield transaction

    @contextmanager
    def everywhere(self) -> Iterator[Transaction]:
        """As relay and worker: all organizations."""
        with self.database.system.transaction(Scope.system()) as transaction:
            yield transaction

    def organization(self, slug: str) -> "World":
        return make_world(self.database, slug)

    def submit(self, **wanted: Any) -> Job:
        wanted = {"repository": self.repository, "target": "main", "branch": "feature", **wanted}
        with self.transaction() as transaction:
            return submit(transaction, self.principal, JobRequest(**wanted), self.door)

    def cancel(self, job: Job) -> Job:
        with self.transaction() as transaction:
            return cancel(transaction, self.principal, job.id)

    def retry(self, job: Job, start: str = "") -> Job:
        with self.transaction() as transaction:
            return retry(transaction, self.principal, job.id, self.door, start=start)

    def claim(self, job: Job, owner: str = "w1", lease: float = 15.0) -> Job | None:
        return claims.claim(self.database.system, job.id, owner, lease=lease)

    def job(self, job: Job | UUID) -> Job:
        with self.everywhere() as transaction:
            found = table.get(transaction, job if isinstance(job, UUID) else job.id)
        assert found is not None
        return found

    def kinds(self, job: Job) -> list[str]:
        """The kinds of the job's events, in order."""
        return [
            str(kind)
            for kind in self.column(
                "SELECT kind FROM job_events WHERE job = %(job)s ORDER BY seq", job=job.id
            )
        ]

    def value(self, query: str, **parameters: object) -> Any:
        with self.everywhere() as transaction:
            return transaction.value(query, **parameters)

    def column(self, query: str, **parameters: object) -> list[object]:
        with self.everywhere() as transaction:
            return [next(iter(row.values())) for row in transaction.rows(query, **parameters)]

    def run(self, query: str, **parameters: object) -> None:
        with self.everywhere() as transaction:
            transaction.run(query, **parameters)

    def at_once(self, work: Callable[[], T], *, threads: int, times: int) -> list[T]:
        with ThreadPoolExecutor(threads) as pool:
            return [running.result() for running in [pool.submit(work) for _ in range(times)]]


def make_world(database: TestDatabase, slug: str = "acme") -> World:
    organization, user, repository = uuid4(), uuid4(), uuid4()
    with database.app.transaction(Scope.organization(organization)) as transaction:
        transaction.insert("organizations", {"id": organization, "name": slug, "slug": slug})
        transaction.insert(
            "users",
            {"id": user, "organization": organization, "email": f"{slug}@example.org", "role": "user"},
        )
        transaction.insert(
            "repositories",
            {
                "id": repository,
                "organization": organization,
                "name": "repository",
                "url": "https://git.example.org/repository.git",
                "default_branch": "main",
            },
        )
    principal = Principal(organization=organization, user=user, role=Role.USER)
    return World(database=database, principal=principal, repository=repository)


@cache
def artifacts() -> Artifacts:
    """One folder for all tests of this process; it goes when the process does."""
    folder = tempfile.TemporaryDirectory(prefix="ff-artifacts-")
    atexit.register(folder.cleanup)
    return Artifacts(Path(folder.name))


@dataclass
class SmallPipeline:
    """A pipeline of real results: stages by name, each a function, resumed as the real runner does."""

    stages: Mapping[str, Callable[[FencedRecorder, JobSession], StageResult | None]]
    ran: list[str] = field(default_factory=list)

    def __call__(self, job: Job, recorder: FencedRecorder, session: JobSession) -> Outcome:
        plan = Plan(stages=tuple(StageSpec(id=name, uses="run") for name in self.stages), last=())
        recorder.bundle = None
        done = list(resume(plan, [replace(run, checkpoint="x") for run in recorder.runs()]).results)
        recorder.stand_on(done)
        while (spec := next_stage(plan, done)) is not None:
            recorder.stage_started(spec)
            self.ran.append(spec.id)
            result = self.stages[spec.id](recorder, session) or StageResult(
                stage=spec.id, result=Result.SUCCESS
            )
            recorder.stage_finished(result, Work(branch=job.branch, target=job.target, head="a" * 40))
            done.append(result)
            if result.delay > 0 and job.attempts < job.max_attempts:
                return Outcome(ending=result.ending(), hand_back=result.delay)
        return Outcome(ending=conclude(plan, done))


def nothing(_recorder: FencedRecorder, _session: JobSession) -> None:
    return None


def session_of(job: Job) -> JobSession:
    return JobSession(job=job.id, fence=job.fence)


def bench(world: World, pipeline: RunPipeline, teller: Teller = SILENT) -> Workbench:
    return Workbench(
        database=world.database.system, artifacts=artifacts(), run_pipeline=pipeline, teller=teller
    )


def until(true: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for something that another thread or process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
