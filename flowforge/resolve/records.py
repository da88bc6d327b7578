"""The record of a rule in a repository's own history, and what it may do for it.

Light on purpose: whatever reads a policy imports this, and nothing that counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flowforge.resolve.counts import Action, Counts
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.policy import Standing

Key = tuple[str, FileKind]  # "rung/rule", kind of file
NOTHING = Counts(right=0, total=0)


@dataclass(frozen=True, kw_only=True)
class Count:
    """The record of one rule with one kind of file: hunks as they are, and weighed by age."""

    right: int = 0
    cases: int = 0
    weighed: Counts = NOTHING

    def plus(self, right: bool, weight: float) -> "Count":
        weighed = Counts(right=self.weighed.right + weight * right, total=self.weighed.total + weight)
        return Count(right=self.right + right, cases=self.cases + 1, weighed=weighed)


@dataclass(frozen=True, kw_only=True)
class RuleLine:
    """What a rule may do with one kind of file, and its record that earned it."""

    rule: str  # "rung/rule"
    kind: FileKind
    action: Action
    count: Count


def standings(lines: Iterable[RuleLine]) -> Mapping[tuple[str, str], Standing]:
    """The same for a `Policy`."""
    return {
        (line.rule, line.kind.value): Standing(
            action=line.action, right=line.count.right, cases=line.count.cases
        )
        for line in lines
    }
