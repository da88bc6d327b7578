"""A tree's files on disk, without `.git`: what stages that run commands work on.

Files are written by this process from one `cat-file`: as fast as `git archive | tar` and `git checkout-index`
(0.45 s against 0.43 s and 0.64 s for 50 000 files in memory), and nothing of git's configuration or attributes
has a say. Bytes are those of the blobs. Links come last, so no file is written through one.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.git.mirror import Mirror
from flowforge.git.objects import SUBMODULE_MODE, SYMLINK_MODE, Objects, disk
from flowforge.git.paths import clashes, leaves_tree, path_problem

MAX_BYTES = 8 << 30
MAX_FILES = 1_000_000
_EXECUTABLE = "100755"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One entry of the whole tree's listing. `size` is -1 for a submodule."""

    mode: str
    oid: str
    size: int
    path: bytes


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was written. `inert` are links that lead out of the tree: plain files that hold their target now."""

    folder: Path
    files: int
    size: int  # bytes
    inert: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()  # empty folders


def export_tree(mirror: Mirror, tree: str, into: Path, *, links: str = "inert") -> Export:
    """Write every file of `tree` (a tree or commit id) below `into`, which must be absent or empty.

    `links`: what to do with a symbolic link that leaves the tree: "inert" writes its target as a file's text,
    "refuse" ends the export before anything is written.

    Raises:
        Refused: hostile_content (a path or link that must not be written), too_large.
        Broken: no_space, infrastructure.
    """
    rows = parse_listing(mirror.git.run("ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", tree))
    _check_sizes(rows)
    with mirror.git.objects() as objects:
        targets = _targets(objects, rows)
        outside = frozenset(path for path in targets if leaves_tree(path, targets))
        _check_paths(rows, outside, refuse_links=links == "refuse")
        try:
            _prepare(into)
            _refuse_clashes(rows, into)
            _write(objects, rows, into, targets, outside)
        except OSError as error:
            raise disk(error) from error
    return Export(
        folder=into,
        files=sum(row.mode != SUBMODULE_MODE for row in rows),
        size=sum(max(row.size, 0) for row in rows),
        inert=tuple(_text(path) for path in sorted(outside)),
        submodules=tuple(_text(row.path) for row in rows if row.mode == SUBMODULE_MODE),
    )


def parse_listing(out: bytes) -> tuple[Row, ...]:
    """Rows of `git ls-tree -r -l -z`."""
    rows = []
    for line in out.split(b"\0")[:-1]:
        head, _, path = line.partition(b"\t")
        mode, _, oid, size = head.split()
        rows.append(
            Row(mode=mode.decode(), oid=oid.decode(), size=-1 if size == b"-" else int(size), path=path)
        )
    return tuple(rows)


def _check_sizes(rows: Sequence[Row]) -> None:
    size = sum(row.size for row in rows)
    if size > MAX_BYTES or len(rows) > MAX_FILES:
        raise Refused(
            Reason.TOO_LARGE,
            f"the tree has {len(rows)} files of {size} bytes; {MAX_FILES} files of {MAX_BYTES} bytes are exported",
            next_action="use a pipeline without stages that need files",
        )


def _check_paths(rows: Sequence[Row], outside: frozenset[bytes], *, refuse_links: bool) -> None:
    for row in rows:
        problem = path_problem(row.path)
        if not problem and refuse_links and row.path in outside:
            problem = "is a link that leaves the tree"
        if problem:
            raise Refused(
                Reason.HOSTILE_CONTENT,
                f"{_text(row.path)!r} {problem}; nothing was written",
                next_action="remove it from the branch",
            )


def _targets(objects: Objects, rows: Sequence[Row]) -> dict[bytes, bytes]:
    links = [row for row in rows if row.mode == SYMLINK_MODE]
    contents = objects.contents([row.oid for row in links])
    return {row.path: target for row, target in zip(links, contents, strict=True)}


def _prepare(into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise Broken(
            Reason.INFRASTRUCTURE,
            f"the folder {into.name!r} for the export is not empty",
            next_action="give every export a folder of its own",
        )


def _refuse_clashes(rows: Sequence[Row], into: Path) -> None:
    """On a disk that ignores capitals, two such paths would overwrite each other."""
    probe = into / "Probe"
    probe.touch()
    ignores = (into / "pROBE").exists()
    probe.unlink()
    if not ignores:
        return
    for one, other in clashes(row.path for row in rows)[:1]:
        raise Refused(
            Reason.HOSTILE_CONTENT,
            f"{_text(one)!r} and {_text(other)!r} are one file on this disk",
            next_action="run the job on Linux, or rename one of them",
        )


def _write(
    objects: Objects, rows: Sequence[Row], into: Path, targets: dict[bytes, bytes], outside: frozenset[bytes]
) -> None:
    root = os.fsencode(into) + b"/"
    _make_folders(rows, root)
    files = [row for row in rows if row.mode not in {SYMLINK_MODE, SUBMODULE_MODE}]
    for row, content in zip(files, objects.contents([row.oid for row in files]), strict=True):
        _write_file(root + row.path, content, 0o755 if row.mode == _EXECUTABLE else 0o644)
    for path, target in targets.items():
        if path in outside or not target or b"\0" in target:
            _write_file(root + path, target, 0o644)
        else:
            os.symlink(target, root + path)  # noqa: PTH211 (bytes, as above)


def _make_folders(rows: Sequence[Row], root: bytes) -> None:
    waiting = {row.path if row.mode == SUBMODULE_MODE else row.path.rpartition(b"/")[0] for row in rows}
    needed: set[bytes] = set()
    while waiting := waiting - needed - {b""}:
        needed |= waiting
        waiting = {folder.rpartition(b"/")[0] for folder in waiting}
    for folder in sorted(needed):  # outer ones first
        os.mkdir(root + folder)  # noqa: PTH102 (bytes: a path may be in any encoding)


def _write_file(path: bytes, content: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
