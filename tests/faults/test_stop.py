"""SIGSTOP past the lease, then SIGCONT: the job is another's by then, and whatever the old owner does is refused."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from flowforge.api.models import JobOut
from tests.acceptance.house import Project, ending, eventually
from tests.faults.doomed import Fate, all_end, expire, fates
from tests.faults.oracle import Row
from tests.faults.site import Process, Site
from tests.faults.table import PLACES, at_each_place, proves

MakeProject = Callable[..., Project]

CASES = [pytest.param(place, marks=row) for place, row in zip(PLACES, at_each_place(19), strict=True)]
BLIND = ("rebase.done", "push.intended", "push.before_remote", "push.after_remote", "job.stopped")
LOST = "the lease was lost"
TOLD = """
SELECT (SELECT count(*) FROM job_events WHERE job::text = %(job)s) AS events,
       (SELECT count(*) FROM log_chunks WHERE job::text = %(job)s) AS chunks,
       (SELECT string_agg(stage || attempt || fence || coalesce(result, ''), ',' ORDER BY stage, attempt)
        FROM stage_runs WHERE job::text = %(job)s) AS stages,
       (SELECT string_agg(id || new_sha || outcome || fence, ',' ORDER BY id)
        FROM push_intents WHERE job::text = %(job)s) AS intents,
       (SELECT string_agg(state || fence || attempts || sentence, ',') FROM jobs WHERE id::text = %(job)s) AS ended
"""
ALWAYS = {"FLOWFORGE_LEASE_SECONDS": "600", "FLOWFORGE_RENEW_SECONDS": "1"}  # by the worker's own clock

Stopped = dict[str, tuple[Fate, Sequence[Row]]]  # by place, with what the database said before the SIGCONT


def told(site: Site, job: JobOut) -> Sequence[Row]:
    return site.house.truth.rows(TOLD, job=job.id)


def stands_still(worker: Process) -> bool:
    return worker.stopped


@pytest.fixture(scope="module")
def stopped(site: Site, make_project: MakeProject) -> Stopped:
    """Jobs whose first worker was stopped at each place, which another has ended, and then the first went on."""
    with fates(site, make_project, PLACES, "stop", struck=stands_still) as found:
        all_end(site, found)
        stories = {place: (fate, told(site, fate.job)) for place, fate in found.items()}
        for fate in found.values():
            fate.worker.go_on()
        for fate in found.values():
            eventually(lambda fate=fate: LOST in fate.worker.said(), f"the old owner at {fate.place} knows")  # type: ignore[misc]
            assert fate.worker.popen.poll() is None, fate.place  # it has lost a job, not its life
    return stories


@pytest.mark.timeout(300)  # the first case waits for all
@pytest.mark.parametrize("place", CASES)
def test_a_stale_owner_writes_nothing_and_pushes_nothing(site: Site, stopped: Stopped, place: str) -> None:
    fate, before = stopped[place]
    assert (ending(fate.end), fate.end.attempts) == (("success", "pushed"), 2)
    assert told(site, fate.job) == before
    assert len(fate.project.pushes()) == 1
    assert "Traceback" not in fate.worker.said()
    site.keeps_its_promises(fate.job)


@pytest.mark.parametrize("place", ["push.intended", "push.before_remote"])
def test_an_owner_that_wakes_up_without_its_lease_sends_no_push(
    site: Site, make_project: MakeProject, place: str
) -> None:
    """The remote still has what the push expects, so that nothing but the owner itself could keep it back."""
    project = make_project("true")
    topic = project.repository.tip("refs/heads/topic")
    with site.worker(f"{place}:stop") as stale:
        job = project.submit()
        eventually(lambda: stale.stopped, f"the worker stands still at {place}")
        with paused(site, project):
            eventually(lambda: site.house.job(job.id).state == "queued", "its lease has run out")
            stale.go_on()
            eventually(lambda: LOST in stale.said(), "the old owner knows")
            assert (sent(site, project), project.repository.tip("refs/heads/topic")) == (0, topic)
        ended = site.house.ended(job)
    assert (ending(ended), ended.attempts) == (("success", "pushed"), 2)
    assert (sent(site, project), len(project.pushes())) == (1, 1)
    site.keeps_its_promises(job)


@contextmanager
def paused(site: Site, project: Project) -> Iterator[None]:
    """Nobody claims jobs of the project meanwhile."""
    wanted = {"repository": str(project.id), "reason": "a look at the remote"}
    made = site.house.ask("POST", "/api/v1/pauses", body=wanted)
    assert made.status == 201, made
    try:
        yield
    finally:
        gone = site.house.ask("DELETE", f"/api/v1/pauses/{made.json['id']}")
        assert gone.status < 300, gone


def sent(site: Site, project: Project) -> int:
    """Pushes that came in, whatever became of them."""
    place = f"{project.repository.path.name}/git-receive-pack"
    return sum(one.method == "POST" and place in one.path for one in site.host.requests)


@pytest.fixture(scope="module")
def blind(site: Site, make_project: MakeProject) -> Iterator[Stopped]:
    """The same, but the old owner's own clock tells it that its lease is good: only the database says otherwise."""
    with fates(site, make_project, BLIND, "stop", struck=stands_still, lease=ALWAYS) as found:
        for fate in found.values():
            expire(site, fate.job)
        all_end(site, found)
        stories = {place: (fate, told(site, fate.job)) for place, fate in found.items()}
        for fate in found.values():
            fate.worker.go_on()
        yield stories


@proves("F62")
@pytest.mark.timeout(300)  # the first case waits for all
@pytest.mark.parametrize("place", BLIND)
def test_a_worker_whose_clock_is_slow_is_refused_by_the_database_and_works_on(
    site: Site, blind: Stopped, make_project: MakeProject, place: str
) -> None:
    fate, before = blind[place]
    again = make_project().submit()
    fate.call(again)  # its only thread takes this when it has done with the job that it had lost
    assert ending(site.house.ended(again)) == ("success", "pushed")
    assert (ending(fate.end), fate.end.attempts) == (("success", "pushed"), 2)
    assert told(site, fate.job) == before
    assert len(fate.project.pushes()) == 1
    assert "Traceback" not in fate.worker.said()
    site.keeps_its_promises(fate.job, again)
