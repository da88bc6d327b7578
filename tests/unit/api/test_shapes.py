from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flowforge.api.models import AccountOut, JobDetail, JobIn, JobOut
from flowforge.api.shapes import conflict_out, job_detail, job_out
from flowforge.api.stories import log_out
from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Job, JobRequest, PriorityClass, Result, State
from flowforge.jobs.log import LogPage
from flowforge.jobs.why import Why, WhyCode

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_a_job_shows_the_names_of_its_variables_and_never_their_values(queued: Job) -> None:
    shown = job_out(queued)
    assert shown.environment == ["TOKEN"]
    assert "hunter2" not in shown.model_dump_json()


def test_the_organization_and_the_fence_stay_inside(queued: Job) -> None:
    fields = set(JobOut.model_fields)
    assert fields.isdisjoint({"organization", "fence", "lease_until", "pipeline", "idempotency_key"})
    assert str(queued.organization) not in job_out(queued).model_dump_json()


@pytest.mark.parametrize(
    ("priority", "word"), [(0, PriorityClass.LOW), (4, PriorityClass.NORMAL), (9, PriorityClass.HIGH)]
)
def test_a_priority_is_shown_with_its_class(queued: Job, priority: int, word: PriorityClass) -> None:
    assert job_out(replace(queued, priority=priority)).priority_class is word


def test_an_end_is_shown_whole(queued: Job) -> None:
    ending = Ending(
        result=Result.FAILURE, reason=Reason.TESTS_FAILED, sentence="two fail", next_action="mend"
    )
    shown = job_out(replace(queued, state=State.FAILED, ending=ending))
    assert shown.final
    assert shown.ending is not None
    assert (shown.ending.reason, shown.ending.sentence, shown.ending.next_action) == (
        "tests_failed",
        "two fail",
        "mend",
    )


def test_a_detail_adds_stages_and_why_it_waits(queued: Job) -> None:
    row: dict[str, Any] = {
        "stage": "clone",
        "attempt": 1,
        "result": "success",
        "reason": None,
        "sentence": "",
        "next_action": "",
        "evidence": "",
        "seconds": 1.5,
        "started_at": NOON,
        "completed_at": NOON,
        "work": {"old_head": "never shown"},
        "checkpoint": "bundle-7",
        "fence": 3,
    }
    why = Why(code=WhyCode.NO_WORKER, sentence="no worker is alive", changes="start one")
    shown = job_detail(queued, [row], why)
    assert [(stage.stage, stage.reason, stage.seconds) for stage in shown.stages] == [("clone", "", 1.5)]
    assert shown.why is not None
    assert shown.why.code == "no_worker"
    assert "bundle-7" not in shown.model_dump_json()


def test_a_client_ignores_what_a_newer_server_adds(queued: Job) -> None:
    sent = {**job_detail(queued, [], None).model_dump(mode="json"), "moon_phase": "full"}
    assert JobDetail.model_validate(sent).id == queued.id


def test_a_log_that_is_no_text_is_shown_and_its_bytes_are_counted() -> None:
    page = LogPage(offset=0, next_offset=3, text=b"a\xff\n", complete=True, pieces=())
    shown = log_out(page)
    assert (shown.text, shown.next_offset) == ("a\ufffd\n", 3)


def test_a_conflict_says_who_answered_each_place() -> None:
    row: dict[str, Any] = {
        "path": "a.py",
        "kind": "content",
        "method": "structural",
        "sentence": "",
        "stage": "resolve",
        "model": "",
        "success": True,
        "commit_id": "c" * 40,
        "hunks": [{"rung": "structural", "rule": "imports", "why": "both added", "index": 0}],
    }
    shown = conflict_out(row)
    assert (shown.resolved, shown.commit) == (True, "c" * 40)
    (hunk,) = shown.hunks
    assert (hunk.rung, hunk.rule, hunk.why, hunk.whole) == ("structural", "imports", "both added", "")
    assert hunk.account == AccountOut()


def test_a_models_answer_is_shown_with_all_that_is_known_of_it() -> None:
    account = {"model": "m", "kept": ["a"], "elsewhere": ["b"], "findings": ["c"], "agreement": "2 of 2"}
    hunk = {"rung": "model", "why": "w", "approval": "it gives up a test", "account": account, "later": 1}
    row: dict[str, Any] = {
        "path": "a",
        "kind": "content",
        "method": "model",
        "sentence": "",
        "stage": "resolve",
        "model": "m",
        "success": True,
        "commit_id": "c",
        "hunks": [hunk],
    }
    (shown,) = conflict_out(row).hunks
    assert shown.approval == "it gives up a test"
    assert {name: value for name, value in shown.account.model_dump().items() if value} == account


def test_every_field_of_a_request_has_its_place_in_the_house() -> None:
    assert set(JobIn.model_fields) <= set(JobRequest.__dataclass_fields__)
