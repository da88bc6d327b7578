"""What comes next in a pipeline, decided from its definition and the results so far. Nothing runs here."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Ending, Result
from flowforge.core.pipeline import OnFailure, Pipeline, StageResult, StageSpec

MAX_MATRIX = 64
_DECIDED = frozenset({Reason.REJECTED, Reason.DECISION_EXPIRED})  # an end that no stage may go on from


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A pipeline with its matrices expanded: every stage that may run, in order, with unique ids."""

    stages: tuple[StageSpec, ...]
    last: tuple[StageSpec, ...]


def make_plan(pipeline: Pipeline) -> Plan:
    """Expand every matrix.

    Raises:
        Refused: a matrix makes more than `MAX_MATRIX` stages.
    """
    return Plan(
        stages=tuple(itertools.chain.from_iterable(expand(stage) for stage in pipeline.stages)),
        last=tuple(itertools.chain.from_iterable(expand(stage) for stage in pipeline.last)),
    )


def expand(stage: StageSpec) -> tuple[StageSpec, ...]:
    """One stage for every combination of its matrix; the values reach the command as MATRIX_NAME."""
    if not stage.matrix:
        return (stage,)
    names = tuple(stage.matrix)
    size = 1
    for values in stage.matrix.values():
        size *= len(values)
    if not 0 < size <= MAX_MATRIX:
        raise Refused(
            Reason.PIPELINE_INVALID,
            f"the matrix of stage {stage.id!r} makes {size} stages; 1 to {MAX_MATRIX} are possible",
            next_action="take values out of the matrix, or split the stage",
        )
    cells = itertools.product(*stage.matrix.values())
    return tuple(_cell(stage, dict(zip(names, values, strict=True))) for values in cells)


def _cell(stage: StageSpec, values: Mapping[str, str]) -> StageSpec:
    label = ", ".join(f"{name}={value}" for name, value in values.items())
    env = {f"MATRIX_{name.upper().replace('-', '_')}": value for name, value in values.items()}
    return replace(stage, id=f"{stage.id} ({label})", matrix={}, env={**stage.env, **env})


def next_stage(plan: Plan, results: Sequence[StageResult]) -> StageSpec | None:
    """The stage to run now, or None when the pipeline is over. `finally` stages run after any end."""
    done = {result.stage for result in results}
    if stopped_by(plan, results) is None:
        for stage in plan.stages:
            if stage.id not in done:
                return stage
    return next((stage for stage in plan.last if stage.id not in done), None)


def stopped_by(plan: Plan, results: Sequence[StageResult]) -> StageResult | None:
    """The result that ended the pipeline early, if one did."""
    specs = {stage.id: stage for stage in plan.stages}
    for result in results:
        spec = specs.get(result.stage)
        if spec is None or result.ok:
            continue
        if spec.on_failure is not OnFailure.CONTINUE or result.result is Result.CANCELLATION:
            return result
        if result.reason in _DECIDED:
            return result
    return None


def conclude(plan: Plan, results: Sequence[StageResult]) -> Ending:
    """Fold the results of an ended pipeline into the job's ending: the first stop wins, else the last word."""
    stopped = stopped_by(plan, results)
    if stopped is not None:
        return stopped.ending()
    ids = {stage.id for stage in plan.stages}
    own = [result for result in results if result.stage in ids]
    telling = [
        result for result in own if result.result is Result.SUCCESS and result.reason is not Reason.DONE
    ]
    if telling:
        return telling[-1].ending()
    noted = [result for result in own if not result.ok]
    sentence = "every stage ended well"
    if noted:
        sentence = f"ended well, though {', '.join(r.stage for r in noted)} did not and may continue"
    result = Result.SUCCESS if any(r.result is Result.SUCCESS for r in own) or not own else Result.SKIP
    return Ending(result=result, reason=Reason.DONE, sentence=sentence)


def resume_after(plan: Plan, results: Sequence[StageResult], start: str) -> tuple[StageResult, ...]:
    """The results that stand when a retry begins at stage `start`: those of the stages before it.

    Raises:
        Refused: the plan has no such stage.
    """
    ids = [stage.id for stage in plan.stages]
    if start not in ids:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"this pipeline has no stage {start!r}; it has {', '.join(ids)}",
            next_action="name one of these stages",
        )
    before = set(ids[: ids.index(start)])
    return tuple(result for result in results if result.stage in before and result.ok)
