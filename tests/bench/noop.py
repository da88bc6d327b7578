"""A worker process whose jobs do nothing: ``python -m tests.bench.noop JSON``.

Seven stages of a plugin return success: no git, no sandbox. All else is what a worker does, made of the same parts:
rings, claims, leases, fences, events, audit, the runner and its way to call a plugin's stage. With `marks` each
job's first stage appends "branch, monotonic seconds" to that file.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flowforge.artifacts.store import Artifacts
from flowforge.core.job import Job, Result
from flowforge.core.pipeline import Pipeline, StageResult, StageSpec
from flowforge.core.telemetry import Silent
from flowforge.git.replay import Committer
from flowforge.hooks.contracts import Stage, StageContext
from flowforge.hooks.manager import Registry, load_plugins
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.run import Outcome, Workbench
from flowforge.jobs.session import JobSession
from flowforge.jobs.tell import Teller
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.plugged import run_plugin
from flowforge.pipeline.runner import Terms, run_pipeline
from flowforge.queues.notify import Signals
from flowforge.resolve.memory import Remembered
from flowforge.resolve.policy import Policy
from flowforge.store.database import Database
from flowforge.wiring.worker import (
    WorkerProcess,
    doorbells,
    limits_of,
    stopped_by_signals,
    worker_of_this_process,
)
from flowforge.worker.supervisor import Supervisor

STAGES = 7
NAME = "noop"
MARKS = "FLOWFORGE_BENCH_MARKS"
STAGE = Stage(name=NAME, load="tests.bench.noop:succeed")
PIPELINE = Pipeline(
    name="bench",
    version=1,
    stages=tuple(StageSpec(id=f"stage-{number}", uses=NAME) for number in range(STAGES)),
)


def succeed(spec: StageSpec, context: StageContext) -> StageResult:
    """The plugin's stage."""
    if spec.id == "stage-0":
        mark(context.branch)
    return StageResult(stage=spec.id, result=Result.SUCCESS)


def mark(word: str) -> None:
    """Note that `word` was reached now; one small write is whole, however many processes append."""
    file = os.environ.get(MARKS)
    if file:
        with Path(file).open("a") as out:
            out.write(f"{word} {time.monotonic()}\n")


@dataclass(frozen=True, kw_only=True)
class NoopRunner:
    """Implements `jobs.run.RunPipeline` without a repository."""

    folder: Path
    registry: Registry

    def __call__(self, job: Job, recorder: FencedRecorder, session: JobSession) -> Outcome:
        tools = Tools(
            mirror=cast("Any", None),  # no stage of these asks for files
            sandbox=cast("Any", None),
            pool=cast("Any", None),
            registry=self.registry,
            recorder=recorder,
            committer=Committer(name="bench", email="bench@example.org", date=0),
            telemetry=Silent(),
            pipeline=PIPELINE,
            workspace=self.folder,
            policy=Policy(),
            memory=Remembered(),
            cancelled=session.cancelled,
        )
        ended = run_pipeline(
            PIPELINE,
            Work(branch=job.branch, target=job.target),
            (),
            {NAME: lambda spec, work, edges: run_plugin(STAGE, spec, work, edges)},
            tools,
            Terms(clock=time.monotonic, may_hand_back=job.attempts < job.max_attempts),
        )
        return Outcome(ending=ended.ending, hand_back=ended.hand_back)


def main(given: dict[str, Any]) -> int:
    threads, folder, url = int(given["threads"]), Path(given["folder"]), str(given["database"])
    if given.get("marks"):
        os.environ[MARKS] = str(given["marks"])
    limits, signals = limits_of(15.0), Signals(url=str(given["redis"]))
    database = Database(url, connections=2 * threads + 4, limits=limits)
    bench = Workbench(
        database=database,
        artifacts=Artifacts(folder / "artifacts"),
        run_pipeline=NoopRunner(folder=folder, registry=load_plugins([])),
        teller=Teller(publish=signals.publish, rouse=signals.rouse),
    )
    supervisor = Supervisor(
        worker=worker_of_this_process(threads),
        work=bench.run,
        database=database,
        leases=Database(url, connections=2, limits=limits),
        teller=bench.teller,
    )
    process = WorkerProcess(
        supervisor=supervisor,
        broker=doorbells(str(given["redis"]), threads),
        ready=(folder / f"{os.getpid()}.ready").touch,
    )
    with stopped_by_signals() as stop:
        return 0 if process.run(stop) else 1


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
