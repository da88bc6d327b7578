"""The statements of a piece of our work as its own run has recorded them, to be run again without us."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import psycopg2.extensions

from flowforge.store.database import Database
from flowforge.store.values import to_database

MARK = "taped-branch"  # stands in every text that must be another's at each replay


@dataclass(kw_only=True)
class Tape:
    """SQL with parameters, in order, BEGIN and COMMIT included."""

    statements: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @contextmanager
    def recording(self, database: Database) -> Iterator[None]:
        """Record what `database` runs, on whichever connection."""
        tape, connect = self, database._connect

        class Cursor(psycopg2.extensions.cursor):
            def execute(self, query: Any, values: Any = None) -> None:
                tape.statements.append((str(query), dict(values or {})))
                super().execute(query, values)

        def connected() -> Any:
            connection = connect()
            connection.cursor_factory = Cursor
            connection.prepared = None  # the statements themselves, as whoever writes them by hand has them
            return connection

        database._connect = connected  # type: ignore[method-assign]
        try:
            yield
        finally:
            del database._connect
            for connection in [entry[-1] for entry in database._pool._connections]:
                connection.cursor_factory = psycopg2.extensions.cursor

    def save(self, file: Path, identity: UUID) -> None:
        """`identity` is the id that every replay replaces by a new one."""
        rows = [
            [query, {name: _plain(value, identity) for name, value in values.items()}]
            for query, values in self.statements
        ]
        file.write_text(json.dumps(rows))


def _plain(value: object, identity: UUID) -> object:
    value = to_database(value)
    if value == identity:
        return {"new": "id"}
    if isinstance(value, UUID):
        return {"uuid": str(value)}
    if isinstance(value, bytes | memoryview):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, psycopg2.extras.Json):
        return {"json": value.adapted}
    return value


@dataclass(kw_only=True)
class Player:
    """Runs a tape on one connection of its own, whole transactions, each time as another job."""

    url: str
    file: Path
    _rows: Sequence[tuple[str, Mapping[str, Any]]] = ()
    _connection: Any = None

    def play(self) -> str:
        if self._connection is None:
            self._rows = json.loads(self.file.read_text())
            self._connection = psycopg2.connect(self.url)
            self._connection.autocommit = True  # the tape begins and commits by itself
            psycopg2.extras.register_uuid(conn_or_curs=self._connection)  # type: ignore[no-untyped-call]  # theirs
        identity = uuid4()
        with self._connection.cursor() as cursor:
            for query, values in self._rows:
                cursor.execute(query, {name: _live(value, identity) for name, value in values.items()})
        return str(identity)


def _live(value: Any, identity: UUID) -> object:
    if isinstance(value, str):
        return value.replace(MARK, str(identity))
    if not isinstance(value, dict):
        return value
    (kind, inner), *_ = value.items()
    known = {"new": lambda: identity, "uuid": lambda: UUID(inner), "bytes": lambda: bytes.fromhex(inner)}
    return psycopg2.extras.Json(inner) if kind == "json" else known[kind]()
