"""kill -9 of a worker wherever it stands: another one ends the job, and the branch has moved once."""

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from tests.acceptance.house import Project, ending, eventually
from tests.faults.doomed import Fate, all_end, fates
from tests.faults.oracle import strays
from tests.faults.site import Site
from tests.faults.table import PLACES, STAGES, at_each_place, proves
from tests.githttp import Fault

BETWEEN = ("push.intended", "push.before_remote", "push.after_remote", "push.settled", "job.stopped")
CASES = [pytest.param(place, marks=row) for place, row in zip(PLACES, at_each_place(1), strict=True)]

MakeProject = Callable[..., Project]


def runs(site: Site, job: object) -> dict[str, list[int]]:
    """The attempts in which each stage ran."""
    rows = site.house.truth.rows(
        "SELECT stage, attempt FROM stage_runs WHERE job::text = %(job)s ORDER BY attempt", job=job
    )
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(row["stage"], []).append(row["attempt"])
    return found


@pytest.fixture(scope="module")
def killed(site: Site, make_project: MakeProject) -> Iterator[dict[str, Fate]]:
    """Jobs whose first worker was killed at each place, and which another worker has ended."""
    places = [*PLACES, *BETWEEN]
    with fates(
        site, make_project, places, "kill9", struck=lambda worker: worker.popen.poll() is not None
    ) as found:
        all_end(site, found)
        yield found


@pytest.mark.timeout(300)  # the first case waits for all
@pytest.mark.parametrize("place", [*CASES, *BETWEEN])
def test_a_job_outlives_its_worker_and_moves_the_branch_once(
    site: Site, killed: dict[str, Fate], place: str
) -> None:
    fate = killed[place]
    assert fate.worker.dies() == -signal.SIGKILL
    assert (ending(fate.end), fate.end.attempts) == (("success", "pushed"), 2)
    site.keeps_its_promises(fate.job)
    assert len(fate.project.pushes()) == 1
    assert_only_the_unrecorded_ran_again(runs(site, fate.job.id), place)


def assert_only_the_unrecorded_ran_again(ran: dict[str, list[int]], place: str) -> None:
    """What was recorded with a checkpoint stands; the stage in whose middle the worker died runs again."""
    stage, _, step = place.partition(".")
    if stage not in STAGES:
        return
    at = STAGES.index(stage) + (step == "recorded")
    assert all(ran[done] == [1] for done in STAGES[:at]), ran
    if at < len(STAGES):
        assert ran[STAGES[at]] in ([1, 2], [2]), ran


def test_a_worker_killed_after_the_end_was_written_changes_nothing_more(
    site: Site, make_project: MakeProject
) -> None:
    project = make_project()
    with site.worker("job.moved:kill9") as first:
        job = project.submit()
        ended = site.house.ended(job)
        assert first.dies() == -signal.SIGKILL
    assert (ending(ended), ended.attempts) == (("success", "pushed"), 1)
    site.keeps_its_promises(job)


def test_a_worker_killed_while_tests_run_takes_them_along(site: Site, make_project: MakeProject) -> None:
    project = make_project("echo started; sleep 4")
    with site.worker() as first:
        job = project.submit()
        site.house.began(job, "test", "started")
        with site.worker():
            first.send(signal.SIGKILL)
            first.dies()
            ended = site.house.ended(job)
    assert (ending(ended), ended.attempts) == (("success", "pushed"), 2)
    assert site.house.log(job).count("started") == 2
    site.keeps_its_promises(job)


def test_a_worker_killed_while_git_fetches_blocks_nobody(site: Site, make_project: MakeProject) -> None:
    project = make_project()
    with site.worker() as first:
        site.host.fault = Fault(on=f"{project.repository.path.name}/git-upload-pack", delay=3.0, times=1)
        job = project.submit()
        eventually(lambda: any("fetch" in words for _, words in strays(site.house.truth.data)), "git fetches")
        with site.worker():
            first.send(signal.SIGKILL)
            first.dies()
            ended = site.house.ended(job)
    assert (ending(ended), ended.attempts) == (("success", "pushed"), 2)
    site.keeps_its_promises(job)


@proves("F61")
def test_a_job_that_kills_every_worker_is_given_up_and_its_neighbours_run(
    site: Site, make_project: MakeProject
) -> None:
    project, neighbour = make_project(), make_project()
    job = project.submit(max_attempts=2)
    for _ in range(2):
        with site.worker("resolve.begun:kill9") as poisoned:
            assert poisoned.dies() == -signal.SIGKILL
    ended = site.house.ended(job)
    assert ending(ended) == ("failed", "attempts_exhausted")
    assert project.pushes() == []
    with site.worker():
        other = neighbour.run()
    assert ending(other) == ("success", "pushed")
    site.keeps_its_promises(job)


@proves("F65")
def test_a_worker_that_is_told_to_leave_hands_its_job_over_and_the_attempt_back(
    site: Site, make_project: MakeProject
) -> None:
    project = make_project("echo started; sleep 4")
    with site.worker() as first:
        job = project.submit()
        site.house.began(job, "test", "started")
        first.send(signal.SIGTERM)
        with site.worker():
            assert first.dies() == os.EX_OK
            ended = site.house.ended(job)
    assert (ending(ended), ended.attempts) == (("success", "pushed"), 1)
    assert site.house.log(job).count("started") == 1
    site.keeps_its_promises(job)
