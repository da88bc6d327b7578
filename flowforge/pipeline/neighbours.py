"""The files that either side changed since the merge base, in all versions, for checks that look across files."""

from collections.abc import Callable, Sequence

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
    base, upstream, commit = trees
    paths = sorted({change.path for side in (upstream, commit) for change in changes(objects, base, side)})
    wanted = [(path, name) for path in paths if known(name := path.decode("utf-8", "surrogateescape"))]
    if len(wanted) > MOST_FILES:
        return ()
    found, size = [], 0
    for path, name in wanted:
        entries = [_file(objects.entry(tree, path)) for tree in (result, base, upstream, commit)]
        sizes = [_size(objects, entry) for entry in entries]
        if max(sizes) > LARGEST:
            continue  # one version would look as if it were not there
        size += sum(sizes)
        if size > _MOST_BYTES:
            return ()
        texts = [objects.read(entry.oid, "blob") if entry is not None else None for entry in entries]
        found.append(Neighbour(path=name, text=texts[0], base=texts[1], upstream=texts[2], commit=texts[3]))
    return tuple(found)


def _file(entry: Entry | None) -> Entry | None:
    return entry if entry is not None and entry.mode.startswith(_REGULAR) else None


def _size(objects: Objects, entry: Entry | None) -> int:
    """Bytes; more than are read where the mirror does not have them."""
    if entry is None:
        return 0
    info = objects.info(entry.oid)
    return info.size if info is not None else LARGEST + 1
