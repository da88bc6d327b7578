"""SIGSTOP past the lease, then SIGCONT: the job is another's by then, and whatever the old owner does is refused."""

from collections.abc import Callable

import pytest

from tests.acceptance.house import Project, ending, eventually
from tests.faults.site import Site

MakeProject = Callable[..., Project]

PLACES = ("rebase.done", "push.intended", "push.before_remote", "push.after_remote", "job.stopped")
TOLD = """
SELECT (SELECT count(*) FROM job_events WHERE job::text = %(job)s) AS events,
       (SELECT count(*) FROM log_chunks WHERE job::text = %(job)s) AS chunks,
       (SELECT string_agg(stage || attempt || fence || coalesce(result, ''), ',' ORDER BY stage, attempt)
        FROM stage_runs WHERE job::text = %(job)s) AS stages,
       (SELECT string_agg(id || new_sha || outcome || fence, ',' ORDER BY id)
        FROM push_intents WHERE job::text = %(job)s) AS intents,
       (SELECT string_agg(state || fence || attempts || sentence, ',') FROM jobs WHERE id::text = %(job)s) AS ended
"""


@pytest.mark.parametrize("place", PLACES)
def test_a_stale_owner_writes_nothing_and_pushes_nothing(
    site: Site, make_project: MakeProject, place: str
) -> None:
    project = make_project()
    with site.worker(f"{place}:stop") as stale:
        job = project.submit()
        eventually(lambda: stale.stopped, f"the worker stands still at {place}")
        with site.worker():
            ended = site.house.ended(job)
        assert (ending(ended), ended.attempts) == (("success", "pushed"), 2)
        before = site.house.truth.rows(TOLD, job=job.id)
        stale.go_on()
        assert_it_works_again(make_project)  # its only thread has done with the job that it had lost
        assert site.house.truth.rows(TOLD, job=job.id) == before
        assert len(project.pushes()) == 1
        site.keeps_its_promises(job)
    assert "Traceback" not in stale.said()


def assert_it_works_again(make_project: MakeProject) -> None:
    """Losing a lease ends a job's session, not the worker."""
    assert ending(make_project().run()) == ("success", "pushed")
