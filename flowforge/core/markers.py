"""Conflict markers in diff3 style: how a text with open hunks is written for a person, or for git's tools."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Hunk, Segment


@dataclass(frozen=True, kw_only=True)
class Markers:
    """How many characters a marker has, and what stands behind it. Sides in the order in which they are written."""

    size: int = 7
    upstream: str = "upstream"
    base: str = "base"
    commit: str = "commit"


def with_markers(segments: Sequence[Segment], markers: Markers) -> bytes:
    """The text with every hunk between markers; a side whose last line has no end gets one, as git does it."""
    return b"".join(
        b"".join(_hunk(segment, markers)) if isinstance(segment, Hunk) else segment for segment in segments
    )


def _hunk(hunk: Hunk, markers: Markers) -> Iterator[bytes]:
    end = _line_end(hunk)
    rows = (("<", markers.upstream, hunk.upstream), ("|", markers.base, hunk.base), ("=", "", hunk.commit))
    for mark, label, text in rows:
        yield _marker(mark, label, markers.size) + end
        yield text if not text or text.endswith(b"\n") else text + end
    yield _marker(">", markers.commit, markers.size) + end


def _marker(mark: str, label: str, size: int) -> bytes:
    return f"{mark * size} {label}".rstrip(" ").encode(errors="surrogateescape")


def _line_end(hunk: Hunk) -> bytes:
    """CRLF where every line of the hunk ends so, as in git."""
    lines = hunk.upstream + hunk.base + hunk.commit
    return b"\r\n" if lines.count(b"\n") and lines.count(b"\n") == lines.count(b"\r\n") else b"\n"
