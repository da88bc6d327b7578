"""Where each line of a result comes from: which lines no side had, and which upstream did not have.

Lines are compared as wholes, their ends apart, and counted: a line that stands twice where the sides can account
for one is introduced once. Linear in the number of lines.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from flowforge.core.conflict import Hunk, Resolution, split_lines
from flowforge.hooks.contracts import CheckedFile

Ranges = tuple[tuple[int, int], ...]


def checked_file(
    path: str,
    language: str,
    text: bytes,
    *,
    base: bytes | None,
    upstream: bytes | None,
    commit: bytes | None,
    resolved: Ranges = (),
) -> CheckedFile:
    """A file as validators see it, with the lines that are new in it worked out."""
    return CheckedFile(
        path=path,
        language=language,
        text=text,
        base=base,
        upstream=upstream,
        commit=commit,
        introduced=introduced_lines(text, base, upstream, commit, resolved),
        added=added_lines(text, upstream),
        resolved=resolved,
    )


def introduced_lines(
    text: bytes, base: bytes | None, upstream: bytes | None, commit: bytes | None, resolved: Ranges = ()
) -> frozenset[int]:
    """1-based lines of `text` that the sides cannot account for.

    A line may stand as often as in the fuller side, or as often as both sides' additions to base make it. Where
    it stands more often, the surplus is looked for in `resolved` ranges first, then at the end of the file.
    """
    lines = _lines(text)
    counts = [Counter(_lines(side)) for side in (base, upstream, commit)]
    allowed: Counter[bytes] = Counter()
    for line in set(lines):
        in_base, in_upstream, in_commit = (count[line] for count in counts)
        allowed[line] = max(in_base, in_upstream, in_commit, in_upstream + in_commit - in_base)
    ours = _members(resolved)
    order = sorted(range(1, len(lines) + 1), key=lambda number: number in ours)
    return _surplus(lines, order, allowed)


def added_lines(text: bytes, upstream: bytes | None) -> frozenset[int]:
    """1-based lines of `text` that `upstream` did not have; all of them where it had no such file."""
    lines, had = _lines(text), _lines(upstream)
    head = _common(lines, had)
    tail = _common(lines[head:][::-1], had[head:][::-1])
    allowed = Counter(had[head : len(had) - tail])
    return _surplus(lines, range(head + 1, len(lines) - tail + 1), allowed)


def answered_ranges(resolution: Resolution) -> Ranges:
    """Where the answers of a resolution stand in its result: 1-based, inclusive; an empty answer has none.

    A version that was taken as it is has none either: every line of it is that side's.
    """
    if resolution.whole is not None:
        written = split_lines(resolution.whole.text or b"")
        return ((1, len(written)),) if written else ()
    texts = iter(answer.text for answer in resolution.answers)
    ranges = []
    before = 0  # line ends passed
    for segment in resolution.conflict.segments:
        piece = next(texts) if isinstance(segment, Hunk) else segment
        if isinstance(segment, Hunk) and piece:
            ranges.append((before + 1, before + len(split_lines(piece))))
        before += piece.count(b"\n")
    return tuple(ranges)


def _surplus(lines: Sequence[bytes], order: Iterable[int], allowed: Counter[bytes]) -> frozenset[int]:
    """The numbers, in `order`, of lines beyond what is `allowed` of each."""
    left = Counter(allowed)
    found = set()
    for number in order:
        line = lines[number - 1]
        left[line] -= 1
        if left[line] < 0:
            found.add(number)
    return frozenset(found)


def _common(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    same = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        same += 1
    return same


def _members(ranges: Ranges) -> frozenset[int]:
    return frozenset(number for start, end in ranges for number in range(start, end + 1))


def _lines(text: bytes | None) -> list[bytes]:
    return [line.rstrip(b"\r\n") for line in split_lines(text)] if text else []
