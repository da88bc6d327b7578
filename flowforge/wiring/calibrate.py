"""`flowforge calibrate`: what a repository's own history says about each rule, and the policy that follows from it."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from flowforge.cli.calibration import Calibrated, Line, Question
from flowforge.git.command import Door
from flowforge.git.history import PastMerge, merges, name_of, roots, tips
from flowforge.git.pulls import landed, pulls, trunk
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.resolve.calibrate import (
    HALF_LIFE,
    Figures,
    Judged,
    Split,
    counted,
    curve,
    figures,
    outcome,
    rule_lines,
    split,
)
from flowforge.resolve.cases import FileCase, file_case
from flowforge.resolve.learnt import HeldOut, Learnt, PathsHeldOut
from flowforge.resolve.policy import Action, Paths, Policy
from flowforge.resolve.priors import Priors, shipped_priors
from flowforge.resolve.records import Count, Key, standings
from flowforge.resolve.replay import COSTS, Outcome, Tally
from flowforge.wiring.past import Player, history_folder, player
from flowforge.wiring.past_model import asked, why_stopped
from flowforge.wiring.policies import kinds
from flowforge.wiring.replay import within

Tell = Callable[[int], None]  # how many conflicting files were looked at so far
OPEN = Policy(
    actions={}, otherwise=Action.ACT, paths=Paths(protected=())
)  # so that every rule's answers are seen


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """A repository's history as it was climbed with every rung open."""

    head: str  # of the default branch; "" where there is none
    roots: tuple[str, ...]  # first commits of all that its refs reach
    trunk_roots: tuple[str, ...]  # of the default branch alone
    merges: Sequence[PastMerge]  # that were made again
    left: Mapping[str, int]  # pull requests that were left out, by why
    cases: Sequence[FileCase]


def calibrate_asked(question: Question, tell: Tell) -> Calibrated:
    """The calibrator that `flowforge calibrate` is handed."""
    return calibrate_here(question, tell, load_plugins(discover()), datetime.now(UTC))


def calibrate_here(question: Question, tell: Tell, registry: Registry, now: datetime) -> Calibrated:
    """Count, split, judge; `tell` hears how far it is.

    Raises:
        Refused: repository_missing.
    """
    folder = history_folder(question.repository)
    with player(folder, registry, file_case, OPEN) as playing, asked(playing, question.spend) as model:
        found = gather(folder, playing, question, tell, unasked=model.unasked if model else ())
        priors = shipped_priors(found.roots)
        parts = split(found.cases)
        bench = _Bench(playing=playing, priors=priors, parts=parts, k=question.k, merges=found.merges)
        shipped, own = bench.shipped(), bench.own(counted(parts.earlier))
        later = counted(parts.later)
    lines = rule_lines(counted(found.cases), priors, question.k)
    learnt = Learnt(
        made=now.strftime("%Y-%m-%d"),
        head=found.head,
        k=question.k,
        half_life_days=HALF_LIFE // 86400,
        merges=len({case.merge for case in found.cases}),
        files=sum(not case.whole for case in found.cases),
        paths=sum(case.whole for case in found.cases),
        priors=priors.day,
        left_out=priors.left_out,
        rules=lines,
        held_out=_held_out(parts, shipped, own),
    )
    return Calibrated(
        name=name_of(folder, Door()),
        learnt=learnt,
        lines=tuple(Line(rule=line, later=later.get((line.rule, line.kind), Count())) for line in lines),
        shipped=shipped,
        own=own,
        parts=parts,
        made_again=Counter(merge.how for merge in found.merges),
        left=found.left,
        lacking=len(set(playing.lacking)),
        cases=tuple(found.cases),
        model=model.cost() if model else None,
        stopped=why_stopped(model),
    )


def gather(
    folder: Path, playing: Player[FileCase], question: Question, tell: Tell, unasked: Container[str] = ()
) -> Gathered:
    """Make the merges and the landed pull requests of the time that is asked about again.

    The first of which a case is `unasked` (a model could not be asked) ends it, uncounted.
    """
    heads, tip = tips(folder, Door()), trunk(folder, Door())
    pulled = landed(playing.git, tip, pulls(folder, Door()))
    every = sorted((*merges(playing.git, heads), *pulled.merges), key=lambda merge: -merge.date)
    found = within(every, None, question.before, question.seed)
    cases: list[FileCase] = []
    with_files = made = 0
    for some in playing.play(found):
        if any(case.merge in unasked for case in some):
            break
        made += 1
        with_files += any(not case.whole for case in some)
        cases += some
        tell(len(cases))
        if question.limit and with_files >= question.limit:
            break
    return Gathered(
        head=tip,
        roots=roots(playing.git, heads),
        trunk_roots=roots(playing.git, [tip] if tip else []),
        merges=found[:made],
        left=pulled.left,
        cases=cases,
    )


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """Judges policies over the later part of a history."""

    playing: Player[FileCase]
    priors: Priors
    parts: Split
    k: float
    merges: Sequence[PastMerge]

    def shipped(self) -> Figures:
        policy = replace(OPEN, actions=self.priors.actions(), otherwise=Action.CONFIRM)
        return self._figures(policy, {})

    def own(self, counts: Mapping[Key, Count]) -> Figures:
        lines = rule_lines(counts, self.priors, self.k)
        policy = replace(
            OPEN,
            actions=self.priors.actions(),
            otherwise=Action.CONFIRM,
            standings=standings(lines),
            kind=kinds(self.playing.registry),
        )
        return self._figures(policy, counts)

    def _figures(self, policy: Policy, counts: Mapping[Key, Count]) -> Figures:
        first = [(case, outcome(case, policy)) for case in self.parts.later]
        again = self._again([case for case, said in first if said is None], policy)
        judged = [
            again.get((case.merge, case.path), Judged(case=case, outcome=Outcome.HANDED_BACK))
            if said is None
            else Judged(case=case, outcome=said)
            for case, said in first
        ]
        return figures(judged, curve(self.parts.later, self.priors, counts))

    def _again(self, cases: Iterable[FileCase], policy: Policy) -> Mapping[tuple[str, str], Judged]:
        """Files in which a rule that is off has answered: climbed by the policy itself."""
        wanted = {(case.merge, case.path): case for case in cases}
        if not wanted:
            return {}
        oids = {merge for merge, _ in wanted}
        again = self.playing.by(policy)
        try:
            played = [case for some in again.play([m for m in self.merges if m.oid in oids]) for case in some]
        finally:
            again.close()
        return {
            (case.merge, case.path): Judged(case=case, outcome=outcome(case, policy) or Outcome.HANDED_BACK)
            for case in played
            if (case.merge, case.path) in wanted
        }


def _held_out(parts: Split, shipped: Figures, own: Figures) -> HeldOut | None:
    if not parts.later:
        return None
    return HeldOut(
        since=datetime.fromtimestamp(parts.since, UTC).strftime("%Y-%m-%d"),
        files=parts.files,
        cost=_costs(own.acted),
        shipped=_costs(shipped.acted),
        paths=_paths_held_out(parts, shipped, own),
    )


def _paths_held_out(parts: Split, shipped: Figures, own: Figures) -> PathsHeldOut | None:
    if not parts.paths:
        return None
    return PathsHeldOut(paths=parts.paths, cost=_costs(own.paths), shipped=_costs(shipped.paths))


def _costs(acted: Tally) -> Mapping[str, float]:
    return {str(k): round(acted.cost(k), 4) for k in COSTS}


def count_public(found: Gathered) -> Mapping[tuple[str, str], Count]:
    """The counts of a public repository as they are shipped: by rule and kind, not weighed."""
    return {(rule, kind.value): count for (rule, kind), count in counted(found.cases).items()}
