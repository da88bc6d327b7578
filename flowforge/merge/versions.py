"""Versions by the order of their ecosystem, and which of two bumps of one version stands.

The larger one, but only where both sides moved forward and wrote it alike: same name, same operator. A side that
went back, a range of several bounds, or a version that its ecosystem does not order is a person's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from flowforge.merge.releases import Order, Ranked, dotted, go, gone_back, maven, pep440, semver, surely

NUMBER = (
    r"(?:\d+(?:\.\d+)*\.v[0-9a-f_]{8,}"  # a count of changes, and the commit
    r"|v?\d+(?:\.\d+)+(?:[-+.]?[0-9A-Za-z]+(?:[.-][0-9A-Za-z]+)*)?)"  # two numbers: bare counts never match
)
_WRITTEN = re.compile(
    rf"""(?P<before>["']?(?:[A-Za-z@][\w./:@\[\]-]*?[\s:@]*)?(?P<operator>===|==|~=|>=|\^|~>|~)?\s*)"""
    rf"""(?P<version>{NUMBER})(?P<behind>(?:\.\*)?\s*["']?\s*(?:;.*)?)""",
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


def larger(base: str | None, upstream: str, commit: str, order: Order) -> str | None:
    """Which of two values that each hold a version stands; None where they cannot be ordered.

    Without a base both sides added it.
    """
    sides = [written(value) for value in (base or upstream, upstream, commit)]
    old, one, two = sides
    if old is None or one is None or two is None or len({(s.before, s.behind) for s in (old, one, two)}) > 1:
        return None
    if base is None:
        kept = _higher(one.version, two.version, order)
    else:
        kept = larger_version(old.version, one.version, two.version, order)
    return None if kept is None else one.before + kept + one.behind


def _higher(one: str, two: str, order: Order) -> str | None:
    lowest = min(((order(version), version) for version in (one, two) if order(version)), default=None)
    return larger_version(lowest[1], one, two, order) if lowest else None


def larger_version(base: str, upstream: str, commit: str, order: Order) -> str | None:
    """The three-way choice of a bare version; the larger where both moved forward.

    A flavour that all three have, such as `-jre`, is no part of the order.
    """
    if base == upstream == commit:
        return base
    old, one, two = _ranked((base, upstream, commit), order)
    if old is None or one is None or two is None or (one == two and upstream != commit):
        return None
    if one < old or two < old:
        return None  # a side went back on purpose: that is a decision, not a bump
    return upstream if one >= two else commit


_FLAVOURS = (
    re.compile(r"(?P<word>[.-][A-Za-z]+[.-]?)(?P<number>\d*)$"),
    re.compile(r"(?P<word>\.v)[0-9a-f_]{8,}(?P<number>)$"),
)


def _ranked(versions: Sequence[str], order: Order) -> list[Ranked | None]:
    """By the ecosystem's order; by what stands before a word that it does not know, but all three have."""
    ranks = [order(version) for version in versions]
    for flavour in _FLAVOURS if not any(ranks) else ():
        found = [flavour.search(version) for version in versions]
        words = {f["word"] for f in found if f}
        if all(found) and len(words) == 1:
            bare = [(order(f.string[: f.start()]), int(f["number"] or 0)) for f in found if f]
            return [(rank, number) if rank else None for rank, number in bare]
    return ranks


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
            "*.sbt",
        ),
    ),
    (
        dotted,
        ("*.csproj", "*.fsproj", "*.vbproj", "*.props", "*.targets", "packages.config", "composer.json"),
    ),
    (surely, ("Gemfile", "gems.rb", "*.gemspec")),
)


def order_of(path: str) -> Order | None:
    """The order by which a manifest's versions are compared; None where the path is no known manifest."""
    place = PurePosixPath(path)
    return next((order for order, globs in _ORDERS if any(place.match(glob) for glob in globs)), None)


def went_back(base: str, new: str) -> bool:
    """Whether a value is a version that one side put back: a decision of its time, seldom one of a merge's."""
    old, now = (_BARE.fullmatch(text.strip()) for text in (base, new))
    return old is not None and now is not None and gone_back(old[1], now[1])


_BARE = re.compile(r"""["']?[~^=<>!]{0,3}\s*(v?\d+(?:\.\d+)+[^\s"']*)["']?""")
