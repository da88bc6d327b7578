"""Walk a plan: one stage after another, until it is over, stopped, or handed back to the queue.

The runner decides nothing about stages; `core.plan` says what comes next. It only asks before each stage whether the
job was cancelled, the wall limit is over or the stage's condition is false, and turns whatever a stage raises into
a result. Two things are not results: a lost lease (somebody else owns the job now: stop and write nothing), and
what a person's ^C raises.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, Self, TypeVar

from flowforge.core.errors import FlowForgeError, Reason
from flowforge.core.failpoint import failpoint
from flowforge.core.job import Ending, Result
from flowforge.core.pipeline import WAITED, Pipeline, StageResult, StageSpec, from_error
from flowforge.core.plan import Plan, conclude, make_plan, next_stage
from flowforge.core.telemetry import Telemetry
from flowforge.pipeline import conditions

RETRY_DELAY = 15.0  # seconds before a stage that failed for a reason of `retry.on` is tried again

_log = logging.getLogger(__name__)


class Place(Protocol):
    """The part of Work that the runner reads."""

    @property
    def branch(self) -> str: ...

    @property
    def target(self) -> str: ...


class Progress(Protocol):
    """The part of the Recorder that the runner writes."""

    def stage_started(self, spec: StageSpec) -> None: ...

    def stage_finished(self, result: StageResult, work: Any) -> None: ...


class Edges(Protocol):
    """The part of Tools that the runner uses itself."""

    @property
    def recorder(self) -> Progress: ...

    @property
    def cancelled(self) -> Callable[[], bool]: ...

    @property
    def telemetry(self) -> Telemetry: ...

    def having(self, done: tuple[StageResult, ...]) -> Self:
        """The same edges for a stage that may look back at the results so far."""
        ...


W = TypeVar("W", bound=Place)
T = TypeVar("T", bound=Edges)
Stages = Mapping[str, Callable[[StageSpec, W, T], tuple[StageResult, W]]]


@dataclass(frozen=True, kw_only=True)
class Run(Generic[W]):
    """How far a pipeline came.

    `hand_back` is None when it ended; else seconds until it may go on. `asks`: a person must decide first.
    """

    ending: Ending
    work: W
    results: tuple[StageResult, ...]  # those handed in first
    hand_back: float | None = None
    asks: bool = False


@dataclass(frozen=True, kw_only=True)
class Terms(Generic[W]):
    """What the runner must know beside the pipeline.

    `tries` counts how often each stage id ran in earlier attempts of this job; `may_hand_back` is False where there
    is no queue, and in a job's last attempt: then the failure is the end. `spent` are the seconds that earlier
    attempts used of the wall limit, `paths` the paths that differ between target and branch.
    """

    clock: Callable[[], float]  # monotonic seconds
    event: str = "api"
    may_hand_back: bool = False
    may_wait: bool = False  # there is a queue to wait in for what passes by itself, in the last attempt too
    decided: Ending | None = (
        None  # how it ends, already decided: no ordinary stage runs, only those of `finally`
    )
    may_ask: bool = False  # a person can be asked, and the job goes on once they have decided
    tries: Mapping[str, int] = field(default_factory=dict)
    spent: float = 0.0
    paths: Callable[[W], Sequence[str]] = lambda _work: ()


def run_pipeline(
    pipeline: Pipeline,
    work: W,
    results: Sequence[StageResult],
    stages: Stages[W, T],
    tools: T,
    terms: Terms[W],
) -> Run[W]:
    """Run what `results` do not cover yet, and say how it ended.

    `finally` stages run after every end, but not when the job goes back to the queue or waits for a person: it has
    not ended then.

    Raises:
        Refused: a matrix is too large (a loaded pipeline's never is).
        Broken: with reason lease_lost; nothing more was run or written.
    """
    plan = make_plan(pipeline)
    done = list(results)
    over = terms.clock() + pipeline.limits.wall - terms.spent
    walk = _Walk(plan=plan, stages=stages, tools=tools, terms=terms, over=over)
    while (spec := next_stage(plan, done)) is not None:
        result, work = walk.step(spec, work, done)
        done.append(result)
        delay = walk.hand_back(spec, result)
        if walk.asks(spec, result):
            return Run(ending=result.ending(), work=work, results=tuple(done), asks=True)
        if delay is not None:
            return Run(ending=result.ending(), work=work, results=tuple(done), hand_back=delay)
    return Run(ending=conclude(plan, done), work=work, results=tuple(done))


@dataclass(frozen=True, kw_only=True)
class _Walk(Generic[W, T]):
    plan: Plan
    stages: Stages[W, T]
    tools: T
    terms: Terms[W]
    over: float  # clock at which the wall limit ends

    def step(self, spec: StageSpec, work: W, done: Sequence[StageResult]) -> tuple[StageResult, W]:
        """Run one stage, or say why it does not run; recorded either way."""
        started = self.terms.clock()
        self.tools.recorder.stage_started(spec)
        failpoint(f"{spec.uses}.begun")
        result = self._refusal(spec, work, done)
        if result is None:
            result, work = self._run(self._cut(spec), work, tuple(done))
        result = replace(
            result,
            stage=spec.id,
            seconds=max(0.0, self.terms.clock() - started),
            attempt=self.terms.tries.get(spec.id, 0) + 1,
        )
        if result.delay > 0 and not self._may_go_back(result):
            result = replace(result, next_action=by_hand(result.next_action))
        failpoint(f"{spec.uses}.done")
        self.tools.recorder.stage_finished(result, work)
        failpoint(f"{spec.uses}.recorded")
        self._measure(spec, result)
        return result, work

    def _measure(self, spec: StageSpec, result: StageResult) -> None:
        """By what the stage uses: its id is the file's author's to choose, and there is no end of those."""
        uses = spec.uses if spec.uses in self.stages else "missing"
        self.tools.telemetry.observe(
            "flowforge_stage_duration_seconds", result.seconds, stage=uses, result=result.result.value
        )

    def hand_back(self, spec: StageSpec, result: StageResult) -> float | None:
        """Seconds after which the job should be claimed again, where trying again may help."""
        if result.ok or result.result is Result.CANCELLATION or not self._ordinary(spec):
            return None
        if not self._may_go_back(result) or self.terms.decided is not None or self.tools.cancelled():
            return None
        if result.delay > 0:
            return result.delay
        again = result.reason in spec.retry.on and result.attempt <= spec.retry.max
        return RETRY_DELAY if again else None

    def _may_go_back(self, result: StageResult) -> bool:
        waits = self.terms.may_wait and result.delay > 0 and result.reason in WAITED
        return waits or self.terms.may_hand_back

    def asks(self, spec: StageSpec, result: StageResult) -> bool:
        """Whether the job waits for a person now."""
        return (
            result.question is not None
            and self.terms.may_ask
            and self._ordinary(spec)
            and not self.tools.cancelled()
        )

    def _ordinary(self, spec: StageSpec) -> bool:
        return any(spec.id == stage.id for stage in self.plan.stages)

    def _cut(self, spec: StageSpec) -> StageSpec:
        """No stage may outlive the wall limit; a `finally` stage has its own timeout only."""
        left = self.over - self.terms.clock()
        return replace(spec, timeout=min(spec.timeout, left)) if self._ordinary(spec) else spec

    def _refusal(self, spec: StageSpec, work: W, done: Sequence[StageResult]) -> StageResult | None:
        if self._ordinary(spec):
            if self.terms.decided is not None:
                return _decided(spec, self.terms.decided)
            if self.tools.cancelled():
                return _cancelled(spec)
            if self.terms.clock() >= self.over:
                return _too_late(spec)
        try:
            if not spec.when or conditions.holds(spec.when, self._facts(work, done)):
                return None
        except FlowForgeError as error:
            return from_error(spec.id, error)
        sentence = f"its condition is false: {spec.when}"
        return StageResult(stage=spec.id, result=Result.SKIP, reason=Reason.SKIPPED, sentence=sentence)

    def _facts(self, work: W, done: Sequence[StageResult]) -> conditions.Facts:
        ids = [stage.id for stage in (*self.plan.stages, *self.plan.last)]
        return conditions.Facts(
            branch=work.branch,
            target=work.target,
            event=self.terms.event,
            results=results_by_id(ids, done),
            paths=lambda: self.terms.paths(work),
        )

    def _run(self, spec: StageSpec, work: W, done: tuple[StageResult, ...]) -> tuple[StageResult, W]:
        stage = self.stages.get(spec.uses)
        if stage is None:
            return _missing(spec), work
        try:
            return stage(spec, work, self.tools.having(done))
        except FlowForgeError as error:
            if error.reason is Reason.LEASE_LOST:
                raise
            return from_error(spec.id, error), work
        except Exception as error:  # noqa: BLE001 (a bug in a stage ends the stage, not the worker)
            _log.exception("stage %r failed inside FlowForge", spec.id)
            return _bug(spec, error), work


_ALONE = re.compile(r"\bby itself\b|\bruns again\b|^nothing\b")  # parts that promise another try


def by_hand(next_action: str) -> str:
    """What to do about trouble that may pass, where nothing will try again."""
    parts = [part for part in next_action.split("; ") if part and not _ALONE.search(part)]
    return "; ".join([*parts, "it may pass: start it again later"])


def results_by_id(ids: Sequence[str], done: Sequence[StageResult]) -> dict[str, dict[str, object]]:
    """Results as conditions see them: by the id written in the file, the cells of a matrix folded into one."""
    facts: dict[str, dict[str, object]] = {_written(id_): _fact("none", "", ok=False) for id_ in ids}
    for result in done:
        name = _written(result.stage)
        before = facts.get(name)
        if before is None or before["ok"] or before["result"] == "none":
            facts[name] = _fact(result.result.value, result.reason.value, ok=result.ok)
    return facts


def _written(id_: str) -> str:
    return id_.split(" (", maxsplit=1)[0]


def _fact(result: str, reason: str, *, ok: bool) -> dict[str, object]:
    return {"result": result, "reason": reason, "ok": ok}


def _cancelled(spec: StageSpec) -> StageResult:
    return StageResult(
        stage=spec.id,
        result=Result.CANCELLATION,
        reason=Reason.CANCELLED,
        sentence=f"the job was cancelled before stage {spec.id!r}",
    )


def _decided(spec: StageSpec, ending: Ending) -> StageResult:
    """The answer of the stage that would be next; it stops the pipeline whatever its `on_failure` says."""
    return StageResult(
        stage=spec.id,
        result=ending.result,
        reason=ending.reason,
        sentence=ending.sentence,
        next_action=ending.next_action,
    )


def _too_late(spec: StageSpec) -> StageResult:
    return StageResult(
        stage=spec.id,
        result=Result.TIMEOUT,
        reason=Reason.TIMEOUT,
        sentence=f"the pipeline's wall limit was over before stage {spec.id!r}",
        next_action="raise `limits: {wall: ...}`, or make the earlier stages faster",
    )


def _missing(spec: StageSpec) -> StageResult:
    return StageResult(
        stage=spec.id,
        result=Result.ERROR,
        reason=Reason.CONFIGURATION,
        sentence=f"stage {spec.id!r} uses {spec.uses!r}, which is not installed here",
        next_action="install the plugin that brings it: flowforge plugins list",
    )


def _bug(spec: StageSpec, error: Exception) -> StageResult:
    return StageResult(
        stage=spec.id,
        result=Result.ERROR,
        reason=Reason.INTERNAL_ERROR,
        sentence=f"FlowForge itself failed in stage {spec.id!r} ({type(error).__name__}); the log has the trace",
        next_action="report it with the log of this job",
    )
