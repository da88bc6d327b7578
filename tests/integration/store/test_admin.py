"""Roles, migrations and partitions."""

import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

from flowforge.core.errors import Broken
from flowforge.store.admin import (
    connected,
    create_database,
    drop_database,
    pending,
    role_urls,
    upgrade,
    with_database,
)
from flowforge.store.database import Database
from flowforge.store.scope import Scope
from flowforge.store.tables import ALL
from flowforge.wiring.embedded import start_postgres
from tests.conftest import TestDatabase


@pytest.fixture
def empty(postgres: str) -> str:
    name = f"ff_empty_{uuid.uuid4().hex[:12]}"
    create_database(postgres, name)
    return with_database(postgres, name)


def test_an_upgrade_applies_everything_once(postgres: str, empty: str) -> None:
    wanted = pending(empty)
    assert wanted[0] == "0001_people"
    assert upgrade(empty) == wanted
    assert (pending(empty), upgrade(empty)) == ((), ())
    Database(role_urls(empty).app).ping()
    drop_database(postgres, empty.rpartition("/")[2].partition("?")[0])


def test_upgrades_at_the_same_time_wait_for_one_another(empty: str) -> None:
    applied: list[tuple[str, ...]] = []
    threads = [threading.Thread(target=lambda: applied.append(upgrade(empty))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied))[:3] == [0, 0, 0]
    assert max(map(len, applied)) >= 5


def test_the_owner_upgrades_where_an_administrator_made_the_roles(empty: str) -> None:
    upgrade(empty)
    assert upgrade(role_urls(empty).owner) == ()


def test_an_administrator_who_is_no_superuser_is_enough(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "pg", durable=False) as url:
        with connected(url) as cursor:
            cursor.execute(
                "CREATE ROLE plain LOGIN PASSWORD 'p'; CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'p'"
            )
            cursor.execute("ALTER DATABASE flowforge OWNER TO dba")
        where = url.partition("@")[2]
        with pytest.raises(Broken, match="not all there") as caught:
            upgrade(f"postgresql://plain:p@{where}")
        assert "CREATE ROLE ff_app" in caught.value.next_action
        dba = f"postgresql://dba:p@{where}"
        assert upgrade(dba)
        Database(role_urls(dba).app).ping()


def test_given_urls_set_the_roles_passwords(empty: str) -> None:
    derived = role_urls(empty)
    try:
        upgrade(empty, replace(derived, app=derived.app.replace("ff_app:", "ff_app:other")))
        Database(derived.app.replace("ff_app:", "ff_app:other")).ping()
    finally:
        upgrade(empty)
    Database(derived.app).ping()


def test_the_tables_in_the_code_are_the_tables_in_the_database(database: TestDatabase) -> None:
    with connected(database.admin_url) as cursor:
        cursor.execute(
            "SELECT c.relname::text, array_agg(a.attname::text) FROM pg_class c "
            "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND c.relname <> 'schema_migration' GROUP BY 1"
        )
        found = {name: set(columns) for name, columns in cursor.fetchall()}
    assert {table.__name__: set(table._columns) for table in ALL} == found


def test_passwords_of_roles_differ_and_hide_the_administrator_s() -> None:
    urls = role_urls("postgresql://admin:s%2Fecret@host:5433/db?sslmode=require")
    assert urls.app.startswith("postgresql://ff_app:")
    assert urls.app.endswith("@host:5433/db?sslmode=require")
    assert len({url.split(":")[2] for url in (urls.owner, urls.app, urls.system)}) == 3
    assert "ecret" not in urls.app + urls.system + urls.owner


class TestPartitions:
    def names(self, database: TestDatabase, parent: str) -> list[str]:
        with connected(database.admin_url) as cursor:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1",
                (parent,),
            )
            return [name for (name,) in cursor.fetchall()]

    def test_the_next_months_and_weeks_are_there(self, database: TestDatabase) -> None:
        assert len(self.names(database, "audit_logs")) >= 14
        assert len(self.names(database, "job_executions")) >= 4
        today = datetime.now(UTC)
        assert f"job_executions_{today:%Y%m}01" in self.names(database, "job_executions")

    def test_a_row_of_today_lies_in_its_week(self, database: TestDatabase) -> None:
        with database.system.transaction(Scope.system()) as tx:
            tx.insert("audit_logs", {"actor": "system", "action": "x", "resource": "y"})
        monday = datetime.now(UTC) - timedelta(days=datetime.now(UTC).weekday())
        with connected(database.admin_url) as cursor:
            cursor.execute("SELECT tableoid::regclass::text FROM audit_logs")
            assert cursor.fetchone() == (f"audit_logs_{monday:%Y%m%d}",)

    def test_rows_that_came_before_their_partition_move_into_it(self, database: TestDatabase) -> None:
        far = datetime.now(UTC) + timedelta(days=400)
        make = "SELECT * FROM ff_make_partitions(%(at)s, %(at)s)"
        with database.system.transaction(Scope.system()) as tx:
            tx.insert("audit_logs", {"actor": "system", "action": "x", "resource": "y", "at": far})
        with database.system.transaction(Scope.system()) as tx:
            assert len(tx.rows(make, at=far)) == 2
            assert tx.rows(make, at=far) == []
        with connected(database.admin_url) as cursor:
            cursor.execute("SELECT tableoid::regclass::text, at FROM audit_logs")
            rows = cursor.fetchall()
        assert [(name != "audit_logs_rest", at) for name, at in rows] == [(True, far)]

    def test_old_partitions_are_dropped_and_others_stay(self, database: TestDatabase) -> None:
        before = self.names(database, "audit_logs")
        with database.system.transaction(Scope.system()) as tx:
            dropped = tx.rows("SELECT * FROM ff_drop_partitions('audit_logs', now())")
        assert len(dropped) == 1, "last week's"
        assert len(self.names(database, "audit_logs")) == len(before) - 1
        with pytest.raises(psycopg2.Error), database.system.transaction(Scope.system()) as tx:
            tx.rows("SELECT * FROM ff_drop_partitions('jobs', now())")
