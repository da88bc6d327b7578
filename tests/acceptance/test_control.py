"""What a person may still do: take a push back, and decide what a job asks; over REST, against a real remote."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg2
import pytest

import flowforge.docs
from flowforge.api.models import JobDetail, JobOut
from flowforge.core.decision import Verb
from flowforge.core.errors import Reason, Refused
from flowforge.wiring.main import main
from tests.acceptance.house import House, Project, ending, eventually
from tests.acceptance.stories import FEE, Story, apart, four_conflicts, pipeline
from tests.faults.oracle import strays
from tests.githttp import Fault

NO_TEST = "true"
FEE_FILE = "shop/fee.py"
EDITED = FEE.format(body="    cents = (cents + 5) * 2\n")


@pytest.fixture
def pushed(house: House) -> tuple[Project, Story, JobDetail]:
    project = house.project()
    story = apart(project.repository, pipeline(test=NO_TEST))
    job = project.run()
    assert ending(job) == ("success", "pushed")
    return project, story, job


def text_of(project: Project, commit: str, path: str) -> str:
    return project.repository.git("cat-file", "blob", f"{commit}:{path}").decode()


def refused(house: House, method: str, path: str, body: object = None) -> tuple[int, str]:
    answer = house.ask(method, path, body=body)
    return answer.status, answer.json.get("reason", "")


def test_a_push_is_taken_back_and_only_once(house: House, pushed: tuple[Project, Story, JobDetail]) -> None:
    project, story, job = pushed
    new = project.repository.tip("refs/heads/topic")
    child = house.undo(job)
    assert (child.parent_job, child.task, child.branch) == (job.id, "undo", "topic")
    ended = house.ended(child)
    assert ending(ended) == ("success", "undone")
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert ended.outputs["undo"] == {
        "ref": "refs/heads/topic",
        "old": new,
        "new": story.branch,
        "undoes": str(job.id),
    }
    (intent,) = house.intents(child)
    assert (intent["kind"], intent["old_sha"], intent["new_sha"], intent["outcome"]) == (
        "undo",
        new,
        story.branch,
        "pushed",
    )
    house.keeps_its_promises(job, child)
    assert refused(house, "POST", f"/api/v1/jobs/{job.id}/undo") == (409, "conflict_of_state")
    assert refused(house, "POST", f"/api/v1/jobs/{child.id}/undo") == (409, "conflict_of_state")
    assert [(move.old, move.new) for move in project.pushes()] == [(story.branch, new), (new, story.branch)]


def test_the_same_key_undoes_once_and_answers_the_same(
    house: House, pushed: tuple[Project, Story, JobDetail]
) -> None:
    _, _, job = pushed
    path, key = f"/api/v1/jobs/{job.id}/undo", f"undo-{job.id}"
    first = house.ask("POST", path, Idempotency_Key=key)
    house.ended(JobOut.model_validate_json(first.body))
    again = house.ask("POST", path, Idempotency_Key=key)
    assert (first.status, again.status, first.json["id"]) == (202, 202, again.json["id"])


def test_of_two_who_undo_at_once_one_does(house: House, pushed: tuple[Project, Story, JobDetail]) -> None:
    project, story, job = pushed
    path = f"/api/v1/jobs/{job.id}/undo"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: house.ask("POST", path), range(4)))
    assert sorted(answer.status for answer in answers) == [202, 409, 409, 409]
    (made,) = (answer for answer in answers if answer.status == 202)
    assert ending(house.ended(JobOut.model_validate_json(made.body))) == ("success", "undone")
    assert project.repository.tip("refs/heads/topic") == story.branch


def test_what_a_person_has_pushed_since_stands(
    house: House, pushed: tuple[Project, Story, JobDetail]
) -> None:
    project, _, job = pushed
    tip = project.repository.tip("refs/heads/topic")
    files = {**project.repository.files(tip), "docs/more.md": "one more\n"}
    person = project.repository.commit(files, tip, branch="topic", message="One more thing")
    ended = house.ended(house.undo(job))
    assert ending(ended) == ("failed", "remote_moved")
    assert ended.ending is not None
    assert "nothing was changed" in ended.ending.sentence
    assert project.repository.tip("refs/heads/topic") == person
    assert house.intents(ended) == []
    house.keeps_its_promises(job, ended)


def test_a_branch_that_the_push_made_is_deleted_again(house: House) -> None:
    project = house.project()
    story = apart(project.repository, pipeline(test=NO_TEST, to="new-branch"))
    job = house.ended(project.submit())
    assert ending(job) == ("success", "pushed")
    ref = "refs/heads/flowforge/topic"
    assert project.repository.git("for-each-ref", ref) != b""
    ended = house.ended(house.undo(job))
    assert ending(ended) == ("success", "undone")
    assert project.repository.git("for-each-ref", ref) == b""
    assert project.repository.tip("refs/heads/topic") == story.branch


def test_a_target_that_was_fast_forwarded_goes_back(house: House) -> None:
    project = house.project()
    story = apart(project.repository, pipeline(test=NO_TEST, to="target"))
    job = house.ended(project.submit())
    assert ending(job) == ("success", "pushed")
    assert project.repository.tip("refs/heads/main") != story.main
    ended = house.ended(house.undo(job))
    assert ending(ended) == ("success", "undone")
    assert project.repository.tip("refs/heads/main") == story.main


def test_what_pushed_nothing_or_still_runs_cannot_be_undone(
    house: House, pushed: tuple[Project, Story, JobDetail]
) -> None:
    project = house.project()
    apart(project.repository, pipeline(test="echo started.; sleep 300"))
    checked = project.run(task="validate-only")
    assert refused(house, "POST", f"/api/v1/jobs/{checked.id}/undo") == (409, "conflict_of_state")
    job = project.submit()
    house.began(job, "test", "started")
    assert refused(house, "POST", f"/api/v1/jobs/{job.id}/undo") == (409, "conflict_of_state")
    assert refused(house, "POST", f"/api/v1/jobs/{job.id}/retry", {}) == (409, "conflict_of_state")
    assert house.job(job.id).state == "running"
    house.cancel(job)
    assert ending(house.ended(job)) == ("cancelled", "cancelled")
    assert refused(house, "POST", f"/api/v1/jobs/{pushed[2].id}/undo?ref=other") == (422, "invalid_request")


# ------------------------------------------------------------------------------------------------- decisions


def asking(house: House, **how: Any) -> tuple[Project, Story, JobOut]:
    """A job of four conflicts that will ask."""
    project = house.project()
    story = four_conflicts(project.repository, pipeline(test=NO_TEST, **how))
    return project, story, project.submit()


def test_what_was_approved_is_pushed_and_nothing_else(house: House) -> None:
    project, story, job = asking(house, model="both", ask="store/**")
    question = house.waiting(job)
    assert (question.number, question.kind, question.stage) == (1, "approve", "push")
    assert "store/store.go" in question.sentence
    first = question.files[0]
    assert (first.path, first.open) == ("store/store.go", False)
    assert first.result is not None
    assert "func Tax" in first.result
    assert "func Discount" in first.result
    assert "func Discount" in (first.mine or "")
    assert "func Tax" in (first.upstream or "")
    assert "func first" in (first.base or "")
    shown = house.job(job.id)
    assert shown.worker != ""
    assert shown.why is not None
    assert (shown.why.code, shown.attempts) == ("decision", 0)
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert house.intents(job) == []
    assert house.decide(job, Verb.APPROVE).state == "queued"
    ended = house.ended(job)
    assert ending(ended) == ("success", "pushed")
    assert ended.attempts == 1
    tip = project.repository.tip("refs/heads/topic")
    assert project.repository.tree(tip) == question.tree
    assert {one.stage: one.attempt for one in ended.stages}["test"] == 1
    house.keeps_its_promises(job)
    assert refused(house, "POST", f"/api/v1/jobs/{job.id}/decision", {"decision": "approve"}) == (
        409,
        "conflict_of_state",
    )


def test_a_waiting_job_holds_no_slot(house: House) -> None:
    _, _, job = asking(house, model="both", ask="store/**")
    house.waiting(job)
    project = house.project()
    apart(project.repository, pipeline(test=NO_TEST))
    assert ending(project.run()) == ("success", "pushed")  # the service has one slot
    house.decide(job, Verb.REJECT)


def test_what_was_rejected_ends_and_pushes_nothing(house: House) -> None:
    project, story, job = asking(house, model="both", ask="store/**")
    house.waiting(job)
    house.decide(job, Verb.REJECT)
    ended = house.ended(job)
    assert ending(ended) == ("failed", "rejected")
    stages = {one.stage: (one.result, one.reason) for one in ended.stages}
    assert (stages["push"], stages["report"]) == (("failure", "rejected"), ("success", "done"))
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert house.intents(job) == []
    house.keeps_its_promises(job)


def test_a_person_writes_what_no_rung_could_answer(house: House) -> None:
    project, story, job = asking(house, hand_back=True)
    question = house.waiting(job)
    assert (question.kind, question.stage) == ("resolve", "resolve")
    (open_,) = (file for file in question.files if file.open)
    assert (open_.path, open_.commit) == (FEE_FILE, story.own[2])
    assert open_.result is not None
    assert "<<<<<<< upstream" in open_.result
    assert {hunk.rung for hunk in open_.hunks} == {"mechanical", "structural"}
    path = f"/api/v1/jobs/{job.id}/decision"
    for body in (
        {"decision": "approve"},
        {"decision": "edit"},
        {"decision": "edit", "files": {"shop/cart.py": "x = 1\n"}},
        {"decision": "edit", "files": {FEE_FILE: open_.result}},
        {"decision": "edit", "files": {FEE_FILE: EDITED, ".github/workflows/ci.yml": "evil"}},
        {"decision": "approve", "files": {FEE_FILE: EDITED}},
        {"decision": "perhaps"},
    ):
        assert refused(house, "POST", path, body) == (422, "invalid_request"), body
    assert refused(house, "POST", path, {"decision": "reject", "question": 2}) == (409, "conflict_of_state")
    assert house.job(job.id).state == "waiting"
    house.decide(job, Verb.EDIT, **{FEE_FILE: EDITED})
    ended = house.ended(job)
    assert ending(ended) == ("success", "pushed")
    tip = project.repository.tip("refs/heads/topic")
    assert text_of(project, tip, FEE_FILE) == EDITED
    assert "func Tax" in text_of(project, tip, "store/store.go")
    assert {one.stage: one.result for one in ended.stages}["test"] == "success"
    assert [one.stage for one in ended.stages if one.attempt != 1] == []
    with house.client as client:
        found = {one.path: one.method for one in client.conflicts(job.id).conflicts}
    assert found[FEE_FILE] == "person"
    house.keeps_its_promises(job)


def test_what_a_person_wrote_is_validated_as_any_other_answer(house: House) -> None:
    project, story, job = asking(house, hand_back=True)
    house.waiting(job)
    house.decide(job, Verb.EDIT, **{FEE_FILE: "def fee(cents:\n    return\n"})
    ended = house.ended(job)
    assert ending(ended) == ("failed", "validation_failed")
    assert project.repository.tip("refs/heads/topic") == story.branch
    house.keeps_its_promises(job)


def test_an_answer_that_should_be_approved_can_be_edited_instead(house: House) -> None:
    project, _, job = asking(house, model="both", ask="shop/fee.py")
    question = house.waiting(job)
    assert question.files[0].path == FEE_FILE
    house.decide(job, Verb.EDIT, **{FEE_FILE: EDITED})
    ended = house.ended(job)
    assert ending(ended) == ("success", "pushed")
    tip = project.repository.tip("refs/heads/topic")
    assert text_of(project, tip, FEE_FILE) == EDITED
    assert {one.path for one in question.files} == {
        FEE_FILE,
        "shop/cart.py",
        "store/store.go",
        "config/shop.json",
    }
    house.keeps_its_promises(job)


def test_of_two_who_decide_at_once_one_has_decided(house: House) -> None:
    _, _, job = asking(house, model="both", ask="store/**")
    house.waiting(job)
    path = f"/api/v1/jobs/{job.id}/decision"
    verbs = ["approve", "reject"] * 3
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda verb: house.ask("POST", path, body={"decision": verb}), verbs))
    won = [verb for verb, answer in zip(verbs, answers, strict=True) if answer.status == 200]
    assert len(won) == 1
    assert {answer.json["reason"] for answer in answers if answer.status != 200} == {"conflict_of_state"}
    ended = house.ended(job)
    assert ending(ended) == {"approve": ("success", "pushed"), "reject": ("failed", "rejected")}[won[0]]
    house.keeps_its_promises(job)


def test_a_question_that_nobody_decides_ends_the_job(house: House) -> None:
    project, story, job = asking(house, model="both", ask="store/**")
    house.waiting(job)
    with psycopg2.connect(house.truth.database) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE decisions SET expires_at = now() WHERE job = %s", (str(job.id),))
    connection.close()
    ended = house.ended(job)
    assert ending(ended) == ("failed", "decision_expired")
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert refused(house, "POST", f"/api/v1/jobs/{job.id}/decision", {"decision": "approve"}) == (
        409,
        "conflict_of_state",
    )
    house.keeps_its_promises(job)


def test_a_waiting_job_is_cancelled_at_once(house: House) -> None:
    project, story, job = asking(house, model="both", ask="store/**")
    house.waiting(job)
    assert house.cancel(job).state == "cancelled"
    assert house.cancel(job).state == "cancelled"
    with pytest.raises(Refused) as caught:
        house.decide(job, Verb.APPROVE)
    assert caught.value.reason is Reason.CONFLICT_OF_STATE
    assert project.repository.tip("refs/heads/topic") == story.branch
    house.keeps_its_promises(job)


def test_what_never_asked_shows_no_question(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test=NO_TEST))
    job = project.run(task="validate-only")
    assert refused(house, "GET", f"/api/v1/jobs/{job.id}/decision") == (404, "not_found")
    body = {"decision": "approve"}
    assert refused(house, "POST", f"/api/v1/jobs/{job.id}/decision", body) == (409, "conflict_of_state")
    eventually(lambda: house.job(job.id).final, "it has ended")


def test_the_terminal_shows_the_question_and_takes_the_answer(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    project, _, job = asking(house, hand_back=True)
    house.waiting(job)
    monkeypatch.setenv("FLOWFORGE_URL", house.url)
    monkeypatch.setenv("FLOWFORGE_TOKEN", house.token)

    def typed(*words: str) -> str:
        code = main(["job", *words])
        out, err = capsys.readouterr()
        assert code == 0, (out, err)
        return out + err

    shown = typed("show", str(job.id))
    assert f"{FEE_FILE} in " in shown
    assert "(open)" in shown
    assert f"flowforge job edit {job.id} {FEE_FILE}=FILE" in shown
    assert f"flowforge job reject {job.id}" in shown
    assert "job approve" not in shown
    assert main(["job", "approve", str(job.id)]) == 2
    assert "has no answer" in capsys.readouterr().err
    typed("question", str(job.id), "--out", str(tmp_path))
    text = (tmp_path / FEE_FILE).read_text()
    assert text.count("<<<<<<< upstream") == 1
    (tmp_path / FEE_FILE).write_text(EDITED)
    typed("edit", str(job.id), f"{FEE_FILE}={tmp_path / FEE_FILE}")
    assert ending(house.ended(job)) == ("success", "pushed")
    undo = typed("undo", str(job.id)).strip()
    assert ending(house.ended(house.job(UUID(undo)))) == ("success", "undone")
    assert len(project.pushes()) == 2


# ------------------------------------------------------------------------------------------- a stage that asks


def careful(terms: str = "") -> str:
    """Tests, then a person, then the push."""
    terms = f", with: {{{terms}}}" if terms else ""
    return pipeline(test=NO_TEST).replace(
        "  - {id: push", f"  - {{id: approve, uses: approve{terms}}}\n  - {{id: push"
    )


def test_a_stage_waits_for_a_yes_and_shows_what_it_is_for(house: House) -> None:
    project = house.project()
    story = apart(project.repository, careful('message: "Is this urgent?", who: maintainer, within: 12h'))
    job = project.submit()
    question = house.waiting(job)
    assert (question.kind, question.stage, question.sentence) == ("approve", "approve", "Is this urgent?")
    assert (question.answers, question.who, question.files) == (["approve", "reject"], "maintainer", [])
    assert (question.expires_at - question.asked_at).total_seconds() == 12 * 3600
    shown = question.outlook
    assert shown is not None
    assert [(move.ref, move.old, move.new) for move in shown.moves] == [
        ("refs/heads/topic", story.branch, shown.head)
    ]
    assert (shown.upstream, shown.commits, shown.changed) == (story.main, 1, ["docs/topic.md"])
    assert {check.stage: check.result for check in shown.checks}["test"] == "success"
    path = f"/api/v1/jobs/{job.id}/decision"
    for body in (
        {"decision": "edit", "files": {"docs/topic.md": "other words\n"}},
        {"decision": "edit"},
        {"decision": "approve", "files": {"docs/topic.md": "other words\n"}},
    ):
        assert refused(house, "POST", path, body) == (422, "invalid_request"), body
    assert house.job(job.id).state == "waiting"
    why = house.job(job.id).why
    assert why is not None
    assert "a person must approve it, by " in why.sentence
    assert f"flowforge job show {job.id}" in why.changes
    house.decide(job, Verb.APPROVE)
    ended = house.ended(job)
    assert ending(ended) == ("success", "pushed")
    assert project.repository.tip("refs/heads/topic") == shown.head
    assert {one.stage: one.result for one in ended.stages}["approve"] == "success"
    house.keeps_its_promises(job)


def test_a_no_to_a_stage_ends_the_job_and_its_report_is_written(house: House) -> None:
    project = house.project()
    story = apart(project.repository, careful())
    job = project.submit()
    house.waiting(job)
    house.decide(job, Verb.REJECT)
    ended = house.ended(job)
    assert ending(ended) == ("failed", "rejected")
    assert "rejected" in str(ended.outputs["report"])
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert refused(house, "POST", f"/api/v1/jobs/{job.id}/decision", {"decision": "approve"}) == (
        409,
        "conflict_of_state",
    )
    house.keeps_its_promises(job)


def test_the_shipped_definition_asks_before_it_pushes(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline(test=NO_TEST))
    job = project.submit(task="rebase-with-approval")
    question = house.waiting(job)
    assert question.sentence == "a person must approve this before it is pushed to topic"
    house.decide(job, Verb.APPROVE)
    assert ending(house.ended(job)) == ("success", "pushed")
    house.keeps_its_promises(job)


def test_the_example_of_the_page_waits_for_a_maintainer_and_the_terminal_answers(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What flowforge/docs/control.md shows is what happens, and fits a terminal of 80 columns."""
    page = (Path(flowforge.docs.__file__).parent / "control.md").read_text()
    example = page.partition("## A stage that asks")[2].partition("```yaml\n")[2].partition("```")[0]
    project = house.project()
    apart(project.repository, example)
    job = project.submit()
    house.waiting(job)
    monkeypatch.setenv("FLOWFORGE_URL", house.url)
    monkeypatch.setenv("FLOWFORGE_TOKEN", house.token)
    assert main(["job", "show", str(job.id)]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for words in (
        "Release week: is this urgent?",
        "maintainer or higher may approve it",
        "push      topic, from ",
        "changes   docs/topic.md (1 file)",
        f"flowforge job approve {job.id}",
        f"flowforge job reject {job.id}",
    ):
        assert words in shown
    assert "job edit" not in shown
    assert "job question" not in shown
    assert main(["job", "approve", str(job.id)]) == 0
    assert f"flowforge job watch {job.id}" in capsys.readouterr().err
    assert main(["job", "watch", str(job.id)]) == 0
    assert ending(house.job(job.id)) == ("success", "pushed")
    assert main(["job", "approve", str(job.id)]) == 2
    assert "it has ended as success" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- cancel

STUBBORN = "sleep 61.71"  # seconds that no other process here sleeps


def stubborn() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        except OSError:
            continue
        if words == STUBBORN:
            found.append(entry.parent.name)
    return found


def gone_within(house: House, job: JobOut, seconds: float) -> None:
    asked = time.monotonic()
    assert house.cancel(job).cancel_requested
    assert house.cancel(job).cancel_requested  # twice changes nothing more
    ended = house.ended(job)
    assert ending(ended) == ("cancelled", "cancelled")
    assert time.monotonic() - asked < seconds  # what is promised


def test_tests_that_ignore_signals_and_leave_daemons_die_with_their_job(house: House) -> None:
    project = house.project()
    command = (
        f"trap '' TERM INT HUP; (setsid {STUBBORN} &) ; {STUBBORN} & nohup {STUBBORN} & echo started.; wait"
    )
    story = apart(project.repository, pipeline(test=command))
    job = project.submit()
    house.began(job, "test", "started")
    eventually(lambda: len(stubborn()) == 3, "all of them sleep")
    gone_within(house, job, 10)
    assert house.job(job.id).stages[-1].stage == "report"  # `finally` tells how far it came
    eventually(lambda: not stubborn(), "they are dead", 2)
    assert project.repository.tip("refs/heads/topic") == story.branch
    house.keeps_its_promises(job)


def test_a_fetch_that_does_not_end_is_cancelled(house: House) -> None:
    project = house.project()
    apart(project.repository, pipeline())
    house.host.fault = Fault(on=f"{project.repository.path.name}/git-upload-pack", delay=45.0, times=1)
    try:
        job = project.submit()
        eventually(lambda: any("fetch" in words for _, words in strays(house.truth.data)), "git fetches")
        gone_within(house, job, 10)
        eventually(lambda: not list(strays(house.truth.data)), "git is gone", 2)
    finally:
        house.host.fault = None
    house.keeps_its_promises(job)
