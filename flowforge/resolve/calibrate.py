"""What a repository's own history says about each rule: counted, weighed by age, and turned into what it may do.

Pure. Conflicts about paths as a whole are a group of their own, of the kind `path`: they neither weigh, nor crowd out,
nor date the files with places. Nothing is measured on what was learnt from: `split` cuts the history by date, and a file of the later part in
which a hunk conflicts that the earlier part has too is left out.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flowforge.resolve.cases import FileCase, HunkCase
from flowforge.resolve.counts import Action, believed, earned
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.policy import Policy
from flowforge.resolve.priors import CERTAIN, Priors
from flowforge.resolve.records import Count, Key, RuleLine
from flowforge.resolve.replay import Outcome, Tally

HALF_LIFE = 3 * 365 * 86400  # seconds: a case so much older than the newest one counts half
MOST_FILES = 12  # of one merge whose hunks are counted: they are not independent of each other
EARLIER = 0.7  # share of the merges, by date, that the figures' policy is learnt from


def counted(cases: Iterable[FileCase]) -> Mapping[Key, Count]:
    """Hunks that a rule answered and people's text is known of; one that is there again counts once, as newest."""
    ordered = newest_first(cases)
    files, paths = apart(ordered)
    return {**_counted(files), **_counted(paths)}


def apart(cases: Iterable[FileCase]) -> tuple[list[FileCase], list[FileCase]]:
    """Files with places, and paths as a whole."""
    groups: tuple[list[FileCase], list[FileCase]] = ([], [])
    for case in cases:
        groups[case.whole].append(case)
    return groups


def _counted(ordered: Sequence[FileCase]) -> Mapping[Key, Count]:
    counts: dict[Key, Count] = {}
    for case, hunk in _once(ordered):
        weight = 0.5 ** ((ordered[0].date - case.date) / HALF_LIFE)
        key = (hunk.rule, case.kind)
        counts[key] = counts.get(key, Count()).plus(hunk.right, weight)
    return counts


def newest_first(cases: Iterable[FileCase]) -> list[FileCase]:
    return sorted(cases, key=lambda case: (-case.date, case.merge, case.path))


def _once(ordered: Sequence[FileCase]) -> Iterable[tuple[FileCase, HunkCase]]:
    files: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for case in ordered:
        files[case.merge] += 1
        if files[case.merge] > MOST_FILES:
            continue
        for hunk in case.hunks:
            if hunk.counted and (hunk.key, hunk.rule) not in seen:
                seen.add((hunk.key, hunk.rule))
                yield case, hunk


def rule_lines(counts: Mapping[Key, Count], priors: Priors, k: float) -> tuple[RuleLine, ...]:
    """The formula of `resolve.counts` for every rule and kind of file that was seen."""
    return tuple(
        RuleLine(
            rule=rule,
            kind=kind,
            action=Action.ACT if rule in CERTAIN else earned(priors.of(rule, kind), count.weighed, k=k),
            count=count,
        )
        for (rule, kind), count in sorted(counts.items())
    )


# ---------------------------------------------------------------------------------------------- held-out figures


@dataclass(frozen=True, kw_only=True)
class Split:
    """History cut by date. `since`: epoch seconds of the first merge of the later part."""

    earlier: tuple[FileCase, ...]
    later: tuple[FileCase, ...]  # each once, and without those in which a hunk of the earlier part conflicts
    since: int
    seen: int = 0  # conflicts of the later part that were left out for that

    @property
    def files(self) -> int:
        """How many of the later part are files with places."""
        return sum(not case.whole for case in self.later)

    @property
    def paths(self) -> int:
        """How many of the later part are paths as a whole."""
        return len(self.later) - self.files


def split(cases: Sequence[FileCase]) -> Split:
    """Cut after `EARLIER` of the merges by date; merges of the same second stay together.

    Where files with places conflict, the merges of these say when; what is learnt of paths does not move the day.
    """
    files, paths = apart(cases)
    dates = sorted({case.merge: case.date for case in files or paths}.values())
    if not dates:
        return Split(earlier=(), later=(), since=0)
    since = dates[min(len(dates) - 1, int(len(dates) * EARLIER))]
    earlier = tuple(case for case in cases if case.date < since)
    known = {hunk.key for case in earlier for hunk in case.hunks}
    late = [case for case in newest_first(cases) if case.date >= since]
    fresh = [case for case in late if not any(hunk.key in known for hunk in case.hunks)]
    once: dict[tuple[str, ...], FileCase] = {}
    for case in fresh:
        once.setdefault(case.key, case)
    return Split(earlier=earlier, later=tuple(once.values()), since=since, seen=len(late) - len(fresh))


def outcome(case: FileCase, policy: Policy) -> Outcome | None:
    """What would become of the file; None where a rule of it is off, so that another rung would be asked."""
    actions = {_action(policy, rule, case) for rule in {hunk.rule for hunk in case.hunks} - {""}}
    if Action.OFF in actions:
        return None
    if not case.rules:
        return Outcome.HANDED_BACK
    sure = actions == {Action.ACT} and all(hunk.sure for hunk in case.hunks)
    return Outcome.RESOLVED if sure else Outcome.PROPOSED


def _action(policy: Policy, rule: str, case: FileCase) -> Action:
    rung, _, word = rule.partition("/")
    return policy.action(rung, word, case.path, whole=case.whole)


@dataclass(frozen=True, kw_only=True)
class Point:
    """Of a risk-coverage curve: answering the surest files up to `coverage` has been wrong in `risk` of them."""

    coverage: float
    risk: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One policy over the later part. Counts are files with places; paths as a whole are in `kinds` alone."""

    acted: Tally
    answered: Tally  # with proposals
    kinds: Mapping[FileKind, tuple[Tally, Tally]] = field(default_factory=dict)
    curve: tuple[Point, ...] = ()

    @property
    def paths(self) -> Tally:
        """Paths as a whole that were acted on."""
        return self.kinds.get(FileKind.PATH, (_NONE, _NONE))[0]

    @property
    def every(self) -> Tally:
        """Whatever was acted on, files and paths."""
        return self.acted + self.paths


_NONE = Tally(cases=0, answered=0, right=0)


@dataclass(frozen=True, kw_only=True)
class Judged:
    case: FileCase
    outcome: Outcome


def figures(judged: Sequence[Judged], curve: tuple[Point, ...]) -> Figures:
    kinds = sorted({one.case.kind for one in judged})
    acted, answered = _both([one for one in judged if not one.case.whole])
    return Figures(
        acted=acted,
        answered=answered,
        kinds={kind: _both([one for one in judged if one.case.kind is kind]) for kind in kinds},
        curve=curve,
    )


def _both(judged: Sequence[Judged]) -> tuple[Tally, Tally]:
    return _tally(judged, (Outcome.RESOLVED,)), _tally(judged, (Outcome.RESOLVED, Outcome.PROPOSED))


def _tally(judged: Sequence[Judged], outcomes: Collection[Outcome]) -> Tally:
    answered = [one for one in judged if one.outcome in outcomes]
    return Tally(cases=len(judged), answered=len(answered), right=sum(one.case.right for one in answered))


def curve(cases: Sequence[FileCase], priors: Priors, counts: Mapping[Key, Count]) -> tuple[Point, ...]:
    """Files in the order of how sure the weakest rule of each is; files that are equally sure make one point."""
    cases, _ = apart(cases)
    answered = [(-_sureness(case, priors, counts), case) for case in cases if case.rules]
    answered.sort(key=lambda pair: pair[0])
    points: list[Point] = []
    wrong = 0
    for number, (sure, case) in enumerate(answered, start=1):
        wrong += not case.right
        if number == len(answered) or answered[number][0] != sure:
            points.append(Point(coverage=number / len(cases), risk=wrong / number))
    return tuple(points)


def _sureness(case: FileCase, priors: Priors, counts: Mapping[Key, Count]) -> float:
    return min(_belief(rule, case.kind, priors, counts) for rule in case.rules)


def _belief(rule: str, kind: FileKind, priors: Priors, counts: Mapping[Key, Count]) -> float:
    if rule in CERTAIN:
        return 1.0
    right, wrong = believed(priors.of(rule, kind), counts.get((rule, kind), Count()).weighed)
    return round(right / (right + wrong), 6)
