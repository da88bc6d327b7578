"""What of an answer is kept: findings about introduced lines that were shown, as plain text, each once.

A model may have been misled by what it read. It can at worst leave a finding out or add one: whatever it answers, a
finding is a place that the change introduced and a few sentences, which every door shows as text. Sentences that say
no fault but a verdict ("reviewed, safe") are left out; what is left out is counted by its reason.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from flowforge.core.verdict import Finding, Level
from flowforge.review.change import Secrets
from flowforge.review.shape import Category, Row, Rows
from flowforge.review.split import Piece, Portion

MAX_MESSAGE: Final = 300  # characters, as these; a longer text is cut
MAX_WHY: Final = 600
MAX_SUGGESTION: Final = 800

_GRAVITY: Final = (Level.ERROR, Level.WARNING, Level.NOTE)
_URGENCY: Final = (Category.SECURITY, Category.BUG, Category.QUALITY)
_LINK: Final = re.compile(
    r"(?i)\b[a-z][a-z0-9+.-]{1,20}:/{1,2}[^\s<>\"')\]]*|\b(?:javascript|data|mailto|vbscript|file):[^\s<>\"')\]]+"
    r"|\bwww\.[^\s<>\"')\]]+"
)
_LEFT_OUT: Final = "(link left out)"
_VERDICT: Final = re.compile(
    r"(?i)\blgtm\b|\blooks? (?:good|fine|ok|okay|great|safe|correct|clean)\b"
    r"|\bapproves? (?:this|it|the (?:change|merge|pull|patch|pr|branch|commit|diff|code))\b|^\W*approved\b"
    r"|\b(?:is|are|was|were|be|been|change|code|everything|review) approved\b"
    r"|\b(?:no|zero) (?:\w+ ){0,2}(?:issues?|problems?|findings?|concerns?|vulnerabilit(?:y|ies)|faults?|flaws?|bugs?)"
    r"(?: (?:was|were|are|is|have been|has been))?(?: (?:found|present|detected|seen|remain\w*|here)|[.!]?$)"
    r"|\b(?:is|are|was|were|been|seems?|appears?|be) (?:\w+ly )?(?:safe|secure|harmless|benign|reviewed|audited|vetted|certified)\b"
    r"|\b(?:this|it|change|code|file|diff|patch|everything|all) (?:is|are|was|were) (?:verified|correct|fine|ok|okay|good|clean)\b"
    r"|\breviewed\W+(?:and\W+)?(?:is\W+)?(?:safe|secure|clean|approved|ok)\b|^\W*(?:safe|secure|clean|reviewed|ok|okay|passed|fine)\W*$"
    r"|\b(?:safe|ready|fine|ok|okay) to (?:be )?(?:merged?|ship(?:ped)?|deploy(?:ed)?|push(?:ed)?|release[d]?)\b|\bcan be merged\b"
    r"|\b(?:passes|passed) (?:the |all |every )?(?:\w+ )?(?:review|audit|check|checks)\b"
)


class Left(StrEnum):
    """Why a finding was left out. Public: counted in reports and matched by tests."""

    MISSHAPEN = "misshapen"
    OTHER_PATH = "other_path"
    OUTSIDE = "outside"
    EMPTY = "empty"
    VERDICT = "verdict"
    SECRET = "secret"  # noqa: S105 (no password)
    REPEATED = "repeated"
    LOWER_LEVEL = "lower_level"
    TOO_MANY = "too_many"


@dataclass(frozen=True, kw_only=True)
class Advice:
    """One finding: lines `start`..`end` of the result, the first and the last of them introduced.

    Its texts are plain, of one line, and a stranger's.
    """

    path: str
    start: int
    end: int
    level: Level
    category: Category
    message: str
    why: str = ""
    suggestion: str = ""

    @property
    def rule(self) -> str:
        return f"review/{self.category}"

    def finding(self) -> Finding:
        """As validators say it; what it comes to is the caller's to decide, and for advice that is nothing."""
        return Finding(
            rule=self.rule,
            level=self.level,
            message=self.message,
            path=self.path,
            start=self.start,
            end=self.end,
        )


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """What was kept of answers, and how much was left out why."""

    kept: tuple[Advice, ...] = ()
    left: Mapping[Left, int] = field(default_factory=dict)


def sift(rows: Rows, portion: Portion, secrets: Secrets) -> Sifted:
    """Judge the rows of one answer against what its question showed."""
    left = Counter({Left.MISSHAPEN: rows.misshapen, Left.TOO_MANY: rows.unread})
    kept = []
    for row in rows.rows:
        judged = _judged(row, portion, secrets)
        if isinstance(judged, Left):
            left[judged] += 1
        else:
            kept.append(judged)
    return Sifted(kept=tuple(kept), left=+left)


def gathered(answers: Iterable[Sifted], *, most: int, least: Level) -> Sifted:
    """All answers as one: what says the same is one finding, the gravest come first, and no more than `most`."""
    listed = list(answers)
    left = sum((Counter(one.left) for one in listed), Counter[Left]())
    every = [advice for one in listed for advice in one.kept]
    merged = list(_merged(sorted(every, key=_order)))
    left[Left.REPEATED] += len(every) - len(merged)
    grave = [advice for advice in merged if _GRAVITY.index(advice.level) <= _GRAVITY.index(least)]
    left[Left.LOWER_LEVEL] += len(merged) - len(grave)
    left[Left.TOO_MANY] += max(0, len(grave) - most)
    return Sifted(kept=tuple(sorted(grave, key=_order)[:most]), left=+left)


def _judged(row: Row, portion: Portion, secrets: Secrets) -> Advice | Left:
    pieces = [piece for piece in portion if piece.file.path == row.path]
    if not pieces:
        return Left.OTHER_PATH
    region = _region(row, pieces)
    if region is None:
        return Left.OUTSIDE
    message = plain(row.message, MAX_MESSAGE)
    if not any(char.isalnum() for char in message):
        return Left.EMPTY
    texts = message, plain(row.why, MAX_WHY), plain(row.suggestion, MAX_SUGGESTION)
    if any(_VERDICT.search(text) for text in texts[:2]):
        return Left.VERDICT
    if secrets(f"{row.message}\n{row.why}\n{row.suggestion}"):
        return Left.SECRET
    return Advice(
        path=row.path,
        start=region[0],
        end=region[1],
        level=row.level,
        category=row.category,
        message=texts[0],
        why=texts[1],
        suggestion=texts[2],
    )


def _region(row: Row, pieces: Sequence[Piece]) -> tuple[int, int] | None:
    """The named lines from the first to the last that is introduced; None where they leave what was shown."""
    for piece in pieces:
        if piece.start <= row.start <= row.end <= piece.end:
            named = [number for number in piece.introduced if row.start <= number <= row.end]
            if named:
                return min(named), max(named)
    return None


def plain(text: str, most: int) -> str:
    """One line of at most `most` characters, in which nothing hides, and no address that somebody might follow."""
    seen = "".join(_seen(char) for char in text)
    shown = _LINK.sub(_LEFT_OUT, " ".join(seen.split()))
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def _seen(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char in "\n\r\t\v\f\x85\xa0\u2028\u2029" or ord(char) < ord(" ") else f"\\u{ord(char):04x}"


def _order(advice: Advice) -> tuple[object, ...]:
    gravity, urgency = _GRAVITY.index(advice.level), _URGENCY.index(advice.category)
    return gravity, urgency, advice.path, advice.start, advice.end, advice.message


def _merged(ordered: Iterable[Advice]) -> Iterator[Advice]:
    """The gravest of those that say the same about lines that touch, over the lines of all of them."""
    groups: dict[tuple[str, Category, str], list[Advice]] = {}
    for advice in ordered:
        same = groups.setdefault((advice.path, advice.category, _words(advice.message)), [])
        at = next(
            (n for n, one in enumerate(same) if one.start <= advice.end and advice.start <= one.end), None
        )
        if at is None:
            same.append(advice)
        else:
            one = same[at]
            same[at] = replace(one, start=min(one.start, advice.start), end=max(one.end, advice.end))
    return (advice for same in groups.values() for advice in same)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
