"""Strict three-way merge of tokens: for edits of both sides on one line, or on neighbouring ones.

Strict means: edits of the two sides that touch are a conflict. Tokens are compared without the whitespace
before them; that is merged by itself, so reformatting by one side survives an edit by the other.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from flowforge.merge.doubt import Doubt
from flowforge.merge.lines import Changed, Chunk, diff3

MAX_TOKENS = 3000  # of one side; above it the answer is no longer worth its time

_LEXER = re.compile(rb"[\w\x80-\xff]+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Token:
    """A token with the whitespace before it. A text ends with one whose own text is empty."""

    lead: bytes
    text: bytes
    atom: bool = False  # a string or a comment


Tokens = Sequence[Token]


def cut(text: bytes, spans: Iterable[tuple[int, int, bool]], offset: int = 0) -> list[Token]:
    """Tokens of `text` from the spans of its leaves, counted from `offset`; the third says that it is an atom."""
    tokens: list[Token] = []
    at = 0
    for start, end, atom in spans:
        tokens.append(Token(text[at : start - offset], text[start - offset : end - offset], atom))
        at = end - offset
    tokens.append(Token(text[at:], b""))
    return tokens


def lex(text: bytes) -> list[Token]:
    """Tokens of a text without a grammar: words and single characters."""
    return cut(text, ((found.start(), found.end(), False) for found in _LEXER.finditer(text)))


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged text, the fewest tokens that both sides kept between an edit of one and one of the other, and
    how base, upstream and commit were cut.
    """

    text: bytes
    apart: int
    chunks: Sequence[Chunk]
    sides: tuple[Tokens, Tokens, Tokens]


def merge_tokens(base: Tokens, upstream: Tokens, commit: Tokens) -> Merged:
    """Merge three rows of tokens that begin at the beginning of a line.

    Raises:
        Doubt: edits touch (`same_tokens`), one side changed whitespace around which the other added lines
            (`reindented`), the sides reformatted differently (`reformatted`), or a side is too large
            (`too_large`).
    """
    if max(len(base), len(upstream), len(commit)) > MAX_TOKENS:
        raise Doubt("too_large", f"a changed place has more than {MAX_TOKENS} tokens")
    base, upstream, commit = sides = _line(base), _line(upstream), _line(commit)
    parts: list[bytes] = []
    chunks = list(diff3(*([token.text for token in side] for side in sides)))
    _check_whitespace(chunks, *sides)
    for chunk in chunks:
        parts.extend(_merge_chunk(chunk, base[chunk.base], upstream[chunk.upstream], commit[chunk.commit]))
    return Merged(b"".join(parts)[1:], _apart(chunks), chunks, sides)


def _apart(chunks: Sequence[Chunk]) -> int:
    nearest, kept = MAX_TOKENS, 0
    last: Changed | None = None
    for chunk in chunks:
        if chunk.changed in {Changed.NOBODY, Changed.BOTH}:
            kept += chunk.base.stop - chunk.base.start
            continue
        if last not in {None, chunk.changed}:
            nearest = min(nearest, kept)
        last, kept = chunk.changed, 0
    return nearest


def _line(tokens: Tokens) -> Tokens:
    """The texts begin at the beginning of a line: say so, for the checks of indentation."""
    return [replace(tokens[0], lead=b"\n" + tokens[0].lead), *tokens[1:]]


def _merge_chunk(chunk: Chunk, base: Tokens, upstream: Tokens, commit: Tokens) -> Iterable[bytes]:
    if chunk.changed is Changed.CONFLICT:
        raise Doubt("same_tokens", "both sides changed the same words, or words next to each other")
    if chunk.changed is Changed.NOBODY:
        for b, u, c in zip(base, upstream, commit, strict=True):
            yield _lead(b.lead, u.lead, c.lead)
            yield b.text
        return
    if chunk.changed is Changed.BOTH:
        for u, c in zip(upstream, commit, strict=True):
            yield u.lead if u.lead == c.lead else _lead(b"", u.lead, c.lead)
            yield u.text
        return
    changed, kept = (upstream, commit) if chunk.changed is Changed.UPSTREAM else (commit, upstream)
    if any(b.lead != k.lead for b, k in zip(base[1:], kept[1:], strict=True)):
        raise Doubt("reformatted", "one side reformatted what the other changed")
    if base and not changed and base[0].lead != kept[0].lead:
        raise Doubt("reformatted", "one side reformatted what the other removed")
    for place, token in enumerate(changed):
        yield token.lead if place or not base else _lead(base[0].lead, kept[0].lead, token.lead)
        yield token.text


def _lead(base: bytes, upstream: bytes, commit: bytes) -> bytes:
    if commit in {upstream, base}:
        return upstream
    if base == upstream:
        return commit
    raise Doubt("reformatted", "both sides changed the whitespace of one place")


def _check_whitespace(chunks: Sequence[Chunk], base: Tokens, upstream: Tokens, commit: Tokens) -> None:
    """Lines that one side adds where the other re-indents or re-aligns would keep the old layout.

    Whitespace directly after what a side changed belongs to that change, not to the layout.
    """
    moved: set[Changed] = set()
    added: set[Changed] = set()
    before: Changed | None = None
    for chunk in chunks:
        sides = base[chunk.base], upstream[chunk.upstream], commit[chunk.commit]
        if chunk.changed is Changed.NOBODY:
            for place, (b, u, c) in enumerate(zip(*sides, strict=True)):
                who = {Changed.UPSTREAM} if u.lead not in {b.lead, c.lead} else set()
                who |= {Changed.COMMIT} if c.lead not in {b.lead, u.lead} else set()
                moved |= who if place else who - {before}
        elif chunk.changed in {Changed.UPSTREAM, Changed.COMMIT}:
            side = sides[1] if chunk.changed is Changed.UPSTREAM else sides[2]
            added |= {chunk.changed} if _line_breaks(side) > _line_breaks(sides[0]) else set()
        before = chunk.changed
    if len(moved) > 1:
        raise Doubt("reformatted", "both sides changed the whitespace of one place")
    if moved and added - moved:
        raise Doubt("reindented", "one side changed the layout of lines between which the other added some")


def _line_breaks(tokens: Tokens) -> int:
    return sum(b"\n" in token.lead for token in tokens)
