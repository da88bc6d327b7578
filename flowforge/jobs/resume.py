"""Where a job goes on: what earlier attempts proved still stands, up to the first stage that must run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowforge.core.pipeline import OnFailure, StageResult
from flowforge.core.plan import Plan
from flowforge.jobs.rows import StageRun


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a new attempt begins with."""

    results: tuple[StageResult, ...] = ()  # of the stages that need not run again, in order
    work: Mapping[str, Any] | None = None  # what is true after them; None = begin at the beginning
    checkpoint: str = ""  # reference of the bundle with the commits of `work`
    tries: Mapping[str, int] = field(default_factory=dict)  # stage id -> runs in earlier attempts
    spent: float = 0.0  # seconds that earlier attempts took of the wall limit


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The last question that a person answered with texts: the job goes on from there."""

    stage: str  # that runs again
    fence: int  # of the attempt that asked; what a later one ran stands
    work: Mapping[str, Any] | None = (
        None  # what was true when it asked; None = what the stages before made true
    )
    checkpoint: str = ""


def resume(
    plan: Plan, runs: Sequence[StageRun], *, restorable: bool = True, asked: Asked | None = None
) -> Standing:
    """Fold earlier runs into a start.

    A stage stands when it ended well, or badly where the definition says to go on. The first that does not stand
    runs, and everything after it, whatever it proved before: it proved it of another tree. Without a bundle that
    holds the commits (`restorable` says whether bundles can be had at all) nothing stands.
    """
    by_stage = {run.result.stage: run for run in runs}
    standing: list[StageRun] = []
    again: Asked | None = None
    for spec in plan.stages:
        run = by_stage.get(spec.id)
        stands = run is not None and run.ended and (run.result.ok or spec.on_failure is OnFailure.CONTINUE)
        if asked is not None and spec.id == asked.stage and not (run and stands and run.fence > asked.fence):
            again = asked
            break
        if run is None or not stands or run.work is None:
            break
        standing.append(run)
    tries = {run.result.stage: run.tries for run in runs}
    spent = sum(run.spent for run in runs)
    bundled = next((run.checkpoint for run in reversed(standing) if run.checkpoint), "")
    if not standing or not restorable or not bundled:
        return Standing(tries=tries, spent=spent)
    kept = again if again is not None and again.work is not None and again.checkpoint else None
    return Standing(
        results=tuple(run.result for run in standing),
        work=kept.work if kept else standing[-1].work,
        checkpoint=kept.checkpoint if kept else bundled,
        tries=tries,
        spent=spent,
    )
