"""A conflict about a path as a whole, beside what people made of it: what stands where, of which mode, with what in it.

Pure. What people did is told by versions: one for each of the conflict's paths at which a file, a link or a submodule
stood in what they committed. A path without one has nothing, or a folder. An answer fills one of the paths or none, so
every other must be empty.
"""

import hashlib
from collections.abc import Sequence

from flowforge.core.conflict import Conflict, Hunk, Resolution, Side, Version
from flowforge.resolve.difference import Difference, difference
from flowforge.resolve.equality import Equal, compare

REMOVED = "removed"  # what people did, where nothing stands and both sides had something
_REGULAR = frozenset({"100644", "100755"})
_TOOK = {
    Side.UPSTREAM.value: Difference.TOOK_UPSTREAM,
    Side.COMMIT.value: Difference.TOOK_COMMIT,
    Side.BASE.value: Difference.TOOK_BASE,
    REMOVED: Difference.REMOVED,
}


def equal_whole(resolution: Resolution, stood: Sequence[Version]) -> Equal:
    """How a whole answer compares. A mode or a place that is not people's is a difference, whatever the text."""
    path = resolution.stands_at
    if any(one.path != path for one in stood):
        return Equal.DIFFERENT
    if not path:
        return Equal.EXACT
    if not stood or stood[0].mode != _mode(resolution):
        return Equal.DIFFERENT
    return _same(resolution, stood[0])


def took_whole(conflict: Conflict, stood: Sequence[Version]) -> str:
    """Whose state of the paths people committed as it was; "removed" for nobody's nothing, "" where they did more.

    Of a file that one side deleted, removing it is to take that side.
    """
    for side in (Side.UPSTREAM, Side.COMMIT):
        if _as_in(conflict.version(side), stood):
            return side.value
    if not stood:
        return REMOVED
    return Side.BASE.value if _as_in(conflict.base, stood) else ""


def difference_whole(resolution: Resolution, stood: Sequence[Version]) -> Difference:
    """The class of a whole answer that differs."""
    conflict = resolution.conflict
    took = _TOOK.get(took_whole(conflict, stood))
    if took is not None:
        return took
    if len(stood) > 1:
        return Difference.MORE
    (one,) = stood  # nobody stands nowhere: that was "removed"
    if resolution.stands_at and _same(resolution, one) is not Equal.DIFFERENT:
        return Difference.PLACE if one.path != resolution.stands_at else Difference.MODE
    if not all(map(is_text, (one, *conflict.versions))):
        return Difference.OTHERWISE
    base, upstream, commit = (conflict.text(side) or b"" for side in Side)
    hunk = Hunk(index=0, base=base, upstream=upstream, commit=commit)
    return difference(hunk, resolution.result, one.content or b"")


def key_of_path(conflict: Conflict) -> str:
    """Equal for conflicts of one kind with the same versions at the same paths."""
    digest = hashlib.sha256()
    words = [conflict.kind.value, *conflict.paths]
    for side in Side:
        version = conflict.version(side)
        words += [side.value, *((version.path, version.mode, version.oid) if version else ())]
    for word in words:
        text = word.encode("utf-8", "surrogateescape")
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()[:32]


def is_text(version: Version) -> bool:
    """Whether its lines can be compared: a regular file that was read, and is not binary."""
    return version.mode in _REGULAR and version.content is not None and b"\0" not in version.content


def _same(resolution: Resolution, one: Version) -> Equal:
    """What would stand beside what does, wherever and of whatever mode."""
    version = resolution.whole.version if resolution.whole else None
    if version is not None and version.oid == one.oid:
        return Equal.EXACT
    if one.content is None or (version is not None and version.content is None):
        return Equal.DIFFERENT
    if is_text(one) and (version is None or is_text(version)):
        return compare(resolution.result, one.content)
    return Equal.EXACT if resolution.result == one.content else Equal.DIFFERENT


def _mode(resolution: Resolution) -> str:
    return resolution.whole.mode if resolution.whole else resolution.conflict.mode


def _as_in(version: Version | None, stood: Sequence[Version]) -> bool:
    wanted = [] if version is None else [(version.path, version.mode, version.oid)]
    return [(one.path, one.mode, one.oid) for one in stood] == wanted
