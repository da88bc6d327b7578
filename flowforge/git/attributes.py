"""Which files merge how: the upstream tree's .gitattributes, reduced to what cannot run or name anything.

A bare repository of git 2.39 reads no .gitattributes, so what counts is written to one file that git is given by
core.attributesFile. Kept are `merge` with git's own three drivers, `text` and `eol`, and macros of these;
filters, diff drivers and driver names are not. The last line sets the size of conflict markers.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.errors import FlowForgeError
from flowforge.git.command import Git
from flowforge.git.objects import EMPTY_TREE, Objects, disk

_NAME = b".gitattributes"
_LONGEST_LINE, _LARGEST_FILE, _MOST_FILES = 2047, 1 << 20, 2000
_MACRO = re.compile(rb"\[attr\]([A-Za-z0-9_.][A-Za-z0-9_.-]*)")
_OWN_DRIVERS = {b"merge=union", b"merge=text", b"merge=binary"}
_KEPT = _OWN_DRIVERS | {
    *(sign + name for sign in (b"", b"-", b"!") for name in (b"merge", b"text", b"eol")),
    b"text=auto",
    b"eol=lf",
    b"eol=crlf",
}
_ESCAPES = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"t": 9, b"v": 11}


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """One .gitattributes file: the folder it stands in (b"" is the root) and its bytes."""

    folder: bytes
    text: bytes


def attributes_of(git: Git, objects: Objects, tree: str) -> tuple[Attributes, ...]:
    """Every .gitattributes of `tree`, outer folders first."""
    blobs = _located(git, tree)
    files = []
    for path in sorted(blobs, key=lambda path: (path.count(b"/"), path))[:_MOST_FILES]:
        info = objects.info(blobs[path])
        if info is not None and info.kind == "blob" and info.size <= _LARGEST_FILE:
            folder = path[: -len(_NAME)].rstrip(b"/")
            files.append(Attributes(folder=folder, text=objects.read(blobs[path], "blob")))
    return tuple(files)


def reduce(files: tuple[Attributes, ...], marker_size: int) -> bytes:
    """One attributes file with the meaning of all of `files`, as far as merging goes."""
    lines: list[bytes] = []
    macros: set[bytes] = set()
    for file in files:
        for line in file.text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
            lines.extend(_reduced(line, file.folder, macros))
    lines.append(b"* conflict-marker-size=%d" % marker_size)
    return b"\n".join(lines) + b"\n"


def write_attributes(folder: Path, text: bytes) -> Path:
    """Keep `text` in `folder` under its hash, so that jobs side by side never change each other's file."""
    place = folder / f"attributes-{hashlib.sha256(text).hexdigest()[:32]}"
    if not place.exists():
        _write_whole(place, text)
    return place


def _reduced(line: bytes, folder: bytes, macros: set[bytes]) -> Iterator[bytes]:
    """The line in reduced form, if anything of it is kept."""
    pattern, states = _pattern(line.strip(b" \t\r"))
    if not pattern or pattern.startswith(b"!") or len(line) > _LONGEST_LINE:
        return
    macro = _MACRO.fullmatch(pattern)
    kept = b" ".join(word for state in states for word in _state(state, macros))
    if macro and not folder:
        macros.add(macro[1])
        yield b"[attr]ff-%s %s" % (macro[1], kept)
    elif kept and not pattern.startswith(b"[attr]") and not pattern.endswith(b"/"):
        yield b"%s %s" % (_quoted(_below(folder, pattern)), kept)


def _pattern(line: bytes) -> tuple[bytes, list[bytes]]:
    if not line or line.startswith(b"#"):
        return b"", []
    if line.startswith(b'"'):
        unquoted, rest = _unquote(line)
        if unquoted:
            return unquoted, rest.split()
    first, *states = line.split()
    return first, states


def _state(state: bytes, macros: set[bytes]) -> Iterator[bytes]:
    if state in macros:
        yield b"ff-" + state
    elif state == b"binary":
        yield from (b"-merge", b"-text")
    elif state in _KEPT:
        yield state
    elif state.startswith(b"merge="):
        yield b"merge=text"  # a driver that is configured nowhere: git falls back to its own


def _below(folder: bytes, pattern: bytes) -> bytes:
    """The pattern as it reads from the root, for a file that stands in `folder`."""
    if not folder:
        return pattern
    place = re.sub(rb"([*?\[\\])", rb"\\\1", folder)
    if b"/" in pattern:
        return b"/%s/%s" % (place, pattern.removeprefix(b"/"))
    return b"/%s/**/%s" % (place, pattern)


def _quoted(pattern: bytes) -> bytes:
    return b'"%s"' % re.sub(rb"[^ !#-\[\]-~]", lambda m: b"\\%03o" % m[0][0], pattern)


def _unquote(line: bytes) -> tuple[bytes, bytes]:
    """A C-quoted word and what follows it; (b"", b"") where the quoting is broken."""
    out = bytearray()
    at = 1
    while at < len(line) and line[at : at + 1] != b'"':
        if line[at : at + 1] != b"\\":
            out += line[at : at + 1]
            at += 1
            continue
        octal = re.match(rb"[0-3][0-7]{2}", line[at + 1 :])
        sign = line[at + 1 : at + 2]
        if octal:
            out.append(int(octal[0], 8))
        elif sign in _ESCAPES or sign in {b"\\", b'"'}:
            out.append(_ESCAPES.get(sign, sign[0]))
        else:
            return b"", b""
        at += 4 if octal else 2
    return (bytes(out), line[at + 1 :]) if at < len(line) else (b"", b"")


def _located(git: Git, tree: str) -> Mapping[bytes, str]:
    """Path -> blob id of every .gitattributes in `tree`.

    Looking through a tree of 50 000 files costs 16 ms, so the last answer is kept beside the mirror, and only
    the difference between its tree and this one is looked at.
    """
    notes = git.folder / "flowforge-attributes.json"
    known_tree, known = _remembered(notes, len(tree))
    if known_tree == tree:
        return known
    try:
        found = _changed(git, known_tree, tree, known)
    except FlowForgeError:  # the tree that was noted is gone; start from nothing
        found = _changed(git, EMPTY_TREE[len(tree)], tree, {})
    named = {path.decode("latin-1"): oid for path, oid in found.items()}
    _write_whole(notes, json.dumps({"tree": tree, "blobs": named}).encode())
    return found


def _remembered(notes: Path, width: int) -> tuple[str, dict[bytes, str]]:
    try:
        data = json.loads(notes.read_bytes())
        known = {path.encode("latin-1"): str(oid) for path, oid in data["blobs"].items()}
        return str(data["tree"]), known
    except (OSError, ValueError, KeyError, AttributeError):
        return EMPTY_TREE[width], {}


def _changed(git: Git, old: str, new: str, known: Mapping[bytes, str]) -> dict[bytes, str]:
    raw = git.run(
        "diff-tree",
        "-r",
        "-z",
        "--raw",
        "--no-renames",
        "--end-of-options",
        old,
        new,
        "--",
        ":(glob)**/.gitattributes",
    )
    found = dict(known)
    fields = raw.split(b"\0")
    for row, path in zip(fields[:-1:2], fields[1::2], strict=False):
        _, mode, _, oid, _ = row.split(b" ")
        found.pop(path, None)
        if mode.startswith(b"100"):
            found[path] = oid.decode()
    return found


def _write_whole(place: Path, text: bytes) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix="tmp-", delete=False) as file:
            file.write(text)
        Path(file.name).replace(place)
    except OSError as error:
        with suppress(OSError, UnboundLocalError):
            Path(file.name).unlink()
        raise disk(error) from error
