"""Events: one kind, one shape, always JSON, never without bound."""

import json

import pytest

from flowforge.core.conflict import Conflict, HunkAnswer, Kind, Unresolved, parse_segments, resolve_with
from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.verdict import Finding, Level, Outcome, Verdict
from flowforge.pipeline import story

TEXT = b"a\n<<<<<<< up\nu\n||||||| base\nb\n=======\nc\n>>>>>>> commit\nz\n"
CONFLICT = Conflict(
    path="a.py",
    kind=Kind.CONTENT,
    base=None,
    upstream=None,
    commit=None,
    segments=parse_segments(TEXT, 7),
    commit_id="c" * 40,
)
ANSWER = HunkAnswer(index=0, text=b"the-answer\n", rung="mechanical", rule="r", why="both agree")
FINDING = Finding(rule="r", level=Level.ERROR, message="m", path="a.py", start=2, end=3)


def test_a_stage_that_begins_and_ends() -> None:
    assert story.stage_started(StageSpec(id="tests", uses="test")) == (
        "stage.started",
        {"stage": "tests", "uses": "test"},
    )
    result = StageResult(
        stage="tests",
        result=Result.FAILURE,
        reason=Reason.TESTS_FAILED,
        sentence="s",
        next_action="n",
        evidence="e",
        outputs={"large": "x" * 1000},
        seconds=1.23456,
        attempt=2,
    )
    kind, data = story.stage_finished(result)
    assert kind == "stage.finished"
    assert data == {
        "stage": "tests",
        "result": "failure",
        "reason": "tests_failed",
        "sentence": "s",
        "next_action": "n",
        "evidence": "e",
        "seconds": 1.235,
        "attempt": 2,
    }


def test_a_resolution_tells_who_and_why_and_not_the_text() -> None:
    open_ = Unresolved(conflict=CONFLICT, sentence="a person must decide", tried={"model": "off"})
    kind, data = story.resolved("resolve", [resolve_with(CONFLICT, [ANSWER])], [open_])
    assert kind == "conflicts.resolved"
    (row,) = data["resolved"]
    assert row["hunks"] == [{"rung": "mechanical", "rule": "r", "why": "both agree", "confirmed": True}]
    (left,) = data["unresolved"]
    assert (left["kind"], left["sentence"], left["tried"]) == (
        "content",
        "a person must decide",
        {"model": "off"},
    )
    assert "the-answer" not in json.dumps(data)


def test_verdicts_are_all_counted_and_those_with_something_to_say_told() -> None:
    verdicts = [
        Verdict(validator="v", path="a.py", outcome=Outcome.FAIL, findings=(FINDING,)),
        Verdict(validator="v", path="b.py", outcome=Outcome.PASS),
        Verdict(validator="v", path="c.py", outcome=Outcome.ERROR, sentence="it died"),
        Verdict(validator="size", path="d.py", outcome=Outcome.SKIP, sentence="too large"),
    ]
    _, data = story.validated("validate", verdicts)
    assert data["checks"] == 4
    assert data["outcomes"] == {"pass": 1, "fail": 1, "error": 1, "skip": 1}
    assert [row["path"] for row in data["verdicts"]] == ["a.py", "c.py", "d.py"]
    assert data["verdicts"][0]["findings"][0]["start"] == 2


def test_a_push_is_told_before_and_after() -> None:
    assert story.push_intent("refs/heads/t", "a", "b")[1] == {"ref": "refs/heads/t", "old": "a", "new": "b"}
    kind, data = story.push_settled("refs/heads/t", "b", "pushed")
    assert (kind, data["outcome"]) == ("push.settled", "pushed")


def test_findings_beyond_the_bound_are_counted() -> None:
    _, data = story.scanned([FINDING] * 500)
    assert data["count"] == 500
    assert len(data["findings"]) == 50


@pytest.mark.parametrize("number", [0, 1, 400])
def test_no_event_grows_without_bound_and_all_are_json(number: int) -> None:
    told = [
        story.scanned([FINDING] * number),
        story.resolved("r", [resolve_with(CONFLICT, [ANSWER])] * number, []),
        story.validated(
            "v", [Verdict(validator="v", path="p", outcome=Outcome.FAIL, findings=(FINDING,))] * number
        ),
    ]
    for _kind, data in told:
        assert len(json.dumps(data)) < 30_000
