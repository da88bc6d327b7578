"""The files that either side changed since the merge base, in all versions, for checks that look across files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from flowforge.git.changes import changes
from flowforge.git.objects import Entry, Objects
from flowforge.hooks.contracts import Neighbour
from flowforge.validate.related import LARGEST, MOST_FILES

_REGULAR = "100"  # how the mode of a file begins that is no symlink and no submodule
_MOST_BYTES = 96 << 20  # of all versions together


def neighbours(
    objects: Objects, trees: Sequence[str], result: str, known: Callable[[str], bool]
) -> tuple[Neighbour, ...]:
    """Files of languages that are `known` (by path), by path. `trees`: base, upstream, commit.

    Nothing where the sides changed more files or bytes than are compared: part of them would accuse at random.
    """
    wanted = [
        (name, entries)
        for path, entries in sorted(_entries(objects, trees, result).items())
        if known(name := path.decode("utf-8", "surrogateescape"))
    ]
    if len(wanted) > MOST_FILES:
        return ()
    read = _Texts(objects=objects)
    found = []
    for name, entries in wanted:
        texts = [read.text(entry) for entry in entries]
        if read.size > _MOST_BYTES:
            return ()
        if not any(text is _UNREAD for text in texts):  # it would look as if that version were not there
            found.append(
                Neighbour(path=name, base=texts[0], upstream=texts[1], commit=texts[2], text=texts[3])
            )
    return tuple(found)


_UNREAD = b"too large, or not in the mirror"
Entries = tuple[Entry | None, Entry | None, Entry | None, Entry | None]


def _entries(objects: Objects, trees: Sequence[str], result: str) -> dict[bytes, Entries]:
    """What stands at each path that a side changed: in base, upstream, commit and result. Walks no tree twice."""
    base, upstream, commit = trees
    by_upstream = {change.path: change for change in changes(objects, base, upstream)}
    by_commit = {change.path: change for change in changes(objects, base, commit)}
    after = {change.path: change.new for change in changes(objects, upstream, result)}
    found: dict[bytes, Entries] = {}
    for path in by_upstream.keys() | by_commit.keys():
        one, two = by_upstream.get(path), by_commit.get(path)
        old = one.old if one is not None else two.old if two is not None else None
        there = one.new if one is not None else old
        here = two.new if two is not None else old
        found[path] = old, there, here, after.get(path, there)
    return found


@dataclass(kw_only=True)
class _Texts:
    """Texts by their ids: most files are the same in two or three versions."""

    objects: Objects
    size: int = 0
    known: dict[str, bytes] = field(default_factory=dict)

    def text(self, entry: Entry | None) -> bytes | None:
        if entry is None or not entry.mode.startswith(_REGULAR):
            return None
        if entry.oid not in self.known:
            info = self.objects.info(entry.oid)
            small = info is not None and info.size <= LARGEST
            self.known[entry.oid] = self.objects.read(entry.oid, "blob") if small else _UNREAD
            self.size += len(self.known[entry.oid])
        return self.known[entry.oid]
