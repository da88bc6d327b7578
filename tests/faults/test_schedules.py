"""Several relays, one killed while it starts a schedule's job: the time is acted on once."""

import signal
from collections.abc import Callable
from contextlib import ExitStack

import psycopg2

from flowforge.api.schedule_models import ScheduleIn
from tests.acceptance.house import Project, ending, eventually
from tests.faults.site import Site

MakeProject = Callable[..., Project]

SEVERAL = 3
DUE = "UPDATE schedules SET next_at = date_trunc('minute', now()) - interval '1 minute' WHERE repository::text = ANY(%s)"


def make_due(site: Site, projects: list[Project]) -> None:
    with psycopg2.connect(site.house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute(DUE, ([str(one.id) for one in projects],))
    connection.close()


def killed_over_one(site: Site, projects: list[Project]) -> None:
    """The site's own relay may be faster, so times come until this one has met its end over one of them."""

    def dead() -> bool:
        make_due(site, projects)
        return doomed.popen.poll() is not None

    with site.process("relay", "schedule.noted:kill9") as doomed:
        eventually(dead, f"the end of a relay: {doomed.said()[-500:]}", 90)
        assert doomed.popen.poll() == -signal.SIGKILL


def test_a_relay_that_is_killed_over_a_schedule_leaves_it_to_the_others(
    site: Site, make_project: MakeProject
) -> None:
    """Killed between the job's row and the commit: nothing of it is true, and the time is still due."""
    projects = [make_project() for _ in range(SEVERAL)]
    with site.house.client as client:
        kept = [
            client.add_schedule(
                ScheduleIn(repository=one.id, name=f"nightly-{one.id}", branch="topic", cron="0 5 * * *")
            )
            for one in projects
        ]
    killed_over_one(site, projects)
    with ExitStack() as undo:
        others = [undo.enter_context(site.process("relay")) for _ in range(2)]
        undo.enter_context(site.worker())

        def started() -> bool:
            with site.house.client as client:
                return all(client.schedule(one.id).last_job is not None for one in kept)

        eventually(started, "every schedule's job")
        jobs = site.house.truth.rows(
            "SELECT id::text FROM jobs WHERE trigger = 'schedule' AND repository::text = ANY(%(ids)s)",
            ids=[str(one.id) for one in projects],
        )
        assert len(jobs) == SEVERAL
        with site.house.client as client:
            started_jobs = [client.schedule(one.id).last_job for one in kept]
        ends = [site.house.ended(site.house.job(job)) for job in started_jobs if job is not None]
        assert [(ending(end), end.trigger) for end in ends] == [(("success", "pushed"), "schedule")] * SEVERAL
        site.keeps_its_promises(*ends)  # once all have ended: what runs still holds processes and credentials
        assert all(other.popen.poll() is None for other in others)
