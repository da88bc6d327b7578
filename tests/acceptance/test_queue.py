"""Groups and pauses from end to end: real workers, a real remote, definitions read from the repository."""

import json
from itertools import pairwise
from typing import Any

from flowforge.api.models import JobDetail, JobOut
from tests.acceptance.house import House, Project, ending, eventually
from tests.acceptance.stories import apart, pipeline

GROUPED = "concurrency: {group: branch, policy: supersede}\n"
PAUSES = "/api/v1/pauses"


def pause(project: Project, target: str = "") -> str:
    body = {"repository": str(project.id), "target": target, "reason": "release week"}
    answer = project.house.ask("POST", PAUSES, body=body)
    assert answer.status == 201
    return str(json.loads(answer.body)["id"])


def resume(project: Project, identity: str) -> None:
    assert project.house.ask("DELETE", f"{PAUSES}/{identity}").status == 200


def shown(project: Project, job: JobOut) -> JobDetail:
    with project.house.client as client:
        return client.job(job.id)


def why(project: Project, job: JobOut) -> str:
    told = shown(project, job).why
    return told.code if told else ""


def grouped(house: House, **wanted: Any) -> Project:
    project = house.project()
    apart(project.repository, pipeline(**wanted).replace("stages:", f"{GROUPED}stages:", 1))
    return project


def test_a_newer_job_takes_the_place_of_those_that_a_pause_holds(house: House) -> None:
    project = grouped(house)
    first = project.run()  # its worker reads the file, so the group of the next ones is known on arrival
    assert ending(first) == ("success", "pushed")
    assert first.concurrency is not None
    assert first.concurrency.group == "keep-mergeable: branch [topic]"
    paused = pause(project, "main")
    jobs = [project.submit() for _ in range(3)]
    assert why(project, jobs[-1]) == "paused"
    for older, newer in pairwise(jobs):
        ended = house.ended(older)
        assert ending(ended) == ("superseded", "superseded")
        assert ended.superseded_by == newer.id
    resume(project, paused)
    last = house.ended(jobs[-1])
    assert ending(last) == ("success", "up_to_date")
    house.keeps_its_promises(*jobs)


def test_a_running_job_is_stopped_for_a_newer_one(house: House) -> None:
    project = grouped(house, test="if test -e docs/slow.md; then sleep 300; fi")
    repository = project.repository
    tip = repository.tip("refs/heads/topic")
    files = repository.files(tip)
    repository.commit({**files, "docs/slow.md": "slow\n"}, tip, branch="topic")
    older = project.submit()
    house.began(older, "test")
    slow = repository.tip("refs/heads/topic")
    repository.commit({**files, "docs/quick.md": "quick\n"}, slow, branch="topic")
    newer = project.submit()
    stopped = house.ended(older)
    assert ending(stopped) == ("superseded", "superseded")
    assert stopped.superseded_by == newer.id
    assert ending(house.ended(newer)) == ("success", "pushed")
    house.keeps_its_promises(older, newer)


def test_a_job_of_a_paused_repository_waits_and_says_so(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline())
    paused = pause(project)
    job = project.submit(task="validate-only")
    eventually(lambda: why(project, job) == "paused", "the pause is told")
    told = shown(project, job).why
    assert told is not None
    assert "release week" in told.sentence
    resume(project, paused)
    assert house.ended(job).state.value == "success"
