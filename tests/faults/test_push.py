"""The one write that cannot be taken back: killed, unanswered, overtaken, crowded and contested, it happens once."""

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from flowforge.api.models import JobOut
from tests.acceptance.house import Project, ending, eventually
from tests.faults.branches import branch_off
from tests.faults.doomed import expire
from tests.faults.oracle import Row
from tests.faults.push import killed_pushes
from tests.faults.site import Process, Site
from tests.faults.table import proves
from tests.githttp import Fault

MakeProject = Callable[..., Project]

KILLED = int(os.environ.get("FLOWFORGE_FAULTS_PUSHES", "20"))  # the long run says 200
CROWD = 50
PATIENT = {"FLOWFORGE_LEASE_SECONDS": "600", "FLOWFORGE_RENEW_SECONDS": "1"}  # by the worker's own clock
EXECUTIONS = """
SELECT job, started_at, completed_at FROM job_executions WHERE job::text = ANY(%(jobs)s) ORDER BY started_at
"""


@proves("F37")
@pytest.mark.timeout(300)
def test_pushes_that_are_killed_at_random_moments_happen_once(
    record_property: Callable[[str, object], None],
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    sys.stdout.write(f"seed {seed}\n")
    report = killed_pushes(KILLED, seed)
    record_property("seed", seed)
    record_property("count", report["killed_inside_push"])
    assert report["holds"], report


@proves("F38")
def test_a_push_whose_answer_is_lost_is_asked_for_and_not_sent_again(
    site: Site, make_project: MakeProject
) -> None:
    project = make_project()
    lost = Fault(on=f"{project.repository.path.name}/git-receive-pack", drop_reply=True, times=1)
    with site.worker():
        site.host.fault = lost
        try:
            ended = project.run()
        finally:
            site.host.fault = None
    assert lost.times == 0
    assert (ending(ended), ended.attempts) == (("success", "pushed"), 1)
    assert len(project.pushes()) == 1
    assert [row["outcome"] for row in site.house.intents(ended)] == ["pushed"]


@pytest.fixture
def slow(site: Site) -> Iterator[Callable[[str], Process]]:
    """Workers that stop at a place, and would hold their lease for long."""
    undo = []

    def start(place: str) -> Process:
        made = site.process("worker", f"{place}:stop", **PATIENT)
        undo.append(made)
        return made.__enter__()

    yield start
    for made in undo:
        made.__exit__(None, None, None)


@proves("F39")
@pytest.mark.parametrize("place", ["push.intended", "push.before_remote"])
def test_what_a_person_pushed_meanwhile_stands(
    site: Site, make_project: MakeProject, slow: Callable[[str], Process], place: str
) -> None:
    project = make_project()
    worker = slow(place)
    job = project.submit()
    eventually(lambda: worker.stopped, f"the worker stands still at {place}")
    repository = project.repository
    tip = repository.tip("refs/heads/topic")
    theirs = repository.commit(
        {**repository.files(tip), "theirs.md": "by a person\n"}, tip, branch="topic", message="Mind this"
    )
    worker.go_on()
    ended = site.house.ended(job)
    assert (ending(ended), ended.attempts) == (("failed", "remote_moved"), 1)
    assert repository.tip("refs/heads/topic") == theirs
    assert project.pushes() == []
    site.keeps_its_promises(job)


@proves("F38", "F39")
def test_what_a_person_pushed_onto_a_push_in_doubt_stands_and_is_told(
    site: Site, make_project: MakeProject
) -> None:
    """The push lands, its answer is lost, and before the remote is asked again a person has gone on from it."""
    project = make_project()
    goes_on_from_every_push(project)
    lost = Fault(on=f"{project.repository.path.name}/git-receive-pack", drop_reply=True, times=1)
    with site.worker():
        site.host.fault = lost
        try:
            ended = site.house.ended(project.submit())
        finally:
            site.host.fault = None
    assert lost.times == 0
    assert (ending(ended), ended.attempts) == (("failed", "remote_moved"), 2)
    assert sorted(row["outcome"] for row in site.house.intents(ended)) == ["moved", "unknown"]
    (landed,) = project.pushes()
    assert project.repository.tip("refs/heads/topic~") == landed.new  # a person's commit is on top of it
    site.keeps_its_promises(ended)


def goes_on_from_every_push(project: Project) -> None:
    """Before the server answers whoever pushed, there is a person's commit on top."""
    person = " ".join(
        f"GIT_{who}_{what}={word}"
        for who in ("AUTHOR", "COMMITTER")
        for what, word in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
    )
    hook = project.repository.path / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\nexport {person}\nread -r old new ref\n"
        'git update-ref "$ref" "$(git commit-tree -p "$new" -m More "$new^{tree}")"\n'
    )
    hook.chmod(0o755)


@proves("F40")
@pytest.mark.timeout(300)
def test_fifty_jobs_on_one_ref_run_one_after_the_other(site: Site) -> None:
    project = site.house.project()
    branch_off(project, ["topic"])
    with site.worker(), site.process("worker", FLOWFORGE_WORKER_THREADS="2"):
        jobs = [project.submit() for _ in range(CROWD)]
        endings = [ending(site.house.ended(job)) for job in jobs]
    assert endings.count(("success", "pushed")) == 1
    assert endings.count(("success", "up_to_date")) == CROWD - 1
    assert len(project.pushes()) == 1
    attempts = executions(site, jobs)
    assert len(attempts) == CROWD
    assert all(before["completed_at"] <= after["started_at"] for before, after in pairwise(attempts))
    site.keeps_its_promises(*jobs)


def executions(site: Site, jobs: list[JobOut]) -> list[Row]:
    return site.house.truth.rows(EXECUTIONS, jobs=[str(job.id) for job in jobs])


@proves("F41")
@pytest.mark.parametrize(("place", "lands"), [("push.before_remote", "new"), ("push.after_remote", "stale")])
def test_of_two_owners_that_push_different_commits_one_lands_once(
    site: Site, make_project: MakeProject, slow: Callable[[str], Process], place: str, lands: str
) -> None:
    """They differ because main has moved, and because the new owner must begin anew: the checkpoint is lost."""
    project = make_project()
    stale = slow(place)
    job = project.submit()
    eventually(lambda: stale.stopped, f"the worker stands still at {place}")
    main = project.repository.tip("refs/heads/main")
    moved = {**project.repository.files(main), "docs/new.md": "new\n"}
    project.repository.commit(moved, main, branch="main", message="Go on")
    shutil.rmtree(site.house.truth.data / "artifacts" / "jobs" / str(job.id))
    expire(site, job)
    with site.worker():
        ended = site.house.ended(job)
        assert (ending(ended), ended.attempts) == (("success", "pushed"), 2)
        meant = [row["new_sha"] for row in site.house.intents(job)]
        assert len(set(meant)) == (2 if lands == "new" else 1)  # what has landed leaves nothing to be meant
    stale.go_on()
    assert ending(make_project().run()) == (
        "success",
        "pushed",
    )  # its only thread has done with the first job
    (landed,) = project.pushes()
    assert landed.new == (meant[0] if lands == "stale" else meant[-1])
    assert project.repository.tip("refs/heads/topic") == landed.new
    site.keeps_its_promises(job)
