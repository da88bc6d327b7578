"""The orders of versions: one for each ecosystem, and the one that is sure in all of them.

All begin with the numbers. Then comes what leads up to a release (`1.2.0-rc.1`, `1.2rc1`, `1.2.dev3`), each
ecosystem by its own rules, and then the release. What is written otherwise (a url, a commit id) has no order.
Which of two bumps stands is decided in `versions`.
"""

import re
from collections.abc import Callable, Iterable

from packaging.version import InvalidVersion, Version

Ranked = tuple[object, ...]
Order = Callable[[str], Ranked | None]  # None: not a version that can be ordered

_SEMANTIC = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(\+[0-9A-Za-z.-]+)?")
_DOTTED = re.compile(r"v?(\d+(?:\.\d+){1,3})(?:-((?!p(?:l|atch)?[0-9]*$)[0-9A-Za-z.-]+))?")
_MAVEN = re.compile(r"(\d+(?:\.\d+)*)(?:[.-]([0-9A-Za-z.-]+))?")


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
    return (*(int(n or 0) for n in found.group(1, 2, 3)), *_leading_up(found.group(4)))


def dotted(version: str) -> Ranked | None:
    """NuGet's and Composer's: two to four numbers, and what leads up to a release as semver has it."""
    found = _DOTTED.fullmatch(version)
    return (_numbers(found.group(1)), *_leading_up(found.group(2))) if found else None


def _leading_up(text: str | None) -> Ranked:
    """A release stands behind all that led up to it."""
    if text is None:
        return (1,)
    return (0, tuple((0, int(p), "") if p.isdecimal() else (1, 0, p.lower()) for p in text.split(".")))


def _numbers(text: str) -> tuple[int, ...]:
    """Without the zeros at the end, which say nothing."""
    numbers = [int(number) for number in text.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


_QUALIFIERS = {"alpha": 0, "a": 0, "beta": 1, "b": 1, "milestone": 2, "m": 2, "rc": 3, "cr": 3, "snapshot": 4}
_RELEASES = frozenset({"final", "ga", "release"})
_QUALIFIER = re.compile(r"([A-Za-z]+)[.-]?(\d*)")
_RELEASED = (len(_QUALIFIERS), 0, 1)


def maven(version: str) -> Ranked | None:
    """Numbers, then alpha < beta < M < RC < SNAPSHOT < released; a qualifier of another kind is not ordered.

    A flavour such as `-jre` has no place in that order either.
    """
    found = _MAVEN.fullmatch(version)
    rank = _qualified(found.group(2) or "") if found else None
    return (_numbers(found.group(1)), rank) if found and rank else None


def _qualified(text: str) -> tuple[int, int, int] | None:
    """The kind, its number, and whether it is out: `rc-1-SNAPSHOT` leads up to `rc-1`."""
    lowered = text.lower()
    if not text or lowered in _RELEASES:
        return _RELEASED
    if lowered in {"build-snapshot", "build.snapshot"}:
        return (_QUALIFIERS["snapshot"], 0, 1)
    bare = lowered.removesuffix("-snapshot")
    found = _QUALIFIER.fullmatch(bare)
    if not found or found.group(1) not in _QUALIFIERS:
        return None
    return (_QUALIFIERS[found.group(1)], int(found.group(2) or 0), int(bare == lowered))


_Piece = tuple[int, int, str]
_Sure = tuple[int, tuple[int, ...], int, tuple[_Piece, ...]]
_VERSION = re.compile(r"v?(?:(\d{1,9})!)?(\d{1,18}(?:\.\d{1,18}){0,9})(?!\.?\d)([\w.~-]*)(?:\+.*)?", re.ASCII)
_BEFORE = re.compile(r"-|[._]?(?:a|b|c|rc|alpha|beta|pre|preview|dev)(?:[._-]?\d|\d|$)", re.ASCII)
_PIECES = re.compile(r"\d{1,18}|[A-Za-z]+", re.ASCII)
_LONGEST = 200  # characters of what is taken for a version


def surely(version: str) -> _Sure | None:
    """What holds in every ecosystem: the numbers, whether it is out, then the rest piece by piece."""
    found = _VERSION.fullmatch(version.strip()) if len(version) <= _LONGEST else None
    if found is None:
        return None
    epoch, numbers, rest = found.groups()
    out = 0 if _BEFORE.match(rest.lower()) else 1
    return (int(epoch or 0), _numbers(numbers), out, tuple(map(_piece, _PIECES.findall(rest.lower()))))


def _piece(text: str) -> _Piece:
    """Numbers are compared as such, and come before words."""
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)


def below(one: str, other: str) -> bool:
    """Whether `one` is surely lower than `other`."""
    left, right = surely(one), surely(other)
    return left is not None and right is not None and left < right


def gone_back(old: str, new: str) -> bool:
    """Whether a version was lowered: its numbers, or that of a candidate. What leads up to a release may change its
    word in any order (`-SNAPSHOT`, then `-RC1`).
    """
    before, after = surely(old), surely(new)
    if before is None or after is None:
        return False
    if before[:2] != after[:2]:
        return after[:2] < before[:2]
    words = [[word for _, _, word in rank[3]] for rank in (before, after)]
    return words[0] == words[1] and after[3] < before[3]


def highest(versions: Iterable[str]) -> str:
    """The highest of them; "" where they have no order among each other, or there is none."""
    known = [(surely(version), version) for version in versions]
    ranks = [rank for rank, _ in known if rank is not None]
    if not ranks or len(ranks) < len(known):
        return ""
    return known[ranks.index(max(ranks))][1]
