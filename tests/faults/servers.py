"""PostgreSQL as operators meet it and `start_postgres` does not: a standby, and a disk of a few megabytes."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from flowforge.store.admin import connected
from flowforge.wiring import postgres
from flowforge.wiring.server import Server, hold, keep


@contextmanager
def standby(of: str, folder: Path, password: str) -> Iterator[str]:
    """The url of a streaming replica in `folder`, without which `of` commits nothing: so nothing is lost with `of`."""
    folder.mkdir()
    (folder / "password").write_text(password)
    copy(of, folder / "cluster")
    with postgres.start_postgres(folder) as url:
        follow(of)
        yield url


def copy(url: str, into: Path) -> None:
    parts = urlsplit(url)
    where = dict(part.split("=", 1) for part in parts.query.split("&"))
    login = ("--host", unquote(where["host"]), "--port", where["port"], "--username", parts.username or "")
    subprocess.run(
        [
            str(postgres.find_binaries() / "pg_basebackup"),
            *login,
            *("--pgdata", str(into), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
        ],
        env={**os.environ, "PGPASSWORD": unquote(parts.password or "")},
        check=True,
        capture_output=True,
    )


def follow(url: str) -> None:
    """Commit nothing more that the standby has not."""
    with connected(url) as cursor:
        cursor.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        cursor.execute("SELECT pg_reload_conf()")
        until = time.monotonic() + 30
        while True:
            cursor.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
            if cursor.fetchone() == (1,):
                return
            assert time.monotonic() < until, "the standby does not follow"
            time.sleep(0.05)


def promote(url: str) -> None:
    with connected(url) as cursor:
        cursor.execute("SELECT pg_promote(true, 30)")
        assert cursor.fetchone() == (True,)


@contextmanager
def on_small_disk(folder: Path, place: Path, size: int) -> Iterator[str]:
    """The cluster that stands in `folder`, served by a process that sees a disk of `size` bytes at `place`."""
    place.mkdir(parents=True, exist_ok=True)
    with hold(folder, "PostgreSQL") as lock:
        (folder / "cluster" / "postmaster.pid").unlink(missing_ok=True)
        settings = {**postgres._SETTINGS, "unix_socket_directories": str(folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        binary = str(postgres.find_binaries() / "postgres")
        argv = (*small_disk(place, size), binary, "-D", str(folder / "cluster"), "-p", "5432", *options)
        server = Server(name="postgres", argv=argv, folder=folder, stops=postgres._STOPS, leave_root=True)
        with keep(server, lock, lambda: postgres.is_ready(folder / "cluster")):
            pid = int((folder / "cluster" / "postmaster.pid").read_text().splitlines()[0])
            try:
                yield postgres.url_of(folder, postgres.read_password(folder), "flowforge")
            finally:  # the keeper's child is what shows it the small disk, and ends with it
                os.kill(pid, signal.SIGINT)
                until = time.monotonic() + 30
                while Path(f"/proc/{pid}").exists():
                    assert time.monotonic() < until, "it does not end"
                    time.sleep(0.02)


def small_disk(place: Path, size: int) -> tuple[str, ...]:
    """Words before a command that let it see a disk of `size` bytes at `place`, and all else as it is."""
    program = shutil.which("bwrap") or "bwrap"  # in full: the keeper looks for nothing on the path
    return (
        program,
        *("--dev-bind", "/", "/", "--size", str(size), "--perms", "0700", "--tmpfs", str(place), "--"),
    )
