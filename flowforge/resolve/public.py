"""Counts over public repositories, each by itself, so that one can be left out where it is the one that is measured.

The file beside this module has the form that `python -m tests.bench.priors` writes, which counts as `flowforge calibrate`
does; what is shipped was counted by the same functions over samples of merges (`resolve.priors`). It holds numbers,
names of repositories and ids of commits, and no text of anybody's.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from flowforge.resolve.counts import Counts

FILE = "public.json"


@dataclass(frozen=True, kw_only=True)
class Public:
    """What one public repository's merges say. `roots`: its first commits, which every clone and fork shares."""

    name: str
    day: str  # on which it was counted
    head: str
    roots: tuple[str, ...]
    files: int  # conflicted files that were judged
    counts: Mapping[tuple[str, str], Counts]  # ("rung/rule", kind of file) -> hunks


@dataclass(frozen=True, kw_only=True)
class Measured:
    repositories: tuple[Public, ...]

    @property
    def day(self) -> str:
        """On which the first of them was counted."""
        return min((one.day for one in self.repositories), default="")

    def without(self, roots: Collection[str]) -> "Measured":
        """Those that share no first commit with a repository that has these."""
        return Measured(repositories=tuple(o for o in self.repositories if not set(roots) & set(o.roots)))


@cache
def measured() -> Measured:
    """The counts that are shipped."""
    return read_measured(files("flowforge.resolve").joinpath(FILE).read_text("utf-8"))


def read_measured(text: str) -> Measured:
    return Measured(repositories=tuple(map(_public, json.loads(text)["repositories"])))


def _public(row: Mapping[str, object]) -> Public:
    counts = row["counts"]
    assert isinstance(counts, dict)  # noqa: S101 (our own file; for the type checker)
    roots = row["roots"]
    assert isinstance(roots, list)  # noqa: S101
    return Public(
        name=str(row["name"]),
        day=str(row["measured"]),
        head=str(row["head"]),
        roots=tuple(map(str, roots)),
        files=int(str(row["files"])),
        counts={
            (rule, kind): Counts(right=right, total=total)
            for rule, kinds in counts.items()
            for kind, (right, total) in kinds.items()
        },
    )


def write_measured(found: Measured) -> str:
    """The file's text; the same counts make the same bytes."""
    rows = [
        {
            "name": one.name,
            "measured": one.day,
            "head": one.head,
            "roots": sorted(one.roots),
            "files": one.files,
            "counts": _nested(one.counts),
        }
        for one in sorted(found.repositories, key=lambda one: one.name)
    ]
    return json.dumps({"repositories": rows}, indent=1) + "\n"


def _nested(counts: Mapping[tuple[str, str], Counts]) -> Mapping[str, Mapping[str, list[int]]]:
    nested: dict[str, dict[str, list[int]]] = {}
    for (rule, kind), counted in sorted(counts.items()):
        nested.setdefault(rule, {})[kind] = [round(counted.right), round(counted.total)]
    return nested
