"""A service whose parts can be killed, stopped and started one by one."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO

from flowforge.accounts.bootstrap import bootstrap
from flowforge.api.models import JobOut
from flowforge.store.admin import role_urls, upgrade
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.wiring.embedded import start_postgres, start_redis
from tests.acceptance.house import PATIENCE, SECRET, USER, House, eventually
from tests.faults.oracle import Truth
from tests.githttp import GitServer

LEASE = 2.0  # seconds
ADOPT_ORPHANS = 36  # prctl: what loses its parent becomes ours, so that it can be found
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # of this process' environment
SETTINGS = {
    "FLOWFORGE_TEST_MODE": "1",
    "FLOWFORGE_GIT_PROTOCOLS": "https,ssh,http",
    "FLOWFORGE_GIT_HOSTS": "127.0.0.1",
    "FLOWFORGE_WORKER_THREADS": "1",
    "FLOWFORGE_LEASE_SECONDS": str(LEASE),
    "FLOWFORGE_RENEW_SECONDS": "0.5",
    "FLOWFORGE_SWEEP_SECONDS": "0.5",
}


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process of the service, the leader of its session."""

    name: str
    popen: "subprocess.Popen[bytes]"
    log: Path

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def stop_here(self) -> None:
        self.send(signal.SIGSTOP)

    def go_on(self) -> None:
        self.send(signal.SIGCONT)

    def dies(self, patience: float = PATIENCE) -> int:
        """How it ended."""
        return self.popen.wait(patience)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def stopped(self) -> bool:
        """Whether it stands still."""
        state = Path(f"/proc/{self.popen.pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        return state.split()[0] == "T"

    def end(self) -> None:
        """Kill it: nothing that it would do on its way out may help a test to pass."""
        if self.popen.poll() is None:
            self.send(signal.SIGKILL)
        self.popen.wait()
        if self.popen.stdin is not None:
            self.popen.stdin.close()


@dataclass(kw_only=True)
class Site:
    """Servers of its own, an API and a relay; workers are started by the tests. Enter it to start."""

    folder: Path
    host: GitServer
    house: House = field(init=False)
    redis_url: str = ""
    module: str = "flowforge.wiring.child"  # that processes are started by
    within: tuple[str, ...] = ()  # words before the command of a process
    more: Mapping[str, str] = field(default_factory=dict)  # settings beside, or instead of, SETTINGS
    _postgres: AbstractContextManager[str] | None = None
    _redis: AbstractContextManager[str] | None = None
    _numbers: "count[int]" = field(default_factory=count)
    _undo: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Site":  # noqa: PYI034 (final by use)
        ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
        self.host.users[USER] = SECRET
        self._undo.callback(self.stop_redis)
        self.start_redis()
        self._undo.callback(self.stop_postgres)
        url = self.start_postgres()
        upgrade(url)
        token = _token(url)
        said = self.folder / "said"
        truth = Truth(
            database=url,
            served=self.host.root,
            data=self.folder / "service",
            said=said,
            redis=self.redis_url,
            canaries=(SECRET, token),
        )
        truth.data.mkdir()
        said.mkdir()
        port = free_port()
        self.house = House(url=f"http://127.0.0.1:{port}", token=token, host=self.host, truth=truth)
        self._undo.enter_context(self.api(port))
        self._undo.enter_context(self.process("relay"))
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def keeps_its_promises(self, *jobs: JobOut) -> None:
        """What the oracle says, and that nothing lives on of a worker that was killed."""
        self.house.keeps_its_promises(*jobs)
        eventually(lambda: not orphans(), f"what killed workers left ends: {orphans()}")

    # -------------------------------------------------------------------------------------------------- servers

    def start_postgres(self) -> str:
        self._postgres = start_postgres(self.folder / "postgres", durable=False)
        return self._postgres.__enter__()

    def stop_postgres(self) -> None:
        if self._postgres is not None:
            self._postgres.__exit__(None, None, None)
            self._postgres = None

    def start_redis(self) -> None:
        self._redis = start_redis(self.folder / "redis")
        self.redis_url = self._redis.__enter__()

    def stop_redis(self) -> None:
        if self._redis is not None:
            self._redis.__exit__(None, None, None)
            self._redis = None

    # ------------------------------------------------------------------------------------------------ processes

    @contextmanager
    def process(self, name: str, failpoints: str = "", **more: str) -> Iterator[Process]:
        log = self.folder / "said" / f"{name}-{next(self._numbers)}.log"
        environment = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            **SETTINGS,
            **self.more,
            "FLOWFORGE_FAILPOINTS": failpoints,
            "FLOWFORGE_DATA_DIR": str(self.house.truth.data),
            "FLOWFORGE_DATABASE_URL": self.house.truth.database,
            "FLOWFORGE_REDIS_URL": self.redis_url,
            **more,
        }
        with log.open("ab") as out:
            made = Process(
                name=name, popen=_launch(name, environment, out, self.module, self.within), log=log
            )
        try:
            yield made
        finally:
            made.end()

    def worker(self, failpoints: str = "") -> AbstractContextManager[Process]:
        return self.process("worker", failpoints)

    @contextmanager
    def api(self, port: int, failpoints: str = "") -> Iterator[Process]:
        with self.process("api", failpoints, FLOWFORGE_PORT=str(port), FLOWFORGE_HOST="127.0.0.1") as made:
            eventually(lambda: _ready(port), f"an answer of the API: {made.said()[-500:]}")
            yield made


def orphans() -> list[str]:
    """What a killed process had started and this one has inherited; the servers of a site are its own children."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(
                (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[1]
            )
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # it has just ended
            continue
        known = (
            "flowforge.wiring.child" in words
            or "tests.faults." in words
            or "keeper.py" in words
            or "http-backend" in words
        )
        if parent == os.getpid() and words and not known:
            found.append(f"{entry.name}: {words[:200]}")
    return found


def _launch(
    name: str, environment: dict[str, str], out: IO[bytes], module: str, within: tuple[str, ...]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*within, sys.executable, "-m", module, name],
        env=environment,
        stdin=subprocess.PIPE,  # the life line: it ends with this process
        stdout=out,
        stderr=out,
        start_new_session=True,
    )


def _token(url: str) -> str:
    database = Database(role_urls(url).system, connections=1)
    try:
        first = bootstrap(database, ids=make_ids())
    finally:
        database.close()
    assert first is not None
    return first.token


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
