"""What documents say, without their text: read by the real parsers, merged by three ways.

This is the second opinion on every document that is merged as text: it shares no code with it, and where the two
differ the conflict stands. Mappings merge by key, sequences in order, and what both sides changed is a clash.
"""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from flowforge.merge.doubt import Doubt
from flowforge.merge.lines import Changed, diff3

Data = object
Path = tuple[str, ...]
ItemKey = Callable[[str], Hashable]  # of an item in a list that is a set
_MISSING = object()
IDENTITIES = ("id", "name")


@dataclass(frozen=True, kw_only=True)
class DataMerge:
    """How to merge: which scalar stands where both sides changed it, and which lists are sets."""

    choose: Callable[[str | None, str, str], str | None]  # without a base, both added it
    item_key: Callable[[Path], ItemKey | None]

    def merged(self, base: Data, upstream: Data, commit: Data, path: Path = ()) -> Data:
        """The merged data.

        Raises:
            Doubt: `clash`, where both sides changed one thing.
        """
        if same(upstream, commit) or same(base, commit):
            return upstream
        if same(base, upstream):
            return commit
        if isinstance(upstream, Mapping) and isinstance(commit, Mapping):
            return self._mapping(base if isinstance(base, Mapping) else {}, upstream, commit, path)
        if isinstance(base, list) and isinstance(upstream, list) and isinstance(commit, list):
            key = self.item_key(path)
            if key is not None:
                return self._set(base, upstream, commit, key, path)
            return self._sequence(base, upstream, commit, path)
        if isinstance(base, str | None) and isinstance(upstream, str) and isinstance(commit, str):
            kept = self.choose(base, upstream, commit)
            if kept is not None:
                return kept
        raise _clash(path)

    def _mapping(
        self, base: Mapping[object, Data], one: Mapping[object, Data], two: Mapping[object, Data], path: Path
    ) -> Data:
        merged: dict[object, Data] = {}
        for key in [*one, *(key for key in two if key not in one)]:
            old, up, own = (side.get(key, _MISSING) for side in (base, one, two))
            if up is _MISSING or own is _MISSING:
                there = up if own is _MISSING else own
                if old is _MISSING:
                    merged[key] = there
                elif not same(there, old):
                    raise _clash((*path, str(key)))
                continue
            merged[key] = self.merged(None if old is _MISSING else old, up, own, (*path, str(key)))
        return merged

    def _set(
        self, base: Sequence[Data], one: Sequence[Data], two: Sequence[Data], key: ItemKey, path: Path
    ) -> Data:
        sides = [keyed_items(side, key) for side in (base, one, two)]
        merged = self._mapping(sides[0], sides[1], sides[2], path)
        return list(merged.values()) if isinstance(merged, Mapping) else merged

    def _sequence(self, base: Sequence[Data], one: Sequence[Data], two: Sequence[Data], path: Path) -> Data:
        merged: list[Data] = []
        for chunk in diff3(*([identity(item) for item in side] for side in (base, one, two))):
            b, u, c = base[chunk.base], one[chunk.upstream], two[chunk.commit]
            if chunk.changed is Changed.NOBODY:
                merged += [
                    self.merged(old, up, own, (*path, str(place)))
                    for place, (old, up, own) in enumerate(zip(b, u, c, strict=True))
                ]
            elif chunk.changed is Changed.UPSTREAM and same(list(b), list(c)):
                merged += u
            elif chunk.changed is Changed.COMMIT and same(list(b), list(u)):
                merged += c
            elif chunk.changed is Changed.BOTH and same(list(u), list(c)):
                merged += u
            else:
                raise _clash(path)
        return merged


def _clash(path: Path) -> Doubt:
    return Doubt("clash", f"both sides changed what {'.'.join(path)[:80] or 'the document'} says")


def keyed_items(items: Sequence[Data], key: ItemKey) -> Mapping[object, Data]:
    """The items of a set by their keys.

    Raises:
        Doubt: `duplicate`.
    """
    found = {(key(item) if isinstance(item, str) else frozen(item)): item for item in items}
    if len(found) != len(items):
        raise Doubt("duplicate", "an item of a list stands twice")
    return found


def identity(item: Data) -> Hashable:
    """What tells an item of a sequence from others: an id or name that it has, else all of it."""
    if isinstance(item, Mapping):
        for word in IDENTITIES:
            if isinstance(item.get(word), str):
                return (word, item[word])
    return frozen(item)


def frozen(data: Data) -> Hashable:
    """The data as one hashable value; mappings without their order, numbers with their type."""
    if isinstance(data, Mapping):
        return ("{}", frozenset((frozen(key), frozen(value)) for key, value in data.items()))
    if isinstance(data, (list, tuple)):
        return ("[]", tuple(frozen(item) for item in data))
    return (type(data).__name__, repr(data))


def same(one: Data, two: Data) -> bool:
    return one is two or frozen(one) == frozen(two)


def read_json(text: bytes) -> Data:
    """JSON as its own parser reads it.

    Raises:
        ValueError: no JSON, or a key stands twice.
    """
    return json.loads(text, object_pairs_hook=unique)


def unique(pairs: Sequence[tuple[str, object]]) -> Mapping[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)
