"""What a person is told about a conflict without places to fill: what each side did, and what to decide.

A rung may still answer it as a whole; these sentences are for when none did.
"""

from collections.abc import Callable, Mapping

from flowforge.core.conflict import Conflict, Kind, Version

_ID = 10  # hex digits of an object's id that people are shown
_TARGET = 80  # bytes of a link's target that they are
_LINK, _SUBMODULE, _EXECUTABLE = "120000", "160000", "100755"


def hand_back(conflict: Conflict) -> str:
    """One or two plain sentences for a conflict that its hunks cannot answer."""
    return _SAY.get(conflict.kind, _other)(conflict)


def _modify_delete(conflict: Conflict) -> str:
    if conflict.upstream is None:
        done, other = "upstream deleted", "the commit changed it"
    else:
        done, other = "the commit deletes", "upstream changed it"
    return f"{done} {conflict.path!r} while {other}: decide whether the file stays, and with which change"


def _rename_rename(conflict: Conflict) -> str:
    old = conflict.base.path if conflict.base else conflict.path
    upstream = conflict.upstream.path if conflict.upstream else "another file"
    commit = conflict.commit.path if conflict.commit else "another file"
    return f"upstream renamed {old!r} to {upstream!r}, the commit to {commit!r}: decide which name it has"


def _rename_delete(conflict: Conflict) -> str:
    old = conflict.base.path if conflict.base else conflict.path
    if conflict.upstream is None:
        return (
            f"upstream deleted {old!r}, the commit renamed it to {conflict.path!r}: decide whether it stays"
        )
    return f"the commit deletes {old!r}, upstream renamed it to {conflict.path!r}: decide whether it stays"


def _rename_add(conflict: Conflict) -> str:
    return (
        f"one side renamed a file to {conflict.path!r} and the other added a file of that name: "
        "decide which one has the name"
    )


def _directory_rename(conflict: Conflict) -> str:
    return f"one side renamed the folder that {conflict.path!r} was put into by the other: decide where it belongs"


def _file_directory(conflict: Conflict) -> str:
    return f"{conflict.path!r} is a file on one side and a folder on the other: decide which it is"


def _binary(conflict: Conflict) -> str:
    by_lfs = any(version.pointer for version in conflict.versions)
    what = "which is kept by Git LFS" if by_lfs else "which is no text"
    return f"both sides changed {conflict.path!r}, {what}: choose upstream's or the commit's version"


def _submodule(conflict: Conflict) -> str:
    upstream, commit = _points(conflict.upstream), _points(conflict.commit)
    return (
        f"upstream has {upstream} at {conflict.path!r}, the commit {commit}: "
        "decide which commit of the submodule is meant"
    )


def _symlink(conflict: Conflict) -> str:
    upstream, commit = _points(conflict.upstream), _points(conflict.commit)
    return f"upstream has {upstream} at {conflict.path!r}, the commit {commit}: decide where it points"


def _points(version: Version | None) -> str:
    """What one side has at a path, in a word or two."""
    if version is None:
        return "nothing"
    if version.mode == _SUBMODULE:
        return f"the submodule's commit {version.oid[:_ID]}"
    if version.mode == _LINK:
        target = (version.content or b"")[:_TARGET].decode("utf-8", "replace")
        return f"a link to {target!r}" if target else "a link"
    return "a file"


def _mode(conflict: Conflict) -> str:
    who = "upstream" if conflict.upstream and conflict.upstream.mode == _EXECUTABLE else "the commit"
    return (
        f"both sides added {conflict.path!r}, and only {who} made it executable: "
        "decide whether it is, and which text it has"
    )


def _text(conflict: Conflict) -> str:
    reason = conflict.said.partition("; ")[2]
    because = f" ({reason})" if reason else ""
    return f"git could not merge {conflict.path!r} and left no places to fill{because}: resolve this file by hand"


def _other(conflict: Conflict) -> str:
    said = f" ({conflict.said.strip()})" if conflict.said.strip() else ""
    return f"git could not merge {conflict.path!r}{said}: resolve this path by hand"


_SAY: Mapping[Kind, Callable[[Conflict], str]] = {
    Kind.CONTENT: _text,
    Kind.ADD_ADD: _text,
    Kind.MODIFY_DELETE: _modify_delete,
    Kind.RENAME_RENAME: _rename_rename,
    Kind.RENAME_DELETE: _rename_delete,
    Kind.RENAME_ADD: _rename_add,
    Kind.DIRECTORY_RENAME: _directory_rename,
    Kind.FILE_DIRECTORY: _file_directory,
    Kind.BINARY: _binary,
    Kind.SUBMODULE: _submodule,
    Kind.MODE: _mode,
    Kind.SYMLINK: _symlink,
    Kind.OTHER: _other,
}
