"""What `git merge-tree -z --messages` wrote, turned into conflicts as values.

Git's records are typed: which paths, which kind, which stages. The names that git makes up for files that
cannot stay where they are (`name~label`) are recognised by their record and never leave this module.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from flowforge.core.conflict import Conflict, Hunk, Kind, Segment, Side, Version, parse_segments
from flowforge.core.errors import Refused
from flowforge.git.merged import Merged, Record, Stage
from flowforge.git.objects import SUBMODULE_MODE, SYMLINK_MODE, Entry, Objects

MAX_CONTENT = 1 << 20  # bytes of a version that are read
_MAX_MERGED = 4 * MAX_CONTENT  # the merged text holds all three versions at worst
MARKER_SIZE = 31  # of conflict markers, unless a version has such a line
_MARKER_LINES = re.compile(rb"^(<+|\|+|=+|>+)(?=[ \r\n]|\Z)", re.MULTILINE)
_TEXT_KINDS = {Kind.CONTENT, Kind.ADD_ADD}

# git's word for the kind of a record -> ours; the first that a disagreement has is told
_KINDS = (
    ("CONFLICT (file/directory)", Kind.FILE_DIRECTORY),
    ("CONFLICT (rename/rename)", Kind.RENAME_RENAME),
    ("CONFLICT (rename/delete)", Kind.RENAME_DELETE),
    ("CONFLICT (rename involved in collision)", Kind.RENAME_ADD),
    ("CONFLICT (directory rename suggested)", Kind.DIRECTORY_RENAME),
    ("CONFLICT (file in way of directory rename)", Kind.DIRECTORY_RENAME),
    ("CONFLICT(directory rename collision)", Kind.DIRECTORY_RENAME),
    ("CONFLICT(directory rename unclear split)", Kind.DIRECTORY_RENAME),
    ("CONFLICT (modify/delete)", Kind.MODIFY_DELETE),
)
_SAID = {
    Kind.CONTENT: "upstream and the commit changed the same lines of {path}",
    Kind.ADD_ADD: "upstream and the commit both added {path}, with different text",
    Kind.MODIFY_DELETE: "{deleter} deleted {path}, {keeper} changed it",
    Kind.RENAME_RENAME: "upstream renamed {old} to {upstream}, the commit renamed it to {commit}",
    Kind.RENAME_DELETE: "{deleter} deleted {old}, {keeper} renamed it to {path}",
    Kind.RENAME_ADD: "one side renamed a file to {path}, the other side has another file there, and both changed",
    Kind.DIRECTORY_RENAME: "one side renamed the folder of {old}; git suggests {path}, a person must say",
    Kind.FILE_DIRECTORY: "{path} is a file on one side and a folder on the other",
    Kind.BINARY: "{path} is not text, and both sides changed it",
    Kind.SUBMODULE: "both sides point the submodule {path} at different commits, or one of them removed it",
    Kind.MODE: "both sides added {path} with different file modes",
    Kind.SYMLINK: "{path} is a symbolic link on at least one side, and both sides changed it",
    Kind.OTHER: "git could not merge {path}",
}
_NAMES = {Side.UPSTREAM: "upstream", Side.COMMIT: "the commit"}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What else a conflict tells: the replayed commit, the size of markers, where a renamed path came from."""

    commit: str
    subject: str
    marker_size: int
    old_path: Callable[[bytes, Side], bytes]  # (path of the stage, side) -> its path in that side's tree


@dataclass(kw_only=True)
class _Group:
    """Stages and records of one disagreement."""

    path: bytes
    kinds: set[str] = field(default_factory=set)
    stages: dict[Side, Stage] = field(default_factory=dict)
    old: bytes = b""  # the path before a rename, where a record names it
    invented: set[bytes] = field(default_factory=set)


def read_conflicts(merged: Merged, objects: Objects, origin: Origin) -> tuple[Conflict, ...]:
    """Every disagreement of one merge, by path.

    Texts up to `MAX_CONTENT` bytes are read; larger files, and kinds that text cannot answer, have no hunks.
    """
    groups = _grouped(merged)
    return tuple(_conflict(groups[path], merged.tree, objects, origin) for path in sorted(groups))


def invented(merged: Merged) -> frozenset[bytes]:
    """Paths of the merged tree that no side has: git made them up for files that cannot stay where they are."""
    return frozenset(path for group in _grouped(merged).values() for path in group.invented)


def free_marker_size(conflicts: Sequence[Conflict], size: int) -> int:
    """`size`, or the next larger one that no line of any version could be mistaken for."""
    taken: set[int] = set()
    for conflict in conflicts:
        for version in (conflict.base, conflict.upstream, conflict.commit):
            if conflict.kind in _TEXT_KINDS and version is not None:
                taken |= {len(mark[0]) for mark in _MARKER_LINES.finditer(version.content or b"")}
    while size in taken:
        size += 1
    return size


def _grouped(merged: Merged) -> dict[bytes, _Group]:
    groups: dict[bytes, _Group] = {}
    real: dict[bytes, bytes] = {}  # path of a stage -> path of its group
    for record in merged.records:
        if record.kind.startswith("CONFLICT"):
            _note(record, groups, real)
    for stage in merged.stages:
        path = real.get(stage.path, stage.path)
        group = groups.setdefault(path, _Group(path=path))
        group.stages[stage.side] = stage
    return groups


def _note(record: Record, groups: dict[bytes, _Group], real: dict[bytes, bytes]) -> None:
    """Enter one record: which group it belongs to, and which of its paths git invented."""
    first, *others = record.paths or (b"",)
    if record.kind == "CONFLICT (file/directory)":
        real[first], path = others[0], others[0]
        invented = {first}
    elif record.kind == "CONFLICT (distinct modes)":
        path = first
        invented = {other for other in others if other != first}
        real.update(dict.fromkeys(others, first))
    else:
        path, invented = real.get(first, first), set()
    group = groups.setdefault(path, _Group(path=path))
    group.kinds.add(record.kind)
    group.invented |= invented
    if record.kind == "CONFLICT (rename/rename)":
        real.update(dict.fromkeys(others, path))
    elif others and not invented:
        group.old = others[0]


def _conflict(group: _Group, tree: str, objects: Objects, origin: Origin) -> Conflict:
    kind = _kind(group)
    versions = {side: _version(stage, kind, group, objects, origin) for side, stage in group.stages.items()}
    if kind in _TEXT_KINDS and any(one.pointer for one in versions.values()):
        kind = Kind.BINARY  # a pointer is text, but two of them have nothing to merge
    conflict = Conflict(
        path=_text(group.path),
        kind=kind,
        base=versions.get(Side.BASE),
        upstream=versions.get(Side.UPSTREAM),
        commit=versions.get(Side.COMMIT),
        commit_id=origin.commit,
        subject=origin.subject,
        said=_said(kind, group),
        places=tuple(_text(path) for path in sorted(_places(group))),
    )
    if kind not in _TEXT_KINDS:
        return conflict
    return _with_text(conflict, objects.entry(tree, group.path), objects, origin.marker_size)


def _places(group: _Group) -> set[bytes]:
    """The paths of its stages; one that git invented stands for the path of the disagreement."""
    return {group.path if stage.path in group.invented else stage.path for stage in group.stages.values()}


def _kind(group: _Group) -> Kind:
    modes = {stage.mode for stage in group.stages.values()}
    told = next((kind for word, kind in _KINDS if word in group.kinds), None)
    if SUBMODULE_MODE in modes:
        return Kind.SUBMODULE
    if told is not None:
        return told
    if SYMLINK_MODE in modes:
        return Kind.SYMLINK
    return Kind.BINARY if "CONFLICT (binary)" in group.kinds else _text_kind(group)


def _text_kind(group: _Group) -> Kind:
    upstream, commit = group.stages.get(Side.UPSTREAM), group.stages.get(Side.COMMIT)
    if "CONFLICT (contents)" not in group.kinds or upstream is None or commit is None:
        return Kind.OTHER
    if Side.BASE in group.stages:
        return Kind.CONTENT
    return Kind.ADD_ADD if upstream.mode == commit.mode else Kind.MODE


def _version(stage: Stage, kind: Kind, group: _Group, objects: Objects, origin: Origin) -> Version:
    path = group.path if stage.path in group.invented else stage.path
    if group.old and (stage.side is Side.BASE or kind is Kind.DIRECTORY_RENAME):
        path = group.old
    path = origin.old_path(path, stage.side)
    content = None
    if stage.mode != SUBMODULE_MODE and kind is not Kind.BINARY:
        info = objects.info(stage.oid)
        if info is not None and info.size <= MAX_CONTENT:
            content = objects.read(stage.oid, "blob")
    return Version(path=_text(path), mode=stage.mode, oid=stage.oid, content=content)


def _with_text(conflict: Conflict, entry: Entry | None, objects: Objects, size: int) -> Conflict:
    """The conflict with git's merged text cut into segments, where it can be."""
    info = objects.info(entry.oid) if entry else None
    sides = (conflict.base, conflict.upstream, conflict.commit)
    if entry is None or info is None or info.size > _MAX_MERGED:
        return replace(conflict, said=f"{conflict.said}; it is too large to be read")
    if any(version is not None and version.content is None for version in sides):
        return replace(conflict, said=f"{conflict.said}; it is too large to be read")
    try:
        segments = parse_segments(objects.read(entry.oid, "blob"), size)
    except Refused as error:
        return replace(conflict, said=f"{conflict.said}; {error.sentence}", mode=entry.mode)
    return replace(conflict, segments=without_added_ends(segments, conflict), mode=entry.mode)


def without_added_ends(segments: tuple[Segment, ...], conflict: Conflict) -> tuple[Segment, ...]:
    """Undo a habit of git: a side whose last line has no line end gets one before the next marker."""
    last = segments[-2] if len(segments) > 1 else None
    if segments[-1] != b"" or not isinstance(last, Hunk):
        return segments
    fixed = replace(
        last,
        base=_as_in(last.base, conflict.base),
        upstream=_as_in(last.upstream, conflict.upstream),
        commit=_as_in(last.commit, conflict.commit),
    )
    return (*segments[:-2], fixed, segments[-1])


def _as_in(text: bytes, version: Version | None) -> bytes:
    content = version.content if version else None
    if not content or content.endswith(b"\n"):
        return text
    for end in (b"\r\n", b"\n"):
        if text.endswith(end) and content.endswith(text.removesuffix(end)) and text != end:
            return text.removesuffix(end)
    return text


def _said(kind: Kind, group: _Group) -> str:
    there = [side for side in _NAMES if side in group.stages]
    gone = [side for side in _NAMES if side not in group.stages]
    paths = {side: _text(stage.path) for side, stage in group.stages.items()}
    return _SAID[kind].format(
        path=_text(group.path),
        old=_text(group.old or group.path),
        upstream=paths.get(Side.UPSTREAM, ""),
        commit=paths.get(Side.COMMIT, ""),
        deleter=_NAMES[gone[0]] if gone else "one side",
        keeper=_NAMES[there[0]] if there else "the other side",
    )


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
