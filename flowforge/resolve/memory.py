"""What was answered before: the same hunk in the same place gets the same answer, and nothing less will do.

A key covers path, the three sides and the bytes around the hunk; one byte of difference is another key. Where
answers are kept is a port: `Memory` has a form in Postgres, shared by an organization, and `Remembered` here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, Resolution

RUNG: Final = "memory"
CONTEXT: Final = 3  # lines on either side of a hunk that must be equal too
_FORM: Final = b"memory-1"  # part of the key: another way of making it must find nothing old


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One answer as it is kept."""

    text: bytes
    rung: str  # which rung gave it
    why: str
    confirmed: bool  # a person or passing tests agreed


class Memory(Protocol):
    """Kept answers of one organization and repository, by exact key."""

    def get(self, key: str) -> Kept | None: ...

    def put(self, key: str, kept: Kept) -> None:
        """Keep an answer; a later one for the same key replaces it."""
        ...


class Remembered:
    """A `Memory` for one process."""

    def __init__(self, kept: Mapping[str, Kept] | None = None) -> None:
        self._kept = dict(kept or {})

    def get(self, key: str) -> Kept | None:
        return self._kept.get(key)

    def put(self, key: str, kept: Kept) -> None:
        self._kept[key] = kept


def keys(conflict: Conflict) -> Mapping[int, str]:
    """The key of every hunk, by index."""
    segments = conflict.segments
    return {
        segment.index: _key(conflict, segment, _plain(segments, at - 1), _plain(segments, at + 1))
        for at, segment in enumerate(segments)
        if isinstance(segment, Hunk)
    }


def _plain(segments: tuple[bytes | Hunk, ...], at: int) -> bytes:
    segment = segments[at] if 0 <= at < len(segments) else b""
    return segment if isinstance(segment, bytes) else b""


def _key(conflict: Conflict, hunk: Hunk, before: bytes, after: bytes) -> str:
    digest = hashlib.sha256()
    context = (
        b"".join(before.splitlines(keepends=True)[-CONTEXT:]),
        b"".join(after.splitlines(keepends=True)[:CONTEXT]),
    )
    path = conflict.path.encode(errors="surrogateescape")
    for part in (_FORM, path, hunk.base, hunk.upstream, hunk.commit, *context):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def recall(conflict: Conflict, memory: Memory) -> Candidate | Abstain:
    """Answers kept for hunks of this conflict."""
    found = {index: kept for index, key in keys(conflict).items() if (kept := memory.get(key)) is not None}
    if not found:
        return Abstain(why="not_seen", sentence="no hunk of this file was answered before in this place")
    return Candidate(
        answers=tuple(
            HunkAnswer(
                index=index,
                text=kept.text,
                rung=RUNG,
                rule=f"answered before by {kept.rung}",
                why=kept.why,
                confirmed=kept.confirmed,
            )
            for index, kept in found.items()
        )
    )


def remember(resolution: Resolution, memory: Memory, *, confirmed: bool) -> None:
    """Keep what answered each hunk. `confirmed`: tests passed on the whole result, or a person agreed.

    An answer that came from memory keeps the rung that first gave it.
    """
    by_index = keys(resolution.conflict)
    for answer in resolution.answers:
        key = by_index[answer.index]
        before = memory.get(key) if answer.rung == RUNG else None
        rung = before.rung if before is not None else answer.rung
        memory.put(
            key,
            Kept(text=answer.text, rung=rung, why=answer.why, confirmed=confirmed or answer.confirmed),
        )
