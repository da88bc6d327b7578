"""Rules that need no understanding of the code: who really changed something, hunk by hunk.

- both sides made the same edit, or the same up to line ends, blank lines, or indentation that has no meaning;
- one side changed whitespace only and the other words: the words stand, where the new whitespace is nowhere
  between words that stand still. Where it is, people kept the new layout as often as not, and it is a doubt.

Indentation counts as a change: in some languages it has a meaning, and in the others the edit of the other side
would stand at the old depth (the structural rung can do better there).
"""

import re
from collections.abc import Callable, Sequence

from flowforge.core.conflict import Abstain, Candidate, Conflict, Hunk, HunkAnswer, split_lines
from flowforge.hooks.contracts import Language, ResolveContext
from flowforge.merge.doubt import Doubt
from flowforge.merge.lines import match
from flowforge.merge.tokens import Token, Tokens, cut

RUNG = "mechanical"

IDENTICAL = "identical edits"
LINE_ENDS = "same edit, trailing whitespace"
BLANK_LINES = "same edit, blank lines"
INDENTED = "same edit, indentation"
REMOVED = "removed beside whitespace"
COMMIT_ONLY = "whitespace-only commit"
UPSTREAM_ONLY = "whitespace-only upstream"

_LARGEST = 1 << 18  # bytes of a side of one hunk; more is made by a machine, and cutting it takes too long
_QUOTES = re.compile(rb"[\"'`]")
_WORD = re.compile(rb"[\w\x80-\xff]+|[^\w\s]")


def resolve(conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:
    """Answer each hunk that one rule is sure of.

    Abstains with a typed word: both_changed, reformatted.
    """
    answers: list[HunkAnswer] = []
    doubts: list[Doubt] = []
    for hunk in conflict.hunks:
        try:
            found = _answer(hunk, context.language)
        except Doubt as doubt:
            doubts.append(doubt)
            continue
        if found is not None:
            answers.append(found)
    if answers:
        return Candidate(answers=tuple(answers))
    if doubts:
        return doubts[0].abstain()
    return Abstain(why="both_changed", sentence="both sides changed more than whitespace, and differently")


def _answer(hunk: Hunk, language: Language | None) -> HunkAnswer | None:
    if hunk.upstream == hunk.commit:
        return _say(hunk, hunk.upstream, IDENTICAL, "both sides made the same edit")
    if _trimmed(hunk.upstream) == _trimmed(hunk.commit):
        why = "both sides made the same edit, up to whitespace at line ends; upstream's is kept"
        return _say(hunk, hunk.upstream, LINE_ENDS, why)
    if max(map(len, (hunk.base, hunk.upstream, hunk.commit))) > _LARGEST:
        return None
    return _same_edit(hunk, language) or _one_sided(hunk)


def _trimmed(text: bytes) -> list[bytes]:
    lines = [line.rstrip() for line in split_lines(text)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _same_edit(hunk: Hunk, language: Language | None) -> HunkAnswer | None:
    """Both wrote the same lines; a file that both added is one such hunk."""
    if not hunk.upstream.strip():
        return None
    if _lines(hunk.upstream, bytes.rstrip) == _lines(hunk.commit, bytes.rstrip):
        why = "both sides made the same edit, up to blank lines; upstream's is kept"
        return _say(hunk, hunk.upstream, BLANK_LINES, why)
    free = language is not None and not language.indentation and not language.document
    if free and _lines(hunk.upstream, bytes.strip) == _lines(hunk.commit, bytes.strip):
        why = "both sides made the same edit, up to indentation; upstream's is kept"
        return _say(hunk, hunk.upstream, INDENTED, why)
    return None


def _lines(text: bytes, cut_off: Callable[[bytes], bytes]) -> list[bytes]:
    return [cut_off(line) for line in split_lines(text) if line.strip()]


def _one_sided(hunk: Hunk) -> HunkAnswer | None:
    base, upstream, commit = (_row(side) for side in (hunk.base, hunk.upstream, hunk.commit))
    if len(upstream) > 1 and _words(upstream) == _words(commit):
        raise Doubt("reformatted", "both sides wrote the same words and laid them out differently")
    if len(base) == 1:
        return None  # nothing stood there: blank lines are not a changed side
    if _words(commit) == _words(base):
        why = "the commit changed whitespace only here"
        return _stands(hunk, (base, commit, upstream), hunk.upstream, COMMIT_ONLY, why)
    if _words(upstream) == _words(base):
        why = "upstream changed whitespace only here"
        return _stands(hunk, (base, upstream, commit), hunk.commit, UPSTREAM_ONLY, why)
    return None


def _stands(
    hunk: Hunk, rows: tuple[Tokens, Tokens, Tokens], text: bytes, rule: str, why: str
) -> HunkAnswer | None:
    """Let the side stand that changed words; rows are base, the side of whitespace, and that one.

    Raises:
        Doubt: `reformatted`, where the new whitespace belongs to words that stand still.
    """
    base, spaced, worded = rows
    pairs = match(_words(base), _words(worded))
    clash = any(_moved_by_both(base[i].lead, spaced[i].lead, worded[j].lead) for i, j in pairs)
    if len(worded) == 1:
        return None if clash else _say(hunk, text, REMOVED, f"{why}, and the other side removed it all")
    if not _lines_begin_alike(base, spaced):
        return None
    if _lines(_with_layout(rows, pairs), bytes.strip) != _lines(text, bytes.strip):
        raise Doubt("reformatted", f"{why}, beside words of the same lines that the other side changed")
    return None if clash and rule == UPSTREAM_ONLY else _say(hunk, text, rule, why)


def _row(text: bytes) -> list[Token]:
    """Words and characters, each with the whitespace before it, and what ends the text.

    A line with a quote is one word but for its ends: whitespace may stand inside a string.
    """
    spans: list[tuple[int, int, bool]] = []
    at = 0
    for line in split_lines(text):
        if _QUOTES.search(line):
            start = at + len(line) - len(line.lstrip())
            spans.append((start, start + len(line.strip()), True))
        else:
            spans.extend((at + found.start(), at + found.end(), False) for found in _WORD.finditer(line))
        at += len(line)
    row = cut(text, spans)
    return [Token(b"\n" + row[0].lead, row[0].text, row[0].atom), *row[1:]]


def _words(row: Tokens) -> list[bytes]:
    return [token.text for token in row]


def _lines_begin_alike(base: Tokens, side: Tokens) -> bool:
    """Whether lines begin at the same words, and as deep, in two rows of the same words."""
    return all(_depth(one) == _depth(two) for one, two in zip(base[:-1], side[:-1], strict=True))


def _depth(token: Token) -> bytes | None:
    """The indentation of a line's first word; None within a line."""
    end = token.lead.rfind(b"\n")
    return token.lead[end + 1 :] if end >= 0 else None


def _with_layout(rows: tuple[Tokens, Tokens, Tokens], pairs: Sequence[tuple[int, int]]) -> bytes:
    """The side that changed words, with the other's whitespace before each word that only the other moved."""
    base, spaced, worded = rows
    leads = {j: spaced[i].lead for i, j in pairs if base[i].lead == worded[j].lead}
    parts = ((leads.get(place, token.lead), token.text) for place, token in enumerate(worded))
    return b"".join(part for pair in parts for part in pair)


def _moved_by_both(base: bytes, spaced: bytes, worded: bytes) -> bool:
    """Whether both sides changed the whitespace before one word, each to something else."""
    return base not in {spaced, worded} and spaced != worded


def _say(hunk: Hunk, text: bytes, rule: str, why: str) -> HunkAnswer:
    return HunkAnswer(index=hunk.index, text=text, rung=RUNG, rule=rule, why=why)
