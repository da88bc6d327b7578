"""`flowforge doctor` against a real PostgreSQL and Redis."""

import json
import uuid
from pathlib import Path

import pytest

from flowforge.artifacts.store import Artifacts
from flowforge.cli.doctor import Health
from flowforge.queues.presence import Presence
from flowforge.store.admin import connected, create_database, drop_database, with_database
from flowforge.store.schedule import Worker, beat
from flowforge.store.scope import Scope
from flowforge.wiring import doctor
from flowforge.wiring.main import main
from tests.conftest import TestDatabase

Said = pytest.CaptureFixture[str]


def worker(host: str) -> Worker:
    return Worker(id=f"{host}-1", host=host, version="1", slots=1)


def test_a_migrated_database_is_well_and_its_clock_is_ours(database: TestDatabase) -> None:
    told = {
        one.name: one
        for one in doctor.run_checks({"database": lambda: doctor.check_database(database.admin_url)}, 20)
    }
    assert {one.health for one in told.values()} == {Health.OK}
    assert set(told) == {"database", "clock", "worker hosts"}


def test_a_database_without_our_tables_asks_for_the_upgrade(postgres: str) -> None:
    name = f"ff_bare_{uuid.uuid4().hex[:8]}"
    create_database(postgres, name)
    try:
        health, _, fix = doctor.check_database(with_database(postgres, name))["database"]
    finally:
        drop_database(postgres, name)
    assert (health, fix) == (Health.PROBLEM, "flowforge db upgrade")


def test_looking_changes_nothing_in_an_empty_database(postgres: str) -> None:
    name = f"ff_bare_{uuid.uuid4().hex[:8]}"
    create_database(postgres, name)
    url = with_database(postgres, name)
    try:
        doctor.check_database(url)
        with connected(url) as cursor:
            cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            assert cursor.fetchone() == (0,)
    finally:
        drop_database(postgres, name)


def test_workers_on_two_machines_are_a_warning(database: TestDatabase) -> None:
    with database.system.transaction(Scope.system()) as transaction:
        beat(transaction, worker("one"), draining=False)
        beat(transaction, worker("two"), draining=False)
    health, found, fix = doctor.check_database(database.admin_url)["worker hosts"]
    assert health is Health.WARNING
    assert "one, two" in found
    assert "artifacts" in fix


def test_workers_that_do_not_share_their_artifacts_are_a_problem(redis_url: str, tmp_path: Path) -> None:
    """Two workers as they announce themselves; this machine has the storage of the first."""
    stores = [Artifacts(tmp_path / name) for name in ("mine", "theirs")]

    def shown(host: str, store: Artifacts) -> None:
        more = {"artifacts": store.identity()}
        Presence(url=redis_url, worker=f"{host}-1", keep=3600, more=more).show({"host": host})

    shown("one", stores[0])
    shown("two", stores[1])
    health, found, fix = doctor.check_artifacts(redis_url, tmp_path / "mine")
    assert (health, "2 places: one | two" in found or "2 places: two | one" in found) == (
        Health.PROBLEM,
        True,
    ), found
    assert "data_dir/artifacts" in fix
    shown("two", stores[0])
    assert doctor.check_artifacts(redis_url, tmp_path / "mine")[0] is Health.OK
    assert doctor.check_artifacts(redis_url, tmp_path / "theirs")[0] is Health.WARNING
    assert doctor.check_artifacts(redis_url, tmp_path / "nowhere")[0] is Health.OK
    assert not (tmp_path / "nowhere").exists(), "looking makes nothing"


def test_a_redis_that_answers_is_well(redis_url: str) -> None:
    assert doctor.check_redis(redis_url)[0] is Health.OK


def test_the_verb_looks_at_the_servers_of_the_settings(
    database: TestDatabase, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setenv("FLOWFORGE_DATABASE_URL", database.admin_url)
    monkeypatch.setenv("FLOWFORGE_REDIS_URL", redis_url)
    main(["doctor", "--json"])
    told = {one["name"]: one["health"] for one in json.loads(capsys.readouterr().out)["checks"]}
    assert (told["database"], told["clock"], told["redis"]) == ("ok", "ok", "ok")
    assert told["artifact storage"] == "ok"
    monkeypatch.setenv("FLOWFORGE_DATABASE_SYSTEM_URL", database.urls.system)
    monkeypatch.delenv("FLOWFORGE_DATABASE_URL")
    main(["doctor", "--json"])
    told = {one["name"]: one["health"] for one in json.loads(capsys.readouterr().out)["checks"]}
    assert told["database"] == "ok"
    assert "clock" not in told
