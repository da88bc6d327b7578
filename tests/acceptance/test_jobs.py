"""How jobs end: every way that a team meets, over REST, against a real remote."""

import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from flowforge.accounts.bootstrap import add_organization
from flowforge.api.models import JobDetail, JobIn
from flowforge.core.errors import Reason, Refused
from flowforge.store.admin import role_urls
from flowforge.store.database import Database
from flowforge.store.ids import make_ids
from flowforge.store.scope import Scope
from tests.acceptance.house import House, ending, eventually
from tests.acceptance.stories import apart, four_conflicts, pipeline

NAP = "sleep 61.2345"  # seconds that no other process here sleeps


def naps() -> list[str]:
    """The processes that take this very nap."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            continue
        if words == NAP:
            found.append(entry.parent.name)
    return found


def stages(job: JobDetail) -> dict[str, str]:
    return {one.stage: str(one.result) for one in job.stages}


def test_a_clean_rebase_is_tested_and_pushed_well_within_its_limits(house: House) -> None:
    project = house.project()
    story = apart(project.repository, pipeline())
    job = project.run()
    assert ending(job) == ("success", "pushed")
    assert stages(job)["resolve"] == "skip"
    assert job.pipeline_source == f".flowforge.yml@{story.main}"
    tip = project.repository.tip("refs/heads/topic")
    assert project.repository.tip(f"{tip}^") == story.main
    assert {"docs/main.md", "docs/topic.md"} <= set(project.repository.files(tip))
    assert [move.new for move in project.pushes()] == [tip]
    assert job.completed_at is not None
    assert (job.completed_at - job.created_at).total_seconds() < 60
    assert job.attempts == 1


def test_a_branch_on_its_targets_tip_is_up_to_date_and_not_pushed(house: House) -> None:
    project = house.project()
    story = apart(project.repository, pipeline())
    files = {**project.repository.files(story.main), "docs/topic.md": "on top\n"}
    tip = project.repository.commit(files, story.main, branch="topic")
    job = project.run()
    assert ending(job) == ("success", "up_to_date")
    assert project.repository.tip("refs/heads/topic") == tip
    assert project.pushes() == []


def test_validate_only_answers_and_writes_nothing(house: House) -> None:
    project = house.project()
    story = apart(project.repository, pipeline())
    job = project.run(task="validate-only")
    assert ending(job)[0] == "success"
    assert stages(job) == dict.fromkeys(("clone", "rebase", "validate", "report"), "success")
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert house.intents(job) == []


def test_failing_tests_end_the_job_with_their_output_and_nothing_is_pushed(house: House) -> None:
    project = house.project()
    lines = "for i in $(seq 1 3000); do echo line $i of 3000; done; exit 3"
    story = apart(project.repository, pipeline(test=lines))
    job = project.run()
    assert ending(job) == ("failed", "tests_failed")
    assert job.ending is not None
    assert "exit status 3" in job.ending.sentence
    printed = [line for line in house.log(job).splitlines() if line.startswith("line ")]
    assert printed == [f"line {n} of 3000" for n in range(1, 3001)]
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert project.pushes() == []


def test_a_target_that_fails_by_itself_is_named_as_the_cause(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test="test ! -e docs/main.md", more=", compare_base: true"))
    job = project.run()
    assert ending(job) == ("failed", "base_already_red")
    assert "the same command on main itself" in house.log(job)
    assert project.pushes() == []


def test_a_hook_that_rejects_is_quoted(house: House) -> None:
    project = house.project()
    story = apart(project.repository, pipeline())
    project.reject_pushes("no pushes on sundays")
    job = project.run()
    assert ending(job) == ("failed", "push_rejected")
    assert job.ending is not None
    assert "no pushes on sundays" in job.ending.sentence
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert [intent["outcome"] for intent in house.intents(job)] == ["rejected"]


def test_a_person_who_pushes_meanwhile_wins(house: House) -> None:
    project = house.project()
    story = apart(project.repository, pipeline(test="echo started; sleep 2"))
    job = project.submit()
    house.began(job, "test", "started")
    files = {**project.repository.files(story.branch), "docs/more.md": "one more\n"}
    person = project.repository.commit(files, story.branch, branch="topic", message="One more thing")
    ended = house.ended(job)
    assert ending(ended) == ("failed", "remote_moved")
    assert project.repository.tip("refs/heads/topic") == person
    assert project.pushes() == []
    house.keeps_its_promises(job)
    again = project.run()
    assert ending(again) == ("success", "pushed")
    subjects = project.repository.git("log", "--format=%s", "topic").decode().splitlines()
    assert subjects[:2] == ["One more thing", "Work on a topic"]


def test_a_running_job_that_is_cancelled_stops_its_processes_and_pushes_nothing(house: House) -> None:
    project = house.project()
    story = apart(project.repository, pipeline(test=f"echo started; {NAP}; true"))
    job = project.submit()
    house.began(job, "test", "started")
    assert naps() != []
    asked = time.monotonic()
    assert house.cancel(job).cancel_requested
    ended = house.ended(job)
    assert time.monotonic() - asked < 10
    assert ending(ended) == ("cancelled", "cancelled")
    assert ended.ending is not None
    assert "changed nothing" in ended.ending.sentence
    eventually(lambda: not naps(), "the test's processes are gone", 2)
    assert project.repository.tip("refs/heads/topic") == story.branch
    house.keeps_its_promises(job)
    assert house.cancel(job).state == "cancelled"  # twice changes nothing more


def test_a_queued_job_is_cancelled_at_once_and_an_ended_one_never(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test="echo started; sleep 1"))
    first, second = project.submit(), project.submit()
    assert house.cancel(second).state == "cancelled"
    ended = house.ended(first)
    assert ending(ended) == ("success", "pushed")
    with pytest.raises(Refused) as caught:
        house.cancel(first)
    assert caught.value.reason is Reason.CONFLICT_OF_STATE
    house.keeps_its_promises(first, second)


def test_the_same_key_gives_the_same_job_and_never_another_one(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline())
    key = uuid4().hex
    jobs = {project.submit(key=key, task="validate-only").id for _ in range(3)}
    assert len(jobs) == 1
    with pytest.raises(Refused, match="was used before with another request") as caught:
        project.submit(key=key, task="validate-only", priority=9)
    assert caught.value.reason is Reason.INVALID_REQUEST
    ended = house.ended(house.job(jobs.pop()))
    house.keeps_its_promises(ended)
    assert project.submit(key=key, task="validate-only").id == ended.id


def test_the_highest_priority_runs_first(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test="echo started; sleep 1.5"))
    tip = project.repository.tip("refs/heads/topic")
    for number in (1, 5, 9):
        project.repository.point(f"p{number}", tip)
    first = project.submit()
    house.began(first, "test", "started")
    waiting = {n: project.submit(f"p{n}", priority=n, task="validate-only") for n in (1, 5, 9)}
    why = house.job(waiting[1].id).why
    assert why is not None
    assert why.sentence
    ended = {number: house.ended(job) for number, job in waiting.items()}
    order = sorted(ended, key=lambda number: str(ended[number].started_at))
    assert order == [9, 5, 1]
    house.ended(first)
    house.keeps_its_promises(first, *ended.values())


def test_a_definition_with_problems_is_answered_with_every_place(house: House) -> None:
    project = house.project()
    bad = (
        "version: 1\nname: bad\nstages:\n  - {id: clone, uses: clown}\n  - {id: push, uses: push, pace: 3}\n"
    )
    story = apart(project.repository, bad)
    job = project.run()
    assert ending(job) == ("failed", "pipeline_invalid")
    assert job.ending is not None
    told = f"{job.ending.sentence}\n{job.ending.evidence}"
    assert ".flowforge.yml:4:17: FF" in told
    assert ".flowforge.yml:5:28: FF" in told
    assert job.ending.next_action
    assert project.repository.tip("refs/heads/topic") == story.branch
    given = project.run(pipeline=bad)
    assert ending(given) == ("failed", "pipeline_invalid")


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"branch": "nowhere"}, "branch_missing"),
        ({"target": "nowhere"}, "target_missing"),
    ],
)
def test_what_is_not_there_is_named(house: House, wanted: dict[str, str], reason: str) -> None:
    project = house.project()
    apart(project.repository, pipeline())
    job = project.run(**wanted)
    assert ending(job) == ("failed", reason)
    assert job.ending is not None
    assert "nowhere" in job.ending.sentence


def test_another_organizations_ids_answer_like_unknown_ones(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline())
    job = project.run(task="validate-only")
    token = stranger(house)
    nobody = uuid4()
    for path in ("", "/logs", "/events", "/conflicts"):
        assert same_answer(house, "GET", f"/api/v1/jobs/{{}}{path}", job.id, nobody, token) == 404
    assert same_answer(house, "POST", "/api/v1/jobs/{}/cancel", job.id, nobody, token) == 404
    assert same_answer(house, "GET", "/api/v1/repositories/{}", project.id, nobody, token) == 404
    mine, unknown = (
        JobIn(repository=one, branch="topic").model_dump(mode="json") for one in (project.id, nobody)
    )
    answers = [house.ask("POST", "/api/v1/jobs", token=token, body=body) for body in (mine, unknown)]
    assert {answer.status for answer in answers} == {404}
    assert house.ask("GET", "/api/v1/jobs", token=token).json["jobs"] == []


def stranger(house: House) -> str:
    """The token of another organization's operator."""
    database = Database(role_urls(house.truth.database).system, connections=1)
    try:
        with database.transaction(Scope.system()) as tx:
            name = f"stranger {uuid4().hex[:8]}"
            return add_organization(tx, name=name, email="x@example.org", ids=make_ids()).token
    finally:
        database.close()


def same_answer(house: House, method: str, path: str, known: UUID, unknown: UUID, token: str) -> int:
    """The status of both answers, which may differ in nothing but the id."""
    answers = [
        house.ask(method, path.format(one), token=token, X_Request_ID="the-same") for one in (known, unknown)
    ]
    bodies = [
        a.body.replace(str(one).encode(), b"ID") for a, one in zip(answers, (known, unknown), strict=True)
    ]
    assert bodies[0] == bodies[1]
    assert answers[0].status == answers[1].status
    return answers[0].status


def test_conflicts_without_a_resolve_stage_end_for_a_person(house: House) -> None:
    project = house.project()
    story = four_conflicts(project.repository, pipeline())
    job = project.run(task="rebase")
    assert ending(job) == ("failed", "unresolved_conflicts")
    assert job.ending is not None
    assert "rebase-and-resolve" in job.ending.next_action
    assert project.repository.tip("refs/heads/topic") == story.branch
