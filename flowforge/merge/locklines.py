"""Lockfiles whose form is lines: pnpm, yarn (both forms), go.sum, Bundler, pip-tools.

Their tools write them in one layout each, so a line at its indent says what it is; anything else in its place is a
doubt. Names that hold `/` or `@` are cut where the tools cut them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flowforge.merge.doubt import Doubt


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package at one version. `own`: it is part of the repository itself."""

    name: str
    version: str
    own: bool = False


_LOCAL = ("file:", "link:", "portal:", "workspace:")
_REQUIREMENT = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?:===?\s*([^\s;\\,]+)|@\s*([^\s;]+))", re.ASCII
)
_GEM = re.compile(r" {4}(\S+) \(([^()]+)\)")
_GO_SUM = re.compile(r"(\S+) (\S+?)(/go\.mod)? h1:\S+")
_PNPM_KEY = re.compile(r"  (?! )(?:'([^']+)'|\"([^\"]+)\"|([^\s'\"#].*?)):(?: .*)?")
_YARN_VERSION = re.compile(r"  version:? \"?([^\"]*?)\"?\s*")


def python_name(name: str) -> str:
    """As Python's index compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pnpm(text: str) -> Iterator[Pin]:
    """The keys of `packages`, at two spaces, in each of the forms that pnpm has had."""
    if not re.search(r"^lockfileVersion:", text, re.MULTILINE):
        raise Doubt("lock_unreadable", "names no lockfileVersion")
    inside = False
    for line in text.splitlines():
        if line and not line[0].isspace():
            inside = line.rstrip() == "packages:"
        elif inside and (found := _PNPM_KEY.fullmatch(line)):
            yield _pnpm_pin(next(group for group in found.groups() if group is not None))


def _pnpm_pin(key: str) -> Pin:
    """`/name/1.0_peer`, `/name@1.0(peer)` or `name@1.0`, with or without a scope; or a local path."""
    if key.startswith(_LOCAL):
        return Pin(name=key, version="", own=True)
    rest = key.removeprefix("/").partition("(")[0]
    scope, slash, bare = rest.partition("/") if rest.startswith("@") else ("", "", rest)
    at = next((place for place, sign in enumerate(bare) if sign in "@/" and place), -1)
    if at < 0:
        raise Doubt("lock_unreadable", f"has a package {key[:80]!r} without a version")
    version = bare[at + 1 :]
    if bare[at] == "/":
        version = version.partition("_")[0]
    return Pin(name=f"{scope}{slash}{bare[:at]}", version=version, own=version.startswith(_LOCAL))


def yarn(text: str) -> Iterator[Pin]:
    """Blocks that begin with what was asked for (`"a@^1", "a@~1.2":`) and say which version that is."""
    if "# yarn lockfile v1" not in text and not re.search(r"^__metadata:", text, re.MULTILINE):
        raise Doubt("lock_unreadable", "is no lockfile of yarn")
    asked = ""
    for line in text.splitlines():
        if line and not line[0].isspace() and line[0] not in "#:":
            asked = "" if line.startswith("__metadata") else line.removeprefix("? ").removesuffix(":")
        elif asked and (found := _YARN_VERSION.fullmatch(line)):
            yield _yarn_pin(asked, found[1])
            asked = ""


def _yarn_pin(asked: str, version: str) -> Pin:
    first = asked.replace('"', "").split(",")[0].strip()
    at = first.find("@", 1)
    if at < 0:
        raise Doubt("lock_unreadable", f"asks for {first[:80]!r} without saying which version")
    return Pin(name=first[:at], version=version, own=first[at + 1 :].startswith(_LOCAL))


def go_sum(text: str) -> Iterator[Pin]:
    """Modules whose files are used; those of which only the go.mod is read decide nothing here."""
    for line in text.splitlines():
        found = _GO_SUM.fullmatch(line.strip())
        if found is None and line.strip():
            raise Doubt("lock_unreadable", "has a line that is no checksum")
        if found is not None and not found[3]:
            yield Pin(name=found[1], version=found[2])


def bundler(text: str) -> Iterator[Pin]:
    """Gems below `specs:` of every source; those of PATH are the repository's own."""
    section = ""
    known = False
    for line in text.splitlines():
        if line and not line[0].isspace():
            section = line.strip()
            known = known or section in {"GEM", "DEPENDENCIES"}
        elif section in {"GEM", "GIT", "PATH"} and (found := _GEM.fullmatch(line.rstrip())):
            # a platform follows a dash, which no version of a gem holds
            yield Pin(name=found[1], version=found[2].partition("-")[0], own=section == "PATH")
    if not known:
        raise Doubt("lock_unreadable", "has neither gems nor dependencies")


def requirements(text: str) -> Iterator[Pin]:
    """What pip-tools pins; options, hashes and comments say nothing about packages."""
    for line in text.splitlines():
        found = _REQUIREMENT.match(line)
        if found is not None:
            yield Pin(name=python_name(found[1]), version=found[2] or found[3] or "")
        elif line.strip() and not line.lstrip().startswith(("#", "-", "\\")):
            raise Doubt("lock_unreadable", "has a line that pins nothing")
