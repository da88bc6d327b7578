"""Statements inside one open transaction: SQL with named parameters, or a peewee query over `store.tables`."""

import functools
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import peewee
import psycopg2
import psycopg2.errors
import psycopg2.extras
from psycopg2 import sql

from flowforge.core.errors import FlowForgeError, Reason
from flowforge.store.errors import NotPrepared, translate
from flowforge.store.scope import Scope
from flowforge.store.values import to_database, to_python

Row = dict[str, Any]
Query = str | peewee.Query


class Transaction:
    """Handed out by `Database.transaction`; refuses everything once that has ended.

    In SQL text a parameter is `%(name)s` and a percent sign `%%`. Mappings are stored as jsonb, lists as
    arrays, `values.as_json(x)` as jsonb whatever it is. Rows come back as dicts by column name.
    """

    def __init__(self, connection: Any, scope: Scope) -> None:
        self.scope = scope
        self._connection = connection
        self._callbacks: list[Callable[[], None]] = []

    def rows(self, query: Query, **parameters: object) -> list[Row]:
        with self._executed(query, parameters) as cursor:
            names = [column.name for column in cursor.description]
            return [dict(zip(names, map(to_python, row), strict=True)) for row in cursor]

    def prepared(self, query: str, **parameters: object) -> list[Row]:
        """As `rows`, but planned once a connection and not each time: for what is harder to plan than to run.

        Several statements, each ending its line with a semicolon, take one round trip; rows are those of the
        last, which must have some. Their columns must have names: `*` would fail after a migration that adds one.

        Raises:
            NotPrepared: a pooler between us and the server swapped the connection's statements, or a migration made
                one unfit (see `store.errors.once_more`).
        """
        known = self._connection.prepared if self._connection is not None else None
        if known is None:
            return self.rows(query, **parameters)
        plan = planned(query)
        try:
            if plan.name not in known:
                self.run(plan.prepare)
                known.add(plan.name)
            return self.rows(plan.execute, **parameters)
        except (psycopg2.Error, FlowForgeError) as error:
            if not isinstance(error, _SWAPPED) and not isinstance(error.__cause__, _SWAPPED):
                raise
            raise NotPrepared(
                Reason.SERVICE_UNAVAILABLE, "a prepared statement is another connection's", delay=0.0
            ) from error

    def row(self, query: Query, **parameters: object) -> Row | None:
        """The only row, or None.

        Raises:
            RuntimeError: there are more; the query is not the question the caller meant.
        """
        return _only(self.rows(query, **parameters))

    def prepared_row(self, query: str, **parameters: object) -> Row | None:
        """As `row`, prepared."""
        return _only(self.prepared(query, **parameters))

    def value(self, query: Query, **parameters: object) -> Any:
        """The first column of the only row, or None."""
        found = self.row(query, **parameters)
        return next(iter(found.values())) if found else None

    def run(self, query: Query, **parameters: object) -> int:
        """Run a statement; returns how many rows it touched."""
        with self._executed(query, parameters) as cursor:
            return int(cursor.rowcount)

    def insert(self, table: str, *rows: Mapping[str, object], otherwise: str = "") -> None:
        """Insert rows that all have the same columns, in one statement; `otherwise` is its ON CONFLICT."""
        if not rows:
            return
        names = list(rows[0])
        statement = sql.SQL("INSERT INTO {} ({}) VALUES %s").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
        ) + sql.SQL(otherwise)
        values = [tuple(to_database(row[name]) for name in names) for row in rows]
        with self._cursor() as cursor, _translated():
            psycopg2.extras.execute_values(cursor, statement, values, page_size=1000)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo only this block when it raises, so that the transaction can go on."""
        self.run("SAVEPOINT here")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK TO SAVEPOINT here")
            raise
        finally:
            if not self._connection.closed:
                self.run("RELEASE SAVEPOINT here")

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call once the transaction has committed; dropped when it is rolled back."""
        self._callbacks.append(callback)

    def end(self, *, committed: bool) -> list[Callable[[], None]]:
        """Refuse everything from now on; returns what is to be called."""
        self._connection = None
        return self._callbacks if committed else []

    @contextmanager
    def _executed(self, query: Query, parameters: Mapping[str, object]) -> Iterator[Any]:
        with self._cursor() as cursor, _translated():
            if isinstance(query, str):
                cursor.execute(query, {name: to_database(value) for name, value in parameters.items()})
            else:
                cursor.execute(*_compiled(query))
            yield cursor

    def _cursor(self) -> Any:
        if self._connection is None:
            raise RuntimeError("this transaction has ended; a statement needs an open one")
        return self._connection.cursor()


def _only(found: list[Row]) -> Row | None:
    if len(found) > 1:
        raise RuntimeError(f"expected at most one row, got {len(found)}")
    return found[0] if found else None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A query as SQL that prepares it, and SQL that runs it afterwards."""

    name: str
    prepare: str
    execute: str


@functools.cache  # as many entries as there are statements in the house
def planned(query: str) -> Plan:
    name = _named(query)
    prepare, execute = [], []
    bare = re.sub(
        r"^\s*--.*\n", "", query, flags=re.MULTILINE
    )  # a comment may end its line as a statement does
    for number, (text, order) in enumerate(map(numbered, re.split(r";$", bare, flags=re.MULTILINE))):
        prepare.append(f"PREPARE {name}_{number} AS {text}")
        given = ", ".join(f"%({key})s" for key in order)
        execute.append(f"EXECUTE {name}_{number}" + (f" ({given})" if given else ""))
    return Plan(name=name, prepare="; ".join(prepare), execute="; ".join(execute))


def _named(query: str) -> str:
    """A name by which whoever reads the server's log knows the statement, and no other statement has."""
    found = re.search(r"\b(INSERT INTO|UPDATE|DELETE FROM|FROM) (\w+)", query)
    verb, table = (found[1].split()[0].lower(), found[2]) if found else ("select", "nothing")
    return f"ff_{verb}_{table[:20]}_{hashlib.sha256(query.encode()).hexdigest()[:12]}"


def numbered(query: str) -> tuple[str, tuple[str, ...]]:
    """The query as PREPARE wants it, each name one number wherever it stands; and the names in that order."""
    order: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found[1]
        if not name:
            return "%%"  # the driver, who gets it next, makes one of them
        if name not in order:
            order.append(name)
        return f"${order.index(name) + 1}"

    return re.sub(r"%(?:\((\w+)\)s|%)", number, query), tuple(order)


_SWAPPED = (
    psycopg2.errors.InvalidSqlStatementName,
    psycopg2.errors.DuplicatePreparedStatement,
    psycopg2.errors.FeatureNotSupported,  # "cached plan must not change result type"
)
_DIALECT: Any = peewee.PostgresqlDatabase(None)  # only knows how SQL is written; it is never connected


def _compiled(query: peewee.Query) -> tuple[str, list[object]]:
    text, parameters = _DIALECT.get_sql_context().sql(query).query()
    return text, [to_database(value) for value in parameters]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except FlowForgeError:
        raise
    except psycopg2.Error as error:
        translated = translate(error)
        if translated is None:
            raise
        raise translated from error
