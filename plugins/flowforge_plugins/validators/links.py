"""What a source file needs of other files of its project, and what it offers them, in one form for every language."""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Need:
    """A name (or, where it is "", the file as a whole) that a line needs from a place.

    `places` are paths without their ending that would serve, of files or folders, as the language looks for them:
    whole ones, or with a leading "*/" the last parts of one.
    """

    places: tuple[str, ...]
    name: str
    line: int
    says: str  # the module as it is written
    certain: bool = True


@dataclass(frozen=True, kw_only=True)
class Links:
    needs: Sequence[Need] = ()
    offers: Mapping[str, int] = field(default_factory=dict)  # name -> line of its definition
    anything: bool = False  # a wildcard, a base class, a hook: more may be offered than can be seen


LinksOf = Callable[[str, bytes], Links | None]  # (path, text); None where it does not parse


def bare(path: str, index: Sequence[str] = ()) -> tuple[str, ...]:
    """The places at which a file can be had: its path without ending, and its folder where it is an index."""
    stem, _ending = posixpath.splitext(path)
    folder, name = posixpath.split(stem)
    return (stem, folder) if name in index else (stem,)


def serves(need: Need, places: Sequence[str]) -> bool:
    return any(_fits(wanted, place) for wanted in need.places for place in places)


def _fits(wanted: str, place: str) -> bool:
    if wanted.startswith("*/"):
        return place == wanted[2:] or place.endswith(wanted[1:])
    return place == wanted
