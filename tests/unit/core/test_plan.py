from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import Result
from flowforge.core.pipeline import OnFailure, Pipeline, StageResult, StageSpec, from_error
from flowforge.core.plan import Plan, conclude, expand, make_plan, next_stage, resume_after, stopped_by

RESULTS = st.sampled_from(Result)
POLICIES = st.sampled_from(OnFailure)


def stage(name: str, on_failure: OnFailure = OnFailure.STOP) -> StageSpec:
    return StageSpec(id=name, uses="run", on_failure=on_failure)


def ended(name: str, result: Result = Result.SUCCESS, reason: Reason = Reason.DONE) -> StageResult:
    return StageResult(stage=name, result=result, reason=reason, sentence=f"{name} ended")


PLAN = Plan(stages=(stage("a"), stage("b"), stage("c")), last=(stage("report"),))


def walk(plan: Plan, outcomes: dict[str, Result]) -> list[StageResult]:
    """Run a plan with given outcomes until it says that it is over."""
    results: list[StageResult] = []
    while (spec := next_stage(plan, results)) is not None:
        results.append(ended(spec.id, outcomes.get(spec.id, Result.SUCCESS)))
    return results


@given(st.lists(st.tuples(RESULTS, POLICIES), min_size=1, max_size=8))
def test_a_plan_ends_runs_no_stage_twice_and_always_runs_its_last_stages(
    rows: list[tuple[Result, OnFailure]],
) -> None:
    plan = Plan(
        stages=tuple(stage(f"s{n}", policy) for n, (_, policy) in enumerate(rows)), last=(stage("report"),)
    )
    results = walk(plan, {f"s{n}": result for n, (result, _) in enumerate(rows)})
    ran = [result.stage for result in results]
    assert len(ran) == len(set(ran))
    assert ran[-1] == "report"
    assert ran[:-1] == [s.id for s in plan.stages][: len(ran) - 1]


@given(st.lists(st.tuples(RESULTS, POLICIES), min_size=1, max_size=8))
def test_the_first_stage_that_stops_the_pipeline_gives_its_ending(
    rows: list[tuple[Result, OnFailure]],
) -> None:
    plan = Plan(stages=tuple(stage(f"s{n}", policy) for n, (_, policy) in enumerate(rows)), last=())
    results = walk(plan, {f"s{n}": result for n, (result, _) in enumerate(rows)})
    ending = conclude(plan, results)
    stopping = [
        result
        for n, (result, policy) in enumerate(rows)
        if result not in {Result.SUCCESS, Result.SKIP}
        and (policy is not OnFailure.CONTINUE or result is Result.CANCELLATION)
    ]
    if stopping:
        assert ending.result is stopping[0]
    else:
        assert ending.result in {Result.SUCCESS, Result.SKIP}


def test_stages_run_in_order_then_the_last_ones_then_nothing() -> None:
    assert [r.stage for r in walk(PLAN, {})] == ["a", "b", "c", "report"]


def test_a_failed_stage_skips_the_rest_but_not_the_last_ones() -> None:
    assert [r.stage for r in walk(PLAN, {"b": Result.FAILURE})] == ["a", "b", "report"]


def test_continue_notes_the_failure_and_goes_on() -> None:
    plan = replace(PLAN, stages=(stage("a", OnFailure.CONTINUE), stage("b")))
    results = walk(plan, {"a": Result.FAILURE})
    assert [r.stage for r in results] == ["a", "b", "report"]
    ending = conclude(plan, results)
    assert ending.result is Result.SUCCESS
    assert "a did not" in ending.sentence


def test_a_cancellation_ends_even_a_stage_that_may_fail() -> None:
    plan = replace(PLAN, stages=(stage("a", OnFailure.CONTINUE), stage("b")))
    assert stopped_by(plan, [ended("a", Result.CANCELLATION)]) is not None


def test_the_last_telling_success_names_the_job() -> None:
    results = [ended("a"), ended("b", reason=Reason.PUSHED), ended("c"), ended("report", Result.FAILURE)]
    assert conclude(PLAN, results).reason is Reason.PUSHED


def test_a_pipeline_of_skips_is_skipped() -> None:
    results = [ended(name, Result.SKIP, Reason.SKIPPED) for name in "abc"]
    assert conclude(PLAN, results).result is Result.SKIP


def test_a_matrix_makes_one_stage_a_combination_with_its_values_in_the_environment() -> None:
    spec = replace(stage("test"), matrix={"python": ("3.11", "3.12"), "os-name": ("a", "b", "c")})
    cells = make_plan(Pipeline(name="p", version=1, stages=(spec,))).stages
    assert len(cells) == 6
    assert len({cell.id for cell in cells}) == 6
    assert cells[0].id == "test (python=3.11, os-name=a)"
    assert cells[5].env == {"MATRIX_PYTHON": "3.12", "MATRIX_OS_NAME": "c"}
    assert all(cell.matrix == {} for cell in cells)


@pytest.mark.parametrize("sizes", [(65,), (9, 9), (0,)])
def test_a_matrix_over_its_bound_fails_loudly(sizes: tuple[int, ...]) -> None:
    matrix = {f"k{n}": tuple(str(v) for v in range(size)) for n, size in enumerate(sizes)}
    with pytest.raises(Refused) as refused:
        expand(replace(stage("test"), matrix=matrix))
    assert refused.value.reason is Reason.PIPELINE_INVALID


def test_a_retry_keeps_the_good_results_before_its_stage() -> None:
    results = [ended("a"), ended("b", Result.FAILURE), ended("c")]
    assert [r.stage for r in resume_after(PLAN, results, "c")] == ["a"]
    assert resume_after(PLAN, results, "a") == ()


def test_a_retry_from_an_unknown_stage_names_the_known_ones() -> None:
    with pytest.raises(Refused, match="no stage 'x'; it has a, b, c"):
        resume_after(PLAN, [], "x")


@pytest.mark.parametrize(
    ("error", "result", "delay"),
    [
        (Refused(Reason.TESTS_FAILED, "s"), Result.FAILURE, 0.0),
        (Refused(Reason.REPOSITORY_MISSING, "s"), Result.ERROR, 0.0),
        (Refused(Reason.TIMEOUT, "s"), Result.TIMEOUT, 0.0),
        (Refused(Reason.CANCELLED, "s"), Result.CANCELLATION, 0.0),
        (Temporary(Reason.MODEL_UNAVAILABLE, "s", delay=7), Result.ERROR, 7.0),
    ],
)
def test_an_error_becomes_the_result_of_its_stage(error: Refused, result: Result, delay: float) -> None:
    made = from_error("x", error)
    assert (made.result, made.reason, made.delay, made.sentence) == (result, error.reason, delay, "s")
