"""Three blocks of entries into one: upstream's text is the ground, the commit's changes are put into it.

A place that cannot be decided keeps upstream's text and is noted as open, with where it stands on each side, so
that the caller can leave its hunks to a person and answer the others.
"""

from bisect import insort
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from flowforge.merge.doubt import Doubt
from flowforge.merge.keyed import DOCUMENT, Block, Entry, Key, Printed, Span, by_key, printed
from flowforge.merge.lines import Changed, Chunk, diff3, merge_lines

_MAX_DEPTH = 100
_NOWHERE = (-1, -1)
Choose = Callable[
    [bytes | None, bytes, bytes], bytes | None
]  # base (None: added), upstream, commit -> what stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands, in base, upstream and commit."""

    spans: tuple[Span, Span, Span]
    doubt: Doubt | None = None  # None: a version was chosen here


@dataclass(kw_only=True)
class Merger:
    """Merges the blocks of one document; its lists of places fill up on the way."""

    tick: Callable[[], None]
    choose: Choose
    forward: Callable[[bytes, bytes, str], None]
    open: list[Place] = field(default_factory=list)
    chosen: list[Place] = field(default_factory=list)
    met: list[Place] = field(default_factory=list)  # chosen, where both sides added it
    removed: tuple[list[Place], list[Place]] = field(
        default_factory=lambda: ([], [])
    )  # by upstream, the commit
    added: tuple[list[Place], list[Place]] = field(default_factory=lambda: ([], []))

    def block(self, base: Block | None, upstream: Block, commit: Block, depth: int = 0) -> bytes:
        """The merged text of a block; `base` is None where both sides added it.

        Raises:
            Doubt: the block as a whole cannot be merged, or time is up (`out_of_time`).
        """
        self.tick()
        if depth > _MAX_DEPTH:
            raise Doubt("out_of_time", "the document is too deep to be merged")
        keyed = upstream.keyed and commit.keyed and (base is None or base.keyed)
        merge = _Keyed if keyed else _Sequence
        return merge(self, base or _empty(upstream), upstream, commit, depth).text()

    def entry(self, base: Entry | None, upstream: Entry, commit: Entry, depth: int) -> Printed:
        """One entry that both sides have; upstream's as it stands where they cannot be reconciled."""
        try:
            old = base or commit
            value = self._value(base, upstream, commit, depth)
            parts = [_layout(old.head, upstream.head, commit.head, upstream.name), value]
            parts.append(_layout(old.tail, upstream.tail, commit.tail, upstream.name))
            lead = _lead(old.lead, upstream.lead, commit.lead, upstream.name)
            after = _layout(old.after, upstream.after, commit.after, upstream.name)
        except Doubt as doubt:
            if doubt.why == "out_of_time":
                raise
            self.leave(doubt, base.span if base else commit.span, upstream.span, commit.span)
            return as_it_is(upstream)
        return Printed(key=upstream.key, lead=lead, body=b"".join(parts), after=after)

    def leave(self, doubt: Doubt, base: Span, upstream: Span, commit: Span) -> None:
        self.open.append(Place(spans=(base, upstream, commit), doubt=doubt))

    def _value(self, base: Entry | None, upstream: Entry, commit: Entry, depth: int) -> bytes:
        if base is None:
            return self._both_added(upstream, commit, depth)
        old, one, two = base.value, upstream.value, commit.value
        if one in {two, old} or two == old:
            changed = two if one in {two, old} else one
            self.forward(old, changed, upstream.name)
            return changed
        blocks = [entry.inside() if entry.inside else None for entry in (base, upstream, commit)]
        if blocks[0] and blocks[1] and blocks[2]:
            return self.block(blocks[0], blocks[1], blocks[2], depth + 1)
        kept = self.choose(old, one, two)
        if kept is None:
            raise Doubt("same_key", f"both sides gave {upstream.name} a value of their own")
        self.chosen.append(Place(spans=(base.span, upstream.span, commit.span)))
        return kept

    def _both_added(self, upstream: Entry, commit: Entry, depth: int) -> bytes:
        """Alike, or whole documents: two texts that meet for the first time may share no key."""
        if upstream.says(commit):
            return upstream.value
        one, two = (entry.inside() if entry.inside else None for entry in (upstream, commit))
        kept = None if one or two else self.choose(None, upstream.value, commit.value)
        if kept is not None:
            self.met.append(Place(spans=(_NOWHERE, upstream.span, commit.span)))
            return kept
        if upstream.key != DOCUMENT or one is None or two is None:
            raise Doubt("same_key", f"both sides added {upstream.name}, differently")
        return self.block(None, one, two, depth + 1)


@dataclass(kw_only=False)
class _Keyed:
    """Entries by key, in upstream's order."""

    merger: Merger
    base: Block
    upstream: Block
    commit: Block
    depth: int

    def text(self) -> bytes:
        old, one, two = by_key(self.base), by_key(self.upstream), by_key(self.commit)
        _check_order(old, one, two)
        _check_replaced(old, one, two)
        self._note(old, one, two)
        kept: dict[Key, Printed] = {}
        for key, entry in one.items():
            known = self._kept(old.get(key), entry, two.get(key))
            if known is not None:
                kept[key] = known
        for key, entry in two.items():
            if key not in one and key in old and not entry.says(old[key]):
                doubt = _removed("upstream", entry.name, "the commit")
                self.merger.leave(doubt, old[key].span, _gap(self.upstream, old, key), entry.span)
        added = [key for key in two if key not in old and key not in one]
        order = _with_added(list(kept), added, old, one, two)
        _check_placed(order, old, one, two)
        kept |= {key: self._added(key, two, old, order) for key in added}
        block = _closed(self.base, self.upstream, self.commit)
        return printed(block, [kept[key] for key in order])

    def _note(self, old: Mapping[Key, Entry], one: Mapping[Key, Entry], two: Mapping[Key, Entry]) -> None:
        for side, mine, theirs in ((0, one, two), (1, two, one)):
            gone = [entry.span for key, entry in old.items() if key not in mine and key in theirs]
            self.merger.removed[side].extend(Place(spans=(span, _NOWHERE, _NOWHERE)) for span in gone)
            come = [entry.span for key, entry in mine.items() if key not in old and key not in theirs]
            self.merger.added[side].extend(
                Place(spans=(_NOWHERE, _NOWHERE if side else span, span if side else _NOWHERE))
                for span in come
            )

    def _kept(self, base: Entry | None, upstream: Entry, commit: Entry | None) -> Printed | None:
        if commit is not None:
            if upstream.body == commit.body == (base or commit).body and upstream.lead == commit.lead:
                return as_it_is(upstream)
            return self.merger.entry(base, upstream, commit, self.depth)
        if base is None:
            return as_it_is(upstream)
        if upstream.says(base):
            return None
        doubt = _removed("the commit", upstream.name, "upstream")
        gap = _gap(self.commit, by_key(self.base), upstream.key)
        self.merger.leave(doubt, base.span, upstream.span, gap)
        return as_it_is(upstream)

    def _added(
        self, key: Key, two: Mapping[Key, Entry], old: Mapping[Key, Entry], order: Sequence[Key]
    ) -> Printed:
        """A new entry of the commit; it brings no second blank line where one stood and moved before it."""
        entry = two[key]
        place = order.index(key)
        keys = list(two)
        following = keys[keys.index(key) + 1 :][:1]
        moved = bool(following) and following[0] in old and _blank(old[following[0]].lead)
        moved = moved and not _blank(two[following[0]].lead) and place > 0 and order[place - 1] not in two
        lead = entry.lead.lstrip(b"\r\n") if moved and not self.upstream.between else entry.lead
        return Printed(key=key, lead=lead, body=entry.body, after=entry.after)


def as_it_is(entry: Entry) -> Printed:
    return Printed(key=entry.key, lead=entry.lead, body=entry.body, after=entry.after)


def _empty(block: Block) -> Block:
    return Block(entries=(), span=(0, 0), between=block.between, keyed=block.keyed)


def _blank(lead: bytes) -> bool:
    return lead[:1] in {b"\n", b"\r"}


def _removed(who: str, name: str, other: str) -> Doubt:
    return Doubt("deleted_and_changed", f"{who} removed {name}, which {other} changed")


def _gap(block: Block, old: Mapping[Key, Entry], key: Key) -> Span:
    """Where a removed entry stood: between the nearest neighbours that are still there."""
    keys = list(old)
    place = keys.index(key)
    here = {entry.key: entry for entry in block.entries}
    before = next((here[k].span[1] for k in reversed(keys[:place]) if k in here), block.span[0])
    after = next((here[k].span[0] for k in keys[place + 1 :] if k in here), block.span[1])
    return (min(before, after), max(before, after))


def _check_order(old: Mapping[Key, Entry], one: Mapping[Key, Entry], two: Mapping[Key, Entry]) -> None:
    """What the commit only put into another order would be lost, as upstream's order is the ground."""
    shared = [key for key in old if key in one and key in two]
    known = set(shared)
    if [key for key in two if key in known] != shared and list(one) != list(two):
        raise Doubt("reordered", "the commit put entries into another order")


def _check_replaced(old: Mapping[Key, Entry], one: Mapping[Key, Entry], two: Mapping[Key, Entry]) -> None:
    """Both took the same entry away and put others: most likely one thing, renamed twice."""
    gone = [key for key in old if key not in one and key not in two]
    mine = [entry for key, entry in one.items() if key not in old and key not in two]
    theirs = [entry for key, entry in two.items() if key not in old and key not in one]
    if gone and mine and theirs:
        name = old[gone[0]].name
        raise Doubt("both_replaced", f"both sides replaced {name}, each by something else")


def _check_placed(
    order: Sequence[Key], old: Mapping[Key, Entry], one: Mapping[Key, Entry], two: Mapping[Key, Entry]
) -> None:
    for key, after in pairwise(order):
        pair = (key in one, after in one)
        if key in old or after in old or pair[0] == pair[1] or (key in two and after in two):
            continue
        if (one.get(key) or two[key]).placed and (one.get(after) or two[after]).placed:
            raise Doubt(
                "same_place", "both sides added something at one place, where the order has a meaning"
            )


def _with_added(
    kept: list[Key],
    added: Sequence[Key],
    old: Mapping[Key, Entry],
    one: Mapping[Key, Entry],
    two: Mapping[Key, Entry],
) -> list[Key]:
    """Where the commit's new entries stand: in order where entries are sorted, else after the one they followed."""
    order, new = list(kept), set(added)
    names = {key: (one.get(key) or two[key]).name for key in [*kept, *added]}
    rank = _sorting([names[key] for key in kept], [entry.name for entry in two.values()])
    if rank is not None:
        for key in added:
            insort(order, key, key=lambda other: rank(names[other]))
        return order
    before = _before(added, set(kept), two)
    for key in added:
        at = order.index(before[key]) + 1 if before[key] is not None else 0
        while at < len(order) and order[at] not in old and order[at] not in new:
            at += 1  # upstream's additions at the same place come first
        order.insert(at, key)
    return order


def _before(
    added: Sequence[Key], kept: Collection[Key], two: Mapping[Key, Entry]
) -> Mapping[Key, Key | None]:
    """The commit's entry that each new one follows there, of those that stand already."""
    new, last, found = set(added), None, dict[Key, Key | None]()
    for key in two:
        if key in new:
            found[key] = last
        if key in new or key in kept:
            last = key
    return found


def _sorting(*rows: Sequence[str]) -> Callable[[str], str] | None:
    """By what the rows are sorted, where they are."""
    for rank in (str, str.lower):
        if all(len(row) > 1 and list(row) == sorted(row, key=rank) for row in rows):
            return rank
    return None


def _layout(base: bytes, upstream: bytes, commit: bytes, name: str) -> bytes:
    """What stands around a value: comments, indentation, the way a key is written."""
    if upstream in {commit, base} or commit == base:
        return commit if upstream == base else upstream
    if base.split() == commit.split():
        return upstream
    if base.split() == upstream.split():
        return commit
    raise Doubt("layout", f"both sides changed what stands around {name}")


def _lead(base: bytes, upstream: bytes, commit: bytes, name: str) -> bytes:
    """What leads an entry; blank lines alone are no change of it, as an entry may have come or gone before."""
    if upstream.split() == commit.split() == base.split():
        return upstream
    if b"\n" not in base + upstream + commit or upstream in {commit, base} or commit == base:
        return _layout(base, upstream, commit, name)
    merged = merge_lines(base, upstream, commit)
    return merged if merged is not None else _layout(base, upstream, commit, name)


def _closed(base: Block, upstream: Block, commit: Block) -> Block:
    """Upstream's block with the end that all three give it: comments may stand behind the last entry."""
    if not base.entries and not base.close:
        return upstream
    close = _lead(base.close, upstream.close, commit.close, "the end of a block")
    return replace(upstream, close=close)


@dataclass(kw_only=False)
class _Sequence:
    """Items whose order is told: one side's change at a time, as in lines."""

    merger: Merger
    base: Block
    upstream: Block
    commit: Block
    depth: int

    def text(self) -> bytes:
        blocks = self.base, self.upstream, self.commit
        rows = [block.entries for block in blocks]
        kept: list[Printed] = []
        for chunk in diff3(*([entry.key for entry in row] for row in rows)):
            kept += self._chunk(chunk, rows[0][chunk.base], rows[1][chunk.upstream], rows[2][chunk.commit])
        return printed(_closed(*blocks), kept)

    def _chunk(
        self, chunk: Chunk, base: Sequence[Entry], upstream: Sequence[Entry], commit: Sequence[Entry]
    ) -> Sequence[Printed]:
        if chunk.changed is Changed.NOBODY:
            threes = zip(base, upstream, commit, strict=True)
            return [self.merger.entry(b, u, c, self.depth) for b, u, c in threes]
        sides = {Changed.UPSTREAM: (upstream, commit), Changed.COMMIT: (commit, upstream)}
        changed, other = sides.get(chunk.changed, (upstream, commit))
        same = base if chunk.changed in sides else upstream
        if chunk.changed is Changed.CONFLICT or not _say_the_same(same, other):
            doubt = Doubt("same_key", "both sides changed items of a list at one place")
            spans = [_span(block, row) for block, row in self._sides(chunk)]
            self.merger.leave(doubt, *spans)
            return [as_it_is(entry) for entry in upstream]
        return [as_it_is(entry) for entry in changed]

    def _sides(self, chunk: Chunk) -> Sequence[tuple[Block, slice]]:
        return ((self.base, chunk.base), (self.upstream, chunk.upstream), (self.commit, chunk.commit))


def _say_the_same(one: Sequence[Entry], two: Sequence[Entry]) -> bool:
    return len(one) == len(two) and all(a.says(b) for a, b in zip(one, two, strict=True))


def _span(block: Block, row: slice) -> Span:
    entries = block.entries
    start = entries[row.start - 1].span[1] if 0 < row.start <= len(entries) else block.span[0]
    end = entries[row.stop].span[0] if row.stop < len(entries) else block.span[1]
    return (min(start, end), max(start, end))
