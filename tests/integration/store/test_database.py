"""The transaction door against a real server."""

import threading
import uuid
from pathlib import Path

import psycopg2
import pytest

from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.store.admin import connected, role_urls, upgrade
from flowforge.store.database import Database, Limits
from flowforge.store.errors import Duplicate, MissingReference, UnknownOutcome, once_more
from flowforge.store.scope import Actor, Scope
from flowforge.store.tables import ORGANIZATIONS
from flowforge.store.transaction import Transaction
from flowforge.store.values import as_json
from flowforge.wiring.embedded import start_postgres
from tests.conftest import TestDatabase

NOBODY = Scope.nobody()


def add_organization(tx: Transaction, slug: str = "one") -> uuid.UUID:
    organization = uuid.uuid4()
    tx.insert("organizations", {"id": organization, "name": slug.title(), "slug": slug})
    return organization


def test_a_transaction_commits_when_its_block_ends(database: TestDatabase) -> None:
    with database.system.transaction(Scope.system()) as tx:
        organization = add_organization(tx)
    with database.app.transaction(Scope.organization(organization)) as tx:
        assert tx.value("SELECT name FROM organizations") == "One"


def test_a_transaction_is_rolled_back_when_its_block_raises(database: TestDatabase) -> None:
    called = []

    def fail(tx: Transaction) -> None:
        tx.after_commit(lambda: called.append(1))
        add_organization(tx)
        raise KeyError

    with pytest.raises(KeyError), database.system.transaction(Scope.system()) as tx:
        fail(tx)
    with database.system.transaction(Scope.system()) as tx:
        tx.after_commit(lambda: called.append(2))
        assert tx.value("SELECT count(*) FROM organizations") == 0
    assert called == [2]


def test_a_statement_after_the_end_is_refused(database: TestDatabase) -> None:
    with database.app.transaction(NOBODY) as tx:
        pass
    with pytest.raises(RuntimeError, match="has ended"):
        tx.run("SELECT 1")


def test_a_transaction_inside_another_is_refused(database: TestDatabase) -> None:
    with (
        database.app.transaction(NOBODY) as tx,
        pytest.raises(RuntimeError, match="hand that one on"),
        database.app.transaction(NOBODY),
    ):
        pass
    with database.app.transaction(NOBODY) as tx:
        assert tx.value("SELECT 1") == 1


def test_the_app_role_may_not_ask_for_all_rows(database: TestDatabase) -> None:
    with pytest.raises(Broken, match="one organization"), database.app.transaction(Scope.system()):
        pass
    database.app.ping()


def test_a_superuser_is_refused(database: TestDatabase) -> None:
    with pytest.raises(Broken, match="superuser"), Database(database.admin_url).transaction(NOBODY):
        pass


def test_scope_and_actor_do_not_outlive_the_transaction(database: TestDatabase) -> None:
    door = Database(database.urls.app, connections=1)
    question = (
        "SELECT coalesce(current_setting('ff.organization', true), '') || current_setting('ff.actor', true)"
    )
    organization = uuid.uuid4()
    with door.transaction(Scope.organization(organization), actor=Actor(kind="user")) as tx:
        assert tx.value(question) == f"{organization}user"
        backend = tx.value("SELECT pg_backend_pid()")
    with door.transaction(NOBODY) as tx:
        assert tx.value("SELECT pg_backend_pid()") == backend
        assert tx.value(question) == "system"
    door.close()


def test_values_come_back_as_they_went_in(database: TestDatabase) -> None:
    id_ = uuid.uuid4()
    with database.app.transaction(NOBODY) as tx:
        row = tx.row(
            "SELECT %(u)s::uuid AS u, %(b)s::bytea AS b, %(j)s AS j, %(l)s AS l, %(a)s AS a, 100 %% 7 AS m",
            u=id_,
            b=b"\x00\xff",
            j={"deep": [1, {"x": id_}]},
            l=as_json([1, "two"]),
            a=["x", "y"],
        )
    assert row == {
        "u": id_,
        "b": b"\x00\xff",
        "j": {"deep": [1, {"x": str(id_)}]},
        "l": [1, "two"],
        "a": ["x", "y"],
        "m": 2,
    }


def test_text_that_postgres_cannot_hold_is_stored_with_a_replacement(database: TestDatabase) -> None:
    with database.app.transaction(NOBODY) as tx:
        assert tx.value("SELECT %(t)s::text", t="a\0b\udcff") == "a\ufffdb\ufffd\ufffd\ufffd"
        assert tx.value("SELECT %(t)s", t={"k\0": ["\0"]}) == {"k\ufffd": ["\ufffd"]}


def test_a_query_of_peewee_runs_through_the_same_door(database: TestDatabase) -> None:
    with database.system.transaction(Scope.system()) as tx:
        add_organization(tx, "one")
        add_organization(tx, "two")
        found = tx.rows(ORGANIZATIONS.select(ORGANIZATIONS.slug).where(ORGANIZATIONS.slug == "two"))
        assert found == [{"slug": "two"}]


def test_more_rows_than_expected_are_a_bug(database: TestDatabase) -> None:
    with pytest.raises(RuntimeError, match="at most one"), database.app.transaction(NOBODY) as tx:
        tx.row("SELECT generate_series(1, 2)")


def test_a_read_only_transaction_writes_nothing(database: TestDatabase) -> None:
    scope = Scope.system()
    with pytest.raises(Temporary), database.system.transaction(scope, read_only=True) as tx:
        add_organization(tx)


class TestErrors:
    def test_a_key_that_exists_is_a_duplicate_with_its_rule(self, database: TestDatabase) -> None:
        with database.system.transaction(Scope.system()) as tx:
            add_organization(tx)
        with pytest.raises(Duplicate) as caught, database.system.transaction(Scope.system()) as tx:
            add_organization(tx)
        assert caught.value.constraint == "organizations_slug_key"

    def test_a_duplicate_inside_a_savepoint_leaves_the_rest(self, database: TestDatabase) -> None:
        with database.system.transaction(Scope.system()) as tx:
            add_organization(tx)
            with pytest.raises(Duplicate), tx.savepoint():
                add_organization(tx)
            add_organization(tx, "two")
            assert tx.value("SELECT count(*) FROM organizations") == 2

    def test_a_reference_to_nothing_says_so(self, database: TestDatabase) -> None:
        with pytest.raises(MissingReference), database.system.transaction(Scope.system()) as tx:
            tx.insert(
                "repositories",
                {"id": uuid.uuid4(), "organization": uuid.uuid4(), "name": "x", "url": "https://x"},
            )

    @pytest.mark.parametrize("slug", ["-", "A B", "x" * 64])
    def test_a_value_that_a_rule_forbids_is_refused(self, database: TestDatabase, slug: str) -> None:
        wanted = pytest.raises(Refused, match="organizations_slug_check")
        with wanted as caught, database.system.transaction(Scope.system()) as tx:
            add_organization(tx, slug)
        assert caught.value.reason is Reason.INVALID_REQUEST

    def test_a_statement_that_takes_too_long_is_given_up(self, database: TestDatabase) -> None:
        door = Database(database.urls.app, limits=Limits(statement=0.1))
        with pytest.raises(Temporary, match="statement timeout"), door.transaction(NOBODY) as tx:
            tx.run("SELECT pg_sleep(5)")
        door.ping()
        door.close()

    def test_a_lock_that_is_held_too_long_is_given_up(self, database: TestDatabase) -> None:
        door = Database(database.urls.system, limits=Limits(lock=0.1))
        with database.system.transaction(Scope.system()) as tx:
            add_organization(tx)
        with database.system.transaction(Scope.system()) as tx:
            tx.run("SELECT FROM organizations FOR UPDATE")
            with pytest.raises(Temporary, match="lock timeout"), door.transaction(Scope.system()) as other:
                other.run("SELECT FROM organizations FOR UPDATE")
        door.close()

    def test_a_mistake_in_sql_keeps_its_traceback(self, database: TestDatabase) -> None:
        with pytest.raises(psycopg2.ProgrammingError), database.app.transaction(NOBODY) as tx:
            tx.run("SELEKT")

    def test_a_full_pool_is_temporary(self, database: TestDatabase) -> None:
        door = Database(database.urls.app, connections=1, wait=0.1)
        caught: list[BaseException] = []

        def second() -> None:
            try:
                door.ping()
            except Temporary as error:
                caught.append(error)

        with door.transaction(NOBODY):
            thread = threading.Thread(target=second)
            thread.start()
            thread.join()
        assert "all 1 database connections" in str(caught[0])
        door.close()


def test_many_threads_share_few_connections(database: TestDatabase) -> None:
    door = Database(database.urls.app, connections=4)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                with door.transaction(NOBODY) as tx:
                    assert tx.value("SELECT 1") == 1
        except BaseException as error:  # noqa: BLE001 (told below)
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert door.in_use == 0
    door.close()


def test_connections_that_died_while_idle_are_replaced_unseen(database: TestDatabase) -> None:
    door = Database(database.urls.app, connections=3)
    with door.transaction(NOBODY):
        pass
    with connected(database.admin_url) as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ff_app'")
    door.ping()
    door.close()


def test_a_connection_that_dies_in_use_fails_only_its_own_transaction(database: TestDatabase) -> None:
    door = Database(database.urls.app)

    def die(tx: Transaction) -> None:
        with connected(database.admin_url) as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", (tx.value("SELECT pg_backend_pid()"),))
        tx.run("SELECT 1")

    with pytest.raises(Temporary), door.transaction(NOBODY) as tx:
        die(tx)
    door.ping()
    assert door.in_use == 0
    door.close()


def test_a_lost_answer_to_commit_is_an_unknown_outcome(database: TestDatabase) -> None:
    def break_off(tx: Transaction) -> None:
        with connected(database.admin_url) as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (tx.value("SELECT pg_backend_pid()"),))

    door = Database(database.urls.app)
    with pytest.raises(UnknownOutcome, match="not known"), door.transaction(NOBODY) as tx:
        break_off(tx)
    door.ping()
    door.close()


def test_a_door_survives_the_restart_of_its_server(tmp_path: Path) -> None:
    with start_postgres(tmp_path / "pg", durable=False) as url:
        upgrade(url)
        door = Database(role_urls(url).app)
        door.ping()
    with pytest.raises(Temporary) as caught:
        door.ping()
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE
    with start_postgres(tmp_path / "pg", durable=False):
        door.ping()
    door.close()


def test_a_wrong_password_is_no_reason_to_wait_silently(database: TestDatabase) -> None:
    with pytest.raises(Temporary, match="password authentication failed"):
        Database(database.urls.app.replace("ff_app:", "ff_app:x")).ping()


def test_a_prepared_statement_answers_as_the_plain_one_and_is_planned_once(database: TestDatabase) -> None:
    one = Database(database.urls.system, connections=1)
    query = "SELECT %(a)s::int + %(b)s::int AS sum, %(a)s::int AS a, 'x' LIKE 'x%%' AS likes, %(d)s::jsonb AS data"
    for number in range(7):
        with one.transaction(Scope.system()) as tx:
            found = tx.prepared_row(query, a=number, b=1, d={"n": number})
        assert found == {"sum": number + 1, "a": number, "likes": True, "data": {"n": number}}
    with one.transaction(Scope.system()) as tx:
        assert tx.value("SELECT count(*) FROM pg_prepared_statements") == 1
    one.close()


def test_a_prepared_statement_outlives_the_rollback_of_its_first_use(database: TestDatabase) -> None:
    one = Database(database.urls.system, connections=1)
    with pytest.raises(ZeroDivisionError), one.transaction(Scope.system()) as tx:
        1 / len(tx.prepared("SELECT %(a)s::int AS a WHERE false", a=1))
    with one.transaction(Scope.system()) as tx:
        assert tx.prepared("SELECT %(a)s::int AS a WHERE false", a=2) == []
        assert tx.value("SELECT count(*) FROM pg_prepared_statements") == 1
    one.close()


def test_several_prepared_statements_take_one_round_trip_and_the_last_answers(database: TestDatabase) -> None:
    one = Database(database.urls.system, connections=1)
    query = """
    UPDATE outbox SET error = %(word)s WHERE id = %(id)s;
    UPDATE outbox SET error = error || %(id)s::bigint::text WHERE id = %(id)s RETURNING id, error
    """
    with one.transaction(Scope.system()) as tx:
        tx.insert("outbox", {"organization": add_organization(tx), "kind": "x", "payload": {}})
        (known,) = tx.rows("SELECT id FROM outbox")
        for word in ("a;", "b"):
            found = tx.prepared_row(query, id=known["id"], word=word)
            assert found == {"id": known["id"], "error": f"{word}{known['id']}"}
        assert tx.value("SELECT count(*) FROM pg_prepared_statements") == 2
    one.close()


def test_a_pooler_that_swaps_connections_is_met_once_a_process(database: TestDatabase) -> None:
    """Two connections whose statements were both taken away: the second try uses the other one, and holds."""
    two = Database(database.urls.system, connections=2)
    here, there = threading.Barrier(2, timeout=30), []

    def spoil() -> None:
        with two.transaction(Scope.system()) as tx:
            tx.prepared("SELECT %(a)s::int AS a", a=1)
            tx.run("DEALLOCATE ALL")
            here.wait()

    def work() -> list[dict[str, object]]:
        with two.transaction(Scope.system()) as tx:
            there.append(tx.value("SELECT pg_backend_pid()"))
            return tx.prepared("SELECT %(a)s::int AS a", a=2)

    threads = [threading.Thread(target=spoil) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert once_more(work) == [{"a": 2}]
    assert len(there) == 2
    assert work() == [{"a": 2}]
    two.close()


def test_a_connection_whose_statements_were_taken_away_does_without_them(database: TestDatabase) -> None:
    one = Database(database.urls.system, connections=1)
    with one.transaction(Scope.system()) as tx:
        tx.prepared("SELECT %(a)s::int AS a", a=1)
        tx.run("DEALLOCATE ALL")
    with pytest.raises(Temporary), one.transaction(Scope.system()) as tx:
        tx.prepared("SELECT %(a)s::int AS a", a=2)
    with one.transaction(Scope.system()) as tx:
        assert tx.prepared_row("SELECT %(a)s::int AS a", a=3) == {"a": 3}
        assert tx.value("SELECT count(*) FROM pg_prepared_statements") == 0
    one.close()


def test_prepared_statements_go_on_after_a_migration_that_adds_a_column(database: TestDatabase) -> None:
    one = Database(database.urls.system, connections=1)
    query = "WITH found AS (SELECT * FROM outbox WHERE id = %(id)s) SELECT count(*) AS n FROM found"
    with one.transaction(Scope.system()) as tx:
        assert tx.prepared_row(query, id=1) == {"n": 0}
        assert tx.prepared("SELECT * FROM outbox WHERE id = %(id)s", id=1) == []
    with connected(database.admin_url) as cursor:
        cursor.execute("ALTER TABLE outbox ADD COLUMN later text")
    with one.transaction(Scope.system()) as tx:
        assert tx.prepared_row(query, id=1) == {"n": 0}
    with pytest.raises(Temporary), one.transaction(Scope.system()) as tx:
        tx.prepared("SELECT * FROM outbox WHERE id = %(id)s", id=1)
    with one.transaction(Scope.system()) as tx:
        assert tx.prepared("SELECT * FROM outbox WHERE id = %(id)s", id=1) == []
    one.close()


def test_a_prepared_statement_that_does_not_fit_raises_as_any_other(database: TestDatabase) -> None:
    with pytest.raises(Refused), database.system.transaction(Scope.system()) as tx:
        tx.prepared("SELECT %(a)s::uuid AS a", a="no id")


def test_only_a_transaction_that_may_be_forgotten_does_not_wait_for_the_disk(database: TestDatabase) -> None:
    show = "SELECT current_setting('synchronous_commit')"
    with database.system.transaction(Scope.system()) as tx:
        durable = tx.value(show)
    with database.system.transaction(Scope.system(), durable=False) as tx:
        assert tx.value(show) == "off"
    with database.system.transaction(Scope.system()) as tx:
        assert tx.value(show) == durable


def test_what_one_transaction_said_of_its_actor_is_unknown_to_the_next(database: TestDatabase) -> None:
    one = Database(database.urls.system, connections=1)
    actor = Actor(kind="token", user=uuid.uuid4(), token="t", address="a", user_agent="u", request_id="r")
    names = ["user_id", "token", "address", "user_agent", "request_id"]
    ask = "SELECT " + ", ".join(
        f"coalesce(current_setting('ff.{name}', true), '') AS {name}" for name in names
    )
    with one.transaction(Scope.system(), actor=actor) as tx:
        assert all((tx.row(ask) or {}).values())
    with one.transaction(Scope.system()) as tx:
        assert not any((tx.row(ask) or {}).values())
    one.close()
