"""A worker and a relay whose clocks are hours off, in a whole service: nobody notices."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest

from tests.acceptance.house import Project, ending
from tests.faults.site import Process, Site
from tests.faults.table import proves

MakeProject = Callable[..., Project]

ROOT = Path(__file__).parents[2]
HOURS = 3600


def skewed(site: Site, undo: ExitStack, name: str, seconds: int) -> Process:
    path = os.pathsep.join([str(ROOT / "tests" / "skewed"), str(ROOT), str(ROOT / "plugins")])
    process = site.process(name, PYTHONPATH=path, FLOWFORGE_TEST_SKEW=str(seconds))
    return undo.enter_context(process)


@proves("F62")
@pytest.mark.parametrize("hours", [-7, 7])
def test_clocks_that_are_hours_off_change_nothing(site: Site, make_project: MakeProject, hours: int) -> None:
    """The worker is ahead where the relay is behind; the commit's date is the job's, which is the database's."""
    project = make_project()
    with ExitStack() as undo:
        skewed(site, undo, "relay", -hours * HOURS)
        skewed(site, undo, "worker", hours * HOURS)
        job = project.submit()
        end = site.house.ended(job)
    assert (ending(end), end.attempts) == (("success", "pushed"), 1)
    times = [end.created_at, end.queued_at, end.started_at, end.completed_at]
    known = [moment for moment in times if moment is not None]
    assert len(known) == 4
    assert known == sorted(known)
    tip = project.repository.tip("refs/heads/topic")
    committed = project.repository.git("show", "--no-patch", "--format=%cI", tip).decode().strip()
    assert abs((datetime.fromisoformat(committed) - end.created_at).total_seconds()) <= 1
    site.keeps_its_promises(job)
