"""`flowforge replay`: a repository's own merges, made again and climbed by the rungs that ask nobody."""

import random
from collections.abc import Sequence
from dataclasses import replace

from flowforge.cli.replay import Question, Replayed, Tell
from flowforge.core.conflict import Resolution
from flowforge.git.command import Door
from flowforge.git.history import PastMerge, merges, tips
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.ladder import Answers
from flowforge.resolve.policy import Paths
from flowforge.resolve.replay import Case, Row, judged
from flowforge.resolve.whole import is_text
from flowforge.wiring.past import history_folder, player
from flowforge.wiring.past_model import asked, why_stopped
from flowforge.wiring.policies import policy_in


def replay_asked(question: Question, tell: Tell) -> Replayed:
    """The replayer that `flowforge replay` is handed."""
    return replay_here(question, tell, load_plugins(discover()))


def replay_here(question: Question, tell: Tell, registry: Registry) -> Replayed:
    """Replay; `tell` hears every row with the text that it was judged by, merge by merge.

    Raises:
        Refused: repository_missing, policy_invalid.
    """
    folder = history_folder(question.repository)
    policy = replace(policy_in(question.policy, registry), paths=Paths(protected=()))
    conflicting = with_files = 0
    with player(folder, registry, _judged, policy) as playing, asked(playing, question.spend) as model:
        playing.paths = question.paths
        found = within(
            merges(playing.git, tips(folder, Door())), question.after, question.before, question.seed
        )
        for rows in playing.play(found):
            if model is not None and any(row.merge in model.unasked for row, _ in rows):
                break
            conflicting += bool(rows)
            for row, text in rows:
                tell(row, text)
            with_files += any(row.kind is not FileKind.PATH for row, _ in rows)
            if question.limit and with_files >= question.limit:
                break
    return Replayed(
        merges=len(found),
        conflicting=conflicting,
        lacking=len(playing.lacking),
        model=model.cost() if model else None,
        stopped=why_stopped(model),
    )


def within(
    found: Sequence[PastMerge], after: int | None, before: int | None, seed: int | None
) -> Sequence[PastMerge]:
    """Those of the time that is asked about, newest first, or shuffled by the seed."""
    chosen = [
        merge
        for merge in found
        if (after is None or merge.date >= after) and (before is None or merge.date < before)
    ]
    if seed is not None:
        random.Random(seed).shuffle(chosen)  # noqa: S311 (a sample, no secret)
    return chosen


def _judged(case: Case, answers: Answers, ms: float) -> tuple[Row, bytes | None]:
    whole = answers.resolutions[0] if answers.resolutions else None
    return judged(case, answers, ms), whole.result if whole is not None and _is_file(whole) else None


def _is_file(whole: Resolution) -> bool:
    """Whether the answer is a text that can be shown: not that nothing stands, nor a link, nor what was not read."""
    version = whole.whole.version if whole.whole else None
    return bool(whole.stands_at) and (version is None or is_text(version))
