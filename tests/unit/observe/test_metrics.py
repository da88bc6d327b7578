"""The table of metrics, and that nothing else is measured anywhere."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowforge.core.telemetry import Telemetry
from flowforge.observe.metrics import TABLE, Metrics

PACKAGE = Path(__file__).parents[3] / "flowforge"


def value(metrics: Metrics, sample: str) -> float | None:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", metrics.expose()[0].decode(), flags=re.MULTILINE)
    return float(found[1]) if found else None


def test_counts_observations_and_gauges_are_exposed() -> None:
    metrics = Metrics(version="1.2")
    metrics.count("flowforge_jobs_total", result="success", reason="pushed")
    metrics.count("flowforge_jobs_total", 2, result="success", reason="pushed")
    metrics.observe("flowforge_job_queue_wait_seconds", 0.3, priority="high")
    metrics.gauge("flowforge_jobs_active", 7)
    assert value(metrics, 'flowforge_jobs_total{reason="pushed",result="success"}') == 3
    assert value(metrics, 'flowforge_job_queue_wait_seconds_bucket{le="0.5",priority="high"}') == 1
    assert value(metrics, "flowforge_jobs_active") == 7
    assert value(metrics, 'flowforge_build_info{version="1.2"}') == 1


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("flowforge_surprise_total", {}),
        ("flowforge_jobs_active", {}),  # a gauge
        ("flowforge_jobs_total", {"result": "success"}),
        ("flowforge_jobs_total", {"result": "success", "reason": "x", "job": "1"}),
    ],
)
def test_another_name_or_label_is_a_bug(name: str, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Metrics(version="1").count(name, **labels)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_repository_is_a_label_only_where_the_setting_says_so(wanted: bool) -> None:
    metrics = Metrics(version="1", repository_label=wanted)
    metrics.count("flowforge_jobs_total", result="success", reason="pushed", repository="r")
    assert (b'repository="r"' in metrics.expose()[0]) is wanted


def test_it_is_a_telemetry() -> None:
    telemetry: Telemetry = Metrics(version="1")
    with telemetry.span("claim"):
        pass


def test_every_name_in_the_table_has_a_unit_or_is_a_count_of_things() -> None:
    for name, metric in TABLE.items():
        assert name.startswith("flowforge_")
        assert name.endswith("_total") is (metric.kind == "counter"), name
        assert (not name.endswith("_seconds")) or metric.kind == "histogram", name


def test_the_rooms_measure_what_the_table_knows_with_its_labels() -> None:
    verbs = {"count", "observe", "gauge"}
    met = 0
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if node.func.attr not in verbs or not isinstance(name, str) or not name.startswith("flowforge_"):
                continue
            met += 1
            assert name in TABLE, f"{path.name}:{node.lineno}: {name}"
            labels = {word.arg for word in node.keywords if word.arg} - {"repository"}
            assert labels == set(TABLE[name].labels), f"{path.name}:{node.lineno}: {name} with {labels}"
    assert met


def test_the_help_page_names_every_metric_with_its_labels() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\w+) \| (.+?) \|", (PACKAGE / "docs" / "metrics.md").read_text(), re.MULTILINE
    )
    told = {name: (kind, set(re.findall(r"`(\w+)`", labels)) - {"repository"}) for name, kind, labels in rows}
    assert told == {name: (metric.kind, set(metric.labels)) for name, metric in TABLE.items()}


def test_a_gauge_appears_once_somebody_has_set_it() -> None:
    metrics = Metrics(version="1")
    assert value(metrics, "flowforge_jobs_active") is None
    metrics.gauge("flowforge_jobs_active", 0)
    assert value(metrics, "flowforge_jobs_active") == 0


def test_who_looks_is_answered_with_what_is_true_now() -> None:
    metrics, open_ = Metrics(version="1"), iter([3, 5])
    metrics.on_look(lambda: metrics.gauge("flowforge_db_connections", next(open_)))
    assert value(metrics, "flowforge_db_connections") == 3
    assert value(metrics, "flowforge_db_connections") == 5


SHARING = """
import os, sys
from flowforge.observe.metrics import SHARED, Metrics, forget_process, shared_by_processes

with shared_by_processes():
    folder = os.environ[SHARED]
    children = []
    for number in (1, 2):
        child = os.fork()
        if not child:
            metrics = Metrics(version="1")
            metrics.count("flowforge_model_cost_usd_total", number)
            metrics.gauge("flowforge_db_connections", number)
            metrics.gauge("flowforge_jobs_active", 7)
            sys.exit(0)  # through the block, as a worker of gunicorn ends
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    metrics = Metrics(version="1")
    before = metrics.expose()[0].decode()
    for child in children:
        forget_process(child)
    print(before, "----", metrics.expose()[0].decode(), sep="\\n")
print("left" if os.path.exists(folder) else "gone", SHARED in os.environ)
"""


def test_processes_that_share_answer_with_their_sum_and_forget_the_dead() -> None:
    ran = subprocess.run([sys.executable, "-c", SHARING], capture_output=True, text=True, check=True)
    alive, _, rest = ran.stdout.partition("----")
    assert "flowforge_model_cost_usd_total 3.0" in alive
    assert "flowforge_db_connections 3.0" in alive
    assert "flowforge_jobs_active 7.0" in alive
    assert "flowforge_model_cost_usd_total 3.0" in rest
    assert "flowforge_db_connections 3.0" not in rest
    assert rest.splitlines()[-1] == "gone False"
