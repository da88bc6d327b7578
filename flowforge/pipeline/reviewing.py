"""The questions of a review, one after the other as far as time and money last, and what they came to."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from flowforge.core.errors import FlowForgeError, Reason, Refused, Temporary
from flowforge.core.verdict import Finding, Level, Outcome, Verdict
from flowforge.pipeline.apart import call_apart
from flowforge.pipeline.context import Reviewer, Tools
from flowforge.pipeline.options import ReviewOptions
from flowforge.report.facts import ModelCost, Review, ReviewFinding
from flowforge.review.change import Change, Unseen
from flowforge.review.findings import Advice, Sifted, gathered
from flowforge.review.split import Portion, portions

REVIEW = "review"  # the operation of its calls, and the output of the stage
ENDED = "the review had ended"
MAX_UNSEEN = 500  # paths that are kept
STOPPING = frozenset({Reason.CANCELLED, Reason.LEASE_LOST, Reason.DRAINED})  # no review goes on after these


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What the questions about a change came to."""

    answers: tuple[Sifted, ...] = ()
    portions: tuple[Portion, ...] = ()  # that they are about
    answered: int = 0  # questions, whatever the answers were worth
    unseen: tuple[Unseen, ...] = ()  # what was to be looked at, and was not
    stopped: str = ""  # why it ended early


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the calls of one review came to. `scripted`: no model was asked."""

    usd: Decimal = Decimal(0)
    scripted: bool = False


def spent(before: ModelCost | None, after: ModelCost | None) -> Spent:
    """The calls between two looks at the job's calls."""
    if after is None:
        return Spent()
    return Spent(usd=after.usd - (before.usd if before else Decimal(0)), scripted=after.scripted)


@dataclass(kw_only=True)
class Looking:
    """Asks about one change."""

    reviewer: Reviewer
    tools: Tools
    options: ReviewOptions
    until: float  # on the clock
    clock: Callable[[], float] = time.monotonic
    answered: int = 0
    stopped: str = ""

    def at(self, change: Change) -> Looked:
        """Ask about every portion, until something says that no more will be answered.

        Raises:
            Temporary: the model is away, and the options say to wait for it.
            FlowForgeError: the job is cancelled, or another worker's.
        """
        answers: list[Sifted] = []
        seen: list[Portion] = []
        unseen: list[Unseen] = []
        for portion in portions(change.files):
            answer = ENDED if self.stopped else self._asked(change, portion)
            if isinstance(answer, str):
                unseen += [Unseen(path=path, why=answer) for path in paths_in(portion)]
            else:
                answers.append(answer)
                seen.append(portion)
        told = {path for portion in seen for path in paths_in(portion)}
        return Looked(
            answers=tuple(answers),
            portions=tuple(seen),
            answered=self.answered,
            unseen=tuple(_in_part(one, told) for one in dict.fromkeys(unseen)),
            stopped=self.stopped,
        )

    def _asked(self, change: Change, portion: Portion) -> Sifted | str:
        left = self.until - self.clock()
        if left <= 0:
            return self._stop("the time of the stage was over")
        try:
            answer = call_apart(lambda: self.reviewer(change, portion, left), "review", self._check)
        except FlowForgeError as error:
            if error.reason in STOPPING or (self.options.wait and isinstance(error, Temporary)):
                raise
            if error.reason is Reason.TOO_LARGE:
                return "the provider takes no question of this size"
            return self._stop(error.sentence)
        self.answered += 1
        return answer

    def _stop(self, why: str) -> str:
        self.stopped = why
        return ENDED

    def _check(self) -> None:
        if self.tools.cancelled():
            raise Refused(Reason.CANCELLED, "the job was cancelled while a model looked at its change")
        if self.clock() > self.until:
            raise Refused(Reason.TIMEOUT, "the time of the stage was over")


def paths_in(portion: Portion) -> Sequence[str]:
    return list(dict.fromkeys(piece.file.path for piece in portion))


def _in_part(unseen: Unseen, seen: Collection[str]) -> Unseen:
    return replace(unseen, why=f"{unseen.why} (in part)") if unseen.path in seen else unseen


def review_of(
    stage: str, model: str, looked: Looked, left: Iterable[Unseen], options: ReviewOptions, cost: Spent
) -> Review:
    """All answers as one value for reports; `left` is what was never to be looked at."""
    sifted = gathered(looked.answers, most=options.max_findings, least=Level(options.min_level))
    pieces = [piece for portion in looked.portions for piece in portion]
    return Review(
        stage=stage,
        model=model if looked.answered else "",
        usd=f"{cost.usd:.4f}",
        scripted=cost.scripted,
        files=len({piece.file.path for piece in pieces}),
        lines=sum(len(piece.introduced) for piece in pieces),
        findings=tuple(map(_told, sifted.kept)),
        left_out={why.value: number for why, number in sorted(sifted.left.items())},
        unseen=by_reason((*left, *looked.unseen)),
        stopped=looked.stopped,
    )


def _told(advice: Advice) -> ReviewFinding:
    return ReviewFinding(
        path=advice.path,
        start=advice.start,
        end=advice.end,
        level=advice.level.value,
        rule=advice.rule,
        message=advice.message,
        why=advice.why,
        suggestion=advice.suggestion,
    )


def by_reason(unseen: Iterable[Unseen]) -> dict[str, tuple[str, ...]]:
    """Why -> paths, no more of them than are kept."""
    found: dict[str, tuple[str, ...]] = {}
    for number, one in enumerate(unseen):
        why = one.why if number < MAX_UNSEEN else "and more, which are not named"
        found.setdefault(why, ())
        if number < MAX_UNSEEN:
            found[why] = (*found[why], named(one.path))
    return found


def named(path: str) -> str:
    """A path that any store takes: what is no UTF-8 in it is written out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def verdicts_of(review: Review) -> Iterator[Verdict]:
    """Advice as validators' words are kept: it passes nothing and fails nothing."""
    said = "advice of a model, which decides nothing"
    for path in dict.fromkeys(one.path for one in review.findings):
        rows = tuple(_finding(one) for one in review.findings if one.path == path)
        yield Verdict(validator=REVIEW, path=path, outcome=Outcome.SKIP, sentence=said, findings=rows)
    for why, paths in review.unseen.items():
        for path in paths:
            yield Verdict(validator=REVIEW, path=path, outcome=Outcome.SKIP, sentence=f"not looked at: {why}")


def _finding(one: ReviewFinding) -> Finding:
    level = Level(one.level)
    return Finding(
        rule=one.rule, level=level, message=one.message, path=one.path, start=one.start, end=one.end
    )
