"""Merges of the past made again and climbed by the rungs that ask nobody: what `replay` and `calibrate` share."""

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from flowforge.cli.folders import folder_named
from flowforge.core.conflict import Abstain, Candidate, Conflict, Side
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.git.command import Door, Git
from flowforge.git.history import PastMerge, borrowed, committed, conflicts_of, merge_base, stood
from flowforge.git.objects import Objects
from flowforge.git.pulls import certain
from flowforge.hooks.contracts import Language, ResolveContext, Resolver
from flowforge.hooks.manager import Registry
from flowforge.resolve.ladder import Answers, Rung, climb
from flowforge.resolve.policy import Policy, matches
from flowforge.resolve.replay import Case, counts
from flowforge.resolve.rungs import ASK, language_of, plan_rungs
from flowforge.sandbox.pool import Pool

RUNGS = ("mechanical", "document", "structural")  # they need neither money, nor tools, nor a database
DEADLINE, MARGIN = 5.0, 1.0  # seconds a file, and for the child process on top
PRELOAD = ("flowforge.merge.structural", "flowforge.merge.documents")

T = TypeVar("T")
RungOf = Callable[[Git, PastMerge, Sequence[Conflict]], Rung]
Judge = Callable[[Case, Answers, float], T]  # of a case, what the ladder made of it, in how many milliseconds


def history_folder(repository: str) -> Path:
    """The folder that a person named.

    Raises:
        Refused: repository_missing.
    """
    folder = folder_named(repository)
    if folder is None:
        raise Refused(
            Reason.REPOSITORY_MISSING,
            f"there is no folder {repository[:200]!r} here",
            next_action="give the folder of a repository; clone it first",
        )
    return folder


@dataclass(kw_only=True)
class Player(Generic[T]):
    """Makes merges again, as many at once as there are processors; each thread reads with its own helper process."""

    git: Git
    registry: Registry
    pool: Pool
    judge: Judge[T]
    policy: Policy
    paths: tuple[str, ...] = ()  # gitignore-style; empty = all
    model: RungOf | None = None  # a rung above the others, made for the conflicts of a merge
    places: bool = True  # files with places too; False: conflicts about a path as a whole alone
    lacking: list[str] = field(
        default_factory=list
    )  # merges of which the repository (a partial clone) lacks objects
    _own: threading.local = field(default_factory=threading.local)
    _opened: list[ExitStack] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.languages: tuple[Language, ...] = tuple(self.registry.languages.values())
        self.rungs: tuple[Rung, ...] = plan_rungs(self.registry, RUNGS, self._in_child, deadline=DEADLINE)

    def play(self, found: Sequence[PastMerge]) -> Iterator[Sequence[T]]:
        """What became of each merge, in order; those ahead of the reader are few, so that it may stop."""
        size = os.cpu_count() or 1
        with ThreadPoolExecutor(size) as threads:
            for start in range(0, len(found), 8 * size):
                yield from threads.map(self._merge, found[start : start + 8 * size])

    def by(self, policy: Policy) -> "Player[T]":
        """The same with another policy, and helper processes of its own."""
        return replace(self, policy=policy, _own=threading.local(), _opened=[])

    def close(self) -> None:
        for stack in self._opened:
            stack.close()

    def _merge(self, merge: PastMerge) -> Sequence[T]:
        try:
            return self._made_again(merge)
        except Temporary as error:
            if error.reason is not Reason.MIRROR_DAMAGED:
                raise
            self.lacking.append(merge.oid)
            return []

    def _made_again(self, merge: PastMerge) -> Sequence[T]:
        objects = self._objects()
        found = [one for one in conflicts_of(self.git, objects, merge) if self._is_asked_for(one)]
        if found and merge.how != "merge" and not certain(objects, merge, merge_base(self.git, merge)):
            return []
        cases = [self._case(objects, merge, conflict) for conflict in found]
        judged = [case for case in cases if counts(case)]
        rungs = self.rungs
        if self.model is not None and any(case.conflict.hunks for case in judged):
            rungs = (*rungs, self.model(self.git, merge, found))
        return [self._climbed(case, rungs) for case in judged]

    def _is_asked_for(self, conflict: Conflict) -> bool:
        """Places count in files that all three sides have, and a path as a whole counts whoever has it."""
        full = self.places and len(conflict.versions) == len(Side)
        known = full if conflict.hunks else bool(conflict.versions)
        names = (conflict.path,) if conflict.hunks else conflict.paths
        return known and (not self.paths or any(matches(self.paths, name) for name in names))

    def _case(self, objects: Objects, merge: PastMerge, conflict: Conflict) -> Case:
        return Case(
            merge=merge.oid,
            date=merge.date,
            conflict=conflict,
            human=committed(objects, merge, conflict.path) if conflict.hunks else None,
            stood=() if conflict.hunks else stood(objects, merge, conflict.paths),
            language=language_of(conflict.path, self.languages),
            how=merge.how,
        )

    def _climbed(self, case: Case, rungs: Sequence[Rung]) -> T:
        begun = time.perf_counter()
        answers = climb([case.conflict], rungs, self.policy)
        return self.judge(case, answers, (time.perf_counter() - begun) * 1000)

    def _in_child(
        self, resolver: Resolver, conflict: Conflict, context: ResolveContext
    ) -> Candidate | Abstain:
        answer: Candidate | Abstain = self.pool.call(  # type: ignore[assignment]  # the ladder checks its shape
            ASK, resolver.load, conflict, context, deadline=DEADLINE + MARGIN
        )
        return answer

    def _objects(self) -> Objects:
        objects: Objects | None = getattr(self._own, "objects", None)
        if objects is None:
            stack = ExitStack()
            objects = self._own.objects = stack.enter_context(self.git.objects())
            self._opened.append(stack)
        return objects


@contextmanager
def player(folder: Path, registry: Registry, judge: Judge[T], policy: Policy) -> Iterator[Player[T]]:
    """A player for the repository in a folder; what it needs is gone afterwards.

    Raises:
        Refused: repository_missing.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flowforge-replay-")))
        git = stack.enter_context(borrowed(folder, scratch, Door()))
        pool = stack.enter_context(Pool(os.cpu_count() or 1, preload=PRELOAD))
        made = Player(git=git, registry=registry, pool=pool, judge=judge, policy=policy)
        stack.callback(made.close)
        yield made
