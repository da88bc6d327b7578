"""Start and stop a server that lives as long as this process: the part that Postgres and Redis share."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.wiring import keeper

_MAX_LOG = 10 << 20
_MAX_SOCKET_PATH = 100  # sun_path holds 108 bytes, the socket's own name and a NUL included
_STOPPED_IN = 60.0


@dataclass(frozen=True, kw_only=True)
class Server:
    """What to run. `stops` are (signal, seconds to wait for its effect), tried in order, then SIGKILL."""

    name: str
    argv: tuple[str, ...]
    folder: Path
    stops: tuple[tuple[int, float], ...]
    leave_root: bool = False

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"


@contextmanager
def hold(folder: Path, name: str, seconds: float = 15.0) -> Iterator[int]:
    """Own a server's folder alone; yields the lock, which the server inherits.

    So the lock is free only when no process of the former server lives: what that left behind is stale.

    Raises:
        Refused: another process keeps its server there.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + seconds
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise Refused(
                    Reason.BUSY,
                    f"another FlowForge keeps its {name} in {str(folder)!r}",
                    next_action="stop it, or give this one another data_dir",
                )
            time.sleep(0.05)
        yield lock
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def keep(server: Server, lock: int, ready: Callable[[], bool], seconds: float = 60.0) -> Iterator[None]:
    """Run the server while the block runs; entered when `ready` says so.

    Raises:
        Broken: it ended or was not ready in time; the sentence ends with the last lines of its log.
    """
    process = launch(server, lock)
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise did_not_start(server)
            time.sleep(0.01)
        yield
    finally:
        stop(process)


def launch(server: Server, lock: int) -> "subprocess.Popen[bytes]":
    """Start a keeper with its server; closing the keeper's standard input stops both."""
    rotate(server.log)
    order = {
        "argv": server.argv,
        "folder": str(server.folder),
        "log": str(server.log),
        "stops": server.stops,
        "leave_root": server.leave_root,
    }
    return subprocess.Popen(
        [sys.executable, "-I", "-S", keeper.__file__, json.dumps(order)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock,),
        start_new_session=True,  # a ^C in the terminal must not stop the database before its users
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
    )


def stop(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.wait(_STOPPED_IN)


def rotate(log: Path) -> None:
    """Keep one former log once it is large; a server is not running when this is called."""
    if log.exists() and log.stat().st_size > _MAX_LOG:
        log.replace(log.with_suffix(".log.1"))


def did_not_start(server: Server) -> Broken:
    last = server.log.read_text(errors="replace").splitlines()[-5:] if server.log.exists() else []
    return Broken(
        Reason.SERVICE_UNAVAILABLE,
        f"{server.name} did not start in {str(server.folder)!r}: {' | '.join(last) or 'it wrote no log'}",
        next_action=f"read {server.log}, or point FlowForge to a server of your own: "
        "FLOWFORGE_DATABASE_URL, FLOWFORGE_REDIS_URL",
    )


def fits_a_socket(folder: Path, name: str) -> bool:
    return len(os.fsencode(folder / name)) <= _MAX_SOCKET_PATH
