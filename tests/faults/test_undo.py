"""kill -9 of a worker wherever an undo stands: another one ends it, and the branch goes back once."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from flowforge.api.models import JobOut
from tests.acceptance.house import Project, ending, eventually
from tests.faults.doomed import Fate, all_end, fates
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


@dataclass(frozen=True, kw_only=True)
class Pushed(Project):
    """A project with a job that has pushed; what it submits is the undo of that job."""

    parent: JobOut
    old: str  # the branch before the push

    def submit(self, branch: str = "topic", *, key: str = "", **wanted: Any) -> JobOut:
        return self.house.undo(self.parent)


def pushed(site: Site, make_project: MakeProject, count: int) -> Iterator[Pushed]:
    """Projects whose jobs have all pushed before the first is handed out."""
    projects = [make_project("true") for _ in range(count)]
    olds = [project.repository.tip("refs/heads/topic") for project in projects]
    jobs = [project.submit() for project in projects]
    with site.process("worker", FLOWFORGE_WORKER_THREADS="2"):
        for job in jobs:
            assert ending(site.house.ended(job)) == ("success", "pushed")
    for project, job, old in zip(projects, jobs, olds, strict=True):
        yield Pushed(**vars(project), parent=job, old=old)


@pytest.fixture(scope="module")
def killed(site: Site, make_project: MakeProject) -> Iterator[dict[str, Fate]]:
    """Undo jobs whose first worker was killed at each place, and which another worker has ended."""
    ready = pushed(site, make_project, len(PLACES))
    with fates(
        site, lambda: next(ready), PLACES, "kill9", struck=lambda worker: worker.popen.poll() is not None
    ) as found:
        all_end(site, found)
        yield found


@pytest.mark.timeout(300)  # the first case waits for all
@pytest.mark.parametrize("place", PLACES)
def test_an_undo_outlives_its_worker_and_moves_the_branch_back_once(
    site: Site, killed: dict[str, Fate], place: str
) -> None:
    fate = killed[place]
    assert fate.worker.dies() == -signal.SIGKILL
    assert (ending(fate.end), fate.end.attempts) == (("success", "undone"), 2)
    project = fate.project
    assert isinstance(project, Pushed)
    (there, back) = project.pushes()
    assert (there.old, back.old, back.new) == (project.old, there.new, project.old)
    assert {row["outcome"] for row in site.house.intents(fate.job)} <= {"pushed", "already"}
    site.keeps_its_promises(project.parent, fate.job)


def test_an_undo_that_was_cancelled_while_it_pushed_says_what_it_did(
    site: Site, make_project: MakeProject
) -> None:
    """Stopped between its intent and the remote, cancelled there, and let go on: it may not say `cancelled`."""
    (project,) = pushed(site, make_project, 1)
    with site.worker("undo.before_remote:stop") as worker:
        child = project.submit()
        eventually(lambda: worker.stopped, "the worker stands still")
        site.house.cancel(child)
        worker.go_on()
        with site.worker():
            ended = site.house.ended(child)
    assert ending(ended) == ("success", "cancel_too_late")
    assert project.repository.tip("refs/heads/topic") == project.old
    site.keeps_its_promises(project.parent, child)
