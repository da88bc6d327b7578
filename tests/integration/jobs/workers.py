"""Workers with a data folder, so a mirror, of their own each; only artifacts, Postgres and the remote are shared."""

from collections.abc import Callable

from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import Broken, Reason
from flowforge.core.job import Job
from flowforge.core.pipeline import StageSpec
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.run import Outcome, Workbench
from flowforge.jobs.session import JobSession, Stop
from flowforge.wiring.runner import PipelineRunner
from tests.integration.jobs.world import World, session_of

Make = Callable[[str], PipelineRunner]


def run(world: World, job: Job, pipeline: object) -> Job:
    artifacts: Artifacts = pipeline.artifacts  # type: ignore[attr-defined]  # a runner, or one that stops it
    bench = Workbench(database=world.database.system, artifacts=artifacts, run_pipeline=pipeline)  # type: ignore[arg-type]
    bench.run(job, session_of(job))
    return world.job(job)


class Dies:
    """Stops, as a killed worker would, before a stage begins."""

    def __init__(self, runner: PipelineRunner, before: str) -> None:
        self.runner, self.before, self.artifacts = runner, before, runner.artifacts

    def __call__(self, job: Job, recorder: FencedRecorder, session: JobSession) -> Outcome:
        started = recorder.stage_started

        def stage_started(spec: StageSpec) -> None:
            if spec.id == self.before:
                session.stop(Stop.LOST)
                raise Broken(Reason.LEASE_LOST, "killed")
            started(spec)

        recorder.stage_started = stage_started  # type: ignore[method-assign]
        return self.runner(job, recorder, session)


def claimed(world: World, job: Job, owner: str) -> Job:
    mine = world.claim(job, owner)
    assert mine is not None
    return mine
