"""Where people's text for one hunk stands in what they committed: between the same neighbouring lines, or nowhere.

Pure. A hunk whose place is doubtful has none: it is better left out of a count than counted wrong.
"""

from collections.abc import Mapping, Sequence

from flowforge.core.conflict import Conflict, Hunk, Segment, fit, splice, split_lines

NEAR = 3  # lines on a side that are looked for first
FAR = (6, 12, 24)  # where those stand in more than one place
FEW = (2, 1)  # where people changed some of those too


def human_texts(conflict: Conflict, human: bytes) -> Mapping[int, bytes]:
    """By hunk index, the text that people put there; hunks without a certain place are left out."""
    exact = _fitted(conflict.segments, human)
    merged = splice(conflict.segments, [hunk.upstream for hunk in conflict.hunks])
    found: dict[int, bytes] = {}
    for at, segment in enumerate(conflict.segments):
        if not isinstance(segment, Hunk):
            continue
        text = exact.get(segment.index)
        if text is None:
            text = _anchored(conflict.segments, at, human, merged)
        if text is not None:
            found[segment.index] = text
    return found


def _fitted(segments: Sequence[Segment], human: bytes) -> Mapping[int, bytes]:
    """Texts of hunks around which git's bytes are unchanged, where only one placing of these bytes is possible."""
    first = fit(segments, human)
    if first is None:
        return {}
    last = fit(_mirrored(segments), human[::-1])
    if last is None:
        return {}
    pairs = zip(first, (text[::-1] for text in reversed(last)), strict=True)
    hunks = [segment for segment in segments if isinstance(segment, Hunk)]
    starts = zip(
        _starts(segments, first), _starts(segments, [text[::-1] for text in reversed(last)]), strict=True
    )
    return {
        hunk.index: one
        for hunk, (one, two), (here, there) in zip(hunks, pairs, starts, strict=True)
        if one == two and here == there
    }


def _mirrored(segments: Sequence[Segment]) -> Sequence[Segment]:
    """The row from its end, bytes reversed: leftmost there is rightmost here."""
    return [segment if isinstance(segment, Hunk) else segment[::-1] for segment in reversed(segments)]


def _starts(segments: Sequence[Segment], texts: Sequence[bytes]) -> Sequence[int]:
    """Offset at which each hunk's text begins."""
    at, found, filling = 0, [], iter(texts)
    for segment in segments:
        if isinstance(segment, Hunk):
            found.append(at)
            at += len(next(filling))
        else:
            at += len(segment)
    return found


def _anchored(segments: Sequence[Segment], at: int, human: bytes, merged: bytes) -> bytes | None:
    before, after = _plain(segments, at - 1), _plain(segments, at + 1)
    start = 0 if at == 1 and not before else _place(split_lines(before), human, merged, last=True)
    end = len(human) if at == len(segments) - 2 and not after else _place(split_lines(after), human, merged)
    return human[start:end] if start is not None and end is not None and start <= end else None


def _plain(segments: Sequence[Segment], at: int) -> bytes:
    segment = segments[at]
    return segment if isinstance(segment, bytes) else b""


def _place(lines: Sequence[bytes], human: bytes, merged: bytes, *, last: bool = False) -> int | None:
    """Offset in `human` where the neighbouring lines end (the `last` of `lines`) or begin (the first ones).

    They must stand once in what people committed and once in git's own merge.
    """
    if not lines:
        return None
    found = _only(lines[-NEAR:] if last else lines[:NEAR], human, merged, last=last)
    if isinstance(found, int):
        return found
    for size in FAR if found == _MANY else FEW:
        if found == _MANY and size // 2 >= len(lines):
            return None  # there are no more lines to tell it by
        near = lines[-size:] if last else lines[:size]
        found = _only(near, human, merged, last=last)
        if isinstance(found, int):
            return found
    return None


_NONE, _MANY = "none", "many"


def _only(lines: Sequence[bytes], human: bytes, merged: bytes, *, last: bool) -> int | str:
    text = b"".join(lines)
    pattern = b"\n" + text
    one, two = b"\n" + human, b"\n" + merged
    places = _count(one, pattern)
    if places != 1:
        return _MANY if places else _NONE
    if _count(two, pattern) != 1:
        return _MANY
    at = one.find(pattern)
    return at + len(text) if last else at


def _count(text: bytes, pattern: bytes) -> int:
    """0, 1 or 2 for more; places may overlap."""
    first = text.find(pattern)
    return 0 if first < 0 else 1 + (text.find(pattern, first + 1) >= 0)
