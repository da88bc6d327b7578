"""Everywhere that something of a job is kept, told or sent: one text for each place, read once its jobs have ended."""

import re
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flowforge.api.models import JobDetail
from tests.acceptance.house import House
from tests.attacks.processes import Watch
from tests.faults.leaks import files_with, keys_with, tables_with
from tests.faults.site import Site
from tests.modelserver import ModelServer


@dataclass(frozen=True, kw_only=True)
class Run:
    """Jobs that have ended, and what was there to see of them."""

    site: Site
    server: ModelServer
    jobs: Sequence[JobDetail]
    watch: Watch
    metrics: str  # of the worker, which ends with its jobs

    @property
    def house(self) -> House:
        return self.site.house

    def rows(self, *tables: str) -> str:
        return "\n".join(
            f"{name}: {row['text']}"
            for name in tables
            for row in self.house.truth.rows(f"SELECT t::text AS text FROM {name} t")  # noqa: S608 (our own names)
        )

    def answers(self, *paths: str) -> str:
        return "\n".join(self.house.ask("GET", path).body.decode() for path in paths)


def requests(run: Run) -> str:
    """Whole bodies; headers hold the model's key, as they must."""
    return "\n".join(_texts(seen.body) for seen in run.server.seen)


def _texts(value: object) -> str:
    """All texts of a body as they are, without escapes."""
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_texts(one)}" for name, one in value.items())
    return "\n".join(map(_texts, value)) if isinstance(value, list) else str(value)


def job_log(run: Run) -> str:
    return run.rows("log_archives") + "\n".join(run.house.log(job) for job in run.jobs)


def process_logs(run: Run) -> str:
    """With the spans in which the lines were logged: traces are told there and nowhere else."""
    said = run.house.truth.said
    assert said is not None
    return "\n".join(path.read_text() for path in said.iterdir())


def events(run: Run) -> str:
    return run.rows("job_events") + run.answers(*(f"/api/v1/jobs/{job.id}/events" for job in run.jobs))


def report(run: Run) -> str:
    found = [job.outputs["report"] for job in run.jobs]
    return "\n".join(f"{one['text']}\n{one['markdown']}" for one in found)


def rest(run: Run) -> str:
    paths = [
        f"/api/v1/jobs/{job.id}{more}"
        for job in run.jobs
        for more in ("", "/conflicts", "/cost", "/decision")
    ]
    listed = ("/api/v1/jobs", "/api/v1/queue", "/api/v1/usage", "/api/v1/repositories", "/api/v1/pauses")
    wrong = ("/api/v1/jobs/none", "/api/v1/jobs?state=none", "/api/v1/none")
    return run.answers(*paths, *listed, *wrong)


def metrics(run: Run) -> str:
    with urllib.request.urlopen(f"{run.house.url}/metrics", timeout=30) as answer:  # noqa: S310 (loopback)
        return run.metrics + str(answer.read().decode())


SINKS: Mapping[str, Callable[[Run], str]] = {
    "requests": requests,
    "job-log": job_log,
    "process-logs": process_logs,
    "events": events,
    "report": report,
    "audit": lambda run: run.rows("audit_logs"),
    "model-rows": lambda run: run.rows("model_usage", "model_answers", "model_batches"),
    "resolutions": lambda run: run.rows("conflict_resolutions", "kept_answers", "decisions"),
    "outbox": lambda run: run.rows("outbox"),
    "metrics": metrics,
    "processes": lambda run: run.watch.text.decode("utf-8", "replace"),
    "rest": rest,
}


def anywhere(run: Run, words: Sequence[bytes]) -> list[str]:
    """Every table, file and key that holds one of the words, whatever it is for."""
    truth = run.house.truth
    return [*tables_with(truth, words), *files_with(truth.data, words), *keys_with(run.site.redis_url, words)]


def worker_metrics(said: str) -> str:
    """What a worker tells at the address that its log names."""
    url = re.findall(r"metrics are at (http[^\s\"]+)", said)[-1]
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (loopback)
        return str(answer.read().decode())
