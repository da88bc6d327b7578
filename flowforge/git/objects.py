"""Git objects read and written without a process each: one `cat-file --batch-command`, loose objects by hand.

Trees and commits are handled as raw bytes, so that nothing git stored is lost by reading it.
"""

import hashlib
import os
import select
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.git import process as child
from flowforge.git.commits import Commit, parse_commit
from flowforge.git.process import Bounds

TREE_MODE = "040000"
SUBMODULE_MODE = "160000"
SYMLINK_MODE = "120000"
EMPTY_TREE = {  # by length of the repository's ids
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_HEX_SHA1 = 40
_BULK = 400  # questions; 400 of 74 bytes stay below the 64 KiB of a pipe


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a tree: six octal digits, name (no slash), object id in hex."""

    mode: str
    name: bytes
    oid: str


@dataclass(frozen=True, kw_only=True)
class Info:
    kind: str  # blob | tree | commit | tag
    size: int


class Objects:
    """Reads any object of one repository through one helper process, and writes new ones beside git's."""

    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str], folder: Path, bounds: Bounds) -> None:
        self._process = child.start((*argv, "cat-file", "--batch-command"), env)
        self._folder = folder / "objects"
        self._bounds = bounds
        self._buffer = bytearray()

    def close(self) -> None:
        child.end(self._process)

    def info(self, oid: str) -> Info | None:
        """Kind and size, or None where the repository does not have it. `oid` may be any name without spaces."""
        header = self._ask(b"info", oid)
        return None if header is None else Info(kind=header[1], size=int(header[2]))

    def read(self, oid: str, kind: str) -> bytes:
        """The whole content of an object that must be there.

        Raises:
            Temporary: mirror_damaged, when it is missing or of another kind.
        """
        header = self._ask(b"contents", oid)
        if header is None:
            raise missing(oid, kind)
        body = self._take(int(header[2]))
        self._take(1)  # the line feed after it
        if header[1] != kind:
            raise missing(oid, kind)
        return body

    def contents(self, oids: Sequence[str]) -> Iterator[bytes]:
        """The blobs of `oids`, in order; asked for in bulk, so that neither side waits for the other.

        Raises:
            Temporary: mirror_damaged, when one is missing.
        """
        for at in range(0, len(oids), _BULK):  # a bulk of questions fits into a pipe: writing never blocks
            some = oids[at : at + _BULK]
            self._send(b"".join(b"contents %s\n" % oid.encode() for oid in some))
            for oid in some:
                header = self._answer()
                if header is None:
                    raise missing(oid, "blob")
                yield self._take(int(header[2]))
                self._take(1)

    def tree(self, oid: str) -> tuple[Entry, ...]:
        return parse_tree(self.read(oid, "tree"), len(oid) // 2)

    def commit(self, oid: str) -> Commit:
        return parse_commit(oid, self.read(oid, "commit"))

    def entry(self, tree: str, path: bytes) -> Entry | None:
        """What stands at `path` below `tree`, by walking its folders."""
        *folders, name = path.split(b"/")
        for folder in folders:
            found = _named(self.tree(tree), folder)
            if found is None or found.mode != TREE_MODE:
                return None
            tree = found.oid
        return _named(self.tree(tree), name)

    def write(self, kind: str, body: bytes, width: int = _HEX_SHA1) -> str:
        """Store an object as git would (loose) and return its id; `width` is the length of this repository's ids.

        Raises:
            Broken: no_space, infrastructure.
        """
        raw = b"%s %d\0%s" % (kind.encode(), len(body), body)
        digest = hashlib.sha1(raw, usedforsecurity=False) if width == _HEX_SHA1 else hashlib.sha256(raw)
        oid = digest.hexdigest()
        place = self._folder / oid[:2] / oid[2:]
        if not place.exists():
            _store(place, zlib.compress(raw, 1))
        return oid

    def write_tree(self, entries: tuple[Entry, ...], width: int = _HEX_SHA1) -> str:
        return self.write("tree", format_tree(entries), width)

    def replaced(self, tree: str, files: Mapping[bytes, Entry | None]) -> str:
        """`tree` with the entries at the paths in `files` replaced (None removes), its other entries untouched.

        Only folders on the way to a changed path are read and written. An `Entry`'s own name is ignored.
        """
        here: dict[bytes, Entry | None] = {}
        below: dict[bytes, dict[bytes, Entry | None]] = {}
        for path, entry in files.items():
            name, slash, rest = path.partition(b"/")
            if slash:
                below.setdefault(name, {})[rest] = entry
            else:
                here[name] = entry
        entries = {entry.name: entry for entry in (self.tree(tree) if tree else ())}
        for name, inner in below.items():
            old = entries.get(name)
            oid = self.replaced(old.oid if old and old.mode == TREE_MODE else "", inner)
            here[name] = Entry(mode=TREE_MODE, name=name, oid=oid) if oid else None
        for name, entry in here.items():
            entries.pop(name, None)
            if entry is not None:
                entries[name] = Entry(mode=entry.mode, name=name, oid=entry.oid)
        if not entries:
            return ""
        width = len(next(iter(entries.values())).oid)
        return self.write_tree(tuple(entries.values()), width)

    def _ask(self, command: bytes, oid: str) -> list[str] | None:
        if not oid or any(mark in oid for mark in "\n\0"):
            return None
        self._send(b"%s %s\n" % (command, oid.encode()))
        return self._answer()

    def _send(self, text: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 (start() asks for all three pipes)
        try:
            self._process.stdin.write(text)
        except BrokenPipeError:
            raise self._gone() from None

    def _answer(self) -> list[str] | None:
        words = self._line().decode("utf-8", "replace").rsplit(" ", 2)
        return None if words[-1] in {"missing", "ambiguous"} else words

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _take(self, size: int) -> bytes:
        if size > self._bounds.max_output:
            raise child.too_much("reading an object", self._bounds.max_output)
        while len(self._buffer) < size:
            self._fill()
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken

    def _fill(self) -> None:
        stream = _reader(self._process.stdout)
        until = time.monotonic() + self._bounds.deadline
        while not select.select([stream], [], [], 0.2)[0]:
            child.check(self._bounds, until, "reading an object")
        chunk = os.read(stream.fileno(), 1 << 18)
        if not chunk:
            raise self._gone()
        self._buffer += chunk

    def _gone(self) -> Temporary:
        return Temporary(
            Reason.MIRROR_DAMAGED,
            "git stopped while it read objects of the mirror",
            next_action="nothing: the mirror is made anew and the job runs again",
        )


def missing(oid: str, kind: str) -> Temporary:
    return Temporary(
        Reason.MIRROR_DAMAGED,
        f"the mirror does not hold {kind} {oid!r}",
        next_action="nothing: the mirror is made anew and the job runs again",
    )


def parse_tree(body: bytes, id_bytes: int) -> tuple[Entry, ...]:
    """Entries of a raw tree object."""
    entries: list[Entry] = []
    at = 0
    while at < len(body):
        space = body.index(b" ", at)
        null = body.index(b"\0", space)
        oid = body[null + 1 : null + 1 + id_bytes].hex()
        mode = body[at:space].decode("ascii").zfill(6)
        entries.append(Entry(mode=mode, name=body[space + 1 : null], oid=oid))
        at = null + 1 + id_bytes
    return tuple(entries)


def format_tree(entries: tuple[Entry, ...]) -> bytes:
    """The raw tree object, in git's order: folders sort as if their name ended with a slash."""
    ordered = sorted(entries, key=lambda entry: entry.name + (b"/" if entry.mode == TREE_MODE else b""))
    return b"".join(
        b"%s %s\0%s" % (entry.mode.lstrip("0").encode(), entry.name, bytes.fromhex(entry.oid))
        for entry in ordered
    )


@contextmanager
def opened(make: Callable[[], Objects]) -> Iterator[Objects]:
    objects = make()
    try:
        yield objects
    finally:
        objects.close()


def _named(entries: tuple[Entry, ...], name: bytes) -> Entry | None:
    return next((entry for entry in entries if entry.name == name), None)


def _reader(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # noqa: S101 (start() asks for all three pipes)
    return stream


def _store(place: Path, data: bytes) -> None:
    """Write beside, then rename: a reader sees the whole object or none."""
    try:
        place.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="tmp_obj_", dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(0o444)
            Path(name).replace(place)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise disk(error) from error


def disk(error: OSError) -> Broken | Refused:
    """A file system's refusal as an error of the house."""
    if error.errno in {28, 122}:  # ENOSPC, EDQUOT
        return Broken(
            Reason.NO_SPACE,
            "the disk is full",
            next_action="free space on the worker's disk, then retry the job",
        )
    return Broken(
        Reason.INFRASTRUCTURE,
        f"the mirror could not be written: {error.strerror}",
        next_action="check the folder for mirrors: it must exist and be writable",
    )
