"""What the rungs make of three files: the half of `flowforge merge-driver` that is imported late, in a child."""

from dataclasses import dataclass

from flowforge.core.conflict import Abstain, Candidate, Conflict, HunkAnswer
from flowforge.core.markers import with_markers
from flowforge.git.mergefile import MergeAsked
from flowforge.hooks.contracts import ResolveContext, Resolver
from flowforge.hooks.manager import discover, load_plugins
from flowforge.merge.sound import ask
from flowforge.resolve.ladder import climb, fold
from flowforge.resolve.policy import Action, Policy
from flowforge.resolve.rungs import plan_rungs
from flowforge.wiring.merging import Answered, packed

RUNGS = ("mechanical", "document", "structural")  # that need neither money, nor tools, nor a service
_DEADLINE = 5.0  # seconds that a resolver may take


@dataclass(frozen=True, kw_only=True)
class OnlySure(Policy):
    """The policy as shipped, for a place where nobody confirms anything: what may not act is off."""

    def action(self, rung: str, rule: str = "", path: str = "") -> Action:
        return Action.ACT if super().action(rung, rule, path) is Action.ACT else Action.OFF


def answer(asked: MergeAsked, conflict: Conflict) -> bytes:
    """The text with what could be answered put in, and the rest in markers, as `packed` makes bytes of it.

    Where nothing could be answered, the text is empty: what git made of it stands.
    """
    answers, sentence = _answers(conflict, every=asked.every)
    if not answers:
        return packed(Answered(text=b"", left=len(conflict.hunks), told=(sentence,) if sentence else ()))
    left = fold(conflict, answers)
    reasons = dict.fromkeys(f"{one.why} ({one.rung}: {one.rule})" for one in answers)
    return packed(
        Answered(
            text=with_markers(left.segments, asked.markers),
            left=len(left.hunks),
            answered=len(answers),
            told=(f"{len(answers)} of {len(conflict.hunks)} conflicts answered", *reasons),
        )
    )


def _answers(conflict: Conflict, *, every: bool) -> tuple[tuple[HunkAnswer, ...], str]:
    """Answers for some or all hunks, and where no rung was asked, why."""
    rungs = plan_rungs(load_plugins(discover()), RUNGS, _here, deadline=_DEADLINE)
    found = climb([conflict], rungs, Policy() if every else OnlySure())
    if found.resolutions:
        return found.resolutions[0].answers, ""
    (open_,) = found.unresolved
    return open_.answers, "" if open_.tried else open_.sentence


def _here(resolver: Resolver, conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:
    return ask(resolver.load, conflict, context)
