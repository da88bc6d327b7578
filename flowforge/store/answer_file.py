"""Kept answers in a file of one user: an SQLite database, for runs that have no service.

Several processes may use it at once: every change is one transaction that reads before it writes. Each question opens
the file anew, so nothing is carried over a fork. What is not used for longest makes room for what is new. A file that
is damaged is set aside under another name, and the next one begins empty; no trouble with it is ever a run's own.
"""

import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flowforge.core.errors import Broken, Reason

Row = dict[str, object]

VERSION: Final = 1
MOST: Final = 20_000  # answers
MOST_BYTES: Final = 64 << 20  # of texts
_OVERHEAD = 512  # bytes that a row takes beside its text
_PATIENCE = 2.0  # seconds to wait for another process
_AT_ONCE = 500  # keys in one question
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_KEPT_ASIDE = 3  # damaged files; older ones are removed
_COLUMNS = (
    *("repository", "key", "path", "digest", "text", "size", "rung", "rule", "why", "confirmed", "by_user"),
    *("by_name", "refused", "commit_id", "last_commit", "uses", "created_at", "last_used_at"),
)

_TABLE = """
CREATE TABLE answers (
    id            integer PRIMARY KEY,
    repository    text NOT NULL,      -- folder or url
    key           text NOT NULL,      -- of path, three sides and context
    path          text NOT NULL,
    digest        text NOT NULL,      -- of the text
    text          blob NOT NULL,
    size          integer NOT NULL,
    rung          text NOT NULL,
    rule          text NOT NULL,
    why           text NOT NULL,
    confirmed     text NOT NULL,
    by_user       text,
    by_name       text,               -- NULL = nobody
    refused       text NOT NULL,
    commit_id     text NOT NULL,
    last_commit   text NOT NULL,
    uses          integer NOT NULL,
    created_at    real NOT NULL,      -- epoch seconds
    last_used_at  real NOT NULL,
    UNIQUE (repository, key)
);
CREATE INDEX answers_age ON answers (last_used_at, id, size);
"""

_PUT = f"""
INSERT INTO answers ({", ".join(_COLUMNS)}) VALUES ({", ".join(f":{name}" for name in _COLUMNS)})
ON CONFLICT (repository, key) DO UPDATE SET
    created_at = CASE WHEN digest = excluded.digest THEN created_at ELSE excluded.created_at END,
    {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in {"repository", "key", "created_at"})}
"""  # noqa: S608 (our own constants)

_TOO_MUCH = "SELECT count(*) > :most OR total(size + :each) > :bytes FROM answers"

_MAKE_ROOM = """
DELETE FROM answers WHERE id IN (
    SELECT id FROM (SELECT id, row_number() OVER newest AS place, sum(size + :each) OVER newest AS bytes
                    FROM answers WINDOW newest AS (ORDER BY last_used_at DESC, id DESC))
    WHERE place > :most OR bytes > :bytes)
"""


class Unusable(Broken):
    """The file cannot be used now; the sentence says why."""


@dataclass(frozen=True, kw_only=True)
class AnswerFile:
    """`say` hears of a file that was set aside. Times are epoch seconds, sizes bytes."""

    path: Path
    say: Callable[[str], None]
    clock: Callable[[], float] = time.time
    most: int = MOST
    most_bytes: int = MOST_BYTES

    def find(self, repository: str, keys: Collection[str]) -> list[Row]:
        """Rows of these keys; none where there is no file.

        Raises:
            Unusable: as all methods.
        """
        if not keys or not self._there():
            return []
        with self._opened() as connection:
            return list(_found(connection, repository, keys))

    def of_repository(self, repository: str, *, texts: bool = False) -> list[Row]:
        """All rows, newest first."""
        if not self._there():
            return []
        names = ", ".join(name for name in _COLUMNS if texts or name != "text")
        with self._opened() as connection:
            query = f"SELECT {names} FROM answers WHERE repository = ? ORDER BY created_at DESC, key DESC"  # noqa: S608 (our own constants)
            return [dict(row) for row in connection.execute(query, (repository,))]

    def change(
        self,
        repository: str,
        keys: Collection[str],
        decide: Callable[[Mapping[str, Row]], Mapping[str, Row | None]],
    ) -> None:
        """Let `decide` say what becomes of rows by key: another row, or None to drop it. What it leaves out stays."""
        with self._opened() as connection, _writing(connection):
            before = {str(row["key"]): row for row in _found(connection, repository, keys)}
            after = decide(before)
            for key in (key for key, row in after.items() if row is None):
                connection.execute("DELETE FROM answers WHERE repository = ? AND key = ?", (repository, key))
            now = self.clock()
            times = {"created_at": now, "last_used_at": now}
            for key, row in after.items():
                if row is not None:
                    connection.execute(_PUT, {**row, **times, "repository": repository, "key": key})
            self._make_room(connection)

    def drop(self, repository: str, keys: Sequence[str]) -> int:
        """Forget these; returns how many there were."""
        if not self._there():
            return 0
        with self._opened() as connection, _writing(connection):
            rows = ((repository, key) for key in keys)
            done = connection.executemany("DELETE FROM answers WHERE repository = ? AND key = ?", rows)
            return max(0, done.rowcount)

    # ------------------------------------------------------------------------------------------------ the file

    def _there(self) -> bool:
        try:
            return self.path.exists()
        except OSError as error:
            raise _unusable(self.path, error.strerror or str(error)) from error

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._connected()) as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            if _code(error) in _DAMAGED:
                self._set_aside()
            raise _unusable(self.path, str(error)) from error
        except OSError as error:
            raise _unusable(self.path, error.strerror or str(error)) from error

    def _connected(self) -> sqlite3.Connection:
        """Open it, and make it first where need be; a damaged one makes way for a new one at once."""
        self._make_private()
        try:
            return self._ready()
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGED:
                raise
        self._set_aside()
        self._make_private()
        return self._ready()

    def _make_private(self) -> None:
        """A file of ours that nobody else may read, there before SQLite opens it. It is not opened here: closing it
        again would drop the locks that another thread's connection holds.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.path.is_symlink() and not self.path.exists():
            beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.{time.monotonic_ns()}")
            os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                with suppress(FileExistsError):
                    os.link(beside, self.path)
            finally:
                beside.unlink()
        found = self.path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise _unusable(self.path, "it is no file of this user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            self.path.chmod(0o600)

    def _ready(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
        try:
            connection.row_factory = sqlite3.Row
            self._refuse_newer(_version(connection))
            if _version(connection) < VERSION:
                _prepare(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_newer(self, version: int) -> None:
        if version > VERSION:
            why = f"a newer FlowForge made it (form {version}; this one knows {VERSION})"
            raise _unusable(self.path, why)

    def _make_room(self, connection: sqlite3.Connection) -> None:
        bounds = {"most": self.most, "bytes": self.most_bytes, "each": _OVERHEAD}
        if connection.execute(_TOO_MUCH, bounds).fetchone()[0]:
            connection.execute(_MAKE_ROOM, bounds)

    def _set_aside(self) -> None:
        """Give the damaged file another name; nothing where another process has done it in the meantime."""
        with _alone(self.path.with_name(f"{self.path.name}.lock")):
            if not self._is_damaged():
                return
            day = time.strftime("%Y%m%d-%H%M%S", time.gmtime(self.clock()))
            aside = self.path.with_name(f"{self.path.name}.damaged-{day}-{os.getpid()}")
            for end in ("-wal", "-shm", ""):  # the file itself last: who finds it, finds what belongs to it
                with suppress(FileNotFoundError):
                    self.path.with_name(f"{self.path.name}{end}").rename(f"{aside}{end}")
            self._remove_old()
        self.say(
            f"the memory of this machine was damaged; it begins empty, and the old file is {str(aside)!r}"
        )

    def _is_damaged(self) -> bool:
        if not self.path.exists():
            return False
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE)) as connection:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
        except sqlite3.DatabaseError as error:
            return _code(error) in _DAMAGED

    def _remove_old(self) -> None:
        names = {path.name for path in self.path.parent.glob(f"{self.path.name}.damaged-*")}
        whole = sorted(name for name in names if not name.endswith(("-wal", "-shm")))
        for name in whole[:-_KEPT_ASIDE]:
            for end in ("", "-wal", "-shm"):
                self.path.with_name(name + end).unlink(missing_ok=True)


def _found(connection: sqlite3.Connection, repository: str, keys: Collection[str]) -> Iterator[Row]:
    wanted = sorted(keys)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        query = f"SELECT {', '.join(_COLUMNS)} FROM answers WHERE repository = ? AND key IN ({marks})"  # noqa: S608 (our own constants)
        yield from (dict(row) for row in connection.execute(query, (repository, *some)))


def _prepare(connection: sqlite3.Connection) -> None:
    """The tables of an empty file; whoever comes first makes them."""
    connection.execute(
        "PRAGMA journal_mode = WAL"
    )  # kept in the file; readers and a writer do not wait for each other
    with _writing(connection):
        if _version(connection) < VERSION:
            for statement in _TABLE.strip().split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that nobody else writes beside."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _code(error: sqlite3.DatabaseError) -> int:
    """The kind of the error, without its finer part; -1 where the library says none."""
    return int(getattr(error, "sqlite_errorcode", -1)) & 0xFF


def _unusable(path: Path, why: str) -> Unusable:
    return Unusable(
        Reason.INFRASTRUCTURE,
        f"the memory of this machine, {str(path)!r}, cannot be used: {why}",
        next_action="look at the file and its folder, or switch it off: FLOWFORGE_LOCAL_MEMORY=false",
    )
