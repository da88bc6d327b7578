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
    """Every file, symlink or submodule that differs between trees `old` and `new` ("" = the empty tree).

    A folder's own files come before those of the folders in it, each in the order of their names.
    """
    if old == new:
        return
    folders = [(b"", old, new)]  # still to be walked; a hostile tree is deeper than a call stack
    while folders:
        at, was, now = folders.pop()
        inner = []
        for change in _in_folder(objects, was, now, at):
            if isinstance(change, Change):
                yield change
            else:
                inner.append(change)
        folders += reversed(inner)


def _in_folder(
    objects: Objects, old: str, new: str, folder: bytes
) -> Iterator[Change | tuple[bytes, str, str]]:
    """What differs in one folder: changes, and the folders in it as (path with "/", old id, new id)."""
    before = {entry.name: entry for entry in (objects.tree(old) if old else ())}
    after = {entry.name: entry for entry in (objects.tree(new) if new else ())}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is not None and now is not None and (was.oid, was.mode) == (now.oid, now.mode):
            continue
        (old_file, old_tree), (new_file, new_tree) = _split(was), _split(now)
        if old_file is not None or new_file is not None:
            yield Change(path=folder + name, old=old_file, new=new_file)
        if old_tree != new_tree:
            yield folder + name + b"/", old_tree, new_tree


def _split(entry: Entry | None) -> tuple[Entry | None, str]:
    """An entry as (file or None, tree id or "")."""
    if entry is None:
        return None, ""
    return (None, entry.oid) if entry.mode == TREE_MODE else (entry, "")
