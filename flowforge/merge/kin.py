"""An entry that one side added with the version that its kin had, all of which the other side raised.

Packages of one family are released together and ask for each other in one version. Who adds one of them copies the
version of the others; where the other side has raised all of these to one new version since, the added one belongs
to it, too: people write it so. Kin is what has the same first word of its name and had the same value.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from flowforge.core.conflict import Conflict, Hunk
from flowforge.merge.keyed import Block, Entry, Key, Span, by_key
from flowforge.merge.sides import Texts

_FAMILY = re.compile(r"""["']?(@?[A-Za-z0-9]+)[/:._-]""")
_NUMBER = re.compile(rb"\d")
_ATTRIBUTE = re.compile(rb"""\sVersion=["']([^"']+)["']""")
_DEEPEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """One value to write anew: on which side (1 upstream, 2 the commit), where, and as what."""

    side: int
    span: Span
    value: bytes


def raised(conflict: Conflict, texts: Texts, blocks: Sequence[Block]) -> tuple[Conflict, frozenset[int]]:
    """The conflict with added entries in the version that their kin has now, and the hunks that it concerns."""
    found: dict[int, list[Raise]] = {}
    starts = [sorted((span[0], span[1], index) for index, span in row.items()) for row in texts.hunks]
    for one in _raises(*blocks, depth=0) if texts.hunks else ():
        at = bisect_right(starts[one.side], (one.span[0], len(texts.texts[one.side]) + 1, 0)) - 1
        if at >= 0 and one.span[1] <= starts[one.side][at][1]:
            found.setdefault(starts[one.side][at][2], []).append(one)
    if not found:
        return conflict, frozenset()
    segments = tuple(
        _written(s, texts, found[s.index]) if isinstance(s, Hunk) and s.index in found else s
        for s in conflict.segments
    )
    return replace(conflict, segments=segments), frozenset(found)


def _written(segment: Hunk, texts: Texts, raises: Sequence[Raise]) -> Hunk:
    for one in sorted(raises, key=lambda one: one.span, reverse=True):
        at = texts.hunks[one.side][segment.index][0]
        side = {1: segment.upstream, 2: segment.commit}[one.side]
        side = side[: one.span[0] - at] + one.value + side[one.span[1] - at :]
        segment = replace(segment, upstream=side) if one.side == 1 else replace(segment, commit=side)
    return segment


def _raises(base: Block, upstream: Block, commit: Block, *, depth: int) -> Iterator[Raise]:
    if not (base.keyed and upstream.keyed and commit.keyed) or depth > _DEEPEST:
        return
    rows = [by_key(block) for block in (base, upstream, commit)]
    yield from _added(rows[0], rows[2], rows[1], 2)
    yield from _added(rows[0], rows[1], rows[2], 1)
    for key, entry in rows[0].items():
        there = [entry, rows[1].get(key), rows[2].get(key)]
        values = {one.value for one in there if one}
        if len(values) > 1 and all(one and one.inside for one in there):
            inner = [one.inside() for one in there if one and one.inside]
            if inner[0] and inner[1] and inner[2]:
                yield from _raises(inner[0], inner[1], inner[2], depth=depth + 1)


def _added(
    base: Mapping[Key, Entry], adding: Mapping[Key, Entry], raising: Mapping[Key, Entry], side: int
) -> Iterator[Raise]:
    """What `adding` put in with a value that all of its kin had before `raising` wrote them anew, and alike."""
    kin: dict[tuple[str, bytes], set[bytes]] = {}
    for key, old in base.items():
        said = _said(old)
        now = _said(raising.get(key)) if _said(adding.get(key)) == said else b""
        kin.setdefault((_family(old), said), set()).add(now)
    for key, entry in adding.items():
        family, at = _family(entry), _version_of(entry)
        said = entry.body[slice(*at)]
        if key in base or key in raising or not family or not _NUMBER.search(said):
            continue
        versions = kin.get((family, said), set())
        if len(versions) == 1 and not versions & {b"", said}:
            start = entry.span[0] + len(entry.lead)
            yield Raise(side=side, span=(start + at[0], start + at[1]), value=next(iter(versions)))


def _family(entry: Entry) -> str:
    found = _FAMILY.match(entry.name.rpartition(" ")[2])
    return found[1] if found else ""


def _said(entry: Entry | None) -> bytes:
    return entry.body[slice(*_version_of(entry))] if entry else b""


def _version_of(entry: Entry) -> Span:
    """Where an entry's body holds its value; an element without any has it in an attribute."""
    found = None if entry.value else _ATTRIBUTE.search(entry.head)
    return found.span(1) if found else (len(entry.head), len(entry.head) + len(entry.value))
