"""Strict three-way merge of tokens: for edits of both sides on one line, or on neighbouring ones.

Strict means: edits of the two sides that touch are a conflict. Tokens are compared without the whitespace
before them; that is merged by itself, so reformatting by one side survives an edit by the other.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowforge.merge.doubt import Doubt
from flowforge.merge.lines import Changed, Chunk, diff3

MAX_TOKENS = 3000  # of one side; above it the answer is no longer worth its time

_LEXER = re.compile(rb"[\w\x80-\xff]+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Token:
    """A token with the whitespace before it. A text ends with one whose own text is empty."""

    lead: bytes
    text: bytes


Tokens = Sequence[Token]


def cut(text: bytes, spans: Iterable[tuple[int, int]], offset: int = 0) -> list[Token]:
    """Tokens of `text` from the spans of its leaves, counted from `offset`."""
    tokens: list[Token] = []
    at = 0
    for start, end in spans:
        tokens.append(Token(text[at : start - offset], text[start - offset : end - offset]))
        at = end - offset
    tokens.append(Token(text[at:], b""))
    return tokens


def lex(text: bytes) -> list[Token]:
    """Tokens of a text without a grammar: words and single characters."""
    return cut(text, ((found.start(), found.end()) for found in _LEXER.finditer(text)))


def merge_tokens(base: Tokens, upstream: Tokens, commit: Tokens) -> bytes:
    """The merged text.

    Raises:
        Doubt: edits touch (`same_tokens`), one side re-indented what the other added to (`reindented`), the
            sides reformatted differently (`reformatted`), or a side is too large (`too_large`).
    """
    if max(len(base), len(upstream), len(commit)) > MAX_TOKENS:
        raise Doubt("too_large", f"a changed place has more than {MAX_TOKENS} tokens")
    sides = base, upstream, commit = _line(base), _line(upstream), _line(commit)
    parts: list[bytes] = []
    chunks = list(diff3(*([token.text for token in side] for side in sides)))
    _check_indentation(chunks, *sides)
    for chunk in chunks:
        parts.extend(_merge_chunk(chunk, base[chunk.base], upstream[chunk.upstream], commit[chunk.commit]))
    return b"".join(parts)[1:]


def _line(tokens: Tokens) -> Tokens:
    """The texts begin at the beginning of a line: say so, for the checks of indentation."""
    return [Token(b"\n" + tokens[0].lead, tokens[0].text), *tokens[1:]]


def _merge_chunk(chunk: Chunk, base: Tokens, upstream: Tokens, commit: Tokens) -> Iterable[bytes]:
    if chunk.changed is Changed.CONFLICT:
        raise Doubt("same_tokens", "both sides changed the same words, or words next to each other")
    if chunk.changed is Changed.NOBODY:
        for b, u, c in zip(base, upstream, commit, strict=True):
            yield _lead(b.lead, u.lead, c.lead)
            yield b.text
        return
    if chunk.changed is Changed.BOTH:
        before = [b""] * len(upstream)
        for lead, u, c in zip(before, upstream, commit, strict=True):
            yield u.lead if u.lead == c.lead else _lead(lead, u.lead, c.lead)
            yield u.text
        return
    changed, kept = (upstream, commit) if chunk.changed is Changed.UPSTREAM else (commit, upstream)
    if any(b.lead != k.lead for b, k in zip(base, kept, strict=True)):
        raise Doubt("reformatted", "one side reformatted what the other changed")
    for token in changed:
        yield token.lead
        yield token.text


def _lead(base: bytes, upstream: bytes, commit: bytes) -> bytes:
    if commit in {upstream, base}:
        return upstream
    if base == upstream:
        return commit
    raise Doubt("reformatted", "both sides changed the whitespace of one place")


def _check_indentation(chunks: Sequence[Chunk], base: Tokens, upstream: Tokens, commit: Tokens) -> None:
    """Lines that one side adds into a block which the other re-indents would keep the old depth."""
    moved: set[Changed] = set()
    added: set[Changed] = set()
    for chunk in chunks:
        sides = base[chunk.base], upstream[chunk.upstream], commit[chunk.commit]
        if chunk.changed is Changed.NOBODY:
            for b, u, c in zip(*sides, strict=True):
                moved |= {Changed.UPSTREAM} if _indent(u.lead) != _indent(b.lead) else set()
                moved |= {Changed.COMMIT} if _indent(c.lead) != _indent(b.lead) else set()
        elif chunk.changed in {Changed.UPSTREAM, Changed.COMMIT}:
            side = sides[1] if chunk.changed is Changed.UPSTREAM else sides[2]
            added |= {chunk.changed} if any(b"\n" in token.lead for token in side) else set()
    if (Changed.UPSTREAM in moved and Changed.COMMIT in added) or (
        Changed.COMMIT in moved and Changed.UPSTREAM in added
    ):
        raise Doubt("reindented", "one side re-indented lines between which the other added some")


def _indent(lead: bytes) -> bytes | None:
    return lead.rpartition(b"\n")[2] if b"\n" in lead else None
