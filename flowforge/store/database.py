"""The one transaction door.

Every statement runs inside `Database.transaction(scope)`. It takes a pooled connection, opens a transaction,
sets the scope that the row policies read, the actor that audit triggers read and the time limits, all in one
round trip and all LOCAL, so nothing of it outlives the transaction (a connection pooler in between is fine).
Driver errors leave as the house's errors. A pooled connection that died while idle is replaced unseen; one
that dies in use is an error of that transaction and of no later one.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import peewee
import psycopg2
import psycopg2.extensions
import psycopg2.extras
from peewee import PostgresqlDatabase
from playhouse.pool import MaxConnectionsExceeded, PooledPostgresqlDatabase

from flowforge.core.errors import Broken, FlowForgeError, Reason
from flowforge.store.errors import NotPrepared, UnknownOutcome, translate, unavailable
from flowforge.store.scope import SYSTEM, Actor, Scope
from flowforge.store.transaction import Transaction

CONNECT_TIMEOUT = 5  # seconds


def _begin(mode: str, settings: Mapping[str, str]) -> str:
    """What opens a transaction and says who acts in it: for it alone, so what is not said is nobody's."""
    said = ", ".join(f"set_config('{name}', %({name})s, true)" for name in settings)
    return f"BEGIN {mode}; SELECT {said}"


_ATTRIBUTES = """
SELECT r.rolsuper, r.rolbypassrls, coalesce((SELECT pg_has_role(current_user, s.oid, 'usage')
       FROM pg_roles s WHERE s.rolname = 'ff_system'), false) AS system FROM pg_roles r
WHERE r.rolname = current_user
"""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds; the server enforces them, so a client that hangs cannot hold rows for long."""

    statement: float = 30.0
    lock: float = 10.0
    idle: float = 30.0  # in an open transaction


class Database:
    """A pool of connections of one role to one database. Threads may share it; processes may not."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 20,
        wait: float = 10.0,
        limits: Limits = Limits(),
        application: str = "flowforge",
    ) -> None:
        """Connect lazily: a database that is away is an error of the first transaction, not of the start.

        `wait` is how long, in seconds, a transaction waits for a free connection of the pool.
        """
        self.url = url
        self._limits = limits
        self._connections = connections
        self._prepares = (
            True  # until one connection shows that statements do not last (a pooler swaps servers)
        )
        self._open = threading.local()
        self._pool: Any = _Pool(
            url,
            max_connections=connections,
            timeout=wait,
            stale_timeout=1800,
            autoconnect=False,
            connect_timeout=CONNECT_TIMEOUT,
            application_name=application,
            connection_factory=_Connection,
        )

    @contextmanager
    def transaction(
        self, scope: Scope, *, actor: Actor = SYSTEM, read_only: bool = False, durable: bool = True
    ) -> Iterator[Transaction]:
        """Run the block in one transaction: committed when it ends, rolled back when it raises.

        `durable=False` does not wait for the disk: a server that crashes within the next second may forget it. For
        what may be lost as if it had never happened, and nothing else.

        Raises:
            Temporary: no connection, or the database gave the transaction up; nothing was changed.
            UnknownOutcome: the connection broke while committing.
            Duplicate, MissingReference, Refused, Broken: see `store.errors`.
            RuntimeError: this thread has a transaction open already.
        """
        if getattr(self._open, "here", False):
            raise RuntimeError("this thread has a transaction open; hand that one on instead of nesting")
        connection = self._begin(scope, actor, "READ ONLY" if read_only else "", durable=durable)
        transaction = Transaction(connection, scope)
        committed = False
        self._open.here = True
        try:
            yield transaction
            self._commit(connection)
            committed = True
        except BaseException as error:
            self._abandon(connection)
            self._prepares = self._prepares and not isinstance(error, NotPrepared)
            translated = None if isinstance(error, FlowForgeError) else translate(error)
            if translated is None:
                raise
            raise translated from error
        finally:
            self._open.here = False
            callbacks = transaction.end(committed=committed)
            self._give_back()
        for callback in callbacks:
            callback()

    def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            Temporary: it gives none.
        """
        with self.transaction(Scope.nobody(), read_only=True) as transaction:
            transaction.value("SELECT 1")

    def close(self) -> None:
        """Close every idle connection; those in use are closed when their transaction ends."""
        self._pool.close_idle()

    @property
    def in_use(self) -> int:
        return len(self._pool._in_use)  # noqa: SLF001 (peewee shows it nowhere else)

    def _begin(self, scope: Scope, actor: Actor, mode: str, *, durable: bool) -> Any:
        """Open a transaction; a connection that died while idle is replaced, as nothing ran on it yet."""
        while True:
            connection = self._connect()
            fresh, connection.fresh = connection.fresh, False
            connection.prepared = connection.prepared if self._prepares else None
            try:
                connection.check(scope)
                with connection.cursor() as cursor:
                    settings = self._opening(scope, actor, durable=durable)
                    cursor.execute(_begin(mode, settings), settings)
            except psycopg2.Error as error:
                self._drop()
                if fresh or not connection.closed:
                    raise translate(error) or error from error
            except BaseException:
                self._give_back()
                raise
            else:
                return connection

    def _connect(self) -> Any:
        try:
            self._pool.connect()
        except MaxConnectionsExceeded as error:
            raise unavailable(f"all {self._connections} database connections are in use", 1.0) from error
        except peewee.PeeweeException as error:  # wraps what the driver said
            raise translate(error.__context__ or error) or error from error
        return self._pool.connection()

    def _commit(self, connection: Any) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("COMMIT")
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if not connection.closed:
                raise
            raise UnknownOutcome(
                Reason.SERVICE_UNAVAILABLE,
                "the connection to PostgreSQL broke while committing; whether it happened is not known",
                next_action="look whether it happened, then try again with the same Idempotency-Key",
            ) from error

    def _abandon(self, connection: Any) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
        except psycopg2.Error:
            self._drop()

    def _give_back(self) -> None:
        if not self._pool.is_closed():
            self._pool.close()

    def _drop(self) -> None:
        if not self._pool.is_closed():
            self._pool.manual_close()

    def _opening(self, scope: Scope, actor: Actor, *, durable: bool) -> dict[str, str]:
        """Settings of one transaction; those that say nothing are left out, as asking for them costs time as well."""
        settings = {
            "ff.organization": scope.setting,
            "ff.actor": actor.kind,
            "ff.user_id": str(actor.user or ""),
            "ff.token": actor.token,
            "ff.address": actor.address,
            "ff.user_agent": actor.user_agent[:500].replace("\0", ""),
            "ff.request_id": actor.request_id[:200].replace("\0", ""),
            "synchronous_commit": "" if durable else "off",
            "statement_timeout": f"{self._limits.statement * 1000:.0f}",
            "lock_timeout": f"{self._limits.lock * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{self._limits.idle * 1000:.0f}",
        }
        return {name: value for name, value in settings.items() if value}


class _Connection(psycopg2.extensions.connection):
    """A connection that knows what its role may see."""

    fresh = True  # nothing ran on it since it was made
    sees_all = False

    def __init__(self, *words: Any, **values: Any) -> None:
        super().__init__(*words, **values)
        self.prepared: set[str] | None = set()  # names of its statements; None: it is none to prepare on

    def look(self) -> None:
        """Refuse a role to which row policies do not apply: a forgotten scope would show it everything."""
        with self.cursor() as cursor:
            # Our statements are short, but the planner thinks the relay's choice dear: compiling it costs far more.
            cursor.execute(f"SET jit TO off; {_ATTRIBUTES}")
            superuser, bypass, self.sees_all = cursor.fetchone() or (True, True, False)
        if superuser or bypass:
            self.close()
            raise Broken(
                Reason.CONFIGURATION,
                "this database role is a superuser or bypasses row policies; FlowForge does not work as such",
                next_action="use the urls of ff_app and ff_system, as `flowforge db upgrade` makes them",
            )

    def check(self, scope: Scope) -> None:
        if scope.all_rows and not self.sees_all:
            raise Broken(
                Reason.CONFIGURATION,
                "this process is connected as a role that sees one organization at a time",
                next_action="give it the url of role ff_system",
            )


class _Driver(PostgresqlDatabase):
    def _connect(self) -> Any:
        connection = super()._connect()  # type: ignore[misc]  # peewee's types leave it out
        psycopg2.extras.register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]
        connection.look()
        return connection


class _Pool(PooledPostgresqlDatabase, _Driver):  # type: ignore[misc]  # playhouse has no types
    """Peewee's pool without its probe: our BEGIN is the probe, and the probe costs a round trip."""

    def _is_closed(self, connection: Any) -> bool:
        return bool(connection.closed)
