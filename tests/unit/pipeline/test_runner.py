import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from flowforge.core.decision import Question, QuestionKind
from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.job import Result
from flowforge.core.pipeline import Limits, OnFailure, Pipeline, Retry, StageResult, StageSpec, from_error
from flowforge.core.telemetry import Silent
from flowforge.pipeline.runner import RETRY_DELAY, Run, Terms, by_hand, results_by_id, run_pipeline


@dataclass(frozen=True, kw_only=True)
class Place:
    branch: str = "feature"
    target: str = "main"
    been: tuple[str, ...] = ()


class Diary:
    """A recorder that remembers; `lost_at` raises lease_lost when that stage is recorded."""

    def __init__(self, lost_at: str = "") -> None:
        self.lines: list[str] = []
        self.works: list[Place] = []
        self.lost_at = lost_at

    def stage_started(self, spec: StageSpec) -> None:
        self.lines.append(f"> {spec.id}")

    def stage_finished(self, result: StageResult, work: Any) -> None:
        if result.stage == self.lost_at:
            raise Broken(Reason.LEASE_LOST, "another worker owns this job now")
        self.lines.append(f"< {result.stage} {result.result}")
        self.works.append(work)


@dataclass(kw_only=True)
class Bench:
    recorder: Diary = field(default_factory=Diary)
    telemetry: Silent = field(default_factory=Silent)
    cancelled: Callable[[], bool] = lambda: False
    now: float = 0.0
    asked: list[StageSpec] = field(default_factory=list)
    done: tuple[StageResult, ...] = ()

    def having(self, done: tuple[StageResult, ...]) -> "Bench":
        self.done = done
        return self


Stage = Callable[[StageSpec, Place, Bench], tuple[StageResult, Place]]


def well(spec: StageSpec, work: Place, bench: Bench) -> tuple[StageResult, Place]:
    bench.asked.append(spec)
    return StageResult(stage=spec.id, result=Result.SUCCESS), replace(work, been=(*work.been, spec.id))


def raising(error: BaseException) -> Stage:
    def stage(spec: StageSpec, work: Place, bench: Bench) -> tuple[StageResult, Place]:
        raise error

    return stage


def failing(reason: Reason) -> Stage:
    return raising(Refused(reason, f"it ended for {reason}", next_action="look"))


def slow(seconds: float) -> Stage:
    def stage(spec: StageSpec, work: Place, bench: Bench) -> tuple[StageResult, Place]:
        bench.now += seconds
        return well(spec, work, bench)

    return stage


def spec(id_: str, **more: Any) -> StageSpec:
    return StageSpec(id=id_, uses=more.pop("uses", id_), **more)


def pipeline(*stages: StageSpec, last: Sequence[StageSpec] = (), wall: float = 100.0) -> Pipeline:
    return Pipeline(name="p", version=1, stages=stages, last=tuple(last), limits=Limits(wall=wall))


def walk(
    definition: Pipeline,
    bench: Bench,
    done: Sequence[StageResult] = (),
    *,
    terms: Any = None,
    **stages: Stage,
) -> Run[Place]:
    table: dict[str, Stage] = {"a": well, "b": well, "c": well, "report": well, **stages}
    return run_pipeline(
        definition,
        Place(),
        done,
        table,
        bench,
        Terms(clock=lambda: bench.now, **(terms or {})),
    )


NO = Refused(Reason.REJECTED, "a person said no", next_action="mend it")


@pytest.mark.parametrize("on_failure", OnFailure)
@pytest.mark.parametrize("cancelled", [False, True])
def test_of_a_decided_end_only_finally_is_left(on_failure: OnFailure, cancelled: bool) -> None:
    bench = Bench(cancelled=lambda: cancelled)
    stages = (spec("a"), spec("b", on_failure=on_failure, retry=Retry(on=("rejected",), max=3)), spec("c"))
    before = StageResult(stage="a", result=Result.SUCCESS)
    decided = from_error("b", NO).ending()
    run = walk(
        pipeline(*stages, last=[spec("report")]),
        bench,
        [before],
        terms={"decided": decided, "may_ask": True, "may_hand_back": True},
    )
    assert [stage.id for stage in bench.asked] == ["report"]
    assert (run.ending, run.hand_back, run.asks) == (decided, None, False)
    assert [result.stage for result in run.results] == ["a", "b", "report"]
    assert run.results[1].reason is Reason.REJECTED


def test_every_stage_runs_in_order_and_hands_its_work_on() -> None:
    bench = Bench()
    run = walk(pipeline(spec("a"), spec("b"), last=[spec("report")]), bench)
    assert run.work.been == ("a", "b", "report")
    assert run.ending.result is Result.SUCCESS
    assert bench.recorder.lines == [
        "> a", "< a success", "> b", "< b success", "> report", "< report success",
    ]  # fmt: skip
    assert run.hand_back is None


def test_the_recorder_sees_the_work_that_the_stage_handed_on() -> None:
    bench = Bench()
    walk(pipeline(spec("a"), spec("b")), bench)
    assert [work.been for work in bench.recorder.works] == [("a",), ("a", "b")]


def test_results_handed_in_are_not_run_again() -> None:
    bench = Bench()
    run = walk(pipeline(spec("a"), spec("b")), bench, [StageResult(stage="a", result=Result.SUCCESS)])
    assert [asked.id for asked in bench.asked] == ["b"]
    assert [result.stage for result in run.results] == ["a", "b"]


def test_a_refusal_of_a_stage_is_its_result_and_stops_the_pipeline_but_not_finally() -> None:
    run = walk(pipeline(spec("a"), spec("b"), last=[spec("report")]), Bench(), a=failing(Reason.TESTS_FAILED))
    assert [(r.stage, r.result) for r in run.results] == [("a", Result.FAILURE), ("report", Result.SUCCESS)]
    assert run.ending.reason is Reason.TESTS_FAILED
    assert run.ending.next_action == "look"


def test_a_stage_may_fail_and_the_pipeline_continue() -> None:
    a = spec("a", on_failure=OnFailure.CONTINUE)
    run = walk(pipeline(a, spec("b")), Bench(), a=failing(Reason.COMMAND_FAILED))
    assert run.work.been == ("b",)
    assert run.ending.result is Result.SUCCESS


def test_a_bug_in_a_stage_is_an_internal_error_whose_trace_is_in_the_log_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        run = walk(pipeline(spec("a")), Bench(), a=raising(KeyError("secret detail")))
    assert run.ending.result is Result.ERROR
    assert run.ending.reason is Reason.INTERNAL_ERROR
    assert "secret detail" not in run.ending.sentence + run.ending.evidence
    assert "Traceback" in caplog.text
    assert "secret detail" in caplog.text


def test_a_persons_interrupt_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        walk(pipeline(spec("a")), Bench(), a=raising(KeyboardInterrupt()))


def test_a_lost_lease_in_a_stage_stops_at_once_and_writes_nothing_more() -> None:
    bench = Bench()
    lost = Broken(Reason.LEASE_LOST, "another worker owns this job now")
    with pytest.raises(Broken):
        walk(pipeline(spec("a"), last=[spec("report")]), bench, a=raising(lost))
    assert bench.recorder.lines == ["> a"]


def test_a_lost_lease_in_the_recorder_stops_at_once() -> None:
    bench = Bench(recorder=Diary(lost_at="a"))
    with pytest.raises(Broken):
        walk(pipeline(spec("a"), spec("b"), last=[spec("report")]), bench)
    assert bench.recorder.lines == ["> a"]


def test_a_cancelled_job_starts_no_stage_but_runs_finally() -> None:
    bench = Bench(cancelled=lambda: True)
    run = walk(pipeline(spec("a"), last=[spec("report")]), bench)
    assert [asked.id for asked in bench.asked] == ["report"]
    assert run.ending.result is Result.CANCELLATION
    assert run.ending.reason is Reason.CANCELLED


def test_a_stage_that_was_cancelled_in_the_middle_ends_the_job_as_cancelled() -> None:
    a = spec("a", on_failure=OnFailure.CONTINUE)
    run = walk(pipeline(a, spec("b")), Bench(), a=failing(Reason.CANCELLED))
    assert run.ending.result is Result.CANCELLATION
    assert [result.stage for result in run.results] == ["a"]


def test_after_the_wall_limit_no_stage_starts() -> None:
    run = walk(pipeline(spec("a"), spec("b"), last=[spec("report")], wall=10), Bench(), a=slow(11))
    assert [result.result for result in run.results] == [Result.SUCCESS, Result.TIMEOUT, Result.SUCCESS]
    assert run.ending.reason is Reason.TIMEOUT


def test_time_of_earlier_attempts_counts_against_the_wall_limit() -> None:
    run = walk(pipeline(spec("a"), wall=10), Bench(), terms={"spent": 10.0})
    assert run.ending.reason is Reason.TIMEOUT


def test_no_stage_gets_more_time_than_the_wall_limit_leaves() -> None:
    bench = Bench()
    walk(pipeline(spec("a", timeout=5), spec("b", timeout=600), wall=100), bench, a=slow(40))
    assert [asked.timeout for asked in bench.asked] == [5, 60]


def test_seconds_and_attempt_are_the_runners() -> None:
    run = walk(pipeline(spec("a")), Bench(), terms={"tries": {"a": 2}}, a=slow(3))
    assert (run.results[0].seconds, run.results[0].attempt) == (3, 3)


def test_a_result_under_a_wrong_name_is_filed_under_its_stage() -> None:
    def liar(spec: StageSpec, work: Place, bench: Bench) -> tuple[StageResult, Place]:
        return StageResult(stage="other", result=Result.SUCCESS), work

    run = walk(pipeline(spec("a")), Bench(), a=liar)
    assert [result.stage for result in run.results] == ["a"]


def test_a_stage_that_is_not_installed_is_an_error_of_configuration() -> None:
    run = walk(pipeline(spec("x")), Bench())
    assert run.ending.result is Result.ERROR
    assert run.ending.reason is Reason.CONFIGURATION


# --- conditions


def test_a_false_condition_skips_the_stage() -> None:
    run = walk(pipeline(spec("a", when="branch == 'other'"), spec("b")), Bench())
    assert [result.result for result in run.results] == [Result.SKIP, Result.SUCCESS]
    assert run.results[0].reason is Reason.SKIPPED


def test_a_condition_sees_results_paths_and_the_event() -> None:
    when = "results.a.ok && changed('src/**') && event == 'push' && target == 'main'"
    terms = {"event": "push", "paths": lambda _work: ["src/x.py"]}
    run = walk(pipeline(spec("a"), spec("b", when=when)), Bench(), terms=terms)
    assert run.results[1].result is Result.SUCCESS


def test_a_condition_of_finally_may_ask_about_a_stage_that_never_ran() -> None:
    last = [spec("report", when="results.b.result == 'none'")]
    run = walk(pipeline(spec("a"), spec("b"), last=last), Bench(), a=failing(Reason.TESTS_FAILED))
    assert run.results[-1].result is Result.SUCCESS


def test_a_condition_that_cannot_be_decided_is_an_error_of_its_stage() -> None:
    run = walk(pipeline(spec("a", when="results.nowhere.ok")), Bench())
    assert run.ending.reason is Reason.PIPELINE_INVALID
    assert run.ending.result is Result.ERROR


def test_a_matrix_is_one_result_for_conditions_and_its_worst_cell_counts() -> None:
    done = [
        StageResult(stage="t (v=1)", result=Result.SUCCESS),
        StageResult(stage="t (v=2)", result=Result.FAILURE, reason=Reason.TESTS_FAILED),
        StageResult(stage="t (v=3)", result=Result.SUCCESS),
    ]
    facts = results_by_id(["t (v=1)", "t (v=2)", "t (v=3)", "push"], done)
    assert facts["t"] == {"result": "failure", "reason": "tests_failed", "ok": False}
    assert facts["push"]["result"] == "none"


# --- back to the queue

RETRY = Retry(on=("infrastructure",), max=2)


def test_a_reason_of_retry_hands_the_job_back_without_finally() -> None:
    bench = Bench()
    definition = pipeline(spec("a", retry=RETRY), last=[spec("report")])
    run = walk(definition, bench, terms={"may_hand_back": True}, a=failing(Reason.INFRASTRUCTURE))
    assert run.hand_back == RETRY_DELAY
    assert [result.stage for result in run.results] == ["a"]
    assert run.ending.reason is Reason.INFRASTRUCTURE


def test_retries_are_counted_over_attempts_and_bounded() -> None:
    definition = pipeline(spec("a", retry=RETRY), last=[spec("report")])
    stage = failing(Reason.INFRASTRUCTURE)
    second = walk(definition, Bench(), terms={"may_hand_back": True, "tries": {"a": 1}}, a=stage)
    third = walk(definition, Bench(), terms={"may_hand_back": True, "tries": {"a": 2}}, a=stage)
    assert (second.hand_back, third.hand_back) == (RETRY_DELAY, None)
    assert [result.stage for result in third.results] == ["a", "report"]


def test_another_reason_is_not_retried() -> None:
    run = walk(
        pipeline(spec("a", retry=RETRY)),
        Bench(),
        terms={"may_hand_back": True},
        a=failing(Reason.TESTS_FAILED),
    )
    assert run.hand_back is None


def test_a_temporary_error_waits_as_long_as_it_says() -> None:
    error = Temporary(Reason.MODEL_UNAVAILABLE, "the model is overloaded", delay=42)
    run = walk(pipeline(spec("a")), Bench(), terms={"may_hand_back": True}, a=raising(error))
    assert run.hand_back == 42


@pytest.mark.parametrize(
    "reason", [Reason.MODEL_UNAVAILABLE, Reason.MODEL_LIMIT, Reason.REPOSITORY_UNREACHABLE]
)
def test_what_passes_by_itself_is_waited_for_in_the_last_attempt_too(reason: Reason) -> None:
    error = Temporary(reason, "later", delay=42)
    run = walk(
        pipeline(spec("a")), Bench(), terms={"may_hand_back": False, "may_wait": True}, a=raising(error)
    )
    assert run.hand_back == (None if reason is Reason.REPOSITORY_UNREACHABLE else 42)


def test_without_a_queue_a_temporary_error_is_the_end() -> None:
    error = Temporary(Reason.MODEL_UNAVAILABLE, "the model is overloaded", delay=42)
    run = walk(pipeline(spec("a"), last=[spec("report")]), Bench(), a=raising(error))
    assert run.hand_back is None
    assert run.ending.reason is Reason.MODEL_UNAVAILABLE
    assert run.ending.next_action == "it may pass: start it again later"
    assert run.results[-1].stage == "report"


ASK = Question(kind=QuestionKind.APPROVE, sentence="may it?", files=())


def asking(stage_spec: StageSpec, place: Place, _bench: Bench) -> tuple[StageResult, Place]:
    result = StageResult(
        stage=stage_spec.id, result=Result.ERROR, reason=Reason.DECISION_NEEDED, question=ASK
    )
    return result, place


@pytest.mark.parametrize(("may", "ran"), [(True, ["a"]), (False, ["a", "report"])])
def test_a_question_stops_the_pipeline_before_its_end_where_a_person_can_be_asked(
    may: bool, ran: list[str]
) -> None:
    run = walk(
        pipeline(spec("a"), spec("b"), last=[spec("report")]), Bench(), terms={"may_ask": may}, a=asking
    )
    assert run.asks is may
    assert [result.stage for result in run.results] == ran
    assert run.ending.reason is Reason.DECISION_NEEDED


def test_a_finally_stage_asks_nobody() -> None:
    run = walk(pipeline(spec("a"), last=[spec("b")]), Bench(), terms={"may_ask": True}, b=asking)
    assert not run.asks


def test_a_failing_finally_stage_does_not_hand_the_job_back() -> None:
    error = Temporary(Reason.SERVICE_UNAVAILABLE, "away", delay=42)
    run = walk(
        pipeline(spec("a"), last=[spec("report")]),
        Bench(),
        terms={"may_hand_back": True},
        report=raising(error),
    )
    assert run.hand_back is None
    assert run.ending.result is Result.SUCCESS


def test_a_stage_may_look_back_at_the_results_before_it() -> None:
    bench = Bench()
    seen: list[tuple[str, ...]] = []

    def look(spec: StageSpec, work: Place, bench: Bench) -> tuple[StageResult, Place]:
        seen.append(tuple(result.stage for result in bench.done))
        return well(spec, work, bench)

    pipeline = Pipeline(
        name="p", version=1, stages=(StageSpec(id="a", uses="look"), StageSpec(id="b", uses="look"))
    )
    run_pipeline(pipeline, Place(), (), {"look": look}, bench, Terms(clock=lambda: bench.now))
    assert seen == [(), ("a",)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "check the host; the job runs again by itself while attempts are left",
            "check the host; it may pass: start it again later",
        ),
        ("nothing: the mirror is made anew and the job runs again", "it may pass: start it again later"),
        ("FlowForge asks the remote again by itself", "it may pass: start it again later"),
        ("free space there", "free space there; it may pass: start it again later"),
        ("", "it may pass: start it again later"),
    ],
)
def test_where_nothing_tries_again_nothing_is_promised(said: str, told: str) -> None:
    assert by_hand(said) == told
