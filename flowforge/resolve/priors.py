"""What is known about each rule before a repository has a history of its own: public counts, dated.

Measured over two-parent merges of public repositories (of each, some 400 with conflicts chosen at random, or all), each
counted by itself (`resolve.public`): at most 12 files of one merge, merges whose text does not parse left out, one hunk that many merges
repeat counted once. A hunk's answer counts as right where it equals what people committed between the same
neighbouring lines: exactly, but for whitespace, or in other order. That is a lower bound, since a different merge can
be right too. Conflicts about whole paths were counted over 4 000 merges of each, or all, chosen at random: 12 of one
merge, and one that many merges repeat once. Half of the repositories were at hand when rules were split; of those rules that act, the other half says
the same.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flowforge.resolve.counts import Action, Counts, earned
from flowforge.resolve.public import Measured, Public, measured

# Right by construction, whatever was counted: both sides wrote the same.
CERTAIN = ("mechanical/identical edits", "mechanical/same edit, trailing whitespace")

UNKNOWN = Counts(right=0, total=0)
MOST_OF_ONE = 50.0  # cases with which one repository speaks for a rule: its ways are not everybody's
POOL = 20.0  # cases with which a rule's whole record speaks for its record with one kind of file


@dataclass(frozen=True, kw_only=True)
class Priors:
    """What the public counts say, by rule and kind of file."""

    day: str
    by_kind: Mapping[tuple[str, str], Counts]
    by_rule: Mapping[str, Counts]
    left_out: tuple[str, ...] = ()  # names of repositories that are not counted

    def of(self, rule: str, kind: str) -> Counts:
        """The record with files of one kind; with few of these, much as the rule's whole record."""
        whole = self.by_rule.get(rule, UNKNOWN)
        pool = min(POOL, whole.total)
        known = self.by_kind.get((rule, kind), UNKNOWN)
        return Counts(right=known.right + pool * whole.precision, total=known.total + pool)

    def actions(self) -> dict[str, Action]:
        """What each rule may do in a repository that nothing is known about yet."""
        actions = {rule: earned(prior, UNKNOWN) for rule, prior in self.by_rule.items()}
        return actions | dict.fromkeys((*CERTAIN, *AGREED), Action.ACT)


def shipped_priors(roots: Collection[str] = ()) -> Priors:
    """The shipped counts without those of the repository whose first commits are `roots`."""
    return priors_from(measured(), roots)


def priors_from(found: Measured, roots: Collection[str]) -> Priors:
    """The counts of those of `found` that share no first commit with `roots`, added up."""
    apart = found.without(roots)
    by_kind: dict[tuple[str, str], Counts] = {}
    by_rule: dict[str, Counts] = {}
    for one in apart.repositories:
        weights = _weights(one)
        for (rule, kind), counted in one.counts.items():
            heard = Counts(right=counted.right * weights[rule], total=counted.total * weights[rule])
            by_kind[rule, kind] = _sum(by_kind.get((rule, kind), UNKNOWN), heard)
            by_rule[rule] = _sum(by_rule.get(rule, UNKNOWN), heard)
    left_out = tuple(one.name for one in found.repositories if one not in apart.repositories)
    return Priors(day=found.day, by_kind=by_kind, by_rule=by_rule, left_out=left_out)


def _weights(one: Public) -> Mapping[str, float]:
    """By rule, what a case of this repository counts: 1, and less where there are many."""
    totals: dict[str, float] = {}
    for (rule, _), counted in one.counts.items():
        totals[rule] = totals.get(rule, 0.0) + counted.total
    return {rule: min(1.0, MOST_OF_ONE / total) if total else 1.0 for rule, total in totals.items()}


def _sum(one: Counts, two: Counts) -> Counts:
    return Counts(right=one.right + two.right, total=one.total + two.total)


# What memory offers as agreed to, tests or a person agreed to; the rest it offers as what the first rung is worth.
AGREED = ("memory",)


def shipped_actions() -> dict[str, Action]:
    """What each rule may do in a repository that nothing is known about yet."""
    return shipped_priors().actions()
