"""Answers put into the tree that git left: what may be written where, proven before anything is.

An answer by hunks keeps every byte that git merged. An answer for a whole path empties all places that git left open for
the conflict and fills one of them, or none; it never takes a place that something else has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Conflict, Resolution, misfit, outside_hash, splice
from flowforge.core.errors import Reason, Refused
from flowforge.git.objects import TREE_MODE, Entry, Objects


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What stands at a path: a blob that is there (`oid`, or a submodule's commit), or bytes to write."""

    mode: str
    oid: str = ""
    text: bytes = b""
    own: bool = True  # git left this very path open; any other must be free


Accepted = Mapping[bytes, Placed | None]  # None: nothing stands there


def accepted(conflicts: Sequence[Conflict], resolutions: Sequence[Resolution]) -> Accepted:
    """What the answers put at each path of the conflicts.

    Raises:
        Refused: unresolved_conflicts, when a conflict has no answer, an answer no conflict, or one is not what it
            may be.
    """
    answers = {resolution.conflict.path: resolution for resolution in resolutions}
    placed: dict[bytes, Placed | None] = {}
    for conflict in conflicts:
        answer = answers.pop(conflict.path, None)
        if answer is None:
            raise _unresolved(f"{conflict.path!r} has no resolution: {conflict.said}")
        filled = _whole(conflict, answer) if answer.whole is not None else _spliced(conflict, answer)
        twice = sorted(
            _path(path) for path in filled if placed.get(path) is not None and filled[path] is not None
        )
        if twice:
            raise _unresolved(f"two answers are for {twice[0]!r}")
        placed |= {path: there for path, there in filled.items() if there is not None or path not in placed}
    if answers:
        raise _unresolved(f"{sorted(answers)} did not conflict")
    return placed


def put(objects: Objects, tree: str, placed: Accepted, width: int) -> str:
    """The tree with the answers in it; `width` is the length of the repository's ids.

    Raises:
        Refused: unresolved_conflicts, when a place is taken by a folder, or below a file.
    """
    gone = [path for path, there in placed.items() if there is None and not _is_folder(objects, tree, path)]
    emptied = objects.replaced(tree, dict.fromkeys(gone))
    filled = {path: there for path, there in placed.items() if there is not None}
    for path, there in filled.items():
        _refuse_taken(objects, emptied, path, own=there.own)
    entries = {
        path: Entry(mode=one.mode, name=b"", oid=one.oid or objects.write("blob", one.text, width))
        for path, one in filled.items()
    }
    return objects.replaced(emptied, entries)


def _spliced(conflict: Conflict, answer: Resolution) -> Accepted:
    if not conflict.resolvable:
        raise _unresolved(f"{conflict.path!r} has no resolution: {conflict.said}")
    result = splice(conflict.segments, [one.text for one in answer.answers])
    if result != answer.result or answer.outside != outside_hash(conflict.segments):
        raise _unresolved(f"the resolution of {conflict.path!r} changes bytes outside the conflict")
    return {_bytes(conflict.path): Placed(mode=conflict.mode, text=result)}


def _whole(conflict: Conflict, answer: Resolution) -> Accepted:
    whole = answer.whole
    assert whole is not None  # noqa: S101 (the caller's case; for the type checker)
    problem = misfit(conflict, whole)
    if problem:
        raise _unresolved(f"the answer for {conflict.path!r} {problem}")
    placed: dict[bytes, Placed | None] = dict.fromkeys(map(_bytes, conflict.places))
    own = whole.path in conflict.places
    if whole.version is not None:
        placed[_bytes(whole.path)] = Placed(mode=whole.mode, oid=whole.version.oid, own=own)
    elif whole.text is not None:
        placed[_bytes(whole.path)] = Placed(mode=whole.mode, text=whole.text, own=own)
    return placed


def _refuse_taken(objects: Objects, tree: str, path: bytes, *, own: bool) -> None:
    """Refuse a path at which, or above which, something stands that is no part of the conflict."""
    folders = path.split(b"/")
    for depth in range(1, len(folders) + 1):
        here = b"/".join(folders[:depth])
        there = objects.entry(tree, here) if tree else None
        if there is None:
            return
        free = there.mode == TREE_MODE if here != path else own and there.mode != TREE_MODE
        if not free:
            raise _unresolved(f"{_path(path)!r} cannot be written: {_path(here)!r} stands there")


def _is_folder(objects: Objects, tree: str, path: bytes) -> bool:
    there = objects.entry(tree, path) if tree else None
    return there is not None and there.mode == TREE_MODE


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _path(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _unresolved(sentence: str) -> Refused:
    return Refused(
        Reason.UNRESOLVED_CONFLICTS,
        sentence,
        next_action="resolve every conflicted file of this commit, and nothing else",
    )
