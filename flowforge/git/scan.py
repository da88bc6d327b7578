"""What a fetched change brings that a person should know before it is worked on: findings, never a verdict.

Looked at is the difference between two commits: paths, modes, sizes, links, submodules, and secrets on lines
that are new. A finding says where and what kind, never the secret.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from flowforge.core.errors import Reason, Refused
from flowforge.core.verdict import Finding, Level
from flowforge.git.command import Git
from flowforge.git.mirror import Mirror
from flowforge.git.names import check_id
from flowforge.git.objects import EMPTY_TREE, SUBMODULE_MODE, SYMLINK_MODE, Objects
from flowforge.git.paths import clashes, leaves_tree, path_problem
from flowforge.git.secrets import find_secret

MAX_FINDINGS = 500
LARGE, TOO_LARGE = 10 << 20, 100 << 20  # bytes: hosts warn of the one and refuse the other
_KNOWN_MODES = {"100644", "100755", SYMLINK_MODE, SUBMODULE_MODE}
_HUNK = re.compile(rb"@@ -\d+(?:,\d+)? \+(\d+)")
_SUBMODULE = re.compile(
    r"^\s*(?P<key>url|path|update)\s*=\s*(?P<value>.*?)\s*$", re.MULTILINE | re.IGNORECASE
)
_MODULES_LIMIT = 1 << 16  # bytes of a .gitmodules that are read


@dataclass(frozen=True, kw_only=True)
class Change:
    """One path that differs; `oid` and `mode` are the new ones ("000000": it was deleted)."""

    path: bytes
    mode: str
    old_mode: str
    oid: str

    @property
    def retyped(self) -> bool:
        """Whether a file became a link or the like: git's patch then has two parts, one to remove, one to add."""
        return "000000" not in {self.mode, self.old_mode} and self.mode[:3] != self.old_mode[:3]


def scan(mirror: Mirror, base: str, head: str) -> tuple[Finding, ...]:
    """Findings about what `head` has that `base` ("" = nothing) had not; at most `MAX_FINDINGS`."""
    base = check_id(base) if base else EMPTY_TREE[len(head)]
    changes, patch = _difference(mirror.git, base, check_id(head))
    with mirror.git.objects() as objects:
        found = _all(objects, changes, patch)
        return tuple(islice(found, MAX_FINDINGS))


def _all(objects: Objects, changes: Sequence[Change], patch: bytes | None) -> Iterator[Finding]:
    present = [change for change in changes if change.mode != "000000"]
    links = _targets(objects, present)
    for change in present:
        yield from _about(objects, change, links)
    for one, other in clashes(change.path for change in present):
        yield _finding("case-clash", Level.WARNING, f"is one file with {_text(one)!r} on some disks", other)
    if patch is None:
        yield _finding("unscanned", Level.WARNING, "the change is too large to be searched for secrets", b"")
    else:
        yield from _secrets(patch, changes)


def _about(objects: Objects, change: Change, links: Mapping[bytes, bytes]) -> Iterator[Finding]:
    problem = path_problem(change.path)
    if problem:
        yield _finding("path", Level.ERROR, problem, change.path)
    if change.mode not in _KNOWN_MODES:
        yield _finding("mode", Level.WARNING, f"has the unusual mode {change.mode}", change.path)
    if change.mode == "100755" and change.old_mode == "100644":
        yield _finding("mode", Level.NOTE, "became executable", change.path)
    if change.mode == SUBMODULE_MODE:
        yield _finding("submodule", Level.NOTE, "is a submodule; its files are not fetched", change.path)
        return
    if change.path in links and leaves_tree(change.path, links):
        yield _finding("link", Level.WARNING, "is a symbolic link that leaves the tree", change.path)
    info = objects.info(change.oid)
    size = info.size if info else 0
    if size > LARGE:
        level = Level.ERROR if size > TOO_LARGE else Level.WARNING
        yield _finding("size", level, f"has {size} bytes", change.path)
    if change.path.rpartition(b"/")[2] == b".gitmodules":
        text = objects.read(change.oid, "blob")[:_MODULES_LIMIT] if change.mode != SYMLINK_MODE else b""
        yield from _modules(text.decode("utf-8", "replace"), change)


def _modules(text: str, change: Change) -> Iterator[Finding]:
    """What a .gitmodules says that no honest one does."""
    if change.mode == SYMLINK_MODE:
        yield _finding("gitmodules", Level.ERROR, "is a symbolic link", change.path)
    for row in _SUBMODULE.finditer(text):
        key, value = row["key"].lower(), row["value"].strip('"')
        line = text.count("\n", 0, row.start("key")) + 1
        bad_url = key == "url" and (value.startswith("-") or "::" in value or "\\n" in value)
        bad_path = key == "path" and (value.startswith(("-", "/")) or ".." in value.split("/"))
        bad_update = key == "update" and value.startswith("!")
        if bad_url or bad_path or bad_update:
            yield _finding(
                "gitmodules", Level.ERROR, f"its {key} would run or reach something", change.path, line
            )


def _targets(objects: Objects, changes: Sequence[Change]) -> dict[bytes, bytes]:
    links = [change for change in changes if change.mode == SYMLINK_MODE]
    contents = objects.contents([change.oid for change in links])
    return {change.path: target for change, target in zip(links, contents, strict=True)}


def _difference(git: Git, base: str, head: str) -> tuple[tuple[Change, ...], bytes | None]:
    """Changed paths, and the patch with new lines only (None where it is too large)."""
    options = ("diff-tree", "-r", "-z", "--no-renames", "--raw")
    changes = _changes(git.run(*options, "--end-of-options", base, head))
    try:
        out = git.run(*options, "-p", "-U0", "--no-ext-diff", "--no-textconv", "--end-of-options", base, head)
    except Refused as error:
        if error.reason is not Reason.OUTPUT_LIMIT:
            raise
        return changes, None
    return changes, out[out.find(b"\0\0") + 2 :]


def _changes(out: bytes) -> tuple[Change, ...]:
    fields = out.split(b"\0")
    rows = zip(fields[:-1:2], fields[1::2], strict=False)
    found = []
    for row, path in rows:
        old_mode, mode, _, oid, _ = row.decode().lstrip(":").split(" ")
        found.append(Change(path=path, mode=mode, old_mode=old_mode, oid=oid))
    return tuple(found)


def _secrets(patch: bytes, changes: Sequence[Change]) -> Iterator[Finding]:
    """Secrets on added lines. The patch has one part a change, in the same order."""
    parts = iter(re.split(rb"^diff --git .*\n", patch, flags=re.MULTILINE)[1:])
    for change in changes:
        part = b"".join(islice(parts, 2 if change.retyped else 1))
        for number, line in _added(part):
            shape = find_secret(line.decode("utf-8", "replace"))
            if shape is not None:
                message = f"a new line holds what looks like {shape.name}"
                yield _finding(f"secret-{shape.rule}", Level.WARNING, message, change.path, number)


def _added(part: bytes) -> Iterator[tuple[int, bytes]]:
    """Line number and text of every added line of one file's patch."""
    number = 0
    for line in part.split(b"\n"):
        hunk = _HUNK.match(line)
        if hunk:
            number = int(hunk[1])
        elif number and line.startswith(b"+"):
            yield number, line[1:]
            number += 1


def _finding(rule: str, level: Level, message: str, path: bytes, line: int = 1) -> Finding:
    return Finding(rule=rule, level=level, message=message, path=_text(path), start=line, end=line)


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
