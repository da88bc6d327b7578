"""What the processes of a service tell of real jobs, each at its own /metrics."""

import json
import math
import re
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowforge.observe.metrics import TABLE
from tests.acceptance.house import House, ending, eventually
from tests.acceptance.stories import CART, apart, pipeline, shop

ROOM_METRICS = {  # who must tell of it after jobs have run
    "api": {"flowforge_http_requests_total", "flowforge_http_request_duration_seconds"},
    "relay": {"flowforge_queue_depth", "flowforge_jobs_active", "flowforge_workers_active"},
    "worker": {
        "flowforge_jobs_total",
        "flowforge_job_duration_seconds",
        "flowforge_job_queue_wait_seconds",
        "flowforge_stage_duration_seconds",
        "flowforge_conflicts_total",
    },
}
OF_ALL = {"flowforge_db_connections", "flowforge_build_info"}
GAUGES = ROOM_METRICS["relay"] | OF_ALL
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Told:
    """What one process tells at one moment: samples by name and labels."""

    text: str
    samples: Mapping[tuple[str, str], float] = field(init=False)

    def __post_init__(self) -> None:
        found = {(name, labels): float(value) for name, labels, value in _SAMPLE.findall(self.text)}
        object.__setattr__(self, "samples", found)

    def get(self, name: str, **labels: str) -> float:
        """0 where there is no such sample, as Prometheus counts."""
        said = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        return self.samples.get((name, said), 0.0)

    def names(self) -> set[str]:
        """Metrics of ours with at least one sample."""
        plain = {re.sub(r"_(bucket|sum|count|created|total)$", "", name) for name, _ in self.samples}
        ours = {name for name in plain if name.startswith("flowforge_")}
        return {f"{name}_total" if f"{name}_total" in TABLE else name for name in ours}


def address(house: House, part: str) -> str:
    """Where the process listens: its log says so."""
    if part == "api":
        return f"{house.url}/metrics"
    lines = (house.truth.data / "logs" / f"{part}.log").read_text().splitlines()
    said = [json.loads(line)["message"] for line in lines if '"metrics are at' in line]
    return str(said[-1]).rpartition(" ")[2]


def told(house: House, part: str) -> Told:
    with urllib.request.urlopen(address(house, part), timeout=30) as answer:  # noqa: S310 (loopback)
        assert answer.headers["Content-Type"].startswith("text/plain")
        return Told(answer.read().decode())


def delta(before: Told, after: Told) -> Callable[..., float]:
    return lambda name, **labels: after.get(name, **labels) - before.get(name, **labels)


def test_a_job_that_ran_is_told_by_its_worker_with_the_databases_own_times(house: House) -> None:
    project = house.project()
    start = shop(pipeline())
    base = project.repository.commit(start, branch="main", message="Open the shop")
    for branch, module in (("main", "logging"), ("topic", "decimal")):
        files = {**start, "shop/cart.py": CART.format(imports=f"import {module}\n\n", tail="old")}
        project.repository.commit(files, base, branch=branch, message=f"Use {module}")
    before = told(house, "worker")
    job = project.run(priority=8)
    assert ending(job) == ("success", "pushed")
    more = delta(before, told(house, "worker"))
    assert more("flowforge_jobs_total", result="success", reason="pushed") == 1
    assert more("flowforge_job_queue_wait_seconds_count", priority="high") == 1
    assert more("flowforge_job_duration_seconds_count") == 1
    assert job.started_at is not None
    assert job.completed_at is not None
    seconds = (job.completed_at - job.started_at).total_seconds()
    assert more("flowforge_job_duration_seconds_sum") == pytest.approx(seconds, abs=1e-3)
    for stage in job.stages:
        labels = {"stage": stage.stage, "result": str(stage.result)}
        assert more("flowforge_stage_duration_seconds_count", **labels) == 1
        assert more("flowforge_stage_duration_seconds_sum", **labels) == pytest.approx(
            stage.seconds, abs=1e-3
        )
    answered = house.truth.rows(
        "SELECT method FROM conflict_resolutions WHERE job::text = %(id)s", id=str(job.id)
    )
    rungs = [row["method"] for row in answered]
    assert rungs
    for rung in set(rungs):
        met = sum(
            more("flowforge_conflicts_total", rung=rung, outcome=outcome)
            for outcome in ("resolved", "proposed")
        )
        assert met == rungs.count(rung)


def test_the_relay_tells_what_waits_and_runs_and_the_api_what_it_cancelled(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test="echo started; sleep 60.0815"))
    before = told(house, "api")
    running = project.submit()
    house.began(running, "test", "started")
    waiting = project.submit("other", priority=1)

    def busy() -> bool:
        relay = told(house, "relay")
        depth = [relay.get("flowforge_queue_depth", priority=one) for one in ("high", "normal", "low")]
        counted = (relay.get("flowforge_jobs_active"), relay.get("flowforge_workers_active"))
        return (depth, counted) == ([0, 0, 1], (1, 1))

    eventually(busy, "one job that runs, one that waits, one worker")
    house.cancel(waiting)
    more = delta(before, told(house, "api"))
    assert more("flowforge_jobs_total", result="cancellation", reason="cancelled") == 1
    assert more("flowforge_job_duration_seconds_count") == 0
    house.cancel(running)
    house.ended(running)

    def idle() -> bool:
        relay = told(house, "relay")
        return relay.get("flowforge_jobs_active") == relay.get("flowforge_queue_depth", priority="low") == 0

    eventually(idle, "nothing runs or waits")


def test_every_process_tells_what_the_page_says_and_no_gauge_that_it_does_not_know(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline())
    project.run()
    page = (Path(__file__).parents[2] / "flowforge" / "docs" / "metrics.md").read_text()
    for part, names in ROOM_METRICS.items():
        known = told(house, part).names()
        assert names <= known | {"flowforge_conflicts_total"}, f"{part} does not tell {names - known}"
        assert known >= OF_ALL
        assert known & GAUGES == (names & GAUGES) | OF_ALL, part
        assert known <= set(TABLE)
        by = set(re.findall(rf"^\| `(\w+)` .*\| {part} \|$", page, flags=re.MULTILINE | re.IGNORECASE))
        assert known & GAUGES & by == names & GAUGES


def test_connections_in_use_are_few_and_known(house: House) -> None:
    for part in ROOM_METRICS:
        used = told(house, part).get("flowforge_db_connections")
        assert 0 <= used < 40
        assert not math.isnan(used)
