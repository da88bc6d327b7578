"""Versions by the order of their ecosystem, and which of two bumps of one version stands.

The larger one, but only where both sides moved forward and wrote it alike: same name, same operator. A side that
went back, a range of several bounds, or a version that its ecosystem does not order is a person's.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePosixPath

from packaging.version import InvalidVersion, Version

Ranked = tuple[object, ...]
Order = Callable[[str], Ranked | None]  # None: not a version that can be ordered

_SEMANTIC = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(\+[0-9A-Za-z.-]+)?")
_MAVEN = re.compile(r"(\d+(?:\.\d+)*)(?:[.-]([0-9A-Za-z.-]+))?")
_NUMBER = r"v?\d+(?:\.\d+)+(?:[-+.]?[0-9A-Za-z]+(?:[.-][0-9A-Za-z]+)*)?"
_WRITTEN = re.compile(
    rf"""(?P<before>["']?(?:[A-Za-z@][\w./:@\[\]-]*?[\s:@]*)?(?P<operator>===|==|~=|>=|\^|~>|~)?\s*)"""
    rf"""(?P<version>{_NUMBER})(?P<behind>\s*["']?\s*(?:;.*)?)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A version as it stands in a value: what is around it must be the same on all sides."""

    before: str
    version: str
    behind: str


def written(value: str) -> Written | None:
    """One version with its operator and quotes; None for anything else, several bounds among it."""
    found = _WRITTEN.fullmatch(value)
    if found is None:
        return None
    return Written(before=found["before"], version=found["version"], behind=found["behind"])


def larger(base: str, upstream: str, commit: str, order: Order) -> str | None:
    """Which of two values that each hold a version stands; None where they cannot be ordered."""
    sides = [written(value) for value in (base, upstream, commit)]
    old, one, two = sides
    if old is None or one is None or two is None:
        return None
    if len({(side.before, side.behind) for side in (old, one, two)}) > 1:
        return None
    kept = larger_version(old.version, one.version, two.version, order)
    return None if kept is None else one.before + kept + one.behind


def larger_version(base: str, upstream: str, commit: str, order: Order) -> str | None:
    """The three-way choice of a bare version; the larger where both moved forward."""
    if base == upstream == commit:
        return base
    old, one, two = order(base), order(upstream), order(commit)
    if old is None or one is None or two is None or (one == two and upstream != commit):
        return None
    if one < old or two < old:
        return None  # a side went back on purpose: that is a decision, not a bump
    return upstream if one >= two else commit


def pep440(version: str) -> Ranked | None:
    try:
        parsed = Version(version)
    except InvalidVersion:
        return None
    return None if parsed.local else (parsed,)


def semver(version: str) -> Ranked | None:
    """Precedence by semver.org; a missing third number is 0. What stands behind a plus is not ordered."""
    found = _SEMANTIC.fullmatch(version)
    if not found or found.group(5):
        return None
    return _semantic(found)


def go(version: str) -> Ranked | None:
    """As semver, with Go's pseudo-versions, whose time stands in the pre-release, and `+incompatible`."""
    found = _SEMANTIC.fullmatch(version)
    if not found or found.group(5) not in {None, "+incompatible"}:
        return None
    return _semantic(found)


def _semantic(found: re.Match[str]) -> Ranked:
    numbers = tuple(int(n or 0) for n in found.group(1, 2, 3))
    before = found.group(4)
    if before is None:
        return (*numbers, 1)
    rank = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in before.split("."))
    return (*numbers, 0, rank)


_QUALIFIERS = {"alpha": 0, "a": 0, "beta": 1, "b": 1, "milestone": 2, "m": 2, "rc": 3, "cr": 3, "snapshot": 4}
_RELEASES = frozenset({"final", "ga", "release"})
_QUALIFIER = re.compile(r"([A-Za-z]+)[.-]?(\d*)")
_RELEASED = (len(_QUALIFIERS), 0)


def maven(version: str) -> Ranked | None:
    """Numbers, then alpha < beta < M < RC < SNAPSHOT < released; a qualifier of another kind is not ordered.

    A flavour such as `-jre` has no place in that order either.
    """
    found = _MAVEN.fullmatch(version)
    if not found:
        return None
    numbers = [int(n) for n in found.group(1).split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    rank = _qualified(found.group(2) or "")
    return None if rank is None else (tuple(numbers), rank)


def _qualified(text: str) -> tuple[int, int] | None:
    lowered = text.lower()
    if not text or lowered in _RELEASES:
        return _RELEASED
    if lowered in {"build-snapshot", "build.snapshot"}:
        return (_QUALIFIERS["snapshot"], 0)
    found = _QUALIFIER.fullmatch(lowered)
    if not found or found.group(1) not in _QUALIFIERS:
        return None
    return (_QUALIFIERS[found.group(1)], int(found.group(2) or 0))


_ORDERS: tuple[tuple[Order, tuple[str, ...]], ...] = (
    (
        pep440,
        (
            "pyproject.toml",
            "setup.cfg",
            "setup.py",
            "requirements*.txt",
            "requirements*.in",
            "requirements/**/*.txt",
            "requirements/*.txt",
            "requirements/**/*.in",
            "requirements/*.in",
            "constraints*.txt",
            "Pipfile",
        ),
    ),
    (go, ("go.mod",)),
    (semver, ("package.json", "Cargo.toml")),
    (
        maven,
        (
            "pom.xml",
            "*.gradle",
            "*.gradle.kts",
            "gradle.properties",
            "*.versions.toml",
            "dependencies.properties",
            "versions.properties",
        ),
    ),
)


def order_of(path: str) -> Order | None:
    """The order by which a manifest's versions are compared; None where the path is no known manifest."""
    place = PurePosixPath(path)
    return next((order for order, globs in _ORDERS if any(place.match(glob) for glob in globs)), None)


def went_back(base: str, new: str) -> bool:
    """Whether a value is a version that one side put back: a decision of its time, seldom one of a merge's."""
    old, now = (_BARE.fullmatch(text.strip()) for text in (base, new))
    if old is None or now is None:
        return False
    pairs = zip_longest(_DIGITS.findall(old[0]), _DIGITS.findall(now[0]), fillvalue="0")
    before, after = zip(*((int(a), int(b)) for a, b in pairs), strict=True)
    return after < before


_BARE = re.compile(r"""["']?[~^=<>!]{0,3}\s*v?\d+(?:\.\d+)+[^\s"']*["']?""")
_DIGITS = re.compile(r"\d+")
