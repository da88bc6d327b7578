"""Where the sides of a hunk differ in version numbers only, in a known manifest, the larger version wins.

Manifests only, and versions only that their ecosystem orders: a range, a pin against a range, or anything odd is left
to a person. Four cases are told apart, as people treat them differently: the project's own version; both sides raised
the same ones and upstream's are the larger; the commit's are; and each side raised others.
"""

import re
from dataclasses import replace

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer
from flowforge.hooks.contracts import ResolveContext
from flowforge.merge.ownversions import HEAD, is_own
from flowforge.merge.releases import Order
from flowforge.merge.versions import NUMBER, larger_version, order_of

UPSTREAM, COMMIT = "larger version", "larger version of the commit"
OWN, APART = "larger version of the project", "versions raised apart"
_WHY = {
    UPSTREAM: "only versions differ; the larger one is kept, upstream's",
    COMMIT: "only versions differ; the larger one is kept, the commit's",
    OWN: "only the project's own version differs; the larger one is kept",
    APART: "each side raised other versions; all of them are kept",
}
_VERSION = re.compile(rb"(?<![\w.+-])" + NUMBER.encode() + rb"(?![\w+])")
_RANGE = re.compile(rb"[\"'>]\s*[\[(]\s*,?\s*$|[<!|]|(?<!^\.)\*|>(?!=)|\.x\b|,\s*[<>=~^]")
_TAG = re.compile(rb"</?[A-Za-z][\w.:-]*|(?<=[\w\"' /])/?>|<!--|-->")
_OLD = re.compile(
    rb"<{7,} [^\n]*\n(?P<upstream>.*?)\|{7,} [^\n]*\n(?P<base>.*?)={7,}\n(?P<commit>.*?)>{7,} [^\n]*\n",
    re.DOTALL,
)


def resolve(conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:  # noqa: ARG001 (the contract)
    """Answer each hunk whose sides differ in comparable version numbers only."""
    order = order_of(conflict.path)
    answers = []
    before = b""
    for segment in conflict.segments:
        if isinstance(segment, Hunk) and order and (answer := _larger(segment, order)) is not None:
            answers.append(_named(segment, answer, own=is_own(conflict.path, before, segment.upstream)))
        if len(before) <= HEAD:
            before += segment.upstream if isinstance(segment, Hunk) else segment
    if answers:
        return Candidate(answers=tuple(answers))
    return Abstain(why="not_versions_only", sentence="the sides differ in more than plain version numbers")


def _named(hunk: Hunk, text: bytes, *, own: bool) -> HunkAnswer:
    rule = {hunk.commit: COMMIT, hunk.upstream: UPSTREAM}.get(text, APART)
    if own and rule != APART:
        rule = OWN
    old = set(_VERSION.findall(hunk.base))
    changed = [version.decode("latin-1") for version in _VERSION.findall(text) if version not in old]
    why = f"{_WHY[rule]} ({', '.join(changed[:3])})"
    return HunkAnswer(index=hunk.index, text=text, rung="mechanical", rule=rule, why=why)


def _larger(hunk: Hunk, order: Order) -> bytes | None:
    """The hunk with the larger versions; None where it holds anything else that differs."""
    hunk = _settled(hunk, order)
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
    return b"".join(part for pair in zip(sides[1], [*whole, b""], strict=True) for part in pair)


def _settled(hunk: Hunk, order: Order) -> Hunk:
    """Branches merged crosswise have several bases, and git's own merge of these may hold a conflict."""
    found = _OLD.fullmatch(hunk.base)
    if found is None:
        return hunk
    inner = replace(hunk, base=found["base"], upstream=found["upstream"], commit=found["commit"])
    base = _larger(inner, order)
    return hunk if base is None else replace(hunk, base=base)
