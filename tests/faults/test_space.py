"""The worker's disk is full, or its memory: the job is told so, what it left is gone, and the neighbours run.

The worker sees a disk of a few megabytes where its folders of mirrors and workspaces lie; the test sees it too, by way
of the worker's own root folder.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from flowforge.api.models import JobDetail, JobOut
from tests.acceptance.house import Project, ending, eventually
from tests.acceptance.stories import apart, pipeline
from tests.faults.servers import small_disk
from tests.faults.site import Process
from tests.faults.table import proves
from tests.faults.wired import WiredSite, all_end, all_succeed

DISK = 12 << 20  # bytes
LEASE = {"FLOWFORGE_LEASE_SECONDS": "30"}  # nobody else takes a job that stands still for a while


@pytest.fixture
def project(wired: WiredSite) -> Project:
    return small(wired)


def small(site: WiredSite, test: str = "true", more: str = "") -> Project:
    made = site.house.project()
    apart(made.repository, pipeline(test=test, more=more, require="validated"))
    return made


@contextmanager
def cramped(site: WiredSite, folder: str, failpoints: str = "") -> Iterator[tuple[Process, Path]]:
    """A worker with a small disk for one of its folders, and that folder as the worker sees it."""
    place = site.house.truth.data / folder
    site.within = small_disk(place, DISK)
    try:
        with site.process("worker", failpoints, **LEASE) as worker:
            site.within = ()
            eventually(lambda: "waits for rings" in worker.said(), "the worker is there")
            yield worker, Path(f"/proc/{inner(worker)}/root{place}")
    finally:
        site.within = ()


def inner(worker: Process) -> int:
    """What the command that shows the small disk has started."""
    (child,) = Path(f"/proc/{worker.popen.pid}/task/{worker.popen.pid}/children").read_text().split()
    return int(child)


def stands_still(worker: Process) -> bool:
    return Path(f"/proc/{inner(worker)}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not one byte more fits while the block runs."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while file.write(b"x" * size) == size:
                    continue
    try:
        yield
    finally:
        filler.unlink()


def told(job: JobDetail) -> tuple[str, str, int]:
    return (*ending(job), job.attempts)


def assert_cleaned(job: JobOut, folder: Path) -> None:
    assert [path.name for path in folder.rglob(f"{job.id}*")] == []
    assert list(folder.rglob("tmp_pack*")) == []  # what git had begun to write


def assert_room_for_others(site: WiredSite, project: Project) -> JobOut:
    """On the same small disk, by the same worker."""
    job = project.submit()
    (ended,) = all_end(site, [job])
    assert told(ended) == ("success", "pushed", 1), ended.ending
    return job


@proves("F59")
def test_a_clone_that_does_not_fit_is_told_and_leaves_room_for_others(
    wired: WiredSite, project: Project
) -> None:
    large = wired.house.project()
    blob = os.urandom(2 * DISK)
    start = {".flowforge.yml": pipeline(test="true", require="validated"), "large.bin": blob}
    base = large.repository.commit(start, branch="main", message="Keep a large file")
    large.repository.commit({**start, "more": "more\n"}, base, branch="topic")
    with cramped(wired, "mirrors") as (_worker, mirrors):
        job = large.submit()
        (ended,) = all_end(wired, [job])
        assert told(ended) == ("failed", "no_space", 1), ended.ending
        assert_cleaned(job, mirrors)
        other = assert_room_for_others(wired, project)
    wired.keeps_its_promises(job, other)


@proves("F59")
@pytest.mark.parametrize(("stage", "folder"), [("rebase", "mirrors"), ("test", "workspaces")])
def test_a_disk_that_is_full_in_the_middle_of_a_job_is_told_and_cleaned(
    wired: WiredSite, project: Project, stage: str, folder: str
) -> None:
    with cramped(wired, folder, f"{stage}.begun:stop") as (worker, place):
        job = project.submit()
        eventually(lambda: stands_still(worker), f"the worker stands still in {stage}")
        with filled(place):
            os.kill(inner(worker), signal.SIGCONT)
            (ended,) = all_end(wired, [job])
        assert told(ended) == ("failed", "no_space", 1), ended.ending
        assert_cleaned(job, place)
        other = assert_room_for_others(wired, small(wired))
    assert project.pushes() == []
    wired.keeps_its_promises(job, other)


@proves("F60")
def test_a_test_that_eats_memory_is_stopped_and_its_neighbour_is_not(wired: WiredSite) -> None:
    greedy, modest = small(wired, "tail /dev/zero", ", memory: 64Mi"), small(wired, "sleep 1")
    with wired.process("worker", FLOWFORGE_WORKER_THREADS="2"):
        jobs = [greedy.submit(), modest.submit()]
        ended = all_end(wired, jobs)
    assert told(ended[0]) == ("failed", "memory_limit", 1), ended[0].ending
    assert told(ended[1]) == ("success", "pushed", 1), ended[1].ending
    wired.keeps_its_promises(*jobs)


@proves("F60")
def test_a_worker_that_the_system_kills_for_its_memory_hands_all_its_jobs_on(wired: WiredSite) -> None:
    """SIGKILL, out of nothing and without a word: what the system does to whoever has used up the memory."""
    projects = [small(wired, "echo started; sleep 1") for _ in range(2)]
    with wired.process("worker", FLOWFORGE_WORKER_THREADS="2") as worker:
        jobs = [project.submit() for project in projects]
        for job in jobs:
            wired.house.began(job, "test", "started")
        worker.send(signal.SIGKILL)
        worker.dies()
        with wired.worker():
            all_succeed(wired, jobs, attempts=2)
    assert [len(project.pushes()) for project in projects] == [1, 1]
