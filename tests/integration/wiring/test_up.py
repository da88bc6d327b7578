"""The whole service on one machine: what stops it, what is said when it does not start, and that nothing is left."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, Reason
from flowforge.settings import read_settings
from flowforge.wiring.up import PARTS, _inherited, service
from tests.conftest import TestDatabase

pytestmark = [pytest.mark.services, pytest.mark.slow]

PARENT = """
import json, sys, time
from pathlib import Path
from flowforge.settings import read_settings
from flowforge.wiring.up import service
given = json.loads(sys.argv[1])
with service(read_settings(**given), durable=False) as running:
    print(json.dumps({name: one.pid for name, one in running.processes.items()} | {"url": running.url}), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets live in it."""
    with tempfile.TemporaryDirectory(prefix="ff-up-") as made:
        yield Path(made)


def given(folder: Path, database: TestDatabase, redis_url: str, **more: object) -> dict[str, object]:
    return {
        "data_dir": str(folder),
        "port": 0,
        "host": "127.0.0.1",
        "database_url": database.admin_url,
        "redis_url": redis_url,
        **more,
    }


def eventually(question: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and that nobody has reaped yet does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_its_processes_answer_and_stop_with_the_block(
    folder: Path, database: TestDatabase, redis_url: str
) -> None:
    with service(read_settings(**given(folder, database, redis_url)), durable=False) as running:
        assert set(running.processes) == set(PARTS)
        assert running.fallen() == ""
        with urllib.request.urlopen(f"{running.url}/readyz", timeout=5) as response:  # noqa: S310 (loopback)
            assert response.status == 200
        assert running.token_file.stat().st_mode & 0o777 == 0o600
        assert running.token == running.token_file.read_text().strip()
        assert running.token not in repr(running)
        pids = [process.pid for process in running.processes.values()]
    assert not any(alive(pid) for pid in pids)
    assert {path.stem for path in running.logs.glob("*.log")} >= set(PARTS)


def test_a_second_start_finds_the_same_token_and_one_that_lost_it_says_so(
    folder: Path, database: TestDatabase, redis_url: str
) -> None:
    settings = read_settings(**given(folder, database, redis_url))
    tokens = []
    for _ in range(2):
        with service(settings, durable=False) as running:
            tokens.append(running.token)
    assert tokens[0] == tokens[1]
    (folder / "token").unlink()
    with pytest.raises(Broken, match="is gone") as lost, service(settings, durable=False):
        pass
    assert lost.value.reason is Reason.CONFIGURATION
    assert "put the token back" in lost.value.next_action


def test_children_end_when_their_parent_is_killed(
    folder: Path, database: TestDatabase, redis_url: str
) -> None:
    argv = [sys.executable, "-c", PARENT, json.dumps(given(folder, database, redis_url))]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        told = json.loads(parent.stdout.readline())
        pids = [told[name] for name in PARTS]
        assert all(alive(pid) for pid in pids)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_a_port_that_somebody_holds_is_refused_before_anything_starts(
    folder: Path, database: TestDatabase, redis_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        settings = read_settings(**given(folder, database, redis_url, port=port))
        with pytest.raises(Broken, match=f"port {port} of 127.0.0.1 cannot be had") as taken:
            service(settings).__enter__()
    assert taken.value.reason is Reason.CONFIGURATION
    assert "FLOWFORGE_PORT=0" in taken.value.next_action
    assert not (folder / "token").exists()
    assert not (folder / "postgres").exists()


def test_a_process_that_does_not_come_up_is_named_with_its_log(
    folder: Path, database: TestDatabase, redis_url: str
) -> None:
    settings = read_settings(**given(folder, database, redis_url))
    wrong = {"FLOWFORGE_RENEW_SECONDS": "100"}  # settings that no process accepts
    with pytest.raises(Broken, match=r"the (api|relay|worker) process does not come up") as failed:
        service(settings, durable=False, more=wrong).__enter__()
    log = Path(failed.value.next_action.removeprefix("read the end of "))
    assert "renew_seconds" in log.read_text()


def test_a_process_that_falls_is_named(folder: Path, database: TestDatabase, redis_url: str) -> None:
    with service(read_settings(**given(folder, database, redis_url)), durable=False) as running:
        running.processes["relay"].kill()
        assert running.wait() == "relay"


def test_what_processes_inherit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_LOG_LEVEL", "debug")
    monkeypatch.setenv("SOMEBODYS_TOKEN", "x")
    kept = _inherited()
    assert kept["FLOWFORGE_LOG_LEVEL"] == "debug"
    assert kept["PATH"] == os.environ["PATH"]
    assert "SOMEBODYS_TOKEN" not in kept
