"""The records of `git merge-tree --write-tree -z --messages`, read as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from flowforge.core.conflict import Side

_SIDES = {1: Side.BASE, 2: Side.UPSTREAM, 3: Side.COMMIT}  # git's stages, upstream being its first branch


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One side's version of a path that git left open."""

    path: bytes
    mode: str
    oid: str
    side: Side


@dataclass(frozen=True, kw_only=True)
class Record:
    """One typed message: git's word for the kind, and the paths it is about."""

    kind: str
    paths: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The answer: a tree (with markers where it conflicts), open stages, messages."""

    tree: str
    stages: tuple[Stage, ...]
    records: tuple[Record, ...]
    conflicted: bool = False  # git's status; a few conflicts have messages and no stages


def parse_merge(out: bytes) -> Merged:
    """Take the whole output apart. For submodules git 2.39 appends advice for people; it is left out."""
    fields = out.split(b"\0")
    tree = fields[0].decode()
    at = 1
    stages = []
    while fields[at]:
        head, _, path = fields[at].partition(b"\t")
        mode, oid, stage = head.decode().split(" ")
        stages.append(Stage(path=path, mode=mode, oid=oid, side=_SIDES[int(stage)]))
        at += 1
    return Merged(tree=tree, stages=tuple(stages), records=tuple(_records(fields[at + 1 : -1])))


def _records(fields: Sequence[bytes]) -> list[Record]:
    found: list[Record] = []
    at = 0
    while at < len(fields) and fields[at].isdigit():
        count = int(fields[at])
        paths = tuple(fields[at + 1 : at + 1 + count])
        found.append(Record(kind=fields[at + 1 + count].decode("utf-8", "replace"), paths=paths))
        at += count + 3
    return found
