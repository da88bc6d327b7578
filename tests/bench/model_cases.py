"""Commits with conflicts for the bench of the model rung: the golden cases in repositories of their own, and real ones.

A golden case is a dozen lines, so its file is nothing but the place of the conflict. It is taken as it is, and once
more in a file of the size that people write: behind functions that are the same in all three versions.
"""

import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from flowforge.core.conflict import Conflict
from flowforge.core.errors import FlowForgeError
from flowforge.git.command import Door, Git
from flowforge.git.history import PastMerge, borrowed, conflicts_of, merge_base, merges, tips
from flowforge.git.objects import Objects
from flowforge.resolve.suitable import why_not
from tests.bench.resolver import FUNCTIONS
from tests.gitrepo import Content, Repository
from tests.golden.conflictcases import path_of, texts_of

GOLDEN = Path(__file__).parents[1] / "golden" / "conflicts"
TOGETHER = 4  # golden cases that one commit conflicts in
USUAL = 60  # functions of five lines behind a case, as in a file of 300 lines
FILLED = {".py": "py", ".go": "go", ".ts": "ts", ".js": "ts", ".java": "java"}
COMMITS = 3  # of a merged side at most, which count as one commit: what a branch usually has
_NAME = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
_WHO = {**_NAME, **{name.replace("AUTHOR", "COMMITTER"): said for name, said in _NAME.items()}}


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One commit that is replayed onto upstream, and its conflicts that a model may be asked about."""

    git: Git
    commit: str
    upstream: str
    base: str
    conflicts: tuple[Conflict, ...]


@contextmanager
def golden(folder: Path, *, usual: bool) -> Iterator[list[Replayed]]:
    """Commits that conflict in golden cases, `TOGETHER` at a time; `usual`: in files of the usual size."""
    repository = Repository(folder / "golden")
    cases = [case for case in sorted(GOLDEN.glob("*/*")) if not usual or _ending(case) in FILLED]
    random.Random(1).shuffle(cases)  # noqa: S311 (no secret)
    git = Git(folder=repository.path, door=Door())
    with git.objects() as objects:
        made = [
            _golden(repository, git, objects, cases[at : at + TOGETHER], usual=usual)
            for at in range(0, len(cases), TOGETHER)
        ]
        yield [one for one in made if one.conflicts]


def _ending(case: Path) -> str:
    return Path(path_of(case)).suffix


def _golden(
    repository: Repository, git: Git, objects: Objects, cases: Sequence[Path], *, usual: bool
) -> Replayed:
    sides: dict[str, dict[str, Content]] = {"base": {}, "upstream": {}, "commit": {}}
    for case in cases:
        for side, text in texts_of(case).items():
            if side in sides:
                filling = _filling(_ending(case)) if usual else b""
                sides[side][f"{case.parent.name}/{case.name}/{path_of(case)}"] = text + filling
    base = repository.commit(sides["base"] or {"x": "x"}, message="base")
    upstream = repository.commit(sides["upstream"], base, message="Upstream's change")
    commit = repository.commit(
        sides["commit"], base, message="The commit's change\n\nIt is there for a reason."
    )
    return _replayed(
        git, objects, PastMerge(oid=commit, upstream=upstream, commit=commit, date=0), base, commit
    )


def _filling(ending: str) -> bytes:
    """Functions that nobody changed."""
    _, function = FUNCTIONS[FILLED[ending]]
    body = "".join(function.format(n=n) for n in range(USUAL))
    if ending == ".js":
        body = body.replace(": number[]", "").replace(": number", "")
    return ("\n\n" + (f"class Filling {{\n{body}}}\n" if ending == ".java" else body)).encode()


@contextmanager
def of_repository(repository: Path, scratch: Path, limit: int, seed: int) -> Iterator[Iterator[Replayed]]:
    """Merges of a repository made again as rebases, in random order, until they have `limit` conflicting files."""
    with borrowed(repository, scratch, Door()) as git, git.objects() as objects:
        found = list(merges(git, tips(repository, Door())))
        random.Random(seed).shuffle(found)  # noqa: S311 (no secret)
        yield _of_merges(git, objects, found, limit)


def _of_merges(git: Git, objects: Objects, found: Sequence[PastMerge], limit: int) -> Iterator[Replayed]:
    files = 0
    for merge in found:
        with suppress(FlowForgeError, subprocess.SubprocessError):
            base = merge_base(git, merge)
            count = int(git.run("rev-list", "--count", f"{base}..{merge.commit}")) if base else 0
            if not 0 < count <= COMMITS:
                continue
            made = _replayed(git, objects, merge, base, _as_one(git, objects, merge, base))
            if made.conflicts:
                yield made
                files += len(made.conflicts)
        if files >= limit:
            return


def _as_one(git: Git, objects: Objects, merge: PastMerge, base: str) -> str:
    side = objects.commit(merge.commit)
    words = ("commit-tree", side.tree, "-p", base, "-m", side.subject)
    return git.run(*words, env=_WHO).decode().strip()


def _replayed(git: Git, objects: Objects, merge: PastMerge, base: str, commit: str) -> Replayed:
    conflicts = conflicts_of(git, objects, merge)
    wanted = tuple(one for one in conflicts if one.resolvable and why_not(one) is None)
    return Replayed(git=git, commit=commit, upstream=merge.upstream, base=base, conflicts=wanted)
