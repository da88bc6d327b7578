"""Many workers, each of which meets its fault at another place, and one that takes over from all of them.

Whom a ring reaches is luck, and luck proves nothing. So each doomed worker listens to a Redis database of its own, in
which nobody rings but this module, for one job: that job meets that fault, whatever else happens. Their leases run
out together, so that many places cost hardly more time than one.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg2

from flowforge.api.models import JobDetail, JobOut
from flowforge.core.job import PriorityClass
from flowforge.queues.broker import make_broker
from flowforge.queues.doorbell import Doorbell
from tests.acceptance.house import PATIENCE, Project, eventually
from tests.faults.site import Process, Site

AT_ONCE = 4  # workers that start side by side; more would only wait for a processor
LEASE = {  # of the doomed: nobody loses one because the machine is busy
    "FLOWFORGE_LEASE_SECONDS": "8",
    "FLOWFORGE_RENEW_SECONDS": "1",
}


@dataclass(kw_only=True)
class Fate:
    """What became of one job whose worker met its fault at `place`."""

    place: str
    project: Project
    job: JobOut
    worker: Process
    bell: Doorbell  # that only this worker hears
    ended: JobDetail | None = None  # once another worker has ended it

    def call(self, job: JobOut) -> None:
        """Ring until the worker has the job. A ring at the very moment at which the relay marks it leads to nothing."""
        until = time.monotonic() + PATIENCE
        while self.project.house.job(job.id).state == "queued":
            assert time.monotonic() < until, f"nobody hears, at {self.place}: {self.worker.said()[-2000:]}"
            self.bell.ring(job.id, PriorityClass.NORMAL)
            time.sleep(0.3)

    @property
    def end(self) -> JobDetail:
        assert self.ended is not None
        return self.ended


@contextmanager
def fates(
    site: Site,
    make_project: Callable[[], Project],
    places: Sequence[str],
    action: str,
    *,
    struck: Callable[[Process], bool],
    lease: Mapping[str, str] = LEASE,
) -> Iterator[dict[str, Fate]]:
    """Let a worker meet `action` at each place, running a job of its own; `struck` tells that it has.

    While the block runs, workers that were only stopped stand still.
    """
    with ExitStack() as undo:
        found: dict[str, Fate] = {}
        for first in range(0, len(places), AT_ONCE):
            group = [
                undo.enter_context(_doomed(site, make_project(), place, action, number, lease))
                for number, place in enumerate(places[first : first + AT_ONCE], 1)
            ]
            for fate in group:
                fate.call(fate.job)
            for fate in group:
                eventually(lambda fate=fate: struck(fate.worker), f"{action} at {fate.place}")  # type: ignore[misc]
                found[fate.place] = fate
        yield found


@contextmanager
def _doomed(
    site: Site, project: Project, place: str, action: str, number: int, lease: Mapping[str, str]
) -> Iterator[Fate]:
    url = site.redis_url.replace("db=0", f"db={number}")
    assert url != site.redis_url
    broker = make_broker(url)
    broker.client.flushdb()  # rings that an earlier worker took along must not come back to this one
    with site.process("worker", f"{place}:{action}", FLOWFORGE_REDIS_URL=url, **lease) as worker:
        yield Fate(
            place=place, project=project, job=project.submit(), worker=worker, bell=Doorbell(broker=broker)
        )


def all_end(site: Site, found: Mapping[str, Fate]) -> None:
    """Another worker takes all of them over and ends them."""
    with site.process("worker", FLOWFORGE_WORKER_THREADS="2") as survivor:
        for fate in found.values():
            fate.ended = site.house.ended(fate.job)
            assert str(survivor.popen.pid) in last_worker(site, fate.job), fate.place


def last_worker(site: Site, job: JobOut) -> str:
    query = "SELECT worker FROM job_executions WHERE job::text = %(job)s ORDER BY fence DESC LIMIT 1"
    return str(site.house.truth.rows(query, job=job.id)[0]["worker"])


def expire(site: Site, job: JobOut) -> None:
    """End the lease, whatever its owner's clock says."""
    with psycopg2.connect(site.house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE jobs SET lease_until = now() WHERE id = %(job)s", {"job": str(job.id)})
        assert cursor.rowcount == 1
    connection.close()
