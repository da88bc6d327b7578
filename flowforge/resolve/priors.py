"""What is known about each rule before a repository has a history of its own: public counts, dated.

Measured over the two-parent merges of seven public repositories in Python, Go, Java, JavaScript and TypeScript
(about 16 000 merges, at most 12 files of one merge, merges whose text does not parse left out). A hunk's answer
counts as right where it equals what people committed there: exactly, but for whitespace, or in other order.
That is a lower bound, since a different merge can be right too.
"""

from collections.abc import Mapping

from flowforge.resolve.counts import Action, Counts, earned

MEASURED = "2026-11-23"

# "rung/rule" -> hunks
PRIORS: Mapping[str, Counts] = {
    "mechanical/changelog entries": Counts(right=75, total=81),
    "mechanical/larger version": Counts(right=133, total=143),
    "mechanical/whitespace-only side": Counts(right=51, total=58),
    "document/keys": Counts(right=15, total=22),
    "structural/added definitions": Counts(right=64, total=78),
    "structural/added imports": Counts(right=35, total=36),
    "structural/different lines or definitions": Counts(right=81, total=91),
    "structural/imports beside removed ones": Counts(right=19, total=26),
    "structural/names of an import": Counts(right=1, total=1),
    "structural/words apart": Counts(right=74, total=81),
    "structural/words close together": Counts(right=71, total=87),
}

# Right by construction, whatever was counted: both sides wrote the same.
CERTAIN = ("mechanical/identical edits", "mechanical/same edit, trailing whitespace")


def shipped_actions() -> dict[str, Action]:
    """What each rule may do in a repository that nothing is known about yet."""
    unknown = Counts(right=0, total=0)
    actions = {rule: earned(prior, unknown) for rule, prior in PRIORS.items()}
    return actions | dict.fromkeys(CERTAIN, Action.ACT)
