"""Where a job goes on: what stands, and what must run again."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import OnFailure, StageResult, StageSpec
from flowforge.core.plan import Plan
from flowforge.jobs.resume import Asked, resume
from flowforge.jobs.rows import StageRun

NAMES = ("clone", "rebase", "test", "push")
PLAN = Plan(stages=tuple(StageSpec(id=name, uses=name) for name in NAMES), last=())


def ran(stage: str, result: Result = Result.SUCCESS, *, ended: bool = True, bundle: str = "b") -> StageRun:
    return StageRun(
        result=StageResult(stage=stage, result=result, reason=Reason.DONE),
        ended=ended,
        work={"head": stage},
        checkpoint=bundle and f"{bundle}-{stage}",
        ordinal=NAMES.index(stage),
        fence=1,
        tries=1,
        spent=2.0,
    )


def test_a_first_attempt_begins_at_the_beginning() -> None:
    standing = resume(PLAN, [])
    assert (standing.results, standing.work, standing.spent) == ((), None, 0)


def test_what_ended_well_stands_and_the_next_stage_runs() -> None:
    standing = resume(PLAN, [ran("clone"), ran("rebase"), ran("test", ended=False)])
    assert [result.stage for result in standing.results] == ["clone", "rebase"]
    assert standing.work == {"head": "rebase"}
    assert standing.checkpoint == "b-rebase"
    assert standing.tries == {"clone": 1, "rebase": 1, "test": 1}
    assert standing.spent == 6.0


def test_a_failed_stage_runs_again_and_so_does_all_behind_it() -> None:
    standing = resume(PLAN, [ran("clone"), ran("rebase", Result.ERROR), ran("test")])
    assert [result.stage for result in standing.results] == ["clone"]


def test_a_failure_that_may_continue_stands() -> None:
    stages = tuple(replace(s, on_failure=OnFailure.CONTINUE) for s in PLAN.stages)
    standing = resume(Plan(stages=stages, last=()), [ran("clone"), ran("rebase", Result.FAILURE)])
    assert [result.stage for result in standing.results] == ["clone", "rebase"]


def test_a_stage_without_a_bundle_of_its_own_goes_on_from_the_last_one() -> None:
    standing = resume(PLAN, [ran("clone"), ran("rebase"), ran("test", bundle="")])
    assert standing.checkpoint == "b-rebase"
    assert len(standing.results) == 3


def test_nothing_stands_where_its_commits_cannot_be_had() -> None:
    runs = [ran("clone", bundle=""), ran("rebase", bundle="")]
    assert resume(PLAN, runs).results == ()
    assert resume(PLAN, [ran("clone")], restorable=False).results == ()
    assert resume(PLAN, runs).tries == {"clone": 1, "rebase": 1}


def test_a_stage_that_the_definition_lost_proves_nothing() -> None:
    shorter = Plan(stages=PLAN.stages[1:], last=())
    assert [r.stage for r in resume(shorter, [ran("clone"), ran("rebase")]).results] == ["rebase"]


@given(
    results=st.lists(st.sampled_from(list(Result)), max_size=4),
    ended=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_what_stands_is_always_the_beginning_of_the_plan(results: list[Result], ended: list[bool]) -> None:
    runs = [ran(name, result, ended=end) for name, result, end in zip(NAMES, results, ended, strict=False)]
    standing = resume(PLAN, runs)
    assert tuple(result.stage for result in standing.results) == NAMES[: len(standing.results)]
    assert all(result.ok for result in standing.results)


def run_by(fence: int, stage: str, result: Result = Result.SUCCESS, *, ended: bool = True) -> StageRun:
    return replace(ran(stage, result, ended=ended), fence=fence)


@pytest.mark.parametrize(
    ("runs", "stands", "head"),
    [
        ([run_by(1, "clone"), run_by(1, "rebase", Result.FAILURE)], ["clone"], "kept"),
        ([run_by(1, "clone"), run_by(2, "rebase", ended=False)], ["clone"], "kept"),
        ([run_by(1, "clone"), run_by(2, "rebase", Result.ERROR)], ["clone"], "kept"),
        ([run_by(1, "clone"), run_by(2, "rebase")], ["clone", "rebase"], "rebase"),
        ([run_by(2, "clone"), run_by(2, "rebase"), run_by(2, "test")], ["clone", "rebase", "test"], "test"),
    ],
)
def test_an_answered_question_goes_on_from_what_was_true_when_it_was_asked(
    runs: list[StageRun], stands: list[str], head: str
) -> None:
    asked = Asked(stage="rebase", fence=1, work={"head": "kept"}, checkpoint="k")
    standing = resume(PLAN, runs, asked=asked)
    assert [result.stage for result in standing.results] == stands
    assert standing.work == {"head": head}
    assert standing.checkpoint == ("k" if head == "kept" else f"b-{head}")


def test_an_edit_runs_what_stood_before_it_again() -> None:
    runs = [run_by(1, name) for name in NAMES[:3]] + [run_by(1, "push", Result.ERROR)]
    standing = resume(PLAN, runs, asked=Asked(stage="rebase", fence=1))
    assert [result.stage for result in standing.results] == ["clone"]
    assert standing.work == {"head": "clone"}
    assert standing.checkpoint == "b-clone"


def test_without_bundles_no_question_goes_on_from_the_middle() -> None:
    asked = Asked(stage="rebase", fence=1, work={"head": "kept"}, checkpoint="k")
    assert resume(PLAN, [run_by(1, "clone")], restorable=False, asked=asked).work is None
