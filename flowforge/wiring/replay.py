"""`flowforge replay`: a repository's own merges, made again and climbed by the rungs that ask nobody."""

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from flowforge.cli.folders import folder_named
from flowforge.cli.replay import Question, Replayed, Tell
from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.core.errors import Reason, Refused
from flowforge.git.command import Door, Git
from flowforge.git.history import PastMerge, borrowed, committed, conflicts_of, merges, tips
from flowforge.git.objects import Objects
from flowforge.hooks.contracts import Language, ResolveContext, Resolver
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.resolve.ladder import Rung, climb
from flowforge.resolve.policy import Paths, Policy, matches
from flowforge.resolve.replay import Case, Row, counts, judged
from flowforge.resolve.rungs import language_of, plan_rungs
from flowforge.sandbox.pool import Pool

RUNGS = ("mechanical", "document", "structural")  # they need neither money, nor tools, nor a database
DEADLINE, MARGIN = 5.0, 1.0  # seconds a file, and for the child process on top
PRELOAD = ("flowforge.merge.structural", "flowforge.merge.documents")


def replay_asked(question: Question, tell: Tell) -> Replayed:
    """The replayer that `flowforge replay` is handed."""
    return replay_here(question, tell, load_plugins(discover()))


def replay_here(question: Question, tell: Tell, registry: Registry) -> Replayed:
    """Replay; `tell` hears every row with the text that it was judged by, merge by merge.

    Raises:
        Refused: repository_missing.
    """
    folder = folder_named(question.repository)
    if folder is None:
        raise Refused(
            Reason.REPOSITORY_MISSING,
            f"there is no folder {question.repository[:200]!r} here",
            next_action="give the folder of a repository; clone it first",
        )
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowforge-replay-")))
        git = stack.enter_context(borrowed(folder, scratch, Door()))
        pool = stack.enter_context(Pool(os.cpu_count() or 1, preload=PRELOAD))
        found = _chosen(merges(git, tips(folder, Door())), question)
        player = _Player(git=git, registry=registry, pool=pool, question=question)
        stack.callback(player.close)
        conflicting = 0
        for rows in player.play(found):
            conflicting += bool(rows)
            for row, text in rows:
                tell(row, text)
            if question.limit and conflicting >= question.limit:
                break
    return Replayed(merges=len(found), conflicting=conflicting)


def _chosen(found: Sequence[PastMerge], question: Question) -> Sequence[PastMerge]:
    """Those of the time that is asked about, newest first, or shuffled by the seed."""
    within = [
        merge
        for merge in found
        if (question.after is None or merge.date >= question.after)
        and (question.before is None or merge.date < question.before)
    ]
    if question.seed is not None:
        random.Random(question.seed).shuffle(within)  # noqa: S311 (a sample, no secret)
    return within


Judged = tuple[Row, bytes | None]


@dataclass(kw_only=True)
class _Player:
    """Makes merges again, as many at once as there are processors; each thread reads with its own helper process."""

    git: Git
    registry: Registry
    pool: Pool
    question: Question
    _own: threading.local = field(default_factory=threading.local)
    _opened: list[ExitStack] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.languages: tuple[Language, ...] = tuple(self.registry.languages.values())
        self.rungs: tuple[Rung, ...] = plan_rungs(self.registry, RUNGS, self._in_child, deadline=DEADLINE)
        self.policy = Policy(paths=Paths(protected=()), **self.question.policy)

    def play(self, found: Sequence[PastMerge]) -> Iterator[Sequence[Judged]]:
        """What became of each merge, in order; those ahead of the reader are few, so that it may stop."""
        size = os.cpu_count() or 1
        with ThreadPoolExecutor(size) as threads:
            for start in range(0, len(found), 8 * size):
                yield from threads.map(self._merge, found[start : start + 8 * size])

    def close(self) -> None:
        for stack in self._opened:
            stack.close()

    def _merge(self, merge: PastMerge) -> Sequence[Judged]:
        objects = self._objects()
        rows = []
        for conflict in conflicts_of(self.git, objects, merge):
            if not _whole(conflict) or (
                self.question.paths and not matches(self.question.paths, conflict.path)
            ):
                continue
            case = Case(
                merge=merge.oid,
                date=merge.date,
                conflict=conflict,
                human=committed(objects, merge, conflict.path),
                language=language_of(conflict.path, self.languages),
            )
            if counts(case):
                rows.append(self._climbed(case))
        return rows

    def _climbed(self, case: Case) -> Judged:
        begun = time.perf_counter()
        answers = climb([case.conflict], self.rungs, self.policy)
        row = judged(case, answers, (time.perf_counter() - begun) * 1000)
        return row, answers.resolutions[0].result if answers.resolutions else None

    def _in_child(
        self, resolver: Resolver, conflict: Conflict, context: ResolveContext
    ) -> Candidate | Abstain:
        answer: Candidate | Abstain = self.pool.call(  # type: ignore[assignment]  # the ladder checks its shape
            resolver.load, conflict, context, deadline=DEADLINE + MARGIN
        )
        return answer

    def _objects(self) -> Objects:
        objects: Objects | None = getattr(self._own, "objects", None)
        if objects is None:
            stack = ExitStack()
            objects = self._own.objects = stack.enter_context(self.git.objects())
            self._opened.append(stack)
        return objects


def _whole(conflict: Conflict) -> bool:
    return bool(conflict.hunks) and None not in (conflict.base, conflict.upstream, conflict.commit)
