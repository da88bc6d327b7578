"""Which of two versions is the lower one, where that is sure in every ecosystem that is read here.

Numbers come first, then whether it is a release or what leads up to one (`1.2.0-rc.1`, `1.2rc1`, `1.2.dev3`), then
the rest piece by piece. What is written otherwise (a url, a commit id) has no order.
"""

import re
from collections.abc import Iterable

_Piece = tuple[int, int, str]
_Key = tuple[int, tuple[int, ...], int, tuple[_Piece, ...]]

_VERSION = re.compile(r"v?(?:(\d{1,9})!)?(\d{1,18}(?:\.\d{1,18}){0,9})(?!\.?\d)([\w.~-]*)(?:\+.*)?", re.ASCII)
_BEFORE = re.compile(r"-|[._]?(?:a|b|c|rc|alpha|beta|pre|preview|dev)(?:[._-]?\d|\d|$)", re.ASCII)
_PIECES = re.compile(r"\d{1,18}|[A-Za-z]+", re.ASCII)
_LONGEST = 200  # characters of what is taken for a version


def below(one: str, other: str) -> bool:
    """Whether `one` is surely lower than `other`."""
    left, right = _key(one), _key(other)
    return left is not None and right is not None and left < right


def highest(versions: Iterable[str]) -> str:
    """The highest of them; "" where they have no order among each other, or there is none."""
    known = list(versions)
    keys = [key for version in known if (key := _key(version)) is not None]
    if not keys or len(keys) < len(known):
        return ""
    return known[keys.index(max(keys))]


def _key(version: str) -> _Key | None:
    found = _VERSION.fullmatch(version.strip()) if len(version) <= _LONGEST else None
    if found is None:
        return None
    epoch, numbers, rest = found.groups()
    release = [int(number) for number in numbers.split(".")]
    while release and release[-1] == 0:
        release.pop()
    return (
        int(epoch or 0),
        tuple(release),
        0 if _BEFORE.match(rest.lower()) else 1,
        tuple(_piece(piece) for piece in _PIECES.findall(rest.lower())),
    )


def _piece(text: str) -> _Piece:
    """Numbers are compared as such, and come before words."""
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)
