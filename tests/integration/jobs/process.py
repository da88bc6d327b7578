"""A worker process for tests: ``python -m tests.integration.jobs.process JSON``. Its pipeline has three stages.

The middle one marks that it began (a file named after the worker) and then takes `seconds`, asking its session.
"""

import json
import sys
import time
from pathlib import Path

from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import StageResult
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.run import Workbench
from flowforge.jobs.session import JobSession
from flowforge.store.database import Database
from flowforge.store.schedule import Worker
from flowforge.wiring.worker import WorkerProcess, doorbells, limits_of, stopped_by_signals
from flowforge.worker.supervisor import Pace, Supervisor
from tests.integration.jobs.world import SmallPipeline, nothing


def main(given: dict[str, object]) -> int:
    folder, name, seconds = Path(str(given["folder"])), str(given["name"]), float(str(given["seconds"]))

    def slow(recorder: FencedRecorder, session: JobSession) -> StageResult | None:
        recorder.log("slow", f"{name}\n".encode())
        (folder / f"{name}.began").touch()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if session.cancelled():
                raise Refused(Reason.CANCELLED, "stopped")
            time.sleep(0.02)
        return None

    database = Database(str(given["database"]), limits=limits_of(1.0))
    bench = Workbench(
        database=database,
        artifacts=Artifacts(folder / "artifacts"),
        run_pipeline=SmallPipeline({"first": nothing, "slow": slow, "last": nothing}),
    )
    supervisor = Supervisor(
        worker=Worker(id=name, host="here", version="1", slots=1),
        work=bench.run,
        database=database,
        leases=Database(str(given["database"]), connections=2, limits=limits_of(1.0)),
        pace=Pace(lease=1.0, renew=0.3, watch=0.1, margin=0.1, drain=float(str(given["drain"])), last=5.0),
    )
    process = WorkerProcess(
        supervisor=supervisor,
        broker=doorbells(str(given["redis"]), 1),
        ready=(folder / f"{name}.ready").touch,
    )
    with stopped_by_signals() as stop:
        return 0 if process.run(stop) else 1


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
