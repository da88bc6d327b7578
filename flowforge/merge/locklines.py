"""Lockfiles whose form is lines: go.sum, Bundler, pip-tools; and what each reader of a lockfile gives, a pin.

Their tools write them in one layout each, so a line at its indent says what it is; anything else in its place is a
doubt.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from flowforge.merge.doubt import Doubt


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package at one version, or (without a name) what asks for some: a workspace member, a list of wishes."""

    name: str
    version: str
    own: bool = False  # part of the repository itself
    place: str = ""  # of what asks and is no package: which one it is
    keys: tuple[str, ...] = ()  # what may stand once in such a file
    hashes: frozenset[str] = frozenset()  # what proves a download of it
    needs: tuple[str, ...] = ()  # what must be in the file for it, each one of some pin's `offers`
    offers: tuple[str, ...] = ()  # under which others need it


_REQUIREMENT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:===?\s*([^\s;\\,]+)|@\s*([^\s;]+))", re.ASCII
)
_HASH = re.compile(r"--hash[= ]([^\s\\]+)")
_GEM = re.compile(r" {4}(\S+) \(([^()]+)\)")
_GEM_NEEDS = re.compile(r" {6}(\S+)(?: \(.*\))?")
_GEM_ASKED = re.compile(r"  (?! )([^\s!]+)(?: \(.*\))?!?")
_GO_SUM = re.compile(r"(\S+) (\S+?)(/go\.mod)? (h1:\S+)")


def python_name(name: str) -> str:
    """As Python's index compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def go_sum(text: str) -> Iterator[Pin]:
    """Modules whose files are used; those of which only the go.mod is read decide nothing here."""
    for line in text.splitlines():
        found = _GO_SUM.fullmatch(line.strip())
        if found is None and line.strip():
            raise Doubt("lock_unreadable", "has a line that is no checksum")
        if found is not None and found[3]:
            yield Pin(name="", version="", place=f"{found[1]} {found[2]}{found[3]}", offers=(found[1],))
        elif found is not None:
            yield Pin(name=found[1], version=found[2], hashes=frozenset({found[4]}), offers=(found[1],))


def bundler(text: str) -> Iterator[Pin]:
    """Gems below `specs:` of every source; those of PATH are the repository's own."""
    section = ""
    known = False
    gem: Pin | None = None
    asked: list[str] = []
    for line in map(str.rstrip, text.splitlines()):
        if line and not line[0].isspace():
            section = line
            known = known or section in {"GEM", "DEPENDENCIES"}
        elif section in {"GEM", "GIT", "PATH"} and (found := _GEM.fullmatch(line)):
            if gem is not None:
                yield gem
            gem = _gem(found[1], found[2], own=section == "PATH")
        elif gem is not None and (found := _GEM_NEEDS.fullmatch(line)):
            gem = replace(gem, needs=(*gem.needs, found[1]))
        elif section == "DEPENDENCIES" and (found := _GEM_ASKED.fullmatch(line)):
            asked.append(found[1])
    if gem is not None:
        yield gem
    if not known:
        raise Doubt("lock_unreadable", "has neither gems nor dependencies")
    yield Pin(name="", version="", place="DEPENDENCIES", needs=tuple(asked))


def _gem(name: str, version: str, *, own: bool) -> Pin:
    # a platform follows a dash, which no version of a gem holds
    return Pin(
        name=name,
        version=version.partition("-")[0],
        own=own,
        keys=(f"{name} {version}",),
        offers=(name,),
    )


def requirements(text: str) -> Iterator[Pin]:
    """What pip-tools pins, each with the hashes that follow it; other options and comments say nothing of packages."""
    pin: Pin | None = None
    for line in text.splitlines():
        found = _REQUIREMENT.match(line)
        if found is not None:
            if pin is not None:
                yield pin
            name = python_name(found[1])
            key = f"{name}{line.partition(';')[2]}".partition("\\")[0].strip()
            pin = Pin(name=name, version=found[2] or found[3] or "", keys=(key,), offers=(name,))
        elif line.strip() and not line.lstrip().startswith(("#", "-", "\\")):
            raise Doubt("lock_unreadable", "has a line that pins nothing")
        if pin is not None and (hashes := _HASH.findall(line)):
            pin = replace(pin, hashes=pin.hashes | set(hashes))
    if pin is not None:
        yield pin
