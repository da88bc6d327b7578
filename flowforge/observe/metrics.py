"""Metrics by the names of CONTRACTS section 8, and spans whose ids stand in the logs.

The table below is the whole of what is measured: another name or another label is a bug, so labels stay
bounded. A gauge appears once somebody has set it: a zero that nobody measured would be a lie. With several API
processes prometheus-client keeps its values in files, in a folder of `shared_by_processes`.
"""

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics import MetricWrapperBase
from structlog.contextvars import bound_contextvars, get_contextvars

SHARED = "PROMETHEUS_MULTIPROC_DIR"
_REQUEST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_JOB = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True, kw_only=True)
class Metric:
    kind: str  # counter | gauge | histogram
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    together: Literal["livemostrecent", "livesum"] = "livemostrecent"  # a gauge of several processes
    of_repository: bool = False  # may carry a `repository` label, where the setting says so


TABLE: Mapping[str, Metric] = {
    "flowforge_http_requests_total": Metric(
        kind="counter", help="HTTP requests answered.", labels=("method", "route", "status")
    ),
    "flowforge_http_request_duration_seconds": Metric(
        kind="histogram",
        help="Time to answer a request.",
        labels=("method", "route"),
        buckets=_REQUEST,
    ),
    "flowforge_jobs_total": Metric(
        kind="counter", help="Jobs ended.", labels=("result", "reason"), of_repository=True
    ),
    "flowforge_job_duration_seconds": Metric(
        kind="histogram", help="From a job's start to its end.", buckets=_JOB, of_repository=True
    ),
    "flowforge_job_queue_wait_seconds": Metric(
        kind="histogram", help="From queued to claimed.", labels=("priority",), buckets=_JOB
    ),
    "flowforge_queue_depth": Metric(kind="gauge", help="Jobs that wait.", labels=("priority",)),
    "flowforge_jobs_active": Metric(kind="gauge", help="Jobs that run."),
    "flowforge_stage_duration_seconds": Metric(
        kind="histogram", help="Time of one stage.", labels=("stage", "result"), buckets=_JOB
    ),
    "flowforge_conflicts_total": Metric(
        kind="counter", help="Conflicts met, by who answered.", labels=("rung", "outcome")
    ),
    "flowforge_model_requests_total": Metric(
        kind="counter", help="Model calls.", labels=("provider", "model", "operation", "result")
    ),
    "flowforge_model_tokens_total": Metric(kind="counter", help="Tokens billed.", labels=("direction",)),
    "flowforge_model_cost_usd_total": Metric(kind="counter", help="US dollars spent on models."),
    "flowforge_model_wait_seconds": Metric(
        kind="histogram",
        help="From a model call's reservation to its turn.",
        labels=("provider",),
        buckets=_JOB,
    ),
    "flowforge_model_breaker_open": Metric(
        kind="gauge", help="1 while a provider, or one of its models, is not asked.", labels=("of",)
    ),
    "flowforge_budget_remaining_ratio": Metric(
        kind="gauge", help="What is left of the installation's budget."
    ),
    "flowforge_webhook_events_total": Metric(
        kind="counter", help="Webhook events received.", labels=("host", "event", "outcome")
    ),
    "flowforge_workers_active": Metric(kind="gauge", help="Workers that said lately that they live."),
    "flowforge_db_connections": Metric(kind="gauge", help="Database connections in use.", together="livesum"),
    "flowforge_build_info": Metric(kind="gauge", help="1, labelled with the version.", labels=("version",)),
}

_Kind = TypeVar("_Kind", bound=MetricWrapperBase)

_MAKE: Mapping[str, Callable[[str, Metric, tuple[str, ...], CollectorRegistry], MetricWrapperBase]] = {
    "counter": lambda name, m, labels, registry: Counter(name, m.help, labels, registry=registry),
    "gauge": lambda name, m, labels, registry: Gauge(
        name, m.help, labels, registry=registry, multiprocess_mode=m.together
    ),
    "histogram": lambda name, m, labels, registry: Histogram(
        name, m.help, labels, registry=registry, buckets=m.buckets
    ),
}


class Metrics:
    """Implements `core.telemetry.Telemetry`."""

    def __init__(
        self, *, version: str, repository_label: bool = False, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._registry = CollectorRegistry()
        self._clock = clock
        self._repository_label = repository_label
        self._looks: list[Callable[[], None]] = []
        self._one_makes = threading.Lock()
        self._metrics = {
            name: self._make(name, metric) for name, metric in TABLE.items() if metric.kind != "gauge"
        }
        self.gauge("flowforge_build_info", 1, version=version)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self._of(name, Counter, labels).inc(amount)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self._of(name, Histogram, labels).observe(seconds)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._of(name, Gauge, labels).set(value)

    @contextmanager
    def span(self, name: str, **attributes: str) -> Iterator[None]:
        """Give everything logged inside a span id, and the trace of the span around it."""
        trace = get_contextvars().get("trace_id") or secrets.token_hex(16)
        with bound_contextvars(trace_id=trace, span_id=secrets.token_hex(8), span=name, **attributes):
            yield

    def on_look(self, look: Callable[[], None]) -> None:
        """Call `look` each time before somebody is answered: it sets gauges, and must not raise."""
        self._looks.append(look)

    def look(self) -> None:
        for look in self._looks:
            look()

    def expose(self) -> tuple[bytes, str]:
        """What `/metrics` answers: body and content type."""
        self.look()
        registry = self._registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def _make(self, name: str, metric: Metric) -> MetricWrapperBase:
        extra = ("repository",) if metric.of_repository and self._repository_label else ()
        return _MAKE[metric.kind](name, metric, (*metric.labels, *extra), self._registry)

    def _of(self, name: str, kind: type[_Kind], labels: Mapping[str, str]) -> _Kind:
        """The metric with its labels set.

        Raises:
            ValueError: the table has no such metric of this kind, or it has other labels.
        """
        metric = self._metrics.get(name) or self._first(name)
        if not isinstance(metric, kind):
            raise ValueError(f"{name!r} is no {kind.__name__.lower()} that FlowForge measures")  # noqa: TRY004
        if "repository" in labels and not self._repository_label:
            labels = {key: value for key, value in labels.items() if key != "repository"}
        return metric.labels(**labels) if labels else metric

    def _first(self, name: str) -> MetricWrapperBase | None:
        """A gauge that is set for the first time."""
        with self._one_makes:
            if name not in self._metrics and name in TABLE:
                self._metrics[name] = self._make(name, TABLE[name])
            return self._metrics.get(name)


def _choose_values() -> None:
    """In files or in memory, by the environment as it is now; the library chose when it was imported."""
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]  # theirs


@contextmanager
def shared_by_processes() -> Iterator[None]:
    """Let the processes that are forked inside answer with the sum of all; to be entered before the first metric.

    A folder that the environment names already is the operator's: it is used and left.
    """
    if SHARED in os.environ:
        yield
        return
    folder, owner = tempfile.mkdtemp(prefix="flowforge-metrics-"), os.getpid()
    os.environ[SHARED] = folder
    _choose_values()
    try:
        yield
    finally:
        if os.getpid() == owner:  # a forked process leaves the block too
            os.environ.pop(SHARED)
            _choose_values()
            shutil.rmtree(folder, ignore_errors=True)


def keep_looking(metrics: Metrics, every: float = 5.0) -> Callable[[], None]:
    """Look every so many seconds in a thread, for a process whose gauges others show; returns what ends it."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(every):
            metrics.look()

    threading.Thread(target=look, name="gauges", daemon=True).start()
    return ended.set


def forget_process(pid: int) -> None:
    """A process has ended: its gauges count no more, what it had counted does."""
    if SHARED in os.environ and Path(os.environ[SHARED]).is_dir():
        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
