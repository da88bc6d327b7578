"""The whole service on one machine: embedded servers (or given ones), the three processes, a first token.

Every child dies with this process, however it ends; nothing listens beyond loopback.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flowforge.accounts.bootstrap import bootstrap
from flowforge.core.errors import Broken, Reason
from flowforge.settings import Settings, read_settings
from flowforge.store.admin import role_urls, upgrade
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.wiring.embedded import start_services
from flowforge.wiring.worker import stopped_by_signals

READY = 30.0  # seconds until all processes must answer
STOP = 5.0  # seconds a process gets to stop, beyond those of the setting `drain_seconds`
PARTS = ("api", "relay", "worker")


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service. `token` is the operator's, kept in a file that only its owner may read."""

    url: str
    token: str = field(repr=False)
    token_file: Path
    logs: Path
    processes: Mapping[str, "subprocess.Popen[bytes]"]
    database_url: str = field(repr=False)

    def wait(self) -> str:
        """Block until SIGINT or SIGTERM ("" is returned), or until a process ends by itself (its name)."""
        with stopped_by_signals() as stop:
            while not stop.wait(1.0):
                fallen = self.fallen()
                if fallen:
                    return fallen
        return ""

    def fallen(self) -> str:
        """The name of a process that has ended by itself; "" while all run."""
        return next((name for name, process in self.processes.items() if process.poll() is not None), "")


@contextmanager
def service(
    settings: Settings, *, durable: bool = True, more: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Start everything, and stop it again. `more` are environment settings for the processes.

    Raises:
        Broken: the port is taken, a server cannot be started, or a process does not come up and its log is named.
    """
    folder = settings.folder
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = _free_port(settings)
    with ExitStack() as undo:
        servers = undo.enter_context(
            start_services(
                folder,
                database_url=settings.database_url.get_secret_value(),
                redis_url=settings.redis_url.get_secret_value(),
                durable=durable,
            )
        )
        upgrade(servers.database_url)
        token_file = _first_token(servers.database_url, folder)
        environment = {
            **_inherited(),
            **(more or {}),
            "FLOWFORGE_DATA_DIR": str(folder),
            "FLOWFORGE_DATABASE_URL": servers.database_url,
            "FLOWFORGE_REDIS_URL": servers.redis_url,
            "FLOWFORGE_HOST": settings.host,
            "FLOWFORGE_PORT": str(port),
        }
        patience = settings.drain_seconds + STOP
        processes = {name: undo.enter_context(_part(name, environment, logs, patience)) for name in PARTS}
        running = Service(
            url=f"http://{settings.host}:{port}",
            token=token_file.read_text().strip(),
            token_file=token_file,
            logs=logs,
            processes=processes,
            database_url=servers.database_url,
        )
        _await(running)
        undo.callback(_tell_all, tuple(processes.values()))  # first of all: they hand over side by side
        yield running


def start() -> AbstractContextManager[Service]:
    """What `flowforge up` is handed: the service with the settings of the environment."""
    return service(read_settings())


def _first_token(database_url: str, folder: Path) -> Path:
    """The operator's token: made with the first organization, read from its file ever after."""
    file = folder / "token"
    database = Database(role_urls(database_url).system, connections=1)
    try:
        first = bootstrap(database, ids=make_ids())
    finally:
        database.close()
    if first is not None:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(f"{first.token}\n")
    if not file.exists():
        raise Broken(
            Reason.CONFIGURATION,
            f"this database has an organization already, but {file} with its token is gone",
            next_action="put the token back, or start with another data_dir and database",
        )
    return file


def _inherited() -> dict[str, str]:
    """The settings of this process and what any program needs; not the rest of its environment."""
    kept = {
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "TZ",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "XDG_CONFIG_HOME",
    }
    return {
        name: value for name, value in os.environ.items() if name in kept or name.startswith("FLOWFORGE_")
    }


@contextmanager
def _part(
    name: str, environment: Mapping[str, str], logs: Path, patience: float
) -> Iterator["subprocess.Popen[bytes]"]:
    """One process of the service, in a session of its own, stopped by SIGTERM and after `patience` by SIGKILL."""
    with (logs / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "flowforge.wiring.child", name],
            env=dict(environment),
            stdin=subprocess.PIPE,  # the life line of `wiring.child`
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process, patience)


def _tell_all(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)


def _stop(process: "subprocess.Popen[bytes]", patience: float) -> None:
    _tell_all([process])
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _await(running: Service) -> None:
    until = time.monotonic() + READY
    while (fallen := running.fallen()) or not _answers(f"{running.url}/readyz"):
        if fallen or time.monotonic() > until:
            name = fallen or "api"
            raise Broken(
                Reason.SERVICE_UNAVAILABLE,
                f"the {name} process does not come up",
                next_action=f"read the end of {running.logs / (name + '.log')}",
            )
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:  # noqa: S310 (our own http url)
            return bool(response.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False


def _free_port(settings: Settings) -> int:
    """The port that the settings name (0 = any), which nobody may hold: another's answers would pass for ours.

    Raises:
        Broken: somebody listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.create_server((settings.host, settings.port), family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise Broken(
            Reason.CONFIGURATION,
            f"port {settings.port} of {settings.host} cannot be had: {error.strerror}",
            next_action="stop what listens there, or name another: FLOWFORGE_PORT=0 takes any that is free",
        ) from error
