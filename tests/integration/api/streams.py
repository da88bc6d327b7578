"""A real API process and what tests of its streams need: jobs that run without a worker, and real WebSockets."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from flowforge.accounts.bootstrap import First
from flowforge.core.access import Principal, Role
from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Job, JobRequest, Result, State
from flowforge.jobs import claim
from flowforge.jobs.submit import Door, submit
from flowforge.store import events
from flowforge.store import jobs as table
from flowforge.store.admin import create_database, drop_database, role_urls, with_database
from flowforge.store.database import Database
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.api.served import Running, serving

PATIENCE = 40.0  # seconds for what must come; far more than it takes


@dataclass(frozen=True, kw_only=True)
class Site:
    """A server on a socket, and the database behind it."""

    database: TestDatabase
    running: Running
    organization: UUID
    repository: UUID

    @property
    def first(self) -> First:
        return self.running.first

    def add_repository(self, organization: UUID | None = None) -> UUID:
        made = uuid4()
        with self.database.system.transaction(Scope.system()) as tx:
            row = {"id": made, "organization": organization or self.organization, "name": f"r-{made.hex}"}
            tx.insert(
                "repositories", {**row, "url": "https://git.example.org/r.git", "default_branch": "main"}
            )
        return made

    def submit(self, branch: str = "", repository: UUID | None = None) -> Job:
        with self.database.system.transaction(Scope.organization(self.organization)) as tx:
            door = Door(new_id=uuid4, check_ref=lambda _name: None)
            branch = branch or uuid4().hex  # two jobs of one branch would wait for each other
            wanted = JobRequest(repository=repository or self.repository, branch=branch, target="main")
            return submit(
                tx, Principal(organization=self.organization, user=None, role=Role.USER), wanted, door
            )

    def start(self, branch: str = "", repository: UUID | None = None) -> Job:
        """A job that runs, on a worker that only the test knows."""
        running = claim.claim(self.database.system, self.submit(branch, repository).id, "w", lease=3600)
        assert running is not None
        return running

    def say(self, job: Job, text: bytes, stage: str = "test") -> None:
        with self.database.system.transaction(Scope.system()) as tx:
            assert events.append_log(tx, job.id, job.fence, stage, text) is not None

    def tell(self, job: Job, kind: str = "mirror.noted", **data: object) -> None:
        with self.database.system.transaction(Scope.system()) as tx:
            assert table.tell(tx, job.id, job.fence, kind, data) is not None

    def finish(self, job: Job) -> None:
        ending = Ending(result=Result.SUCCESS, reason=Reason.PUSHED, sentence="pushed")
        with self.database.system.transaction(Scope.system()) as tx:
            assert table.end(tx, job, State.SUCCESS, ending) is not None

    def story(self, job: Job) -> list[tuple[int, str]]:
        """What Postgres holds of a job's events."""
        with self.database.system.transaction(Scope.system()) as tx:
            return [(one.seq, one.kind) for one in events.after(tx, job.id, 0, 10_000)]

    @contextmanager
    def socket(
        self, path: str, *, token: str | None = None, subprotocols: list[str] | None = None, **more: Any
    ) -> Iterator[ClientConnection]:
        shown = self.first.token if token is None else token
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        words = [Subprotocol(word) for word in subprotocols] if subprotocols else None
        url = self.running.url.replace("http://", "ws://") + path
        with connect(
            url, additional_headers=headers, subprotocols=words, open_timeout=PATIENCE, proxy=None, **more
        ) as ws:
            yield ws


@contextmanager
def fresh_database(postgres: str, template: str) -> Iterator[TestDatabase]:
    """As the fixture `database`, for longer than a test."""
    name = f"ff_test_{uuid4().hex[:12]}"
    create_database(postgres, name, template=template)
    admin_url = with_database(postgres, name)
    urls = role_urls(admin_url)
    made = TestDatabase(admin_url=admin_url, urls=urls, app=Database(urls.app), system=Database(urls.system))
    yield made
    made.app.close()
    made.system.close()
    drop_database(postgres, name)


def another_door(database: TestDatabase) -> TestDatabase:
    """Another pool: a thread has one transaction of each at a time."""
    return replace(database, app=Database(database.urls.app), system=Database(database.urls.system))


@contextmanager
def site(database: TestDatabase, folder: Path, **settings: str) -> Iterator[Site]:
    with serving(database, folder, **settings) as running:
        with database.system.transaction(Scope.system()) as tx:
            organization = tx.value("SELECT id FROM organizations")
        made = Site(database=database, running=running, organization=organization, repository=uuid4())
        yield Site(
            database=database,
            running=running,
            organization=organization,
            repository=made.add_repository(organization),
        )


def take(ws: ClientConnection) -> dict[str, Any]:
    """The next message that is no heartbeat."""
    while True:
        found: dict[str, Any] = json.loads(ws.recv(timeout=PATIENCE))
        if found["type"] != "heartbeat":
            return found


def rest(ws: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """Everything until the server closes, and its code."""
    found = []
    while True:
        try:
            found.append(take(ws))
        except ConnectionClosed as closed:
            return found, closed.rcvd.code if closed.rcvd else 0  # 0: cut without a word


def memory(process: int) -> int:
    """Resident bytes of a process and its children."""
    total = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if process in {int(folder.name), parent}:
                    total += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            except (OSError, IndexError):
                continue
    return total


def started_again(process: "subprocess.Popen[bytes]", log: Path) -> "subprocess.Popen[bytes]":
    """End a server, and start it as it was: the same command, settings, folder and port."""
    folder = Path(f"/proc/{process.pid}")
    words = (folder / "environ").read_bytes().decode().split("\0")
    environment = dict(word.split("=", 1) for word in words if "=" in word)
    argv, cwd = process.args, (folder / "cwd").readlink()
    process.terminate()
    process.wait(PATIENCE)
    with log.open("ab") as output:
        return subprocess.Popen(argv, env=environment, cwd=cwd, stdout=output, stderr=output)  # type: ignore[arg-type]  # a list
