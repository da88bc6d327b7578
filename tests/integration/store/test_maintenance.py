"""What time does to rows: partitions made and dropped, history and texts forgotten, and never a job."""

import json
import os
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from flowforge.core.errors import Refused
from flowforge.store import archives, chores, ledger, retention, vacuum
from flowforge.store.admin import connected
from flowforge.store.database import Database
from flowforge.store.ids import uuid7
from flowforge.store.ledger import Spender
from flowforge.store.maintenance import CHORE, Maintained, foresee, maintain, note, take_turn
from flowforge.store.retention import PARTITIONED, Retention
from flowforge.store.scope import Scope
from flowforge.wiring.main import main
from tests.conftest import TestDatabase

pytestmark = pytest.mark.services

SYSTEM = Scope.system()
KEEP = Retention()
FOR_EVER = Retention(events=0, logs=0, executions=0, audit=0, texts=0, stages=0, pushes=0, usage=0, memory=0)
HOUR = 3600.0


def rows(database: TestDatabase, sql: str, **values: object) -> list[Any]:
    with database.system.transaction(SYSTEM) as tx:
        return [next(iter(row.values())) for row in tx.rows(sql, **values)]


def count(database: TestDatabase, table: str) -> int:
    (found,) = rows(database, f"SELECT count(*) FROM {table}")  # noqa: S608 (names of this test)
    return int(found)


@contextmanager
def as_owner(database: TestDatabase) -> Iterator[Any]:
    """What no process may do: rows of the past."""
    with connected(database.admin_url) as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers, no references
        yield cursor


def organization(database: TestDatabase) -> Mapping[str, UUID]:
    of, repository = uuid.uuid4(), uuid.uuid4()
    with database.system.transaction(SYSTEM) as tx:
        tx.insert("organizations", {"id": of, "name": "o", "slug": f"o{of.hex[:8]}"})
        tx.insert("repositories", {"id": repository, "organization": of, "name": "r", "url": "https://x/r"})
    return {"organization": of, "repository": repository}


def job(database: TestDatabase, home: Mapping[str, UUID], days: float, *, state: str = "success") -> UUID:
    """A job that was made and ended so many days ago, with three events, two pieces of log, one git command."""
    moment = datetime.now(UTC) - timedelta(days=days)
    made = uuid7(int(moment.timestamp() * 1000), os.urandom(10))
    ended = moment if state in {"success", "failed"} else None
    with as_owner(database) as cursor:
        cursor.execute(
            "INSERT INTO jobs (id, organization, repository, branch, target, task, pipeline, environment, state, "
            "result, reason, sentence, created_at, completed_at) VALUES (%s, %s, %s, 'b', 't', '', 'version: 1', "
            """'{"A": "hunter2"}', %s, %s, 'done', 'it ended', %s, %s)""",
            (str(made), *map(str, home.values()), state, "success" if ended else None, moment, ended),
        )
        of = (str(home["organization"]), str(made))
        for seq in range(1, 4):
            cursor.execute(
                "INSERT INTO job_events (organization, job, seq, kind, at) VALUES (%s, %s, %s, 'x', %s)",
                (*of, seq, moment),
            )
        for seq in range(4, 6):
            cursor.execute(
                "INSERT INTO log_chunks (organization, job, seq, attempt, stage, start_byte, bytes, at) "
                "VALUES (%s, %s, %s, 1, 's', %s, 'x', %s)",
                (*of, seq, seq, moment),
            )
        cursor.execute(
            "INSERT INTO git_operations (organization, job, repository, type, url, status, duration_ms, at) "
            "VALUES (%s, %s, %s, 'fetch', 'https://x/r', 'ok', 1, %s)",
            (*of, str(home["repository"]), moment),
        )
    return made


def deeds(database: TestDatabase, home: Mapping[str, UUID], of: UUID, *, kept: str = "") -> None:
    """What a job did: a stage, an answer to a conflict with a sealed text, a push, a model call with its reservation.

    `kept` is what its stage and its push left in the artifact storage.
    """
    with as_owner(database) as cursor:
        cursor.execute("SELECT completed_at FROM jobs WHERE id = %s", (str(of),))
        (moment,) = cursor.fetchone()
        mine = {"organization": str(home["organization"]), "job": str(of), "at": moment, "kept": kept}
        mine |= {"repository": str(home["repository"]), "id": str(uuid7(ms(moment), os.urandom(10)))}
        for statement in DEEDS:
            cursor.execute(statement, mine)


DEEDS = (
    """INSERT INTO stage_runs (organization, job, stage, attempt, ordinal, fence, checkpoint, started_at)
       VALUES (%(organization)s, %(job)s, 's', 1, 0, 1, %(kept)s, %(at)s)""",
    """INSERT INTO conflict_resolutions (organization, job, stage, path, kind, method, success, at)
       VALUES (%(organization)s, %(job)s, 's', 'p', 'content', '', true, %(at)s)""",
    """INSERT INTO push_intents (organization, repository, job, fence, attempt, ref, old_sha, new_sha, bundle)
       VALUES (%(organization)s, %(repository)s, %(job)s, 1, 1, 'r', 'a', 'b', %(kept)s)""",
    """INSERT INTO model_usage (organization, job, provider, model, operation, cost_usd, reservation, at)
       VALUES (%(organization)s, %(job)s, 'p', 'm', 'o', 1, %(id)s, %(at)s)""",
    """INSERT INTO budget_reservations (id, organization, job, amount_usd, state, totals, expires_at, ended_at)
       VALUES (%(id)s, %(organization)s, %(job)s, 1, 'settled', '[]', %(at)s, %(at)s)""",
)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def events_of(database: TestDatabase, identity: UUID) -> int:
    (found,) = rows(database, "SELECT count(*) FROM job_events WHERE job = %(id)s", id=identity)
    return int(found)


def test_a_fresh_database_needs_nothing(database: TestDatabase) -> None:
    assert foresee(database.system, KEEP) == Maintained()
    assert maintain(database.system, KEEP) == Maintained()


def test_what_is_over_goes_and_what_is_to_come_is_made(database: TestDatabase) -> None:
    home = organization(database)
    of, identity = {"organization": home["organization"]}, uuid.uuid4()
    with connected(database.admin_url) as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass "
                       "AND inhrelid <> 'audit_logs_rest'::regclass ORDER BY 1 DESC LIMIT 1")  # fmt: skip
        (last,) = cursor.fetchone()
        cursor.execute(f"DROP TABLE {last}")
        cursor.execute("SELECT ff_make_partitions(now() - interval '500 days', now() - interval '450 days')")
    with database.system.transaction(SYSTEM) as tx:
        tx.insert("jobs", {**home, "id": identity, "branch": "b", "target": "t", "task": "rebase"})
        for expires in ("2020-01-01Z", "2040-01-01Z"):
            text = {"sealed_text": b"x", "expires_at": expires}
            kind = {"stage": "s", "path": "p", "kind": "content", "method": "", "success": True}
            tx.insert("conflict_resolutions", {**of, "job": identity, **kind, **text})
        for done in ("2020-01-01Z", None):
            tx.insert("outbox", {**of, "job": identity, "kind": "x", "done_at": done})
        spender = Spender(organization=home["organization"])
        ledger.reserve(tx, id_=uuid.uuid4(), spender=spender, amount=Decimal(1), seconds=-1)
    foreseen = foresee(database.system, KEEP)
    assert count(database, "outbox") == 2, "a dry run does nothing"
    done = maintain(database.system, KEEP)
    assert done == foreseen
    assert done.made == (last,)
    assert {name.rsplit("_", 1)[0] for name in done.dropped} == {"audit_logs", "job_executions"}
    assert (done.erased, done.forgotten, done.expired) == (1, 1, 1)
    assert count(database, "conflict_resolutions") == 2
    assert count(database, "outbox") == 1
    assert maintain(database.system, KEEP) == foresee(database.system, KEEP) == Maintained()


def test_history_of_old_jobs_goes_and_the_jobs_stay(database: TestDatabase) -> None:
    home = organization(database)
    old, young = job(database, home, 100), job(database, home, 80)
    open_, late = job(database, home, 100, state="waiting"), job(database, home, 100)
    with as_owner(database) as cursor:  # made long ago, and ended today
        cursor.execute("UPDATE jobs SET completed_at = now() WHERE id = %s", (str(late),))
    foreseen = foresee(database.system, KEEP)
    done = maintain(database.system, KEEP)
    assert done == foreseen
    assert (done.events, done.chunks, done.operations, done.texts) == (3, 2, 1, 1)
    assert [events_of(database, one) for one in (old, young, open_, late)] == [0, 3, 3, 3]
    assert count(database, "jobs") == 4
    assert rows(database, "SELECT sentence FROM jobs WHERE id = %(id)s", id=old) == ["it ended"]


def test_texts_are_erased_once_and_what_the_job_was_stays(database: TestDatabase) -> None:
    home = organization(database)
    old, young = job(database, home, 100), job(database, home, 10)
    assert maintain(database.system, KEEP).texts == 1
    with database.system.transaction(SYSTEM) as tx:
        kept = {
            row["id"]: (row["pipeline"], row["environment"], row["branch"])
            for row in tx.rows("SELECT * FROM jobs")
        }
        assert kept == {old: ("", {}, "b"), young: ("version: 1", {"A": "hunter2"}, "b")}
        assert (retention.texts_erased(tx, old), retention.texts_erased(tx, young)) == (True, False)
    assert maintain(database.system, KEEP).texts == 0


def test_nothing_goes_where_everything_is_kept(database: TestDatabase) -> None:
    home = organization(database)
    job(database, home, 3000)
    with connected(database.admin_url) as cursor:
        cursor.execute("SELECT ff_make_partitions(now() - interval '900 days', now() - interval '800 days')")
    assert foresee(database.system, FOR_EVER) == maintain(database.system, FOR_EVER) == Maintained()
    assert (count(database, "job_events"), count(database, "log_chunks")) == (3, 2)


def test_each_kind_has_days_of_its_own(database: TestDatabase) -> None:
    job(database, organization(database), 50)
    done = maintain(database.system, replace(FOR_EVER, logs=30))
    assert (done.events, done.chunks, done.operations, done.texts) == (0, 2, 0, 0)
    done = maintain(database.system, replace(FOR_EVER, events=30))
    assert (done.events, done.chunks, done.operations, done.texts) == (3, 0, 1, 0)


DONE = ("stages", "answers", "pushes", "calls", "reservations")


def told(done: Maintained) -> list[int]:
    return [getattr(done, name) for name in DONE]


@pytest.mark.parametrize(
    ("keep", "gone"),
    [
        (replace(FOR_EVER, stages=30, texts=30), [1, 1, 0, 0, 0]),
        (
            replace(FOR_EVER, stages=30),
            [0, 1, 0, 0, 0],
        ),  # its definition is there for ever: it may be retried
        (replace(FOR_EVER, stages=30, texts=60), [0, 1, 0, 0, 0]),
        (replace(FOR_EVER, stages=60, texts=30), [0, 0, 0, 0, 0]),
        (replace(FOR_EVER, pushes=30), [0, 0, 1, 0, 0]),
        (replace(FOR_EVER, usage=30), [0, 0, 0, 1, 1]),
        (FOR_EVER, [0, 0, 0, 0, 0]),
    ],
)
def test_what_a_job_did_is_kept_as_long_as_somebody_may_ask_for_it(
    database: TestDatabase, keep: Retention, gone: list[int]
) -> None:
    home = organization(database)
    for days in (50, 10):
        deeds(database, home, job(database, home, days))
    assert told(foresee(database.system, keep)) == gone
    assert told(maintain(database.system, keep)) == gone
    assert told(maintain(database.system, keep)) == [0] * len(DONE)
    assert count(database, "jobs") == 2


def test_rows_that_name_commits_in_the_storage_wait_until_those_are_gone(database: TestDatabase) -> None:
    home, keep = organization(database), replace(FOR_EVER, stages=30, texts=30, pushes=30)
    deeds(database, home, job(database, home, 50), kept="jobs/x/1/after")
    assert told(foresee(database.system, keep)) == told(maintain(database.system, keep)) == [0, 1, 0, 0, 0]
    with as_owner(database) as cursor:
        cursor.execute("UPDATE stage_runs SET checkpoint = ''")
        cursor.execute("UPDATE push_intents SET bundle = ''")
    assert told(maintain(database.system, keep)) == [1, 0, 1, 0, 0]


def test_a_sealed_answer_and_money_that_is_reserved_stay(database: TestDatabase) -> None:
    home, keep = organization(database), replace(FOR_EVER, stages=30, usage=30)
    deeds(database, home, job(database, home, 50))
    with as_owner(database) as cursor:
        cursor.execute(
            "UPDATE conflict_resolutions SET sealed_text = 'x', expires_at = now() + interval '1 day'"
        )
        cursor.execute(
            "UPDATE budget_reservations SET state = 'reserved', expires_at = now() + interval '1 day'"
        )
    assert told(foresee(database.system, keep)) == told(maintain(database.system, keep)) == [0, 0, 0, 1, 0]


def test_of_many_calls_only_the_first_are_looked_at_and_the_old_ones_go(database: TestDatabase) -> None:
    home, keep = organization(database), replace(FOR_EVER, usage=30)
    one = job(database, home, 10)
    with as_owner(database) as cursor:
        for number, days in ((2500, 50), (3, 10)):
            cursor.execute(
                "INSERT INTO model_usage (organization, job, provider, model, operation, cost_usd, at) SELECT %s, %s, "
                "'p', 'm', 'o', 1, now() - make_interval(days => %s) FROM generate_series(1, %s)",
                (str(home["organization"]), str(one), days, number),
            )
    assert foresee(database.system, keep).calls == 2500
    assert (maintain(database.system, keep, most=1200).calls, count(database, "model_usage")) == (1200, 1303)
    assert (maintain(database.system, keep).calls, count(database, "model_usage")) == (1300, 3)


def remembered(database: TestDatabase, home: Mapping[str, UUID], *days: float) -> None:
    """Answers that were used last so many days ago."""
    with database.system.transaction(SYSTEM) as tx:
        for number, ago in enumerate(days):
            row = {"key": number.to_bytes(32, "big"), "digest": b"d" * 32, "sealed_text": b"s", "size": 1}
            used = datetime.now(UTC) - timedelta(days=ago)
            tx.insert(
                "kept_answers", {**home, **row, "path": f"{ago}", "rung": "structural", "last_used_at": used}
            )


def test_answers_that_nobody_used_for_long_are_forgotten(database: TestDatabase) -> None:
    remembered(database, organization(database), 1, 29, 31, 500)
    keep = replace(FOR_EVER, memory=30)
    assert foresee(database.system, keep).memories == 2
    assert maintain(database.system, FOR_EVER).memories == 0
    assert maintain(database.system, keep, most=1) == Maintained(memories=1, more=True)
    assert maintain(database.system, keep).memories == 1
    assert sorted(rows(database, "SELECT path FROM kept_answers")) == ["1", "29"]


def test_a_log_whose_time_is_over_is_removed_whole_and_says_so(database: TestDatabase) -> None:
    """Never moved to an artifact: its pieces go batch by batch, but from the first one on nobody reads them."""
    home = organization(database)
    old, young = job(database, home, 100), job(database, home, 80)
    done = maintain(database.system, replace(FOR_EVER, logs=90), most=1)
    assert (done.chunks, done.more) == (1, True)
    with database.system.transaction(SYSTEM) as tx:
        noted = archives.of_job(tx, old)
        assert archives.of_job(tx, young) is None
    assert noted is not None
    assert (noted.removed, noted.size, noted.reference) == (True, 2, "")
    assert maintain(database.system, replace(FOR_EVER, logs=90)).chunks == 1
    assert count(database, "log_chunks") == 2
    (at,) = rows(database, "SELECT at = (SELECT completed_at FROM jobs WHERE id = job) FROM log_archives")
    assert at, "a log's time runs from its job's end"


def test_a_backlog_is_gone_through_in_turns(database: TestDatabase) -> None:
    home = organization(database)
    for _ in range(4):
        job(database, home, 100)
    first = maintain(database.system, KEEP, most=5)
    assert (first.events, first.more) == (5, True)
    second = maintain(database.system, KEEP, most=5)
    assert (second.events, second.more) == (5, True)
    third = maintain(database.system, KEEP, most=5)
    assert (third.events, third.more) == (2, False)


def test_history_is_deleted_by_that_function_only(database: TestDatabase) -> None:
    job(database, organization(database), 100)
    for sql in (
        "DELETE FROM job_events",
        "SELECT ff_forget_history('jobs', now(), 10)",
        "SELECT ff_forget_history('audit_logs', now(), 10)",
        "SELECT ff_forget_history('model_usage', now(), 10)",
        "DELETE FROM model_usage",
    ):
        with (
            pytest.raises(Exception, match=r"permission|forbid|not kept"),
            database.system.transaction(SYSTEM) as tx,
        ):
            tx.run(sql)
    for sql in (
        "SELECT ff_forget_history('job_events', now(), 10)",
        "SELECT ff_forget_usage(now(), 10)",
        "SELECT * FROM ff_table_health()",
    ):
        with pytest.raises(Refused), database.app.transaction(Scope.nobody()) as tx:
            tx.run(sql)
    assert count(database, "job_events") == 3


def test_the_first_id_of_a_moment_is_below_every_id_made_then(database: TestDatabase) -> None:
    moment = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
    (first,) = rows(database, "SELECT ff_first_id(%(moment)s)", moment=moment)
    milliseconds = int(moment.timestamp() * 1000)
    assert uuid7(milliseconds - 1, b"\xff" * 10) < first <= uuid7(milliseconds, b"\0" * 10)


# ------------------------------------------------------------------------------------------------ several, and locks


def test_of_several_relays_one_has_the_turn(database: TestDatabase) -> None:
    done: list[Maintained | None] = []
    others = [Database(database.urls.system, connections=1) for _ in range(4)]
    threads = [
        threading.Thread(target=lambda other=other: done.append(take_turn(other, KEEP, HOUR)))  # type: ignore[misc]  # bound now
        for other in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert sum(one is not None for one in done) == 1
    assert take_turn(database.system, KEEP, HOUR) is None


def test_a_turn_comes_again_after_its_time_and_at_once_where_work_is_left(database: TestDatabase) -> None:
    assert take_turn(database.system, KEEP, HOUR) == Maintained()
    assert take_turn(database.system, KEEP, HOUR) is None
    with database.system.transaction(SYSTEM) as tx:
        tx.run("UPDATE chores SET began_at = now() - interval '61 minutes'")
    assert take_turn(database.system, KEEP, HOUR) is not None
    note(database.system, Maintained(events=20_000, more=True))
    assert take_turn(database.system, KEEP, HOUR) is not None
    assert take_turn(database.system, KEEP, HOUR) is None


def test_what_a_turn_did_stands_for_everybody(database: TestDatabase) -> None:
    job(database, organization(database), 100)
    take_turn(database.system, KEEP, HOUR)
    with database.system.transaction(SYSTEM) as tx:
        last = chores.last(tx, CHORE)
    assert last is not None
    assert last.ended_at is not None
    assert (last.did["events"], last.error) == (3, "")


def test_partitions_are_dropped_and_made_by_many_at_once(database: TestDatabase) -> None:
    with connected(database.admin_url) as cursor:
        cursor.execute("SELECT ff_make_partitions(now() - interval '500 days', now() - interval '450 days')")
        cursor.execute("DROP TABLE audit_logs_rest")  # so that nothing hides a row without its partition
    wanted = foresee(database.system, KEEP).dropped
    assert len(wanted) > 5
    done: list[Maintained] = []
    others = [Database(database.urls.system, connections=1) for _ in range(4)]
    threads = [threading.Thread(target=lambda o=other: done.append(maintain(o, KEEP))) for other in others]  # type: ignore[misc]  # bound now
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        other.close()
    assert sorted(name for one in done for name in one.dropped) == sorted(wanted)
    assert [one.trouble for one in done] == [()] * 4


def test_a_step_that_meets_a_lock_gives_up_and_the_others_are_done(database: TestDatabase) -> None:
    job(database, organization(database), 100)
    with connected(database.admin_url) as cursor:
        cursor.execute("SELECT ff_make_partitions(now() - interval '500 days', now() - interval '450 days')")
        cursor.execute("BEGIN; LOCK TABLE audit_logs IN ACCESS SHARE MODE")
        done = maintain(database.system, KEEP)
        cursor.execute("COMMIT")
    assert done.events == 3
    assert any(name.startswith("job_executions") for name in done.dropped)
    (trouble,) = done.trouble
    assert trouble.startswith("dropping partitions of audit_logs: the database gave up")
    assert maintain(database.system, KEEP).trouble == ()


# ------------------------------------------------------------------------------------------------------ how it stands


def test_the_tables_are_looked_at(database: TestDatabase) -> None:
    home = organization(database)
    for _ in range(30):
        job(database, home, 1)
    with connected(database.admin_url) as cursor:
        cursor.execute("VACUUM (ANALYZE) jobs")
        cursor.execute("SELECT pg_stat_force_next_flush()")
    with database.system.transaction(SYSTEM, read_only=True) as tx:
        health = vacuum.look(tx, PARTITIONED)
    tables = {table.name: table for table in health.tables}
    assert (tables["jobs"].live, tables["jobs"].vacuums) == (30, 1)
    assert tables["jobs"].vacuumed_at is not None
    needed = tables["jobs"].needed
    assert needed is not None, "although nobody but the owner may read every row"
    assert needed <= tables["jobs"].bytes <= 4 * needed
    assert tables["schedules"].needed is None
    assert all(partition.ahead > 80 and partition.rest == 0 for partition in health.partitions)
    assert {partition.name for partition in health.partitions} == set(PARTITIONED)
    assert vacuum.hints(health) == ()


def test_hot_tables_are_vacuumed_before_a_fifth_is_dead(database: TestDatabase) -> None:
    (options,) = rows(database, "SELECT reloptions FROM pg_class WHERE relname = 'jobs'")
    assert {"fillfactor=80", "autovacuum_vacuum_scale_factor=0.02"} <= set(options)
    hot = rows(
        database,
        "SELECT relname::text FROM pg_class WHERE array_to_string(reloptions, ' ') LIKE '%%autovacuum%%'",
    )
    assert {"workers", "outbox", "log_chunks", "job_events", "budget_totals"} <= set(hot)


def test_the_verb_does_it_and_tells(
    database: TestDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLOWFORGE_CONFIG", "/nowhere/config.toml")
    monkeypatch.setenv("FLOWFORGE_DATABASE_SYSTEM_URL", database.urls.system)
    monkeypatch.setenv("FLOWFORGE_EVENT_DAYS", "30")
    monkeypatch.setenv("FLOWFORGE_TEXT_DAYS", "0")
    job(database, organization(database), 50)
    assert main(["db", "maintain", "--dry-run"]) == 0
    assert "3  events forgotten" in capsys.readouterr().out
    assert count(database, "job_events") == 3
    assert main(["db", "maintain", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["done"]["events"], told["done"]["texts"], told["before"]) == (3, 0, None)
    assert "jobs" in {table["name"] for table in told["tables"]}
    assert main(["db", "maintain"]) == 0
    written = capsys.readouterr()
    assert written.out == "nothing was due\n"
    assert "the run before this one began at 20" in written.err
    monkeypatch.delenv("FLOWFORGE_DATABASE_SYSTEM_URL")
    assert main(["db", "maintain"]) == 3
    assert "no database is named" in capsys.readouterr().err
