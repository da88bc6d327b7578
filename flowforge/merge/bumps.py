"""Where the sides of a hunk differ in version numbers only, in a known manifest, the larger version wins.

Right on 56 % of hunks everywhere, 92 % outside generated lockfiles: so manifests only, and versions only that
their ecosystem orders. A range, a pin against a range, or anything odd is left to a person.
"""

import re

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.versions import Order, larger_version, order_of

# A version as it stands in a manifest: at least two numbers, so that bare counts never match.
_VERSION = re.compile(rb"(?<![\w.+-])v?\d+(?:\.\d+)+(?:[-+.]?[0-9A-Za-z]+(?:[.-][0-9A-Za-z]+)*)?(?![\w+])")
_RANGE = re.compile(rb"[<!*|]|>(?!=)|\.x\b|,\s*[<>=~^]")
_TAG = re.compile(rb"</?[\w.:-]+>")


def resolve(conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:  # noqa: ARG001 (the contract)
    """Answer each hunk whose sides differ in comparable version numbers only."""
    order = order_of(conflict.path)
    answers = [a for hunk in conflict.hunks if order and (a := _larger(hunk, order)) is not None]
    if answers:
        return Candidate(answers=tuple(answers))
    return Abstain(why="not_versions_only", sentence="the sides differ in more than plain version numbers")


def _larger(hunk: Hunk, order: Order) -> HunkAnswer | None:
    sides = [_VERSION.split(side) for side in (hunk.base, hunk.upstream, hunk.commit)]
    if not (sides[0] == sides[1] == sides[2]) or any(_RANGE.search(_TAG.sub(b"", part)) for part in sides[0]):
        return None
    versions = [_VERSION.findall(side) for side in (hunk.base, hunk.upstream, hunk.commit)]
    if not versions[0]:
        return None
    chosen = [
        larger_version(base.decode("latin-1"), upstream.decode("latin-1"), commit.decode("latin-1"), order)
        for base, upstream, commit in zip(*versions, strict=True)
    ]
    whole = [version.encode("latin-1") for version in chosen if version is not None]
    if len(whole) != len(chosen):
        return None
    parts = [part for pair in zip(sides[1], [*whole, b""], strict=True) for part in pair]
    changed = [v.decode("latin-1") for v, before in zip(whole, versions[0], strict=True) if v != before]
    return HunkAnswer(
        index=hunk.index,
        text=b"".join(parts),
        rung="mechanical",
        rule="larger version",
        why=f"only versions differ; the larger one is kept ({', '.join(changed[:3])})",
    )
