"""The running service as its user sees it: projects on a git host, jobs over REST, and the truth behind them."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from flowforge.api.control_models import DecisionIn, QuestionOut
from flowforge.api.models import JobDetail, JobIn, JobOut, LoginIn, RepositoryIn
from flowforge.cli.client import Client
from flowforge.cli.server import Server
from flowforge.core.decision import Verb
from flowforge.core.job import State
from tests.faults.leaks import USER
from tests.faults.oracle import Row, Truth, broken_promises
from tests.faults.updates import Move, moves
from tests.githttp import GitServer
from tests.gitrepo import Repository

SECRET = "canary-c4f1e2-of-the-bot"
PATIENCE = 60.0  # seconds for what must happen; far more than it takes
LEEWAY = 10.0  # seconds for processes that were killed to be gone


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer, as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class House:
    """One service and one git host, shared by the tests of a folder; each test makes a project of its own."""

    url: str
    token: str = field(repr=False)
    host: GitServer
    truth: Truth
    numbers: "count[int]" = field(default_factory=count)

    @property
    def client(self) -> Client:
        return Client(Server(url=self.url, token=self.token))

    def project(self, *, secret: str = SECRET) -> "Project":
        """An empty repository on the host, known to the service under its login."""
        name = f"project{next(self.numbers)}"
        repository = self.host.repository(name)
        login = LoginIn(username=USER, secret=secret)  # type: ignore[arg-type]  # pydantic wraps it
        with self.client as client:
            known = client.add_repository(
                RepositoryIn(name=name, url=self.host.url(name), default_branch="main", login=login)
            )
        return Project(house=self, id=known.id, repository=repository)

    def job(self, job: UUID) -> JobDetail:
        with self.client as client:
            return client.job(job)

    def ended(self, job: JobOut) -> JobDetail:
        """The job once it is final."""
        until = time.monotonic() + PATIENCE
        with self.client as client:
            found = client.job(job.id)
            while not found.final and time.monotonic() < until:
                found = client.job(job.id, wait=10)
        assert found.final, f"{found.state} after {PATIENCE} s: {found.why}; {found.stages}"
        return found

    def waiting(self, job: JobOut) -> QuestionOut:
        """What the job asks, once it waits for a person."""

        def asks() -> bool:
            found = self.job(job.id)
            assert not found.final, found.ending
            return found.state == State.WAITING

        eventually(asks, f"job {job.id} asks something")
        with self.client as client:
            return client.question(job.id)

    def decide(self, job: JobOut, verb: Verb, **files: str) -> JobOut:
        """Decide; `files` by path."""
        with self.client as client:
            return client.decide(job.id, DecisionIn(decision=verb, files=files))

    def undo(self, job: JobOut) -> JobOut:
        with self.client as client:
            return client.undo(job.id)

    def cancel(self, job: JobOut) -> JobOut:
        with self.client as client:
            return client.cancel(job.id)

    def log(self, job: JobOut) -> str:
        with self.client as client:
            return client.log(job.id, limit=1 << 20).text

    def began(self, job: JobOut, stage: str, words: str = "") -> None:
        """Wait until a stage of the job runs, and has said `words`."""
        eventually(
            lambda: (
                any(one.stage == stage and one.result is None for one in self.job(job.id).stages)
                and words in self.log(job)
            ),
            f"stage {stage} of job {job.id}",
        )

    def ask(self, method: str, path: str, *, token: str = "", body: object = None, **headers: str) -> Answer:
        """One plain request; for what a client library would hide."""
        request = urllib.request.Request(  # noqa: S310 (our own url)
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token or self.token}",
                "Content-Type": "application/json",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310 (our own url)
                return Answer(status=response.status, headers=response.headers, body=response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(status=error.code, headers=dict(error.headers), body=error.read())

    def intents(self, job: JobOut) -> list[Row]:
        return self.truth.of_jobs("push_intents", [job.id], "id")[str(job.id)]

    def keeps_its_promises(self, *jobs: JobOut) -> None:
        """No promise is broken; but a process that has just been told to end, and does, may have a moment for it."""
        until = time.monotonic() + LEEWAY
        while broken := broken_promises(self.truth, [job.id for job in jobs]):
            assert all(one.startswith("O8: process ") for one in broken), broken
            assert time.monotonic() < until, broken
            time.sleep(0.2)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A repository on the host and its jobs."""

    house: House
    id: UUID
    repository: Repository

    def submit(self, branch: str = "topic", *, key: str = "", **wanted: Any) -> JobOut:
        wanted = {"repository": self.id, "branch": branch, "target": "main", "task": "", **wanted}
        with self.house.client as client:
            return client.submit(JobIn(**wanted), key or uuid4().hex)

    def run(self, branch: str = "topic", **wanted: Any) -> JobDetail:
        """Submit, wait for the end, and ask the oracle."""
        job = self.house.ended(self.submit(branch, **wanted))
        self.house.keeps_its_promises(job)
        return job

    def pushes(self, branch: str = "topic") -> list[Move]:
        """The updates of a branch that came over http."""
        return [move for move in moves(self.repository.path, f"refs/heads/{branch}") if move.pushed]

    def reject_pushes(self, words: str) -> None:
        hook = self.repository.path / "hooks" / "pre-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\necho {words!r} >&2\nexit 1\n")
        hook.chmod(0o755)


def ending(job: JobDetail) -> tuple[str, str]:
    """State and reason, as one reads them."""
    return job.state.value, job.ending.reason if job.ending else ""


def eventually(true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    until = time.monotonic() + patience
    while not true():
        assert time.monotonic() < until, f"not within {patience} s: {what}"
        time.sleep(0.05)
