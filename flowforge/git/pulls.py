"""Pull requests of the past: which heads were landed, and by which commits, as merges that can be made again.

A head that was merged as it was is among the merges already. For one that was squashed or rebased, its whole change
merged into what the default branch was right before it meets the conflicts that somebody resolved. Only what is
certain is taken; the rest is counted by why it is left out. Patch ids are not asked: a patch id covers the lines around
a change, so an equal one says that nothing conflicted.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowforge.git.changes import changes
from flowforge.git.command import Door, Git
from flowforge.git.history import PastMerge, there
from flowforge.git.objects import Objects

MOST_COMMITS = 100  # of a pull request that is looked for commit by commit
_REFS = (
    "refs/pull/*/head",
    "refs/pull-requests/*/from",
    "refs/merge-requests/*/head",
    "refs/remotes/*/pr/*",
    "refs/remotes/*/pull/*",
    "refs/remotes/*/merge-requests/*",
)
_NUMBER = re.compile(r"/(\d+)(?:/|$)")
_NAMED = (  # how hosts write into a message what it lands
    re.compile(r"\A[^\n]*\(#(\d+)\)\s*(?:\n|\Z)"),
    re.compile(r"\A[^\n]*\(pull request #(\d+)\)\s*(?:\n|\Z)"),
    re.compile(r"^See merge request [\w./-]*!(\d+)\s*$", re.MULTILINE),
)
_TRUNKS = ("refs/remotes/origin/HEAD", "HEAD")


@dataclass(frozen=True, kw_only=True)
class Pull:
    number: int
    head: str


@dataclass(frozen=True, kw_only=True)
class Landed:
    """Pull requests as merges, newest first; `left` counts the others by why."""

    merges: tuple[PastMerge, ...]
    left: Mapping[str, int]


def pulls(repository: Path, door: Door) -> tuple[Pull, ...]:
    """Heads of the pull or merge requests that were fetched into the repository, each once."""
    out = there(repository, door).run(
        "for-each-ref", "--format=%(objecttype) %(objectname) %(refname)", *_REFS
    )
    found: dict[str, Pull] = {}
    for line in out.decode("utf-8", "replace").splitlines():
        kind, oid, name = line.split(" ", 2)
        number = _NUMBER.search(name)
        if kind == "commit" and number:
            found.setdefault(oid, Pull(number=int(number[1]), head=oid))
    return tuple(found.values())


def trunk(repository: Path, door: Door) -> str:
    """The commit on which the default branch stands; "" in a repository without one."""
    git = there(repository, door)
    for name in _TRUNKS:
        code, out = git.try_run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", ok=(0, 1, 128))
        if code == 0:
            return out.decode().strip()
    return ""


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A commit of the default branch, seen along first parents. `at` counts from the tip."""

    at: int
    oid: str
    parents: tuple[str, ...]
    date: int
    author: tuple[str, str]  # when and who, which squashing changes and rebasing does not
    message: str

    @property
    def mark(self) -> tuple[str, ...]:
        return (*self.author, self.message.partition("\n")[0].strip())


def landed(git: Git, tip: str, asked: Sequence[Pull]) -> Landed:
    """Find where pull requests were landed below `tip`."""
    if not tip or not asked:
        return Landed(merges=(), left={})
    line = tuple(_line(git, "--first-parent", tip))
    within = set(git.run("rev-list", tip).decode().split())
    outside = {one.oid: one for one in _line(git, *sorted({p.head for p in asked} - within), f"^{tip}")}
    finder = _Finder(line, outside)
    left: Counter[str] = Counter()
    found: list[PastMerge] = []
    for pull in asked:
        said = "merged as they were, so among the merges" if pull.head in within else finder.find(pull)
        if isinstance(said, str):
            left[said] += 1
        else:
            found.append(said)
    found.sort(key=lambda merge: -merge.date)
    return Landed(merges=tuple(found), left=dict(left))


def _line(git: Git, *revisions: str) -> Iterator[_Line]:
    options = [word for word in revisions if word.startswith("--")]
    names = [word for word in revisions if not word.startswith("--")]
    out = git.run(
        "log",
        "-z",
        "--no-show-signature",
        "--no-notes",
        "--encoding=UTF-8",
        "--format=%H%x01%P%x01%ct%x01%at%x01%ae%x01%B",
        *options,
        "--stdin",
        stdin="".join(f"{name}\n" for name in names).encode(),
    )
    for at, row in enumerate(out.decode("utf-8", "replace").split("\0")):
        if row:
            oid, parents, date, when, who, message = row.split("\1", 5)
            yield _Line(
                at=at,
                oid=oid,
                parents=tuple(parents.split()),
                date=int(date),
                author=(when, who),
                message=message.lstrip("\n"),
            )


class _Finder:
    """Knows the default branch by the numbers that its messages name, and by the marks that a rebase keeps."""

    def __init__(self, line: Sequence[_Line], outside: Mapping[str, _Line]) -> None:
        self._line, self._outside = line, outside
        self._by_number: dict[int, list[_Line]] = {}
        self._by_mark: dict[tuple[str, ...], list[_Line]] = {}
        for one in line:
            self._by_mark.setdefault(one.mark, []).append(one)
            for number in _numbers(one.message):
                self._by_number.setdefault(number, []).append(one)

    def find(self, pull: Pull) -> PastMerge | str:
        """The merge that stands for it, or why there is none."""
        own = self._own(pull.head)
        if len(own) > MOST_COMMITS:
            return "more commits than are looked at"
        rebased = self._rebased(pull, own)
        if isinstance(rebased, PastMerge):
            return rebased
        named = self._by_number.get(pull.number, [])
        if not named:
            return rebased
        if len(named) > 1:
            return "more than one commit names it"
        return _merge(pull, named[0], named[0], "squash")

    def _own(self, head: str) -> list[_Line]:
        """The commits of its own, without merges, in no order; one more than are looked at at most."""
        found: dict[str, _Line] = {}
        seen, walk = {head}, [head]
        while walk and len(found) <= MOST_COMMITS:
            one = self._outside.get(walk.pop())
            if one is None:
                continue
            if len(one.parents) < 2:  # noqa: PLR2004 (a merge is no change of its own)
                found[one.oid] = one
            walk += [parent for parent in one.parents if parent not in seen]
            seen.update(one.parents)
        return list(found.values())

    def _rebased(self, pull: Pull, own: Sequence[_Line]) -> PastMerge | str:
        """All its commits in a row on the default branch, each known by author, time and subject."""
        copies = [self._by_mark.get(one.mark, []) for one in own]
        if not any(copies):
            return "not on the default branch"
        if not all(len(some) == 1 for some in copies):
            return "landed in part, or its commits are there twice"
        row = sorted((some[0] for some in copies), key=lambda one: one.at)
        in_a_row = row[-1].at - row[0].at == len(row) - 1 and all(len(one.parents) == 1 for one in row)
        if not in_a_row:
            return "landed apart"
        return _merge(pull, row[-1], row[0], "rebase")


def _merge(pull: Pull, first: _Line, last: _Line, how: str) -> PastMerge | str:
    if not first.parents:
        return "landed as a first commit"
    return PastMerge(oid=last.oid, upstream=first.parents[0], commit=pull.head, date=last.date, how=how)


def _numbers(message: str) -> set[int]:
    return {int(number) for form in _NAMED for number in form.findall(message)}


def certain(objects: Objects, merge: PastMerge, base: str) -> bool:
    """Whether what landed is the pull request's change and no other: the same files, but for those already there.

    A pull request for another branch that was picked from there would bring the rest of that branch along.
    `base`: the commit from which both sides began; "" where they share none.
    """
    if not base:
        return False
    tree = {name: objects.commit(name).tree for name in (merge.oid, merge.upstream, merge.commit, base)}
    wanted = {change.path: change.new for change in changes(objects, tree[base], tree[merge.commit])}
    done = {change.path for change in changes(objects, tree[merge.upstream], tree[merge.oid])}
    if not done or not done <= wanted.keys():
        return False
    for path in wanted.keys() - done:
        entry, here = wanted[path], objects.entry(tree[merge.oid], path)
        if (entry.oid if entry else "") != (here.oid if here else ""):
            return False
    return True
