"""What differs between two trees, by walking only the folders whose ids differ: no process, no index."""

from collections.abc import Iterator
from dataclasses import dataclass

from flowforge.git.objects import TREE_MODE, Entry, Objects


@dataclass(frozen=True, kw_only=True)
class Change:
    """One path that differs. `old` or `new` is None where the path is not there; renames are two changes."""

    path: bytes
    old: Entry | None
    new: Entry | None


def changes(objects: Objects, old: str, new: str) -> Iterator[Change]:
    """Every file, symlink or submodule that differs between trees `old` and `new` ("" = the empty tree)."""
    yield from _between(objects, old, new, b"")


def _between(objects: Objects, old: str, new: str, folder: bytes) -> Iterator[Change]:
    if old == new:
        return
    before = {entry.name: entry for entry in (objects.tree(old) if old else ())}
    after = {entry.name: entry for entry in (objects.tree(new) if new else ())}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is not None and now is not None and (was.oid, was.mode) == (now.oid, now.mode):
            continue
        yield from _of_entry(objects, was, now, folder + name)


def _of_entry(objects: Objects, was: Entry | None, now: Entry | None, path: bytes) -> Iterator[Change]:
    old_file, old_tree = _split(was)
    new_file, new_tree = _split(now)
    if old_file is not None or new_file is not None:
        yield Change(path=path, old=old_file, new=new_file)
    yield from _between(objects, old_tree, new_tree, path + b"/")


def _split(entry: Entry | None) -> tuple[Entry | None, str]:
    """An entry as (file or None, tree id or "")."""
    if entry is None:
        return None, ""
    return (None, entry.oid) if entry.mode == TREE_MODE else (entry, "")
