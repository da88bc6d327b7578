"""What a search through the machine's model stands on: a database, an oracle that is asked often, and its counts."""

import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2.extras import RealDictCursor

from flowforge.store.admin import create_database, role_urls, upgrade, with_database
from flowforge.store.database import Database
from flowforge.wiring.embedded import start_postgres
from tests.conftest import TestDatabase
from tests.faults.oracle import Row, Truth


@dataclass(frozen=True, kw_only=True)
class Steady(Truth):
    """The truth over one connection: it is asked many times a second."""

    connection: Any
    known: dict[str, list[Row]] = field(default_factory=dict)  # answers that several promises ask for

    def rows(self, query: str, **values: object) -> list[Row]:
        with self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
            plain = {name: str(one) if isinstance(one, UUID) else one for name, one in values.items()}
            asked = cursor.mogrify(query, plain).decode()
            if asked not in self.known:
                cursor.execute(asked)
                self.known[asked] = list(cursor.fetchall())
            return self.known[asked]

    def look_anew(self) -> None:
        self.known.clear()


@dataclass(kw_only=True)
class Ground:
    """Where machines run: one database, one folder, and what all runs have counted."""

    database: TestDatabase
    folder: Path
    connection: Any
    ran: Counter[str] = field(default_factory=Counter)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def steps(self) -> int:
        return sum(number for name, number in self.ran.items() if ":" not in name)


@contextmanager
def ground(database: TestDatabase, folder: Path) -> Iterator[Ground]:
    connection = psycopg2.connect(database.admin_url)
    connection.autocommit = True
    try:
        yield Ground(database=database, folder=folder, connection=connection)
    finally:
        connection.close()


class EveryRule:
    """Hypothesis' flags of rules, all set: few jobs come far where most of what moves them is left out."""

    def is_enabled(self, _name: str) -> bool:
        return True


@contextmanager
def own_ground() -> Iterator[Ground]:
    """A PostgreSQL for this search alone."""
    with tempfile.TemporaryDirectory(prefix="ff-machine-") as made:
        folder = Path(made)
        with start_postgres(folder / "postgres", durable=False) as url:
            name = f"ff_machine_{uuid.uuid4().hex[:12]}"
            create_database(url, name)
            admin = with_database(url, name)
            upgrade(admin)
            urls = role_urls(admin)
            database = TestDatabase(
                admin_url=admin, urls=urls, app=Database(urls.app), system=Database(urls.system)
            )
            with ground(database, folder) as found:
                yield found
            database.app.close()
            database.system.close()
