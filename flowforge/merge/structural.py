"""The structural rung: merge the three versions by entity, and answer the hunks with what comes out.

The versions are git's own merge with each side's hunks put in, so that they differ in the hunks only and every
byte outside is git's already; where these do not parse although the real files do, the real files are merged
instead. `fit` then finds the text of each hunk, and an answer that would change a byte elsewhere is none.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import (
    Abstain,
    Candidate,
    Conflict,
    Hunk,
    HunkAnswer,
    Segment,
    Side,
    fit,
    splice,
)
from flowforge.hooks.contracts import Language, ResolveContext
from flowforge.merge import checks
from flowforge.merge.doubt import Doubt
from flowforge.merge.entities import Span, file_body
from flowforge.merge.syntax import Source, parse
from flowforge.merge.weave import Open, Weaver

RUNG = "structural"
MAX_BYTES = 1 << 20  # of one version; larger files are generated, mostly
_SIDES = (Side.BASE, Side.UPSTREAM, Side.COMMIT)


def resolve(
    conflict: Conflict, context: ResolveContext, *, clock: Callable[[], float] = time.monotonic
) -> Candidate | Abstain:
    """Answer the hunks of one source file that can be merged by entity without a doubt.

    Abstains with a typed word: no_language, no_base, too_large, does_not_parse, out_of_time, a word of the
    engine's own doubts (see `weave`), or of its checks.
    """
    language = context.language
    if language is None or not language.grammar or not language.entities:
        return Abstain(why="no_language", sentence="no grammar with entities is known for this file")
    end = clock() + context.deadline
    try:
        return _resolve(conflict, language, lambda: _check_time(clock, end))
    except Doubt as doubt:
        return doubt.abstain()


def _check_time(clock: Callable[[], float], end: float) -> None:
    if clock() > end:
        raise Doubt("out_of_time", "the structural merge took longer than its time limit")


@dataclass(frozen=True)
class _Versions:
    """Three texts that differ where the hunks are, and where each hunk lies in each of them."""

    sources: tuple[Source, Source, Source]
    hunks: tuple[dict[int, tuple[int, int]], ...]  # per side: hunk index -> byte range; empty = not known


def _resolve(conflict: Conflict, language: Language, tick: Callable[[], None]) -> Candidate | Abstain:
    versions = _versions(conflict, language)
    tick()
    weaver = Weaver(tick)
    base, upstream, commit = (file_body(source) for source in versions.sources)
    result = weaver.bodies(base, upstream, commit)
    texts = fit(conflict.segments, result)
    if texts is None:
        return Abstain(
            why="outside_changed", sentence="the merge by entity would change lines outside the hunks"
        )
    open_ = _open_hunks(conflict, versions, weaver.open)
    if len(open_) == len(conflict.hunks):
        return weaver.open[0].doubt.abstain()
    if weaver.open and not _certain(conflict.segments, result, texts):
        return weaver.open[0].doubt.abstain()
    filled = [
        hunk.upstream if hunk.index in open_ else text
        for hunk, text in zip(conflict.hunks, texts, strict=True)
    ]
    checks.check(parse(splice(conflict.segments, filled), versions.sources[0].language), versions.sources)
    rule = "entities" if not weaver.used else "entities, " + ", ".join(sorted(weaver.used))
    return Candidate(
        answers=tuple(
            HunkAnswer(index=hunk.index, text=checks.checked(hunk, text), rung=RUNG, rule=rule, why=_why(weaver.used))
            for hunk, text in zip(conflict.hunks, texts, strict=True)
            if hunk.index not in open_
        )
    )


def _why(used: set[str]) -> str:
    said = {
        "tokens": "both sides changed different words of neighbouring lines",
        "definitions": "both sides added definitions, which may stand in any order; upstream's come first",
        "imports": "both sides added imports; the set of both is kept",
        "import names": "both sides changed the names of one import; the set of both is kept",
    }
    return "; ".join(said[word] for word in sorted(used)) or "the sides changed different definitions"


def _versions(conflict: Conflict, language: Language) -> _Versions:
    """Git's merge with each side's hunks put in, or the real files where those do not parse.

    Raises:
        Doubt: a version is missing or too large, or does not parse.
    """
    real = [conflict.text(side) if side is not Side.BASE or conflict.base else b"" for side in _SIDES]
    if any(text is None or len(text) > MAX_BYTES for text in real):
        raise Doubt("too_large", f"a version is missing or larger than {MAX_BYTES} bytes")
    filled = [_fill(conflict.segments, side) for side in _SIDES]
    sources = tuple(parse(text, language) for text, _ in filled)
    if not any(source.has_error for source in sources):
        return _Versions((sources[0], sources[1], sources[2]), tuple(ranges for _, ranges in filled))
    whole = tuple(parse(text or b"", language) for text in real)
    if any(source.has_error for source in whole):
        raise Doubt("does_not_parse", "a version of this file does not parse")
    return _Versions((whole[0], whole[1], whole[2]), ())


def _fill(segments: Sequence[Segment], side: Side) -> tuple[bytes, dict[int, tuple[int, int]]]:
    parts: list[bytes] = []
    ranges: dict[int, tuple[int, int]] = {}
    at = 0
    for segment in segments:
        text = segment.side(side) if isinstance(segment, Hunk) else segment
        if isinstance(segment, Hunk):
            ranges[segment.index] = (at, at + len(text))
        parts.append(text)
        at += len(text)
    return b"".join(parts), ranges


def _certain(segments: Sequence[Segment], result: bytes, texts: Sequence[bytes]) -> bool:
    """Whether the hunks' texts can be cut out of `result` in one way only: leftmost and rightmost agree."""
    turned = tuple(s if isinstance(s, Hunk) else s[::-1] for s in reversed(segments))
    found = fit(turned, result[::-1])
    return found is not None and [text[::-1] for text in reversed(found)] == list(texts)


def _open_hunks(conflict: Conflict, versions: _Versions, places: Sequence[Open]) -> set[int]:
    """Hunks that an undecided place touches on any side; all of them where that is not known."""
    if places and not versions.hunks:
        return {hunk.index for hunk in conflict.hunks}
    return {
        hunk.index
        for hunk in conflict.hunks
        for place in places
        for span, ranges in zip(place.spans, versions.hunks, strict=True)
        if _touches(span, ranges[hunk.index])
    }


def _touches(span: Span, lines: tuple[int, int]) -> bool:
    return span.start <= lines[1] and lines[0] <= span.end
