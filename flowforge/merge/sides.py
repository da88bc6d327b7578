"""The three texts that a merge of one conflict starts from, and the way from its result back to hunks.

The texts are git's own merge with each side's hunks put in: they differ in the hunks only, and every byte
outside is git's already. Where one of them does not parse although the real files do, the real files serve.
Where neither parse, a merge works around the places that do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Conflict, Hunk, Segment, Side, fit
from flowforge.hooks.contracts import Language
from flowforge.merge.doubt import Doubt
from flowforge.merge.faults import MANY, at_fault, faults
from flowforge.merge.syntax import Source, parse

MAX_BYTES = 1 << 20  # of one version; larger files are generated, mostly
_SIDES = (Side.BASE, Side.UPSTREAM, Side.COMMIT)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Versions:
    """Base, upstream and commit, and where each hunk lies in each of them."""

    sources: tuple[Source, Source, Source]
    hunks: tuple[dict[int, tuple[int, int]], ...]  # per side: hunk index -> byte range; empty = not known
    broken: frozenset[int] = frozenset()  # hunks at a place that does not parse: they stay open


@dataclass(frozen=True)
class Texts:
    """Git's merge with each side's hunks put in, and where each hunk lies in each of them."""

    texts: tuple[bytes, bytes, bytes]
    hunks: tuple[dict[int, tuple[int, int]], ...]


def texts_of(conflict: Conflict) -> Texts:
    """Base, upstream and commit as they differ in the hunks only.

    Raises:
        Doubt: as `real_texts`.
    """
    real_texts(conflict)
    (base, one), (upstream, two), (commit, three) = (_fill(conflict.segments, side) for side in _SIDES)
    return Texts((base, upstream, commit), (one, two, three))


def real_texts(conflict: Conflict) -> list[bytes]:
    """The three versions; a missing base (both sides added the file) is an empty one.

    Raises:
        Doubt: a version is missing or too large, or begins with a byte order mark on some sides only.
    """
    real = [conflict.text(side) if side is not Side.BASE or conflict.base else b"" for side in _SIDES]
    texts = [text for text in real if text is not None and len(text) <= MAX_BYTES]
    if len(texts) != len(real):
        raise Doubt("too_large", f"a version is missing or larger than {MAX_BYTES} bytes")
    if len({text.startswith(_BOM) for text in texts if text}) > 1:
        raise Doubt("byte_order_mark", "the file begins with a byte order mark on some sides only")
    return texts


def versions(conflict: Conflict, language: Language) -> Versions:
    """The texts to merge; a missing base (both sides added the file) is an empty one.

    Raises:
        Doubt: as `real_texts`, or no hunk stands at a place that parses on every side.
    """
    real = real_texts(conflict)
    filled = [_fill(conflict.segments, side) for side in _SIDES]
    ranges = tuple(ranges for _, ranges in filled)
    sources = _parsed([text for text, _ in filled], language)
    if not any(source.has_error for source in sources):
        return Versions(sources, ranges)
    whole = _parsed(real, language)
    if not any(source.has_error for source in whole):
        return Versions(whole, ())
    broken = _broken(sources, ranges)
    if len(broken) == len(conflict.hunks):
        raise broken_place()
    return Versions(sources, ranges, broken)


def broken_place() -> Doubt:
    """The doubt about a hunk at a place that does not parse."""
    return Doubt("does_not_parse", "a version of this file does not parse where both sides changed it")


def _parsed(texts: Sequence[bytes], language: Language) -> tuple[Source, Source, Source]:
    base, upstream, commit = (parse(text, language) for text in texts)
    return base, upstream, commit


def _broken(sources: Sequence[Source], ranges: Sequence[dict[int, tuple[int, int]]]) -> frozenset[int]:
    """The hunks at which a side's parser had to guess; all where it had to too often."""
    if any(faults(source).total() > MANY for source in sources):
        return frozenset(ranges[0])
    return frozenset(
        index
        for source, places in zip(sources, ranges, strict=True)
        for index, (start, end) in places.items()
        if at_fault(source.root, start, end)
    )


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


def hunk_texts(segments: Sequence[Segment], result: bytes, *, one_way: bool) -> tuple[bytes, ...]:
    """Cut the hunks' texts out of a merged file; `one_way`: only if they can be cut in a single way.

    A part of the hunks may be answered alone only then: leftmost and rightmost cut must agree.

    Raises:
        Doubt: `outside_changed`, or the cut is not certain.
    """
    texts = fit(segments, result)
    if texts is None:
        raise Doubt("outside_changed", "the merge would change lines outside the conflicting places")
    if one_way:
        turned = tuple(s if isinstance(s, Hunk) else s[::-1] for s in reversed(segments))
        found = fit(turned, result[::-1]) or ()
        if [text[::-1] for text in reversed(found)] != list(texts):
            raise Doubt("outside_changed", "the merged text cannot be told apart from what stands around it")
    return texts
