"""Who sees what, asked of the catalogue so that no table can be forgotten."""

import uuid
from collections.abc import Mapping

import pytest

from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.store.admin import connected
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction
from tests.conftest import TestDatabase

SYSTEM = Scope.system()

TABLES = """
SELECT c.oid::regclass::text AS name, c.relrowsecurity AS guarded,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization'
               AND NOT a.attisdropped) AS owned,
       has_table_privilege('ff_app', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') AS app,
       ARRAY(SELECT polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY polname) AS policies
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

OWNED = """
SELECT c.relname::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attname = 'organization' AND NOT a.attisdropped ORDER BY 1
"""


def fill(tx: Transaction, slug: str) -> uuid.UUID:
    """One row of everything for a new organization; every owned table must be here."""
    organization, user, repository, job = (uuid.uuid4() for _ in range(4))
    tx.insert("organizations", {"id": organization, "name": slug, "slug": slug})
    of = {"organization": organization}
    tx.insert("users", {**of, "id": user, "email": "a@b", "role": "admin"})
    tx.insert("repositories", {**of, "id": repository, "name": "r", "url": "https://x/r"})
    job_row = {**of, "id": job, "repository": repository, "branch": "b", "target": "t", "task": "rebase"}
    tx.insert("jobs", job_row)
    tx.run("UPDATE jobs SET state = 'queued' WHERE id = %(job)s", job=job)
    tx.run(
        "UPDATE jobs SET state = 'running', fence = 1, attempts = 1, owner = 'w', lease_until = now() "
        "WHERE id = %(job)s",
        job=job,
    )
    for table, row in rows_of(organization, user, repository, job).items():
        tx.insert(table, {**of, **row})
    return organization


def rows_of(
    organization: uuid.UUID, user: uuid.UUID, repository: uuid.UUID, job: uuid.UUID
) -> Mapping[str, Mapping[str, object]]:
    piece = {"seq": 1, "attempt": 1, "stage": "s", "start_byte": 0, "bytes": b"x"}
    push = {"fence": 1, "attempt": 1, "ref": "r", "old_sha": "a", "new_sha": "b"}
    command = {"type": "fetch", "url": "https://x/r", "status": "ok", "duration_ms": 1}
    budget = {"kind": "budget", "subject": uuid.uuid4(), "starts_at": "2026-01-01Z"}
    reservation = {"id": uuid.uuid4(), "amount_usd": 1, "totals": {}, "expires_at": "2036-01-01Z"}
    return {
        "tokens": {
            "id": uuid.uuid4(), "user_id": user, "shown": "ff_", "hash": uuid.uuid4().bytes * 2, "scopes": ["read"],
        },
        "log_chunks": {"job": job, **piece},
        "log_archives": {"job": job, "reference": "r", "index_at": 1, "stored": 2, "size": 1},
        "outbox": {"job": job, "kind": "x"},
        "job_executions": {"job": job, "attempt": 1, "fence": 1, "worker": "w"},
        "stage_runs": {"job": job, "stage": "s", "attempt": 1, "fence": 1},
        "git_operations": {"repository": repository, "job": job, **command},
        "push_intents": {"repository": repository, "job": job, **push},
        "conflict_resolutions": {"job": job, "stage": "s", "path": "p", "kind": "content", "method": "", "success": True},
        "model_usage": {"job": job, "provider": "p", "model": "m", "operation": "o", "cost_usd": 1},
        "budgets": {"id": uuid.uuid4(), "period": "daily", "amount_usd": 1},
        "budget_totals": budget,
        "budget_reservations": reservation,
        "usage_days": {
            "kind": "user", "day": "2026-01-01", "key": "", "calls": 1, "cached": 0, "input_tokens": 0,
            "output_tokens": 0, "cache_write_tokens": 0, "cache_read_tokens": 0, "cost_usd": 1,
        },
        "schedules": {
            "id": uuid.uuid4(), "user_id": user, "repository": repository, "name": "s", "branch": "b", "cron": "0 5 * * *",
        },
        "decisions": {
            "job": job, "number": 1, "fence": 1, "stage": "push", "kind": "approve", "sentence": "s", "work": {},
            "expires_at": "2036-01-01Z",
        },
        "kept_answers": {
            "repository": repository, "key": b"k" * 32, "digest": b"d" * 32, "path": "p", "sealed_text": b"s", "size": 1,
            "rung": "structural",
        },
        "model_batches": {"key": b"k" * 32, "provider": "p", "batch": "b", "reservation": reservation["id"]},
        "model_answers": {
            "key": b"k" * 32, "provider": "p", "model": "m", "operation": "o", "sealed_text": b"s", "stop": "end",
        },
        "pauses": {"id": uuid.uuid4(), "repository": repository, "target": "t", "reason": "release"},
    }  # fmt: skip


OF_ALL = {"audit_logs", "budget_totals", "budgets"}  # what operators do may be the installation's
READ_BY_ALL = {"schema_migration", "workers"}  # of the installation, not of an organization


def owned_tables(database: TestDatabase) -> list[str]:
    with database.system.transaction(SYSTEM) as tx:
        return [row["name"] for row in tx.rows(OWNED)]


def test_the_roles_are_no_more_than_they_should_be(database: TestDatabase) -> None:
    with connected(database.admin_url) as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication, rolcanlogin "
            "FROM pg_roles WHERE rolname LIKE 'ff\\_%' ORDER BY 1"
        )
        assert cursor.fetchall() == [
            (name, False, False, False, False, False, True) for name in ("ff_app", "ff_owner", "ff_system")
        ]
        cursor.execute(
            "SELECT count(*) FROM pg_auth_members WHERE member IN ('ff_app'::regrole, 'ff_system'::regrole)"
        )
        assert cursor.fetchone() == (0,)


def test_every_table_belongs_to_the_owner_who_is_not_the_app(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        owners = tx.rows("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [{"tableowner": "ff_owner"}]


def test_every_table_is_guarded_or_out_of_reach(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        tables = {row["name"]: row for row in tx.rows(TABLES)}
    reached = {name for name, row in tables.items() if row["app"]}
    assert reached - READ_BY_ALL == {
        name
        for name, row in tables.items()
        if row["guarded"]
        and row["policies"] == ["ff_everywhere", *["ff_installation"] * (name in OF_ALL), "ff_tenant"]
    }
    assert {name for name, row in tables.items() if row["owned"] and not row["guarded"]} <= {
        name for name in tables if name.startswith(("audit_logs_", "job_executions_"))
    }, "only partitions, which nobody but the owner may name, have no policies of their own"


def test_an_organization_sees_its_own_rows_in_every_table_and_no_others(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        mine, other = fill(tx, "mine"), fill(tx, "other")
    tables = owned_tables(database)
    assert len(tables) >= 16
    with database.app.transaction(Scope.organization(mine)) as tx:
        for table in tables:
            seen = {row["organization"] for row in tx.rows(f"SELECT organization FROM {table}")}  # noqa: S608
            assert seen == {mine}, table
        assert [row["id"] for row in tx.rows("SELECT id FROM organizations")] == [mine]
    with database.app.transaction(Scope.nobody()) as tx:
        for table in (*tables, "organizations"):
            assert tx.rows(f"SELECT 1 FROM {table}") == [], table  # noqa: S608
    with database.system.transaction(SYSTEM) as tx:
        for table in tables:
            seen = {row["organization"] for row in tx.rows(f"SELECT organization FROM {table}")}  # noqa: S608
            assert seen == {mine, other}, table


def test_an_organization_cannot_change_or_remove_another_s_rows(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        mine, other = fill(tx, "mine"), fill(tx, "other")
    for table in owned_tables(database):
        for sql in ("UPDATE {} SET organization = organization", "DELETE FROM {}"):
            statement = f"{sql.format(table)} WHERE organization = %(other)s"
            assert touched(database, mine, statement, other) == 0, statement


def touched(database: TestDatabase, mine: uuid.UUID, statement: str, other: uuid.UUID) -> int:
    """How many rows a statement reached; 0 where it is not even allowed."""
    try:
        with database.app.transaction(Scope.organization(mine)) as tx:
            return tx.run(statement, other=other)
    except FlowForgeError as error:
        if error.reason is Reason.NOT_ALLOWED:
            return 0
        raise


def test_an_organization_cannot_add_rows_for_another(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        mine, other = fill(tx, "mine"), fill(tx, "other")
    row = {"id": uuid.uuid4(), "organization": other, "name": "x", "url": "https://x/x"}
    with pytest.raises(Refused) as caught, database.app.transaction(Scope.organization(mine)) as tx:
        tx.insert("repositories", row)
    assert caught.value.reason is Reason.NOT_ALLOWED


def test_a_job_cannot_point_to_another_organization_s_repository(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        mine, other = fill(tx, "mine"), fill(tx, "other")
        foreign = tx.value("SELECT id FROM repositories WHERE organization = %(o)s", o=other)
    row = {"id": uuid.uuid4(), "organization": mine, "repository": foreign, "branch": "b", "target": "t"}
    with pytest.raises(Refused) as caught, database.app.transaction(Scope.organization(mine)) as tx:
        tx.insert("jobs", {**row, "task": "rebase"})
    assert caught.value.reason is Reason.NOT_FOUND


def test_every_reference_between_owned_tables_names_the_organization(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        loose = tx.rows(
            "SELECT conrelid::regclass::text AS name, conname::text FROM pg_constraint WHERE contype = 'f' "
            "AND confrelid <> 'organizations'::regclass AND cardinality(conkey) < 2"
        )
    assert loose == []


@pytest.mark.parametrize("table", sorted(READ_BY_ALL))
def test_what_everybody_reads_is_written_by_the_system_only(database: TestDatabase, table: str) -> None:
    with pytest.raises(Refused) as caught, database.app.transaction(Scope.nobody()) as tx:
        tx.run(f"DELETE FROM {table}")  # noqa: S608 (names of this test)
    assert caught.value.reason is Reason.NOT_ALLOWED


def test_with_a_scope_the_system_role_sees_one_organization_too(database: TestDatabase) -> None:
    with database.system.transaction(SYSTEM) as tx:
        mine = fill(tx, "mine")
        fill(tx, "other")
    with database.system.transaction(Scope.organization(mine)) as tx:
        assert tx.value("SELECT count(*) FROM jobs") == 1


@pytest.mark.parametrize("table", ["audit_logs", "job_events", "model_usage", "git_operations"])
def test_what_is_history_is_changed_by_nobody(database: TestDatabase, table: str) -> None:
    with database.system.transaction(SYSTEM) as tx:
        organization = fill(tx, "mine")
    for door, scope in ((database.app, Scope.organization(organization)), (database.system, SYSTEM)):
        for sql in (f"UPDATE {table} SET organization = organization", f"DELETE FROM {table}"):  # noqa: S608
            with pytest.raises(Refused), door.transaction(scope) as tx:
                tx.run(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SET ROLE ff_owner",
        "SET ROLE ff_system",
        "SELECT ff_make_partitions(now(), now())",
        "SELECT ff_drop_partitions('audit_logs', now())",
        "CREATE TABLE mine (x int)",
        "ALTER TABLE jobs DISABLE ROW LEVEL SECURITY",
        "TRUNCATE jobs",
        "SELECT * FROM audit_logs_rest",
    ],
)
def test_the_app_role_cannot_lift_itself(database: TestDatabase, sql: str) -> None:
    with pytest.raises(Refused) as caught, database.app.transaction(Scope.nobody()) as tx:
        tx.run(sql)
    assert caught.value.reason is Reason.NOT_ALLOWED
