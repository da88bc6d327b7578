"""Files that git merged as text and that are asked about before the merge stands.

Git names every file whose two versions it merges in the answer that it gives anyway, so a commit without such a file costs
nothing, and one with such files no process either, unless one was moved.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from flowforge.core.conflict import Conflict, Kind, Side, Version
from flowforge.git.conflicts import MAX_CONTENT, Origin
from flowforge.git.merged import Merged
from flowforge.git.objects import Entry, Objects

_MERGING = "Auto-merging"  # git's word for a file that was merged, whatever came of it
_REGULAR = frozenset({"100644", "100755"})


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Which files may not be merged as text without being asked about."""

    path: Callable[[str], bool]  # by the name
    conflict: Callable[[Conflict, Objects], bool]  # by the versions too


def held(
    objects: Objects, trees: Mapping[Side, str], merged: Merged, watch: Watch, origin: Origin
) -> Iterator[Conflict]:
    """What `watch` names of the merged files that are neither upstream's nor the commit's, by path.

    Each is a conflict without hunks: the versions, and git's own text as its one segment where that is small enough.
    """
    paths = {path for record in merged.records if record.kind == _MERGING for path in record.paths}
    for path in sorted(path for path in paths if watch.path(os.fsdecode(path))):
        entry = objects.entry(merged.tree, path)
        if entry is None or entry.mode not in _REGULAR:
            continue
        conflict = _conflict(objects, trees, path, entry, origin)
        if conflict is not None and watch.conflict(conflict, objects):
            yield conflict


def _conflict(
    objects: Objects, trees: Mapping[Side, str], path: bytes, merged: Entry, origin: Origin
) -> Conflict | None:
    """None where one side's file is the result, or a side has no such file."""
    versions = {side: _version(objects, trees[side], path, side, origin) for side in Side}
    upstream, commit = versions[Side.UPSTREAM], versions[Side.COMMIT]
    if upstream is None or commit is None or merged.oid in {upstream.oid, commit.oid}:
        return None
    base, text = versions[Side.BASE], _content(objects, merged.oid)
    return Conflict(
        path=os.fsdecode(path),
        kind=Kind.ADD_ADD if base is None else Kind.CONTENT,
        base=base,
        upstream=upstream,
        commit=commit,
        segments=() if text is None else (text,),
        commit_id=origin.commit,
        subject=origin.subject,
        said=f"upstream and the commit changed {os.fsdecode(path)} in different places, and git merged it as text",
        mode=merged.mode,
        places=(os.fsdecode(path),),
    )


def _version(objects: Objects, tree: str, path: bytes, side: Side, origin: Origin) -> Version | None:
    if not tree:
        return None
    path = origin.old_path(path, side)
    entry = objects.entry(tree, path)
    if entry is None:
        return None
    return Version(
        path=os.fsdecode(path), mode=entry.mode, oid=entry.oid, content=_content(objects, entry.oid)
    )


def _content(objects: Objects, oid: str) -> bytes | None:
    """A blob's bytes; None for a submodule's commit or what is too large."""
    info = objects.info(oid)
    if info is None or info.kind != "blob" or info.size > MAX_CONTENT:
        return None
    return objects.read(oid, "blob")
