"""Rules that need no understanding of the code: who really changed something, hunk by hunk.

- both sides made the same edit, or the same up to whitespace;
- one side changed whitespace only, compared by tokens: the other side's edit stands, upstream's where both did no
  more than that. Indentation counts as a change everywhere: in some languages it has a meaning, and in the others
  the edit of the other side would stand at the old depth (the structural rung can do better there).
"""

import re
from collections.abc import Callable, Sequence

from flowforge.plugin import (
    Abstain,
    Candidate,
    Conflict,
    Hunk,
    HunkAnswer,
    ResolveContext,
    Resolver,
    hookimpl,
    split_lines,
)

_RUNG = "mechanical"
_WORD = re.compile(rb"[\w\x80-\xff]+|\s+|[^\w\s]")
_LARGEST = 1 << 20  # bytes of a side of one hunk
_QUOTES = re.compile(rb"[\"'`]")


@hookimpl
def register_resolvers() -> Sequence[Resolver]:
    return [Resolver(name="mechanical", rung=_RUNG, load=f"{__name__}:resolve")]


def resolve(conflict: Conflict, context: ResolveContext) -> Candidate | Abstain:  # noqa: ARG001 (the contract)
    """Answer each hunk that one rule is sure of; abstain where none is."""
    rules: tuple[Callable[[Hunk], HunkAnswer | None], ...] = (
        _identical,
        _trailing_whitespace,
        _whitespace_only_side,
        _same_tokens,
    )
    answers = [
        answer
        for hunk in conflict.hunks
        if (answer := next((a for rule in rules if (a := rule(hunk)) is not None), None)) is not None
    ]
    if answers:
        return Candidate(answers=tuple(answers))
    return Abstain(why="both_changed", sentence="both sides changed more than whitespace, and differently")


def _identical(hunk: Hunk) -> HunkAnswer | None:
    if hunk.upstream != hunk.commit:
        return None
    return _answer(hunk, hunk.upstream, "identical edits", "both sides made the same edit")


def _trailing_whitespace(hunk: Hunk) -> HunkAnswer | None:
    if _without_trailing(hunk.upstream) != _without_trailing(hunk.commit):
        return None
    why = "both sides made the same edit, up to whitespace at line ends; upstream's is kept"
    return _answer(hunk, hunk.upstream, "same edit, trailing whitespace", why)


def _without_trailing(text: bytes) -> list[bytes]:
    lines = [line.rstrip() for line in split_lines(text)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _whitespace_only_side(hunk: Hunk) -> HunkAnswer | None:
    if not hunk.base.strip():
        return None  # nothing stood there: blank lines are not a changed side
    if _too_long(hunk):
        return None
    base = tokens(hunk.base)
    upstream, commit = tokens(hunk.upstream) == base, tokens(hunk.commit) == base
    if upstream and commit:
        why = "both sides changed whitespace only here; upstream's is kept"
        return _answer(hunk, hunk.upstream, "whitespace on both sides", why)
    if upstream:
        return _answer(hunk, hunk.commit, "whitespace-only side", "upstream changed whitespace only here")
    if commit:
        return _answer(hunk, hunk.upstream, "whitespace-only side", "the commit changed whitespace only here")
    return None


def _same_tokens(hunk: Hunk) -> HunkAnswer | None:
    """Both wrote the same and laid it out differently; a file that both added is one such hunk."""
    if _too_long(hunk) or not hunk.upstream.strip() or tokens(hunk.upstream) != tokens(hunk.commit):
        return None
    why = "both sides made the same edit, laid out differently; upstream's is kept"
    return _answer(hunk, hunk.upstream, "same edit, other whitespace", why)


def _too_long(hunk: Hunk) -> bool:
    """Made by a machine; cutting it into words takes longer than a file may."""
    return max(map(len, (hunk.base, hunk.upstream, hunk.commit))) > _LARGEST


def tokens(text: bytes) -> list[bytes]:
    """The text without whitespace that has no meaning.

    Lines with a quote are compared whole but for their ends: whitespace may stand inside a string.
    """
    found: list[bytes] = []
    for line in split_lines(text):
        bare = line.strip()
        if not bare:
            continue
        found.append(b"\n" + line[: len(line) - len(line.lstrip())])
        if _QUOTES.search(bare):
            found.append(bare)
        else:
            found.extend(word for word in _WORD.findall(bare) if not word.isspace())
    return found


def _answer(hunk: Hunk, text: bytes, rule: str, why: str) -> HunkAnswer:
    return HunkAnswer(index=hunk.index, text=text, rung=_RUNG, rule=rule, why=why)
