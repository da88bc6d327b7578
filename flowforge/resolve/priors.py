"""What is known about each rule before a repository has a history of its own: public counts, dated.

Measured over the two-parent merges of ten public repositories in Python, Go, Java, JavaScript and TypeScript
(about 26 000 merges, at most 12 files of one merge, merges whose text does not parse left out, one hunk that
many merges repeat counted once). A hunk's answer counts as right where it equals what people committed between
the same neighbouring lines: exactly, but for whitespace, or in other order. That is a lower bound, since a
different merge can be right too.
"""

from collections.abc import Mapping

from flowforge.resolve.counts import Action, Counts, earned

MEASURED = "2026-11-23"

# "rung/rule" -> hunks
PRIORS: Mapping[str, Counts] = {
    "mechanical/changelog entries": Counts(right=90, total=104),
    "mechanical/larger version": Counts(right=211, total=222),
    "mechanical/whitespace-only side": Counts(right=92, total=102),
    "document/keys": Counts(right=30, total=38),
    "structural/added definitions": Counts(right=147, total=170),
    "structural/added imports": Counts(right=63, total=73),
    "structural/different lines or definitions": Counts(right=140, total=164),
    "structural/imports beside removed ones": Counts(right=19, total=26),
    "structural/names of an import": Counts(right=3, total=8),
    "structural/words apart": Counts(right=148, total=172),
    "structural/words close together": Counts(right=110, total=137),
}

# Right by construction, whatever was counted: both sides wrote the same.
CERTAIN = ("mechanical/identical edits", "mechanical/same edit, trailing whitespace")

# What memory offers as agreed to, tests or a person agreed to; the rest it offers as what the first rung is worth.
AGREED = ("memory",)


def shipped_actions() -> dict[str, Action]:
    """What each rule may do in a repository that nothing is known about yet."""
    unknown = Counts(right=0, total=0)
    actions = {rule: earned(prior, unknown) for rule, prior in PRIORS.items()}
    return actions | dict.fromkeys((*CERTAIN, *AGREED), Action.ACT)
