"""What the rungs make of three files: the half of `flowforge merge-driver` that is imported late, in a child."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.conflict import Abstain, Candidate, Conflict, HunkAnswer
from flowforge.core.markers import with_markers
from flowforge.git.home import home_of
from flowforge.git.mergefile import MergeAsked
from flowforge.hooks.contracts import ResolveContext, Resolver
from flowforge.hooks.manager import discover, load_plugins
from flowforge.merge.sound import ask
from flowforge.resolve.ladder import Rung, climb, fold
from flowforge.resolve.memory import RUNG, Given, keys, recall
from flowforge.resolve.policy import Action, Policy
from flowforge.resolve.rungs import plan_rungs
from flowforge.wiring.merging import Answered, packed
from flowforge.wiring.remembered import FileMemory, answer_file, switched_on

RUNGS = ("mechanical", "document", "structural")  # that need neither money, nor tools, nor a service
_DEADLINE = 5.0  # seconds that a resolver may take


@dataclass(frozen=True, kw_only=True)
class OnlySure(Policy):
    """The policy as shipped, for a place where nobody confirms anything: what may not act is off."""

    def action(self, rung: str, rule: str = "", path: str = "", *, whole: bool = False) -> Action:
        return Action.ACT if super().action(rung, rule, path, whole=whole) is Action.ACT else Action.OFF


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """What this user's runs in the same repository remember of one file, and the rung that it makes."""

    memory: FileMemory
    conflict: Conflict
    every: bool  # what nobody has agreed to, too

    def rung(self) -> Rung:
        return Rung(name=RUNG, resolver=RUNG, ask=self._ask)

    def note(self, answers: tuple[HunkAnswer, ...]) -> None:
        """Note the use of those that were taken from here; nothing else is kept, as nobody confirms it."""
        known = keys(self.conflict)
        self.memory.keep(
            [
                Given(
                    key=known[one.index],
                    path=self.conflict.path,
                    text=one.text,
                    rung=RUNG,
                    rule=one.rule,
                    why=one.why,
                    commit=self.conflict.commit_id,
                )
                for one in answers
                if one.rung == RUNG
            ]
        )

    def _ask(self, conflict: Conflict) -> Candidate | Abstain:
        known = keys(self.conflict)
        wanted = {hunk.index: known[hunk.index] for hunk in conflict.hunks}
        found = self.memory.find(set(wanted.values()))
        agreed = {key: one for key, one in found.items() if one.kept.confirmed or self.every}
        return recall(conflict.path, wanted, agreed, Policy())


def recalled(
    asked: MergeAsked, conflict: Conflict, environment: Mapping[str, str], say: Callable[[str], None]
) -> Recalled | None:
    """None where it is switched off, or where we stand is no repository."""
    home = home_of(Path.cwd(), environment) if asked.memory and switched_on(environment) else ""
    if not home:
        return None
    memory = FileMemory(file=answer_file(say, environment), repository=home, say=say)
    return Recalled(memory=memory, conflict=conflict, every=asked.every)


def answer(asked: MergeAsked, conflict: Conflict) -> bytes:
    """The text with what could be answered put in, and the rest in markers, as `packed` makes bytes of it.

    Where nothing could be answered, the text is empty: what git made of it stands.
    """
    troubles: list[str] = []
    remembered = recalled(asked, conflict, os.environ, troubles.append)
    found = _answers(conflict, remembered, every=asked.every)
    answers, sentence = found.answers, found.sentence
    if not answers:
        told = (*troubles, sentence) if sentence else tuple(troubles)
        return packed(Answered(text=b"", left=len(conflict.hunks), told=told))
    if remembered is not None:
        remembered.note(answers)
    left = fold(conflict, answers)
    reasons = dict.fromkeys(f"{one.why} ({one.rung}: {one.rule})" for one in answers)
    return packed(
        Answered(
            text=with_markers(left.segments, asked.markers),
            left=len(left.hunks),
            answered=len(answers),
            told=(*troubles, f"{len(answers)} of {len(conflict.hunks)} conflicts answered", *reasons),
        )
    )


@dataclass(frozen=True, kw_only=True)
class _Said:
    answers: tuple[HunkAnswer, ...] = ()
    sentence: str = ""  # why no rung was asked


def _answers(conflict: Conflict, remembered: Recalled | None, *, every: bool) -> _Said:
    """Answers for some or all hunks."""
    own = {RUNG: remembered.rung()} if remembered is not None else {}
    rungs = plan_rungs(load_plugins(discover()), (RUNG, *RUNGS), _here, own=own, deadline=_DEADLINE)
    found = climb([conflict], rungs, Policy() if every else OnlySure())
    if found.resolutions:
        return _Said(answers=found.resolutions[0].answers)
    (open_,) = found.unresolved
    return _Said(answers=open_.answers, sentence="" if open_.tried else open_.sentence)


def _here(resolver: Resolver, conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:
    return ask(resolver.load, conflict, context)
