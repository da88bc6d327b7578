"""Where the sides differ in version numbers only, in a known manifest, the larger version wins.

Right on 56 % of hunks everywhere, 92 % outside generated lockfiles: so manifests only, and versions only that
their ecosystem orders. A range, a pin against a range, or anything odd is left to a person.
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from packaging.version import InvalidVersion, Version

from flowforge.plugin import (
    Abstain,
    Candidate,
    Conflict,
    Hunk,
    HunkAnswer,
    ResolveContext,
    Resolver,
    hookimpl,
)

_PEP440 = ("pyproject.toml", "setup.cfg", "setup.py", "requirements*.txt", "requirements*.in", "Pipfile")
_SEMVER = ("package.json", "Cargo.toml", "go.mod", "pom.xml", "build.gradle", "build.gradle.kts")

# A version as it stands in a manifest: at least two numbers, so that bare counts never match.
_VERSION = re.compile(rb"(?<![\w.+-])v?\d+(?:\.\d+)+(?:[-+.]?[0-9A-Za-z]+(?:[.-][0-9A-Za-z]+)*)?(?![\w+])")
_SEMANTIC = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_RANGE = re.compile(rb"[<>!*|]|\.x\b|,\s*[<>=~^]")

_Key = tuple[object, ...]


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [
        Resolver(name="versions", rung="mechanical", load=f"{__name__}:resolve", globs=(*_PEP440, *_SEMVER))
    ]


def resolve(conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:  # noqa: ARG001 (the contract)
    """Answer each hunk whose sides differ in comparable version numbers only."""
    pep440 = any(PurePosixPath(conflict.path).match(glob) for glob in _PEP440)
    answers = [a for hunk in conflict.hunks if (a := _larger(hunk, pep440)) is not None]
    if answers:
        return Candidate(answers=tuple(answers))
    return Abstain(why="not_versions_only", sentence="the sides differ in more than plain version numbers")


def _larger(hunk: Hunk, pep440: bool) -> HunkAnswer | None:
    sides = [_VERSION.split(side) for side in (hunk.base, hunk.upstream, hunk.commit)]
    if not (sides[0] == sides[1] == sides[2]) or any(_RANGE.search(part) for part in sides[0]):
        return None
    versions = [_VERSION.findall(side) for side in (hunk.base, hunk.upstream, hunk.commit)]
    if not versions[0]:
        return None
    chosen = [_choose(*triple, pep440=pep440) for triple in zip(*versions, strict=True)]
    whole = [version for version in chosen if version is not None]
    if len(whole) != len(chosen):
        return None
    parts = [part for pair in zip(sides[1], [*whole, b""], strict=True) for part in pair]
    changed = [v.decode("latin-1") for v, before in zip(whole, versions[0], strict=True) if v != before]
    return HunkAnswer(
        index=hunk.index,
        text=b"".join(parts),
        rung="mechanical",
        rule="larger version",
        why=f"only versions differ; the larger one is kept ({', '.join(changed[:3])})",
    )


def _choose(base: bytes, upstream: bytes, commit: bytes, *, pep440: bool) -> bytes | None:
    """The three-way choice; the larger where both changed, None where they cannot be ordered."""
    if base == upstream == commit:
        return base
    old, one, two = (_key(version.decode("latin-1"), pep440) for version in (base, upstream, commit))
    if old is None or one is None or two is None or (one == two and upstream != commit):
        return None
    if one < old or two < old:
        return None  # a side went back on purpose: that is a decision, not a bump
    return upstream if one >= two else commit


def _key(version: str, pep440: bool) -> _Key | None:
    return _pep440(version) if pep440 else _semver(version)


def _pep440(version: str) -> _Key | None:
    try:
        parsed = Version(version)
    except InvalidVersion:
        return None
    return None if parsed.local else (parsed,)


def _semver(version: str) -> _Key | None:
    """Precedence by semver.org; a missing third number is 0. Maven's `.Final` and its kind are odd: None."""
    found = _SEMANTIC.fullmatch(version)
    if not found:
        return None
    numbers = tuple(int(n or 0) for n in found.group(1, 2, 3))
    before = found.group(4)
    if before is None:
        return (*numbers, 1)
    rank = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in before.split("."))
    return (*numbers, 0, rank)
