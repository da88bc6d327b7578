"""The gauges of the whole installation, counted on a real database."""

import math
import re
from uuid import uuid4

import pytest

from flowforge.core.job import PriorityClass
from flowforge.jobs.claim import claim
from flowforge.jobs.gauges import FRESH, Counting
from flowforge.jobs.tell import Teller
from flowforge.observe.metrics import Metrics
from flowforge.store import budgets, schedule
from flowforge.store.database import Database
from flowforge.store.gauges import gauges
from flowforge.store.schedule import Worker
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services


@pytest.fixture
def world(database: TestDatabase) -> World:
    return make_world(database)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def counting(database: Database, clock: Clock) -> tuple[Counting, Metrics]:
    metrics = Metrics(version="1")
    made = Counting(database=database, telemetry=metrics, alive=15.0, clock=clock)
    metrics.on_look(made)
    return made, metrics


def shown(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name with labels."""
    text = metrics.expose()[0].decode()
    return {name: float(value) for name, value in re.findall(r"^(\w\S*) (\S+)$", text, flags=re.MULTILINE)}


def depth(metrics: Metrics) -> list[float]:
    found = shown(metrics)
    return [found[f'flowforge_queue_depth{{priority="{one.value}"}}'] for one in PriorityClass]


def test_jobs_are_counted_over_all_organizations_by_class_and_state(world: World) -> None:
    for number, priority in enumerate((0, 3, 4, 5, 6, 7, 9)):
        world.submit(priority=priority, branch=f"b{number}")
    other = world.organization("other")
    assert other.claim(other.submit()) is not None
    world.cancel(world.submit(branch="gone"))
    _, metrics = counting(world.database.system, Clock())
    assert depth(metrics) == [2, 3, 2]
    assert shown(metrics)["flowforge_jobs_active"] == 1


def test_an_empty_installation_says_so_with_zeros_and_of_no_budget_nothing(world: World) -> None:
    _, metrics = counting(world.database.system, Clock())
    assert depth(metrics) == [0, 0, 0]
    found = shown(metrics)
    assert (found["flowforge_jobs_active"], found["flowforge_workers_active"]) == (0, 0)
    assert "flowforge_budget_remaining_ratio" not in found


def test_workers_count_while_they_were_seen_lately(world: World) -> None:
    with world.everywhere() as transaction:
        for name in ("w1", "w2", "w3"):
            worker = Worker(id=name, host="h", version="1", slots=4)
            schedule.beat(transaction, worker, draining=name == "w2")
        transaction.run("UPDATE workers SET seen_at = now() - interval '16 s' WHERE id = 'w3'")
        assert gauges(transaction, 15.0).workers == 2


def test_what_is_left_of_the_installations_cap_is_a_share(world: World) -> None:
    organization, budget = world.principal.organization, uuid4()
    with world.everywhere() as transaction:
        budgets.set_budget(transaction, id_=budget, period="monthly", amount=10)
        assert gauges(transaction, 15.0).budget == 1
        transaction.run("UPDATE budget_totals SET spent_usd = 2, reserved_usd = 1")
        transaction.insert(  # an organization's own budget is none of the installation's
            "budgets",
            {"id": uuid4(), "organization": organization, "period": "monthly", "amount_usd": 1},
        )
        assert gauges(transaction, 15.0).budget == pytest.approx(0.7)


def test_the_budget_with_the_smallest_share_left_counts_and_one_of_nothing_is_empty(world: World) -> None:
    with world.everywhere() as transaction:
        for period, amount in (("weekly", 10), ("daily", 20)):
            budgets.set_budget(transaction, id_=uuid4(), period=period, amount=amount)
        transaction.run("UPDATE budget_totals SET spent_usd = 2")
        assert gauges(transaction, 15.0).budget == pytest.approx(0.8)
        budgets.set_budget(transaction, id_=uuid4(), period="monthly", amount=0)
        assert gauges(transaction, 15.0).budget == 0


def test_it_counts_anew_only_after_some_seconds(world: World) -> None:
    clock = Clock()
    _, metrics = counting(world.database.system, clock)
    assert depth(metrics) == [0, 0, 0]
    world.submit()
    assert depth(metrics) == [0, 0, 0]
    clock.now += FRESH
    assert depth(metrics) == [0, 1, 0]


def test_while_the_database_is_away_nothing_is_known(world: World) -> None:
    clock = Clock()
    counts, metrics = counting(world.database.system, clock)
    assert depth(metrics) == [0, 0, 0]
    clock.now += FRESH
    counts.database = Database("postgresql://nobody@127.0.0.1:1/none", connections=1)
    assert all(map(math.isnan, depth(metrics)))
    assert math.isnan(shown(metrics)["flowforge_workers_active"])
    clock.now += FRESH
    counts.database = world.database.system
    assert depth(metrics) == [0, 0, 0]


def test_a_claim_tells_how_long_the_job_waited(world: World) -> None:
    job, metrics = world.submit(priority=9), Metrics(version="1")
    world.run("UPDATE jobs SET queued_at = now() - interval '40 s' WHERE id = %(id)s", id=job.id)
    assert claim(world.database.system, job.id, "w1", lease=5, teller=Teller(telemetry=metrics)) is not None
    assert claim(world.database.system, job.id, "w2", lease=5, teller=Teller(telemetry=metrics)) is None
    found = shown(metrics)
    assert found['flowforge_job_queue_wait_seconds_count{priority="high"}'] == 1
    assert 40 <= found['flowforge_job_queue_wait_seconds_sum{priority="high"}'] < 60
