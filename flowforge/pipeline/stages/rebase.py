"""rebase: replay the branch's own commits onto the target's tip, in the object database."""

from dataclasses import asdict, replace

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.git.replay import Stopped, plan, replay
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.mergedlocks import watch_of
from flowforge.pipeline.options import RebaseOptions
from flowforge.pipeline.progress import advanced, count_of, notes_of


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    options = RebaseOptions.model_validate(spec.options)
    _refuse_other_base(options.onto, work)
    if work.merge_base == work.upstream:
        sentence = f"{work.branch} already stands on {work.target}'s tip"
        return StageResult(
            stage=spec.id, result=Result.SUCCESS, reason=Reason.UP_TO_DATE, sentence=sentence
        ), work
    planned = plan(tools.mirror, work.merge_base, work.old_head, work.upstream)
    replayed = replay(
        tools.mirror,
        planned.pending,
        work.upstream,
        tools.committer,
        empty=options.empty,
        watch=watch_of(tools.pipeline),
    )
    left_out = tuple(asdict(step) for step in planned.dropped)
    after = advanced(replace(work, steps=left_out), replayed)
    if replayed.stopped is None:
        return _replayed(spec.id, after), after
    return _stopped(spec.id, after, replayed.stopped, tools), after


def _refuse_other_base(onto: str, work: Work) -> None:
    """A definition may fix what it rebases onto; a job that asks for another base must not get this one."""
    if onto and onto != work.target:
        raise Refused(
            Reason.PIPELINE_INVALID,
            f"the pipeline rebases onto {onto!r}, this job's target is {work.target!r}",
            next_action=f"submit it with target {onto!r}, or take `onto` out of the pipeline",
        )


def _replayed(stage: str, work: Work) -> StageResult:
    count = sum(step["new"] != "" for step in work.steps)
    sentence = "; ".join([f"replayed {count_of(count, 'commit')} onto {work.target}", *notes_of(work.steps)])
    return StageResult(stage=stage, result=Result.SUCCESS, sentence=sentence)


def _stopped(stage: str, work: Work, stopped: Stopped, tools: Tools) -> StageResult:
    """A conflict is the resolve stage's work where the pipeline has one; else it ends here, for a person."""
    paths = ", ".join(sorted({conflict.path for conflict in stopped.conflicts or stopped.held}))
    sentence = f"commit {stopped.commit[:10]} ({stopped.subject}) conflicts with {work.target} in {paths}"
    if not stopped.conflicts:
        sentence = f"{work.target} and commit {stopped.commit[:10]} ({stopped.subject}) both changed {paths}, which is to be written anew"
    if any(spec.uses == "resolve" for spec in tools.pipeline.stages):
        return StageResult(stage=stage, result=Result.SUCCESS, sentence=sentence)
    return StageResult(
        stage=stage,
        result=Result.FAILURE,
        reason=Reason.UNRESOLVED_CONFLICTS,
        sentence=sentence,
        next_action="resolve it by hand, or use the pipeline rebase-and-resolve",
        evidence="conflicts",
    )
