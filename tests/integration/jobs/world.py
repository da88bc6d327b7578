"""A small installation for tests: an organization, a repository, and short words for what is done with them."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID, uuid4

from flowforge.core.access import Principal, Role
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job, JobRequest
from flowforge.jobs import claim as claims
from flowforge.jobs.cancel import cancel
from flowforge.jobs.retry import retry
from flowforge.jobs.submit import Door, submit
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
