"""What `git merge-file` leaves open in three files, as a conflict."""

from dataclasses import replace

from flowforge.core.conflict import Conflict, Kind, Version, parse_segments
from flowforge.core.errors import FlowForgeError
from flowforge.core.markers import Markers
from flowforge.git.conflicts import MARKER_SIZE, MAX_CONTENT, free_marker_size, without_added_ends
from flowforge.git.mergefile import ThreeFiles, merge_file


def conflict_of(files: ThreeFiles, path: str) -> Conflict | None:
    """What git leaves open in the files; None where it leaves nothing open, or the texts are too large."""
    places = (files.base, files.current, files.other)
    if any(file.exists() and file.stat().st_size > MAX_CONTENT for file in places):
        return None
    texts = [file.read_bytes() if file.exists() else b"" for file in places]
    versions = [Version(path=path, mode="100644", oid="", content=text) for text in texts]
    base, upstream, commit = versions
    conflict = Conflict(
        path=path,
        kind=Kind.CONTENT if base.content else Kind.ADD_ADD,
        base=base if base.content else None,
        upstream=upstream,
        commit=commit,
    )
    if any(version.pointer for version in conflict.versions):
        return None
    size = free_marker_size([conflict], MARKER_SIZE)
    merged = merge_file(files, Markers(size=size), "--diff3")
    if merged is None or not merged.conflicts:
        return None
    try:
        segments = parse_segments(merged.text, size)
    except FlowForgeError:
        return None
    return replace(conflict, segments=without_added_ends(segments, conflict))
