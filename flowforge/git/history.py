"""A repository's own merges, made again: which of them conflict, and how people resolved these.

Nothing is written into the repository. Git's merges go into a bare folder of our own that borrows its objects, and is
gone afterwards.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flowforge.core.conflict import Conflict, Side, Version
from flowforge.core.errors import Reason, Refused
from flowforge.git.attributes import attributes_of, reduce, write_attributes
from flowforge.git.command import Door, Git
from flowforge.git.conflicts import MARKER_SIZE, MAX_CONTENT, Origin, free_marker_size, read_conflicts
from flowforge.git.merged import Merged, parse_merge
from flowforge.git.objects import SUBMODULE_MODE, TREE_MODE, Entry, Objects, missing
from flowforge.git.renames import Renames

_LAST_WORDS = re.compile(r"[/:]([^/:@\s]+/[^/:@\s]+?)(?:\.git)?/?$")
_MERGE_TREE = ("merge-tree", "--write-tree", "-z", "--messages", "--allow-unrelated-histories")


@dataclass(frozen=True, kw_only=True)
class PastMerge:
    """A commit of two parents: `upstream` is the first one, into which `commit` was merged.

    Or what came of a change that was landed without a merge commit: `oid` is then the last commit that landed it.
    """

    oid: str
    upstream: str
    commit: str
    date: int  # epoch seconds, of the committer
    how: str = "merge"  # merge | squash | rebase


def name_of(repository: Path, door: Door) -> str:
    """What people call the repository: the last two words of where it came from, or its folder's name."""
    url = (
        there(repository, door)
        .try_run("config", "--get", "remote.origin.url", ok=range(256))[1]
        .decode("utf-8", "replace")
    )
    known = _LAST_WORDS.search(url.strip())
    return known[1] if known else repository.resolve().name.removesuffix(".git")


@contextmanager
def borrowed(repository: Path, scratch: Path, door: Door) -> Iterator[Git]:
    """A git directory in `scratch` that reads the objects of the repository in a folder (or in its `.git`).

    Raises:
        Refused: repository_missing, where the folder holds none.
    """
    shown = (
        there(repository, door)
        .run("rev-parse", "--show-object-format", "--git-common-dir")
        .decode("utf-8", "surrogateescape")
    )
    object_format, common = shown.splitlines()
    common_folder = Path(common).resolve()  # git answers in the form in which it was told the folder
    here = Git(folder=scratch / "borrowed.git", door=door)
    here.run("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}", str(here.folder))
    (here.folder / "objects" / "info" / "alternates").write_bytes(
        os.fsencode(common_folder / "objects") + b"\n"
    )
    if (common_folder / "shallow").is_file():
        shutil.copy(common_folder / "shallow", here.folder / "shallow")
    yield here


def tips(repository: Path, door: Door) -> tuple[str, ...]:
    """The commits that the repository's refs point at."""
    out = there(repository, door).run(
        "for-each-ref", "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname)"
    )
    rows = [line.split() for line in out.decode().splitlines()]
    pairs = (pair for row in rows for pair in zip(row[::2], row[1::2], strict=True))
    return tuple(dict.fromkeys(oid for kind, oid in pairs if kind == "commit"))


def merges(git: Git, heads: Sequence[str]) -> tuple[PastMerge, ...]:
    """Every merge of two parents that `heads` reach, newest first."""
    out = git.run(
        "rev-list",
        "--min-parents=2",
        "--max-parents=2",
        "--date-order",
        "--parents",
        "--timestamp",
        "--stdin",
        stdin="".join(f"{oid}\n" for oid in heads).encode(),
    )
    rows = (line.split() for line in out.decode().splitlines())
    return tuple(PastMerge(oid=oid, upstream=one, commit=two, date=int(date)) for date, oid, one, two in rows)


def conflicts_of(git: Git, objects: Objects, merge: PastMerge) -> tuple[Conflict, ...]:
    """What git leaves open when the merge is made again; nothing where it merges by itself."""
    if not _merged(git, merge).conflicted:
        return ()
    size = MARKER_SIZE
    conflicts = _read(git, objects, merge, size)
    free = free_marker_size(conflicts, size)
    return conflicts if free == size else _read(git, objects, merge, free)


def committed(objects: Objects, merge: PastMerge, path: str) -> bytes | None:
    """The text that people committed at `path`; None where there is no file."""
    entry = objects.entry(objects.commit(merge.oid).tree, path.encode("utf-8", "surrogateescape"))
    return objects.read(entry.oid, "blob") if entry is not None and entry.mode.startswith("100") else None


def stood(objects: Objects, merge: PastMerge, paths: Sequence[str]) -> tuple[Version, ...]:
    """What people committed at each of `paths`; one with nothing, or with a folder, is left out.

    The content is that of a file or a link of at most `MAX_CONTENT` bytes.

    Raises:
        Temporary: mirror_damaged, where the repository (a partial clone) lacks it.
    """
    tree = objects.commit(merge.oid).tree
    found = ((path, objects.entry(tree, path.encode("utf-8", "surrogateescape"))) for path in paths)
    return tuple(
        Version(path=path, mode=entry.mode, oid=entry.oid, content=_content(objects, entry))
        for path, entry in found
        if entry is not None and entry.mode != TREE_MODE
    )


def _content(objects: Objects, entry: Entry) -> bytes | None:
    if entry.mode == SUBMODULE_MODE:
        return None
    info = objects.info(entry.oid)
    if info is None:
        raise missing(entry.oid, "blob")
    return objects.read(entry.oid, "blob") if info.size <= MAX_CONTENT else None


def merge_base(git: Git, merge: PastMerge) -> str:
    """The commit from which both sides began; "" where they share none."""
    bases = git.try_run("merge-base", "--end-of-options", merge.upstream, merge.commit)[1].split()
    return bases[0].decode() if bases else ""


def roots(git: Git, heads: Sequence[str]) -> tuple[str, ...]:
    """The first commits of what `heads` reach: every clone and fork has the same."""
    if not heads:
        return ()
    out = git.run(
        "rev-list", "--max-parents=0", "--stdin", stdin="".join(f"{oid}\n" for oid in heads).encode()
    )
    return tuple(out.decode().split())


def _read(git: Git, objects: Objects, merge: PastMerge, size: int) -> tuple[Conflict, ...]:
    """The conflicts of a merge by the attributes of its upstream, as a rebase onto it would meet them."""
    upstream, commit = objects.commit(merge.upstream), objects.commit(merge.commit)
    text = reduce(attributes_of(git, objects, upstream.tree), size)
    merged = _merged(git.with_attributes(write_attributes(git.folder, text)), merge)
    start = merge_base(git, merge)
    base = objects.commit(start).tree if start else ""
    trees = {Side.BASE: base, Side.UPSTREAM: upstream.tree, Side.COMMIT: commit.tree}
    renames = Renames(git, objects, trees)
    origin = Origin(commit=merge.commit, subject=commit.subject, marker_size=size, old_path=renames.old_path)
    return read_conflicts(merged, objects, origin)


def _merged(git: Git, merge: PastMerge) -> Merged:
    code, out = git.try_run(*_MERGE_TREE, "--end-of-options", merge.upstream, merge.commit)
    return replace(parse_merge(out), conflicted=code != 0)


def there(repository: Path, door: Door) -> Git:
    """Git in the repository of a folder, or of its `.git`.

    Raises:
        Refused: repository_missing, where the folder holds none.
    """
    inner = repository.absolute() / ".git"
    git = Git(folder=inner if inner.exists() else inner.parent, door=door)
    if git.try_run("rev-parse", "--git-dir", ok=range(256))[0]:
        raise Refused(
            Reason.REPOSITORY_MISSING,
            f"there is no git repository in {str(repository)!r}",
            next_action="give the folder of a repository",
        )
    return git
