"""What the relay does for the database beside ringing, as its process wires it."""

from dataclasses import replace
from pathlib import Path

import pytest

from flowforge.core.access import Role
from flowforge.core.errors import Temporary
from flowforge.hooks.manager import Registry
from flowforge.jobs import schedules
from flowforge.jobs.schedules import Wanted
from flowforge.settings import Settings
from flowforge.store.scope import Scope
from flowforge.wiring.relay import made, seldom_chores
from tests.conftest import TestDatabase
from tests.integration.jobs.world import make_world

pytestmark = pytest.mark.services


def settings(tmp_path: Path, database: TestDatabase, usd: float) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database_url=database.admin_url,
        redis_url="redis://127.0.0.1:9/0",  # nobody listens: chores need none
        model_monthly_usd=usd,
    )


def rows(database: TestDatabase, sql: str) -> list[object]:
    with database.system.transaction(Scope.system()) as tx:
        return [next(iter(row.values())) for row in tx.rows(sql)]


CAPS = "SELECT amount_usd::text FROM budgets WHERE organization IS NULL"


def test_the_setting_becomes_the_installations_cap_and_takes_it_away(
    database: TestDatabase, tmp_path: Path
) -> None:
    for usd, caps in ((12.5, 1), (0.0, 0)):
        for chore in seldom_chores(settings(tmp_path, database, usd), database.system):
            chore()
        found = rows(database, CAPS)
        assert len(found) == caps
        assert all(float(str(cap)) == usd for cap in found)


def test_a_relay_starts_what_is_due_and_takes_its_turn_of_maintenance(
    database: TestDatabase, tmp_path: Path
) -> None:
    world = make_world(database)
    world.run("UPDATE users SET role = 'maintainer'")
    principal = replace(world.principal, role=Role.MAINTAINER)
    wanted = Wanted(repository=world.repository, name="nightly", branch="feature", cron="0 5 * * *")
    with world.transaction() as transaction:
        schedules.add(transaction, principal, wanted, world.door)
    world.run("UPDATE schedules SET next_at = date_trunc('minute', now())")
    for _ in range(2):
        with made(settings(tmp_path, database, 0.0), Registry()) as relay, pytest.raises(Temporary):
            relay.step()
    assert rows(database, "SELECT trigger FROM jobs") == ["schedule"]
    assert rows(database, "SELECT did ->> 'more' FROM chores WHERE name = 'maintain'") == ["false"]


def test_a_relay_sweeps_with_all_of_its_chores(database: TestDatabase, tmp_path: Path) -> None:
    """One step of the relay that `serve` runs; Redis is away, so nothing rings, and the chores are done all the same."""
    with made(settings(tmp_path, database, 7.0), Registry()) as relay, pytest.raises(Temporary):
        relay.step()
    assert [float(str(cap)) for cap in rows(database, CAPS)] == [7.0]
    months = rows(
        database, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass"
    )
    assert len(months) >= 3
