"""Both sides added entries to a changelog: keep both, upstream's first.

People did the same in 74 % of cases, so it is a proposal, never an act.
"""

from collections.abc import Sequence

from flowforge.plugin import (
    Abstain,
    Candidate,
    Conflict,
    Hunk,
    HunkAnswer,
    ResolveContext,
    Resolver,
    hookimpl,
    split_lines,
)

_NAMES = (
    "CHANGELOG",
    "CHANGES",
    "HISTORY",
    "NEWS",
    "Changelog",
    "ChangeLog",
    "Changes",
    "changelog",
    "changes",
)
_ENDS = ("", ".md", ".rst", ".txt", ".adoc")
_GLOBS = tuple(name + end for name in _NAMES for end in _ENDS)


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [Resolver(name="changelog", rung="mechanical", load=f"{__name__}:resolve", globs=_GLOBS)]


def resolve(conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:  # noqa: ARG001 (the contract)
    """Answer hunks in which both sides only added lines."""
    answers = [a for hunk in conflict.hunks if (a := _both(hunk)) is not None]
    if answers:
        return Candidate(answers=tuple(answers))
    return Abstain(why="not_only_added", sentence="a side changed or removed entries that stood before")


def _both(hunk: Hunk) -> HunkAnswer | None:
    base, upstream, commit = (split_lines(side) for side in (hunk.base, hunk.upstream, hunk.commit))
    added, added2 = _added(base, upstream), _added(base, commit)
    if added is None or added2 is None or not added[1] or not added2[1] or added[0] != added2[0]:
        return None
    if {line.strip() for line in added[1] if line.strip()} & {line.strip() for line in added2[1]}:
        return None  # the same entry or heading on both sides: joining would double it
    lines = [*base[: added[0]], *added[1], *added2[1], *base[added[0] :]]
    if any(not line.endswith(b"\n") for line in lines[:-1]):
        return None
    return HunkAnswer(
        index=hunk.index,
        text=b"".join(lines),
        rung="mechanical",
        rule="changelog entries",
        why="both sides added entries; both are kept, upstream's first",
        confirmed=False,
    )


def _added(base: list[bytes], side: list[bytes]) -> tuple[int, list[bytes]] | None:
    """Where and what `side` inserted into `base` in one piece; None when it did anything else."""
    more = len(side) - len(base)
    if more < 0:
        return None
    start = next((i for i, line in enumerate(base) if side[i] != line), len(base))
    return (start, side[start : start + more]) if side[start + more :] == base[start:] else None
