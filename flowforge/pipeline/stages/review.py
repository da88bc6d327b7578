"""review: a model looks at the lines that the change introduces. Advice: it changes nothing and ends no job.

What comes back are places with sentences of a stranger, and beside them what was not looked at. Without a model, or
when its money or time is used up, the stage says so and the pipeline goes on.
"""

import logging
import time
from collections.abc import Iterator

from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.pipeline.changed import read_change
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.options import ReviewOptions
from flowforge.pipeline.progress import count_of
from flowforge.pipeline.reviewing import (
    REVIEW,
    STOPPING,
    Looking,
    review_of,
    spent,
    verdicts_of,
)
from flowforge.report.facts import Review
from flowforge.report.review import review_as_json
from flowforge.review.change import Change, Unseen

_log = logging.getLogger(__name__)


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    """Look at the change; whatever goes wrong on the way is a sentence of this stage, and no failure.

    Raises:
        Refused: cancelled.
        Temporary: the model is away, and the stage's option `wait` is set.
    """
    options = ReviewOptions.model_validate(spec.options)
    try:
        return _looked(spec, options, work, tools), work
    except FlowForgeError as error:
        if error.reason in STOPPING or (options.wait and isinstance(error, Temporary)):
            raise
        return _skipped(spec.id, error.sentence), work
    except Exception as error:  # noqa: BLE001 (a fault of ours must not cost anybody a job that asked for advice)
        _log.exception("the review of stage %r failed inside FlowForge", spec.id)
        return _skipped(
            spec.id, f"FlowForge itself failed ({type(error).__name__}); the log has the trace"
        ), work


def _looked(spec: StageSpec, options: ReviewOptions, work: Work, tools: Tools) -> StageResult:
    if tools.models is None:
        return _skipped(spec.id, "no model is configured")
    until = time.monotonic() + spec.timeout
    reviewer, before = tools.models.reviewer(options, spec.id), tools.models.cost(REVIEW)
    change = read_change(work, tools, options)
    looked = Looking(reviewer=reviewer, tools=tools, options=options, until=until).at(change)
    cost = spent(before, tools.models.cost(REVIEW))
    left = (*change.unseen, *_too_long(change))
    review = review_of(spec.id, reviewer.model, looked, left, options, cost)
    tools.recorder.validated(spec.id, tuple(verdicts_of(review)))
    return StageResult(
        stage=spec.id,
        result=Result.SUCCESS if review.files else Result.SKIP,
        reason=Reason.DONE if review.files else Reason.SKIPPED,
        sentence=told(review),
        outputs={REVIEW: review_as_json(review)},
    )


def _too_long(change: Change) -> Iterator[Unseen]:
    return (Unseen(path=file.path, why="lines too long to be shown") for file in change.files if file.hidden)


def told(review: Review) -> str:
    """How much was looked at and listed, in our own words alone; never that anything is right."""
    unseen = sum(len(paths) for paths in review.unseen.values())
    parts = [f"{count_of(unseen, 'file')} not looked at"] if unseen else []
    parts += [f"it ended early: {review.stopped}"] if review.stopped else []
    if not review.files:
        return "; ".join(["nothing was looked at", *parts])
    what = f"{count_of(review.lines, 'introduced line')} of {count_of(review.files, 'file')}"
    found = count_of(len(review.findings), "finding") if review.findings else "no finding"
    return "; ".join([f"advice only: {found} listed on {what}", *parts])


def _skipped(stage: str, why: str) -> StageResult:
    sentence = f"nothing was looked at: {why}"
    kept = review_as_json(Review(stage=stage, stopped=why))
    return StageResult(
        stage=stage, result=Result.SKIP, reason=Reason.SKIPPED, sentence=sentence, outputs={REVIEW: kept}
    )
