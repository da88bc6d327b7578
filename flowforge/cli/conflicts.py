"""The conflicts of a job in words: which rung answered each place, what is known of a model's answer, what was tried."""

from collections.abc import Iterator, Sequence

from flowforge.api.models import ConflictOut, HunkOut
from flowforge.cli.terminal import tame
from flowforge.cli.waiting import folded
from flowforge.core.account import Account
from flowforge.report.sections import told

_SHORT = 10  # hex digits of a commit id


def described_conflicts(conflicts: Sequence[ConflictOut]) -> list[str]:
    """One block a path; nothing but a sentence where there was none."""
    if not conflicts:
        return ["no conflicts"]
    return [tame(line) for one in conflicts for line in _conflict(one)]


def _conflict(one: ConflictOut) -> Iterator[str]:
    how = f"by {one.method}" if one.resolved else "for a person"
    yield f"{one.path} ({one.kind}, commit {one.commit[:_SHORT]}): {how}"
    if one.sentence:
        yield from folded("", one.sentence, indent=2)
    for hunk in one.hunks:
        yield from _hunk(hunk)


def _hunk(hunk: HunkOut) -> Iterator[str]:
    yield from folded(hunk.rung, f"{hunk.why}{f' ({hunk.reason})' if hunk.reason else ''}", indent=2)
    if hunk.approval:
        yield from folded("", f"a person must agree: {hunk.approval}", indent=4)
    account = Account.from_json(hunk.account.model_dump())
    for line in (*told(account), *(f"needed elsewhere: {edit}" for edit in account.elsewhere)):
        yield from folded("", line, indent=4)
