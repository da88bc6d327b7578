"""How the words that two sides changed in one place lie to each other: what tells a merge from a coin.

Strict merging of tokens shows only that no word was changed twice. Whether people kept both sides' changes
turned out to depend on four questions: did one side change the same words and more, did one side only lay the
text out anew, are the changes on one line or on neighbouring ones, and did a side add or replace.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from flowforge.merge.doubt import Doubt
from flowforge.merge.lines import Changed, Chunk
from flowforge.merge.tokens import Merged, Tokens

# Rules, the most doubtful first.
ONE_LINE = "words of one line"
TEXTS = "the same and more, in texts or comments"
REFORMATTED = "words of reformatted lines"
NEIGHBOURS = "words of neighbouring lines"
INDENTED = "words of indented lines"
FEW = "a word or two of each side"
ADDED = "lines added beside changed words"
MORE = "the same words and more"

BY_WORDS = frozenset({ONE_LINE, TEXTS, REFORMATTED, NEIGHBOURS, INDENTED, FEW, ADDED, MORE})

_A_WORD_OR_TWO = 2  # tokens: a name or a value, with its sign or bracket


class Layout(Enum):
    """What one side made of the whitespace before a word that it kept."""

    INDENT = "indent"  # at the beginning of a line
    BREAK = "break"  # a line joined or broken
    SPACES = "spaces"  # within a line, or blank lines


@dataclass(frozen=True)
class _Side:
    """What one side alone changed."""

    who: Changed
    tokens: Tokens
    part: Callable[[Chunk], slice]
    chunks: Sequence[Chunk]

    def put(self, chunk: Chunk) -> Tokens:
        return self.tokens[self.part(chunk)]

    @property
    def adds(self) -> bool:
        """It only adds words."""
        return all(chunk.base.start == chunk.base.stop for chunk in self.chunks)

    @property
    def removes(self) -> bool:
        """It only removes words."""
        return not any(self.put(chunk) for chunk in self.chunks)

    @property
    def size(self) -> int:
        """Tokens that it changes: the more of those that go and those that come, of each change."""
        return sum(max(len(self.put(c)), c.base.stop - c.base.start) for c in self.chunks)

    def atoms(self, base: Tokens) -> bool:
        """It changes nothing but texts and comments."""
        changed = [t for chunk in self.chunks for t in (*base[chunk.base], *self.put(chunk))]
        return bool(changed) and all(token.atom for token in changed)


def rule_of(merged: Merged) -> str:
    """The rule by which a place that was merged word by word is decided.

    Raises:
        Doubt: `reformatted`, `reindented`, `removed_beside`, `texts`, `both_added` or `one_line`: people kept
            both changes of such places too seldom.
    """
    base, upstream, commit = merged.sides
    sides = (
        _side(Changed.UPSTREAM, upstream, lambda chunk: chunk.upstream, merged.chunks),
        _side(Changed.COMMIT, commit, lambda chunk: chunk.commit, merged.chunks),
    )
    layout = set(_layout(merged.chunks, *merged.sides))
    told = any(side.atoms(base) for side in sides)
    if not all(side.chunks for side in sides):
        return _one_sided([side for side in sides if side.chunks], layout, told)
    if told:
        raise Doubt("texts", "one side changed only a text or comment beside what the other changed")
    if layout == {Layout.INDENT}:
        raise Doubt("reindented", "one side indented anew what both sides changed")
    rule = _two_sided(sides, _distance(base, *sides))
    return REFORMATTED if layout else rule


def _side(who: Changed, tokens: Tokens, part: Callable[[Chunk], slice], chunks: Sequence[Chunk]) -> _Side:
    return _Side(who, tokens, part, [chunk for chunk in chunks if chunk.changed is who])


def _one_sided(more: Sequence[_Side], layout: set[Layout], told: bool) -> str:
    """One side changed no word that the other left: it made the same changes, or a new layout."""
    if layout:
        if Layout.INDENT not in layout:
            raise Doubt(
                "reformatted", "one side only laid out anew the lines in which the other changed words"
            )
        return INDENTED if layout == {Layout.INDENT} else REFORMATTED
    if not more:
        return REFORMATTED
    if more[0].removes:
        raise Doubt("removed_beside", "one side only removed words beside what both changed alike")
    return TEXTS if told else MORE


def _two_sided(sides: tuple[_Side, _Side], distance: float) -> str:
    adding = [side for side in sides if side.adds]
    if distance % 1:
        return ADDED
    if len(adding) == len(sides):
        raise Doubt("both_added", "each side only added words to lines of one place")
    if not distance and (not adding or any(side.removes for side in sides)):
        raise Doubt("one_line", "both sides replaced words of one line")
    if all(side.size <= _A_WORD_OR_TWO for side in sides):
        return FEW
    return NEIGHBOURS if distance else ONE_LINE


def _layout(chunks: Sequence[Chunk], base: Tokens, upstream: Tokens, commit: Tokens) -> Iterator[Layout]:
    """What exactly one side did to the whitespace before words that it kept.

    Whitespace directly after what a side changed belongs to that change.
    """
    before: Changed | None = None
    for chunk in chunks:
        rows = list(zip(base[chunk.base], upstream[chunk.upstream], commit[chunk.commit], strict=False))
        kept = rows if chunk.changed is Changed.NOBODY else rows[:1]
        for place, (b, u, c) in enumerate(kept):
            changed = {chunk.changed, *([] if place else [before])}
            if Changed.BOTH in changed:
                continue
            if Changed.UPSTREAM not in changed and u.lead not in {b.lead, c.lead}:
                yield _moved(b.lead, u.lead)
            if Changed.COMMIT not in changed and c.lead not in {b.lead, u.lead}:
                yield _moved(b.lead, c.lead)
        before = chunk.changed


def _moved(old: bytes, new: bytes) -> Layout:
    lines = old.count(b"\n"), new.count(b"\n")
    if lines[0] == lines[1]:
        return Layout.INDENT if lines[0] else Layout.SPACES
    return Layout.SPACES if min(lines) else Layout.BREAK


def _distance(base: Tokens, one: _Side, two: _Side) -> float:
    """Lines between the nearest changes of the sides; a half where one of these adds whole lines."""
    lines: list[int] = []
    for token in base:
        lines.append((lines[-1] if lines else -1) + token.lead.count(b"\n"))
    ours, theirs = sorted(_touched(lines, one)), sorted(_touched(lines, two))
    return min(abs(a - b) for a in ours for b in theirs)


def _touched(lines: Sequence[int], side: _Side) -> set[float]:
    touched: set[float] = set()
    for chunk in side.chunks:
        if chunk.base.stop > chunk.base.start:
            touched.update(lines[chunk.base])
            continue
        before = lines[chunk.base.start - 1] if chunk.base.start else -1
        part = side.part(chunk)
        whole = all(b"\n" in side.tokens[at].lead for at in (part.start, part.stop))
        touched.add(
            before + 0.5 if whole else lines[chunk.base.start] if _begins_line(side, part) else before
        )
    return touched


def _begins_line(side: _Side, part: slice) -> bool:
    return b"\n" in side.tokens[part.start].lead
