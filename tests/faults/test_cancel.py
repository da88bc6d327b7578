"""Cancel in each state and at each place: before the intent to push nothing is pushed, after it nothing is denied."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from flowforge.api.models import JobOut
from flowforge.core.errors import FlowForgeError, Reason, Temporary
from tests.acceptance.house import PATIENCE, Project, ending
from tests.faults.doomed import Fate, fates
from tests.faults.oracle import strays
from tests.faults.site import Process, Site
from tests.faults.table import proves

MakeProject = Callable[..., Project]

BEFORE = ("clone.begun", "resolve.recorded", "test.done", "push.begun")
AFTER = ("push.intended", "push.before_remote", "push.after_remote", "job.stopped")
PATIENT = {"FLOWFORGE_LEASE_SECONDS": "600", "FLOWFORGE_RENEW_SECONDS": "1"}  # nobody else may take the job


def stands_still(worker: Process) -> bool:
    return worker.stopped


def asked_to_stop(site: Site, fate: Fate) -> JobOut:
    """A worker may stand still in the middle of a transaction: then the answer is 503, until Postgres ends that."""
    until = time.monotonic() + PATIENCE
    while True:
        with suppress(Temporary):
            return site.house.cancel(fate.job)
        assert time.monotonic() < until, f"no answer to a cancel at {fate.place}"
        time.sleep(1.0)


@pytest.fixture(scope="module")
def cancelled(site: Site, make_project: MakeProject) -> Iterator[dict[str, Fate]]:
    """Jobs that somebody cancelled while their worker stood still at each place; then it went on."""
    with fates(site, make_project, [*BEFORE, *AFTER], "stop", struck=stands_still, lease=PATIENT) as found:
        for fate in found.values():
            assert asked_to_stop(site, fate).cancel_requested
            fate.worker.go_on()
        for fate in found.values():
            fate.ended = site.house.ended(fate.job)
        yield found


@proves("F64")
@pytest.mark.timeout(300)  # the first case waits for all
@pytest.mark.parametrize("place", BEFORE)
def test_a_job_that_is_cancelled_before_it_means_to_push_changes_nothing(
    site: Site, cancelled: dict[str, Fate], place: str
) -> None:
    fate = cancelled[place]
    assert (ending(fate.end), fate.end.attempts) == (("cancelled", "cancelled"), 1)
    assert site.house.intents(fate.job) == []
    assert fate.project.pushes() == []
    site.keeps_its_promises(fate.job)


@proves("F64")
@pytest.mark.timeout(300)  # the first case waits for all
@pytest.mark.parametrize("place", AFTER)
def test_a_job_that_is_cancelled_after_that_says_that_it_was_too_late(
    site: Site, cancelled: dict[str, Fate], place: str
) -> None:
    fate = cancelled[place]
    assert (ending(fate.end), fate.end.attempts) == (("success", "cancel_too_late"), 1)
    assert len(fate.project.pushes()) == 1
    site.keeps_its_promises(fate.job)


@proves("F64")
def test_a_cancelled_test_dies_with_all_that_it_started(site: Site, make_project: MakeProject) -> None:
    project = make_project("echo started; sleep 471 & setsid sleep 472 & sleep 473")
    with site.worker():
        job = project.submit()
        site.house.began(job, "test", "started")
        site.house.cancel(job)
        ended = site.house.ended(job)
        assert ending(ended) == ("cancelled", "cancelled")
        assert [words for _, words in strays(site.house.truth.data) if "sleep 47" in words] == []
    assert project.pushes() == []
    site.keeps_its_promises(job)


@proves("F64")
def test_a_queued_job_is_cancelled_at_once_and_an_ended_one_stays_as_it_is(
    site: Site, make_project: MakeProject
) -> None:
    project = make_project("true")
    queued = project.submit()
    assert site.house.cancel(queued).state == "cancelled"
    assert site.house.cancel(queued).state == "cancelled"  # twice changes nothing more
    with site.worker():
        ended = project.run()
    assert ending(ended) == ("success", "pushed")
    with pytest.raises(FlowForgeError) as told:
        site.house.cancel(ended)
    assert told.value.reason is Reason.CONFLICT_OF_STATE
    assert ending(site.house.job(ended.id)) == ("success", "pushed")
    site.keeps_its_promises(queued, ended)
