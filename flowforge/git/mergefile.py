"""`git merge-file`: three files merged by git itself, with no repository. Imports little: git waits for it."""

import os
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.errors import FlowForgeError
from flowforge.core.markers import Markers
from flowforge.git import process as child

_BOUNDS = child.Bounds(deadline=60.0, max_output=1 << 28, cancelled=lambda: False)
_MOST_CONFLICTS = 127  # git's status says how many, up to so many; above are errors


@dataclass(frozen=True, kw_only=True)
class ThreeFiles:
    """`current` is what the change of `other` is merged into; a missing `base` is an empty one."""

    current: Path
    base: Path
    other: Path


@dataclass(frozen=True, kw_only=True)
class MergeAsked:
    """One merge of three files, as a verb was asked for it."""

    files: ThreeFiles
    path: str  # the file's name in its repository
    markers: Markers
    every: bool = False  # proposals too
    stdout: bool = False  # write no file
    driver: bool = False  # git asks, and reads nothing but the status
    memory: bool = True  # what was answered before, too


@dataclass(frozen=True, kw_only=True)
class MergedFile:
    conflicts: int
    text: bytes


def merge_file(files: ThreeFiles, markers: Markers, *options: str) -> MergedFile | None:
    """Git's own merge, in the style that the user has set unless `options` say another; None where it cannot merge.

    That is so for files that are no text, missing or unreadable; and where git is not there, or takes too long.
    """
    labels = [word for label in (markers.upstream, markers.base, markers.commit) for word in ("-L", label)]
    paths = [os.path.abspath(path) for path in (files.current, files.base, files.other)]  # noqa: PTH100 (bytes that are no UTF-8 stay)
    if not files.base.exists():
        paths[1] = os.devnull
    try:
        argv = [
            child.program(),
            "merge-file",
            "-p",
            *options,
            f"--marker-size={markers.size}",
            *labels,
            "--",
            *paths,
        ]
        done = child.run(argv, os.environ, b"", _BOUNDS, "git merge-file")
    except FlowForgeError:
        return None
    return MergedFile(conflicts=done.code, text=done.out) if 0 <= done.code <= _MOST_CONFLICTS else None
