"""A real API process on a free port of loopback, for tests that need a socket."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import typer

from flowforge.accounts.bootstrap import First, bootstrap
from flowforge.cli.app import run_verb
from flowforge.cli.client import Client
from flowforge.cli.server import Server
from flowforge.store.ids import make_ids
from tests.conftest import TestDatabase

STARTED, ENDED = 30.0, 20.0  # seconds; generous, a busy machine is not what is tested

SERVE = "from flowforge.settings import read_settings; from flowforge.wiring.api import serve; serve(read_settings())"


Run = Callable[..., tuple[int, str, str]]  # words of a verb -> exit code, standard output, standard error


@dataclass(frozen=True, kw_only=True)
class Running:
    process: subprocess.Popen[bytes]
    url: str
    first: First
    log: Path

    def client(self, token: str | None = None) -> Client:
        return Client(Server(url=self.url, token=self.first.token if token is None else token), patience=2.0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    database: TestDatabase, folder: Path, *, serve: str = SERVE, **settings: str
) -> Iterator[Running]:
    first = bootstrap(database.system, ids=make_ids())
    assert first is not None
    port, log = free_port(), folder / "api.log"
    environment = {
        **os.environ,
        "FLOWFORGE_CONFIG": str(folder / "none.toml"),
        "FLOWFORGE_DATA_DIR": str(folder),
        "FLOWFORGE_DATABASE_APP_URL": database.urls.app,
        "FLOWFORGE_PORT": str(port),
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", serve], env=environment, stdout=output, stderr=output, cwd=folder
        )
    running = Running(process=process, url=f"http://127.0.0.1:{port}", first=first, log=log)
    try:
        wait_until_ready(running)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(ENDED)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(running: Running) -> None:
    deadline = time.monotonic() + STARTED
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.log.read_text()
        try:
            if httpx2.get(f"{running.url}/readyz", timeout=2).is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(running.log.read_text())


def signed_in(running: Running, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let verbs of this process find the server, with the first token that it has."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("FLOWFORGE_URL", running.url)
    monkeypatch.setenv("FLOWFORGE_TOKEN", running.first.token)


def speaker(app: typer.Typer, verb: str, capsys: pytest.CaptureFixture[str]) -> Run:
    """How a test says a verb."""

    def said(*words: str) -> tuple[int, str, str]:
        code = run_verb(app, verb, words)
        written = capsys.readouterr()
        return code, written.out, written.err

    return said
