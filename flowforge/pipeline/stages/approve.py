"""approve: wait for a person's yes before the next stage. A yes is for this stage and this very tree."""

from collections.abc import Sequence
from dataclasses import replace

from flowforge.core.access import Role
from flowforge.core.decision import RefMove
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import Pipeline, StageResult, StageSpec, from_error
from flowforge.pipeline.asking import approval
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.options import ApproveOptions
from flowforge.pipeline.stages.push import choose_destination, move_of, refuse_unfinished


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    options = ApproveOptions.model_validate(spec.options)
    refuse_unfinished(work)
    if (spec.id, work.tree) in tools.told.agreed:
        return _went(spec.id, Result.SUCCESS, Reason.DONE, "a person approved it"), work
    then = following(spec, tools.pipeline)
    moves = [move_of(choose_destination(stage, work), work) for stage in then if stage.uses == "push"]
    if moves and len(moves) == len(then) and all(move.old == move.new for move in moves):
        said = "nothing would be pushed, so nobody is asked"
        return _went(spec.id, Result.SKIP, Reason.SKIPPED, said), work
    return _asks(spec.id, options, wording(options, then, moves), moves, work, tools), work


def following(spec: StageSpec, pipeline: Pipeline) -> Sequence[StageSpec]:
    """The ordinary stages after this one: what waits for the yes."""
    ids = [stage.id for stage in pipeline.stages]
    return pipeline.stages[ids.index(spec.id) + 1 :] if spec.id in ids else ()


def wording(options: ApproveOptions, then: Sequence[StageSpec], moves: Sequence[RefMove]) -> str:
    """What the person is asked, in the file's own words where it has some."""
    if options.message:
        return options.message
    if moves:
        names = dict.fromkeys(move.ref.removeprefix("refs/heads/") for move in moves)
        return f"a person must approve this before it is pushed to {' and '.join(names)}"
    if then:
        return f"a person must approve this before stage {then[0].id!r} runs"
    return "a person must approve this before the job ends"


def _asks(
    stage: str, options: ApproveOptions, sentence: str, moves: Sequence[RefMove], work: Work, tools: Tools
) -> StageResult:
    refused = Refused(
        Reason.DECISION_NEEDED,
        sentence,
        next_action="look at the result and push it by hand; where a service runs the job, it waits for the answer",
    )
    question = replace(
        approval(sentence, work, tools, moves),
        again="",  # a yes or a no: other text is another result, which another job makes
        who=Role[options.who.upper()],
        within=options.within,
    )
    return replace(from_error(stage, refused), question=question)


def _went(stage: str, result: Result, reason: Reason, sentence: str) -> StageResult:
    return StageResult(stage=stage, result=result, reason=reason, sentence=sentence)
