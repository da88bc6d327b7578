"""Lockfiles of Node whose form is lines: pnpm's, and yarn's in both forms.

A line at its indent says what it is; names that hold `/` or `@` are cut where the tools cut them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from flowforge.merge.doubt import Doubt
from flowforge.merge.locklines import Pin

_LOCAL = ("file:", "link:", "portal:", "workspace:")
_PNPM_LINE = re.compile(r"( *)(?:'([^']+)'|\"([^\"]+)\"|([^\s'\"#{].*?)):(?: +(.*?))? *")
_INTEGRITY = re.compile(r"\bintegrity: ([^\s,}]+)")
_YARN_FIELD = re.compile(r"  (version|integrity|checksum):? \"?([^\"]*?)\"?\s*")
_YARN_NEED = re.compile(r"    \"?((?:@[^\s\"/]+/)?[^\s\":]+)\"?:? +\"?([^\"]*?)\"?\s*")
_YARN_NEEDS = re.compile(r"  (dependencies|optionalDependencies):")
_WISHES = frozenset({"dependencies", "devDependencies", "optionalDependencies"})


# ------------------------------------------------------------------------------------------------------------- pnpm


@dataclass(kw_only=True)
class _Pnpm:
    """What has been read of a pnpm lockfile. Its parts say what is there, who needs what, and who asked."""

    pins: dict[str, list[Pin]] = field(
        default_factory=dict
    )  # key without peers -> as often as it stands there
    hashes: dict[str, set[str]] = field(default_factory=dict)
    needs: dict[str, set[str]] = field(default_factory=dict)
    asked: dict[str, set[str]] = field(default_factory=dict)  # importer -> what it resolved to


def pnpm(text: str) -> Iterator[Pin]:
    """The keys of `packages`, at two spaces, in each of the forms that pnpm has had."""
    if not re.search(r"^lockfileVersion:", text, re.MULTILINE):
        raise Doubt("lock_unreadable", "names no lockfileVersion")
    read = _Pnpm()
    path: list[str] = []
    for line in text.splitlines():
        found = _PNPM_LINE.fullmatch(line)
        depth = len(found[1]) // 2 if found is not None else len(path) + 1
        if found is not None and depth <= len(path):
            path[depth:] = [found[2] or found[3] or found[4]]
            _pnpm_line(read, path, found[5] or "")
    for key, pins in read.pins.items():
        for pin in pins:
            yield Pin(
                name=pin.name,
                version=pin.version,
                own=pin.own,
                keys=pin.keys,
                hashes=frozenset(read.hashes.get(key, ())),
                needs=tuple(sorted(read.needs.get(key, ()))),
                offers=(key,),
            )
    for importer, wishes in read.asked.items():
        yield Pin(name="", version="", place=importer, needs=tuple(sorted(wishes)))


def _pnpm_line(read: _Pnpm, path: list[str], value: str) -> None:
    """One line at its place; `importers` as they are since version 6."""
    match path:
        case ["packages", key]:
            read.pins.setdefault(_bare(key), []).append(_pnpm_pin(key))
        case ["packages", key, "resolution"]:
            read.hashes.setdefault(_bare(key), set()).update(_INTEGRITY.findall(value))
        case ["packages" | "snapshots", key, wish, name] if wish in _WISHES:
            read.needs.setdefault(_bare(key), set()).update(_pnpm_need(name, value))
        case ["importers", importer, wish, name, "version"] if wish in _WISHES:
            read.asked.setdefault(importer, set()).update(_pnpm_need(name, value))


def _bare(key: str) -> str:
    """`name@version`, without what stands for its peers, in whichever form the key is."""
    pin = _pnpm_pin(key)
    return f"{pin.name}@{pin.version}"


def _pnpm_need(name: str, value: str) -> tuple[str, ...]:
    """What a name was resolved to, as `_bare` writes it; none where that is no package."""
    value = value.strip("'\"")
    if value[:1].isdigit():
        return (_bare(f"{name}@{value.partition('_')[0]}"),)
    if value.startswith(_LOCAL) or "://" in value or not re.match(r"/.|.+@", value):
        return ()
    return (_bare(value),)


def _pnpm_pin(key: str) -> Pin:
    """`/name/1.0_peer`, `/name@1.0(peer)` or `name@1.0`, with or without a scope; or a local path."""
    if key.startswith(_LOCAL):
        return Pin(name=key, version="", own=True, keys=(key,))
    rest = key.removeprefix("/").partition("(")[0]
    scope, slash, bare = rest.partition("/") if rest.startswith("@") else ("", "", rest)
    at = next((place for place, sign in enumerate(bare) if sign in "@/" and place), -1)
    if at < 0:
        raise Doubt("lock_unreadable", f"has a package {key[:80]!r} without a version")
    version = bare[at + 1 :]
    if bare[at] == "/":
        version = version.partition("_")[0]
    return Pin(
        name=f"{scope}{slash}{bare[:at]}", version=version, own=version.startswith(_LOCAL), keys=(key,)
    )


# ------------------------------------------------------------------------------------------------------------- yarn


@dataclass(kw_only=True)
class _Block:
    """One block of a yarn lockfile: what was asked for, and what that is."""

    asked: tuple[str, ...]
    version: str | None = None
    hashes: set[str] = field(default_factory=set)
    needs: list[str] = field(default_factory=list)
    listing: bool = False  # whether its next lines are what it needs


def yarn(text: str) -> Iterator[Pin]:
    """Blocks that begin with what was asked for (`"a@^1", "a@~1.2":`) and say which version that is."""
    if "# yarn lockfile v1" not in text and not re.search(r"^__metadata:", text, re.MULTILINE):
        raise Doubt("lock_unreadable", "is no lockfile of yarn")
    block: _Block | None = None
    for line in text.splitlines():
        if line and not line[0].isspace() and line[0] not in "#:":
            yield from _yarn_pins(block)
            block = None if line.startswith("__metadata") else _Block(asked=_asked(line))
        elif block is not None:
            _yarn_line(block, line)
    yield from _yarn_pins(block)


def _asked(line: str) -> tuple[str, ...]:
    words = line.removeprefix("? ").removesuffix(":").replace('"', "").split(",")
    return tuple(word.strip() for word in words)


def _yarn_line(block: _Block, line: str) -> None:
    if found := _YARN_FIELD.fullmatch(line):
        block.listing = False
        if found[1] != "version":
            block.hashes.add(found[2])
        elif block.version is None:
            block.version = found[2]
    elif line.startswith("   "):
        if block.listing and (found := _YARN_NEED.fullmatch(line)):
            block.needs.append(_descriptor(f"{found[1]}@{found[2]}"))
    else:
        block.listing = _YARN_NEEDS.fullmatch(line.rstrip()) is not None


def _yarn_pins(block: _Block | None) -> Iterator[Pin]:
    if block is None or block.version is None:
        return
    first = block.asked[0]
    at = first.find("@", 1)
    if at < 0:
        raise Doubt("lock_unreadable", f"asks for {first[:80]!r} without saying which version")
    yield Pin(
        name=first[:at],
        version=block.version,
        own=first[at + 1 :].startswith(_LOCAL),
        keys=block.asked,
        hashes=frozenset(block.hashes),
        needs=tuple(block.needs),
        offers=tuple(map(_descriptor, block.asked)),
    )


def _descriptor(asked: str) -> str:
    """`name@range` however it is written: later yarns say which protocol a range is of."""
    name, _, wanted = asked[1:].partition("@")
    return f"{asked[0]}{name}@{wanted.removeprefix('npm:')}" if wanted else asked
