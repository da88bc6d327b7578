"""What only the migrator may do: databases, roles, migrations. Nothing else connects with an administrator's url.

Passwords of the roles are derived from the administrator's own, so one secret is enough where FlowForge made
the server itself; an installation that has its own roles gives their urls instead.
"""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import peewee
import psycopg2
from playhouse.migrations import Runner
from psycopg2 import errors as pg
from psycopg2 import sql

from flowforge.core.errors import Broken, Reason
from flowforge.store import budgets, guards, retention, standing, vacuum
from flowforge.store.errors import translate

MIGRATIONS = Path(__file__).parent / "migrations"
ROLES = (guards.OWNER, guards.APP, guards.SYSTEM)
_LOCK = 0x666C6F77  # one number for every FlowForge that upgrades this database
_AHEAD = "SELECT ff_make_partitions(now() - interval '1 week', now() + interval '3 months')"
_OLDEST = 150000  # NULLS NOT DISTINCT


@dataclass(frozen=True, kw_only=True)
class Urls:
    """One url a role."""

    owner: str
    app: str
    system: str


def role_urls(admin_url: str) -> Urls:
    """The urls of the three roles, derived from the administrator's."""
    owner, app, system = (_as_role(admin_url, role) for role in ROLES)
    return Urls(owner=owner, app=app, system=system)


def _as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    login = f"{role}:{quote(_password(unquote(parts.password or ''), role), safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{where}"))


def _password(secret: str, role: str) -> str:
    return hmac.new(secret.encode(), f"flowforge role {role}".encode(), hashlib.sha256).hexdigest()


def with_database(url: str, name: str) -> str:
    """The same server and login, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name)}"))


@contextmanager
def connected(url: str) -> Iterator[Any]:
    """A connection of its own in autocommit mode; driver errors leave as the house's."""
    try:
        with closing(
            psycopg2.connect(url, connect_timeout=5, application_name="flowforge admin")
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
    except psycopg2.Error as error:
        raise translate(error) or error from error


def create_database(url: str, name: str, template: str = "") -> None:
    """Make a database if it is not there; with a template, as a copy of its files (about 25 ms)."""
    with connected(url) as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
        if cursor.fetchone() is not None:
            return
        copy = sql.SQL("TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(template))
        cursor.execute(
            sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), copy if template else sql.SQL(""))
        )


def drop_database(url: str, name: str) -> None:
    """Remove a database, ending whoever is still connected to it."""
    with connected(url) as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def upgrade(admin_url: str, urls: Urls | None = None) -> tuple[str, ...]:
    """Bring the database up to this version: roles, migrations, functions, policies; returns what was applied.

    The roles get the passwords of `urls` (by default those derived from the administrator's). A login that may
    not make roles, such as ff_owner itself, finds them made by the database's administrator. Safe to call at any time and from many processes at once: one works, the others wait and find it done.

    Raises:
        Broken: the server is too old, or this login may not do what is needed.
        Temporary: the server does not answer.
    """
    with connected(admin_url) as cursor:
        _check_version(cursor)
        cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        if _may_make_roles(cursor):
            make_roles(cursor, urls or role_urls(admin_url))
        _check_roles(cursor)
        return _migrate(admin_url)


def pending(admin_url: str) -> tuple[str, ...]:
    """Names of migrations that `upgrade` would apply."""
    with _connected_peewee(admin_url) as database:
        return tuple(m.name for m in Runner(database, str(MIGRATIONS)).status() if not m.applied)


def make_roles(cursor: Any, urls: Urls) -> None:
    """Make the three roles, or set their attributes and passwords right, and let the owner own the schema."""
    for role, url in zip(ROLES, (urls.owner, urls.app, urls.system), strict=True):
        _make_role(cursor, role, unquote(urlsplit(url).password or ""))
    owner = sql.Identifier(guards.OWNER)
    cursor.execute("SELECT current_database()")
    (database,) = cursor.fetchone()
    _retry_busy(cursor, sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
    cursor.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(owner))
    cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    everyone = sql.SQL(", ").join(map(sql.Identifier, ROLES))
    cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), everyone))


def _make_role(cursor: Any, role: str, password: str) -> None:
    """Without a password the role's own way of signing in (a certificate, peer) is left as it is."""
    # A second upgrade of another database of this server may make it at the same moment.
    with suppress(pg.DuplicateObject, pg.UniqueViolation):
        cursor.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    # Only a superuser may name the attributes that only a superuser may give; they are checked afterwards.
    every = " LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    attributes = sql.SQL(every if cursor.fetchone() == (True,) else " LOGIN")
    secret = sql.SQL(" PASSWORD {}").format(sql.Literal(password)) if password else sql.SQL("")
    _retry_busy(cursor, sql.SQL("ALTER ROLE {}").format(sql.Identifier(role)) + attributes + secret)


def _may_make_roles(cursor: Any) -> bool:
    cursor.execute("SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
    (may,) = cursor.fetchone()
    return bool(may)


def _check_roles(cursor: Any) -> None:
    cursor.execute(
        "SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s) AND rolcanlogin AND NOT rolsuper "
        "AND NOT rolbypassrls",
        (list(ROLES),),
    )
    if cursor.fetchone() != (len(ROLES),):
        raise Broken(
            Reason.CONFIGURATION,
            f"the database roles {', '.join(ROLES)} are not all there as they must be, and this login cannot make them",
            next_action="let the database's administrator create them: "
            + " ".join(f"CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS;" for role in ROLES),
        )


def _retry_busy(cursor: Any, statement: Any, tries: int = 20) -> None:
    """Roles belong to the whole server, our lock to one database: two upgrades may touch the same role."""
    for left in reversed(range(tries)):
        try:
            cursor.execute(statement)
        except pg.InternalError_:  # "tuple concurrently updated"
            if not left:
                raise
            cursor.execute("SELECT pg_sleep(0.05)")
        else:
            return


def _check_version(cursor: Any) -> None:
    version = cursor.connection.server_version
    if version < _OLDEST:
        raise Broken(
            Reason.CONFIGURATION,
            f"PostgreSQL {version // 10000} is too old; FlowForge needs {_OLDEST // 10000} or newer",
            next_action="upgrade the server, or unset FLOWFORGE_DATABASE_URL to use the embedded one",
        )


def _migrate(admin_url: str) -> tuple[str, ...]:
    with _connected_peewee(admin_url) as database:
        database.execute_sql(f"SET ROLE {guards.OWNER}")
        applied = tuple(Runner(database, str(MIGRATIONS)).up())
        with database.atomic():
            cursor = database.cursor()  # peewee's own execute would read percent signs as parameters
            for script in (standing.machine(), guards.POLICIES, guards.TOKENS, guards.PARTITIONS):
                cursor.execute(script)
            for script in (retention.FUNCTIONS, vacuum.FUNCTIONS, budgets.FUNCTIONS, _AHEAD):
                cursor.execute(script)
    return applied


@contextmanager
def _connected_peewee(admin_url: str) -> Iterator[Any]:
    database: Any = peewee.PostgresqlDatabase(admin_url, connect_timeout=5)
    try:
        with database.connection_context():
            yield database
    except peewee.PeeweeException as error:
        raise translate(error.__context__ or error) or error from error
