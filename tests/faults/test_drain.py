"""SIGTERM while a stage runs longer than anybody wants to wait: stopped, handed over, and taken on by another worker."""

import os
import signal
from collections.abc import Callable

from tests.acceptance.house import Project, ending, eventually
from tests.faults.oracle import strays
from tests.faults.site import Site

NAP = "sleep 93.51"  # seconds that no other process here sleeps
DRAIN = 6.0  # seconds


def test_a_stage_that_does_not_end_is_stopped_and_its_job_handed_over_in_time(
    site: Site, make_project: Callable[..., Project]
) -> None:
    project = make_project(f"echo started; {NAP}")
    with site.process("worker", FLOWFORGE_DRAIN_SECONDS=str(DRAIN)) as first:
        job = project.submit()
        site.house.began(job, "test", "started")
        first.send(signal.SIGTERM)
        assert first.dies() == os.EX_OK, first.said()[-2000:]
    shown = site.house.job(job.id)
    assert (shown.state, shown.attempts) == ("queued", 0)
    assert [words for _, words in strays(site.house.truth.data) if NAP in words] == []
    with site.worker():
        eventually(lambda: site.house.log(job).count("started") == 2, "another worker runs the stage again")
        site.house.cancel(job)
        ended = site.house.ended(job)
    assert ending(ended) == ("cancelled", "cancelled")
    assert {one.stage: one.attempt for one in ended.stages}["validate"] == 1
    site.keeps_its_promises(job)
