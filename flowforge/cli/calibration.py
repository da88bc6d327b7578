"""What a calibration found, as one value, and the words that the table and the page share."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from flowforge.cli.asked_model import told
from flowforge.report.facts import ModelCost
from flowforge.resolve.calibrate import EARLIER, Figures, Split
from flowforge.resolve.cases import FileCase
from flowforge.resolve.counts import COST_OF_WRONG
from flowforge.resolve.learnt import Learnt
from flowforge.resolve.records import Count, RuleLine


@dataclass(frozen=True, kw_only=True)
class Question:
    repository: str
    limit: int = 0  # conflicting merges to look at; 0 = all
    seed: int | None = None  # None: newest first
    before: int | None = None  # epoch seconds
    k: float = COST_OF_WRONG
    spend: Decimal | None = None  # US dollars that a model may cost in all; None: none is asked


@dataclass(frozen=True, kw_only=True)
class Line:
    """A rule's record over all history, and in the later part by itself."""

    rule: RuleLine
    later: Count


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """`shipped` and `own` are figures over the later part; `own` was learnt from the earlier one."""

    name: str
    learnt: Learnt
    lines: tuple[Line, ...]
    shipped: Figures
    own: Figures
    parts: Split
    made_again: Mapping[str, int] = field(default_factory=dict)  # merges, by how they were landed
    left: Mapping[str, int] = field(default_factory=dict)  # pull requests that were left out, by why
    lacking: int = 0  # merges of which the repository, a partial clone, lacks something
    cases: tuple[FileCase, ...] = ()
    model: ModelCost | None = None  # what a model was asked for; None: none was
    stopped: str = ""  # why the model, and so the counting, was asked no more


def sentences(found: Calibrated) -> Iterator[str]:
    """What was looked at, and what was left out."""
    made = found.made_again
    pulls = made.get("squash", 0) + made.get("rebase", 0)
    yield f"{made.get('merge', 0)} merges and {pulls} squashed or rebased pull requests made again"
    paths = f" and {found.learnt.paths} whole paths" if found.learnt.paths else ""
    yield f"{found.learnt.merges} had conflicts to judge, in {found.learnt.files} files{paths}"
    if found.left:
        yield "pull requests that were not made again by themselves:"
        yield from (f"  {number} {why}" for why, number in sorted(found.left.items(), key=lambda p: -p[1]))
    if found.lacking:
        yield f"{found.lacking} merges were left out: a partial clone lacks what they need"
    if found.learnt.left_out:
        yield f"the shipped counts of {', '.join(found.learnt.left_out)} are left out: it is this repository"
    held = found.learnt.held_out
    if held is not None:
        share_ = f"{EARLIER * 100:.0f} %"
        yield f"the later part begins on {held.since}, after {share_} of these merges: {held.files} files"
        if found.parts.paths:
            yield f"  and {found.parts.paths} conflicts about whole paths"
    if found.parts.seen:
        yield f"  {found.parts.seen} more conflict there in places that the earlier part has too: left out"
    yield from told(found.model, found.stopped)


def share(right: float, cases: float) -> str:
    return f"{right / cases * 100:.0f} %" if cases else "-"
