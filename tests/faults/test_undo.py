"""kill -9 of a worker wherever an undo stands: another one ends it, and the branch goes back once."""

import signal
from collections.abc import Callable

import pytest

from flowforge.api.models import JobDetail
from tests.acceptance.house import Project, ending, eventually
from tests.faults.site import Site

MakeProject = Callable[..., Project]

PLACES = (
    "undo.begun",
    "undo.intended",
    "undo.before_remote",
    "undo.after_remote",
    "undo.settled",
    "undo.done",
    "undo.recorded",
    "job.stopped",
)


def pushed(site: Site, project: Project) -> JobDetail:
    with site.worker():
        job = project.run()
    assert ending(job) == ("success", "pushed")
    return job


@pytest.mark.parametrize("place", PLACES)
def test_an_undo_outlives_its_worker_and_moves_the_branch_back_once(
    site: Site, make_project: MakeProject, place: str
) -> None:
    project = make_project()
    old = project.repository.tip("refs/heads/topic")
    job = pushed(site, project)
    new = project.repository.tip("refs/heads/topic")
    with site.worker(f"{place}:kill9") as first:
        child = site.house.undo(job)
        eventually(lambda: site.house.job(child.id).state != "queued", "the first worker has it")
        with site.worker() as second:
            assert first.dies() == -signal.SIGKILL
            ended = site.house.ended(child)
            assert ending(ended) == ("success", "undone"), second.said()[-2000:]
            site.keeps_its_promises(job, child)
    assert ended.attempts == 2
    assert [(move.old, move.new) for move in project.pushes()] == [(old, new), (new, old)]
    assert {row["outcome"] for row in site.house.intents(child)} <= {"pushed", "already"}


def test_an_undo_that_was_cancelled_while_it_pushed_says_what_it_did(
    site: Site, make_project: MakeProject
) -> None:
    """Stopped between its intent and the remote, cancelled there, and let go on: it may not say `cancelled`."""
    project = make_project()
    old = project.repository.tip("refs/heads/topic")
    job = pushed(site, project)
    with site.worker("undo.before_remote:stop") as worker:
        child = site.house.undo(job)
        eventually(lambda: worker.stopped, "the worker stands still")
        site.house.cancel(child)
        worker.go_on()
        with site.worker():
            ended = site.house.ended(child)
    assert ending(ended) == ("success", "cancel_too_late")
    assert project.repository.tip("refs/heads/topic") == old
    site.keeps_its_promises(job, child)
