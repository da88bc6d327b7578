"""The ladder against history: what it answers where people had to, and how often it equals what they committed.

Pure. Equality is a lower bound of being right, as a different merge can be right too; a text of people that does not
parse, although both sides did, is left out of every count.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flowforge.core.conflict import Conflict, HunkAnswer, Kind, Resolution, Side, Version, WholeAnswer
from flowforge.hooks.contracts import Language
from flowforge.merge.syntax import parse
from flowforge.resolve.difference import Difference, of_path, of_resolution
from flowforge.resolve.equality import Equal, compare
from flowforge.resolve.kinds import FileKind, kind_of
from flowforge.resolve.ladder import Answers
from flowforge.resolve.place import human_texts
from flowforge.resolve.whole import difference_whole, equal_whole, is_text, took_whole

COSTS = (1, 3, 5, 10, 20)  # k: one wrong answer costs as much as so many hand-backs
_MARKERS = (b"<" * 7 + b" ", b">" * 7 + b" ")


class Outcome(StrEnum):
    RESOLVED = "resolved"  # acted on
    PROPOSED = "proposed"  # an answer that tests or a person must confirm
    HANDED_BACK = "handed_back"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One conflict of one merge of the past: a file with places that all three sides have, or a path as a whole."""

    merge: str
    date: int  # epoch seconds
    conflict: Conflict
    human: bytes | None  # of a file with places: what was committed; None = no file of that name
    language: Language | None
    how: str = "merge"  # how it was landed: merge | squash | rebase
    stood: tuple[Version, ...] = ()  # of a path as a whole: what was committed at the conflict's paths

    @property
    def whole(self) -> bool:
        return not self.conflict.hunks

    @property
    def kind(self) -> FileKind:
        return FileKind.PATH if self.whole else kind_of(self.conflict.path, self.language)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What became of one case. `answers` are those of the ladder, whole or not."""

    merge: str
    date: int
    path: str
    language: str
    kind: FileKind
    conflicts: int
    outcome: Outcome
    rules: tuple[str, ...]  # "rung/rule" of each answer of a whole result, each once
    reason: str  # of a hand-back: the typed word of the last rung that said something
    ms: float
    equal: Equal | None
    human_took_side: str  # upstream | commit | base | "" where people wrote something else
    parses: bool | None = None  # the result; None where there is none, or no grammar
    conflict: Kind = Kind.CONTENT  # what kind of disagreement git found
    whole: str = ""  # what a whole answer puts there: upstream | commit | base | text | removed
    stands_at: str = ""  # where an answer stands; "" where there is none, or nothing stands
    difference: Difference | None = None  # how one that differs does

    @property
    def right(self) -> bool:
        return self.equal is not None and self.equal is not Equal.DIFFERENT

    @property
    def rungs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(rule.partition("/")[0] for rule in self.rules))


def counts(case: Case) -> bool:
    """Whether the case can be judged: a person's text is there, and is no accident that does not parse.

    Of a path as a whole, to have removed it is a judgement too.
    """
    if case.whole:
        return not any(_is_accident(case, one) for one in case.stood)
    if case.human is None or _with_markers(case, case.human):
        return False
    parsed = case.language
    if parsed is None or not parsed.grammar:
        return True
    sides = (case.conflict.text(side) for side in (Side.UPSTREAM, Side.COMMIT))
    return not parse(case.human, parsed).has_error or any(
        parse(side or b"", parsed).has_error for side in sides
    )


def _is_accident(case: Case, one: Version) -> bool:
    """Whether people committed markers or what does not parse, as none of the versions did."""
    versions = case.conflict.versions
    if not is_text(one) or one.oid in {version.oid for version in versions}:
        return False
    text, texts = one.content or b"", [version.content or b"" for version in versions]
    if _marked(text) and not any(map(_marked, texts)):
        return True
    language = case.language
    if language is None or not language.grammar or one.path != case.conflict.path:
        return False
    return parse(text, language).has_error and not any(parse(other, language).has_error for other in texts)


def _with_markers(case: Case, human: bytes) -> bool:
    """Whether people committed git's markers, which no side had."""
    sides = (case.conflict.text(side) or b"" for side in (Side.UPSTREAM, Side.COMMIT))
    return _marked(human) and not any(map(_marked, sides))


def _marked(text: bytes) -> bool:
    return all(b"\n" + mark in b"\n" + text for mark in _MARKERS)


def judged(case: Case, answers: Answers, ms: float) -> Row:
    """The row of a case that the ladder has climbed."""
    whole = answers.resolutions[0] if answers.resolutions else None
    given = whole.given if whole else ()
    equal = None if whole is None else equal_of(whole, case)
    return Row(
        merge=case.merge,
        date=case.date,
        path=case.conflict.path,
        language=case.language.id if case.language else "",
        kind=case.kind,
        conflicts=len(case.conflict.hunks),
        outcome=_outcome(given),
        rules=tuple(dict.fromkeys(f"{answer.rung}/{answer.rule}" for answer in given)),
        reason="" if whole else _reason(answers),
        ms=ms,
        equal=equal,
        human_took_side=took_side(case),
        parses=parses(whole, case),
        difference=_difference(whole, case) if whole and equal is Equal.DIFFERENT else None,
        conflict=case.conflict.kind,
        whole=whole.taken if whole else "",
        stands_at=whole.stands_at if whole else "",
    )


def equal_of(whole: Resolution, case: Case) -> Equal | None:
    """How a complete answer compares; None where nothing is there to compare it with."""
    if case.whole:
        return equal_whole(whole, case.stood)
    return None if case.human is None else compare(whole.result, case.human)


def _difference(whole: Resolution, case: Case) -> Difference:
    human = case.human or b""
    if case.whole:
        return difference_whole(whole, case.stood)
    if whole.whole is not None:
        return of_path(whole.conflict, whole.result, human)
    texts = human_texts(whole.conflict, human)
    given = (answer for answer in whole.answers if answer.index in texts)
    equal = (a.index for a in given if compare(a.text, texts[a.index]) is not Equal.DIFFERENT)
    return of_resolution(whole, texts, equal)


def took_side(case: Case) -> str:
    """Whose version people committed as it was; "" where they did more. Of a path as a whole, see `took_whole`."""
    if case.whole:
        return took_whole(case.conflict, case.stood)
    sides = (Side.UPSTREAM, Side.COMMIT, Side.BASE)
    return next((side.value for side in sides if case.conflict.text(side) == case.human), "")


def _outcome(given: Sequence[HunkAnswer | WholeAnswer]) -> Outcome:
    if not given:
        return Outcome.HANDED_BACK
    return Outcome.RESOLVED if all(answer.confirmed for answer in given) else Outcome.PROPOSED


def _reason(answers: Answers) -> str:
    for note in reversed(answers.notes):
        if note.why:
            return note.why
    return answers.unresolved[0].conflict.kind.value if answers.unresolved else ""


def parses(whole: Resolution | None, case: Case) -> bool | None:
    """Whether an answer does; None where there is none, or no grammar, or a side did not parse either."""
    if whole is None or not whole.stands_at or case.language is None or not case.language.grammar:
        return None
    if not parse(whole.result, case.language).has_error:
        return True
    sides = (case.conflict.text(side) or b"" for side in (Side.UPSTREAM, Side.COMMIT))
    return None if any(parse(side, case.language).has_error for side in sides) else False


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts over a set of rows; shares are of `cases`."""

    cases: int
    answered: int
    right: int

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            cases=self.cases + other.cases,
            answered=self.answered + other.answered,
            right=self.right + other.right,
        )

    @property
    def coverage(self) -> float:
        return self.answered / self.cases if self.cases else 0.0

    @property
    def precision(self) -> float | None:
        return self.right / self.answered if self.answered else None

    def cost(self, k: float) -> float:
        """Of deciding by it, where a hand-back costs 1: all by hand is 1.0."""
        wrong = self.answered - self.right
        return (self.cases - self.answered + k * wrong) / self.cases if self.cases else 1.0


def tally(rows: Iterable[Row], outcomes: Iterable[Outcome] = (Outcome.RESOLVED,)) -> Tally:
    """Count as answered what has one of `outcomes`."""
    taken = frozenset(outcomes)
    cases = answered = right = 0
    for row in rows:
        cases += 1
        if row.outcome in taken:
            answered += 1
            right += row.right
    return Tally(cases=cases, answered=answered, right=right)


def by_rung(rows: Sequence[Row]) -> Mapping[str, Tally]:
    """Each rung's marginal precision: over the cases that are answered because it is there."""
    return _answered_by(rows, lambda row: row.rungs)


def by_rule(rows: Sequence[Row]) -> Mapping[str, Tally]:
    """The same of each rule."""
    return _answered_by(rows, lambda row: row.rules)


def _answered_by(rows: Sequence[Row], who: Callable[[Row], Sequence[str]]) -> Mapping[str, Tally]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.outcome is not Outcome.HANDED_BACK:
            found.setdefault("+".join(who(row)), []).append(row)
    return {rung: tally(some, (Outcome.RESOLVED, Outcome.PROPOSED)) for rung, some in sorted(found.items())}


def differences(found: Iterable[Difference | None]) -> Mapping[str, int]:
    """How many there are of each class, most first."""
    counted = Counter(one.value for one in found if one is not None)
    return dict(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


@dataclass(frozen=True, kw_only=True)
class Times:
    """Milliseconds a file."""

    median: float
    p99: float
    worst: float


def times(rows: Sequence[Row]) -> Times:
    took = sorted(row.ms for row in rows) or [0.0]
    return Times(
        median=statistics.median(took), p99=took[min(len(took) - 1, int(len(took) * 0.99))], worst=took[-1]
    )
