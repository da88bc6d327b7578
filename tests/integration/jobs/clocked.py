"""What every process of the service does with time, in one whose clock is off: ``python -m ... JSON``.

As a relay: start what is due, sweep. As a worker: claim a job, run it to its end. Says what its own clock shows.
"""

import json
import sys
import time
from datetime import UTC, datetime
from uuid import UUID

from flowforge.jobs.claim import claim
from flowforge.jobs.due import Starter
from flowforge.jobs.run import Workbench
from flowforge.jobs.submit import Door
from flowforge.jobs.sweep import sweep
from flowforge.store import jobs as table
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.store.maintenance import maintain
from flowforge.store.retention import Retention
from flowforge.store.schedule import Worker, beat
from flowforge.store.scope import Scope
from tests.integration.jobs.world import SmallPipeline, artifacts, check_ref, nothing, session_of

LEASE = 15.0


def main(given: dict[str, str]) -> None:
    database = Database(given["database"], connections=2)
    started = Starter(database=database, door=Door(new_id=make_ids(), check_ref=check_ref))()
    swept = sweep(database)
    with database.transaction(Scope.system()) as transaction:
        beat(transaction, Worker(id="skewed", host="here", version="1", slots=1), draining=False)
    job = claim(database, UUID(given["job"]), "skewed", lease=LEASE)
    assert job is not None
    with database.transaction(Scope.system()) as transaction:
        stop = table.renew(transaction, {job.id: job.fence}, LEASE)
        left = transaction.value(
            "SELECT extract(epoch FROM lease_until - now())::float8 FROM jobs WHERE id = %(id)s", id=job.id
        )
    bench = Workbench(database=database, artifacts=artifacts(), run_pipeline=SmallPipeline({"only": nothing}))
    bench.run(job, session_of(job))
    maintained = maintain(database, Retention(events=1, logs=1, executions=60, audit=60, texts=1))
    said = {
        "clock": time.time(),
        "wall": datetime.now(UTC).timestamp(),
        "started": started,
        "swept": swept.leases,
        "stop": list(stop.values()),
        "left": left,
        "maintained": [*maintained.made, *maintained.dropped, maintained.events, maintained.texts],
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
