"""Rebase in the object database: commits are replayed one after the other, and nothing is checked out.

One commit is one `merge-tree`. Git before 2.40 cannot be told a merge base, so the tip is dressed as a commit
whose parent is the replayed commit's parent; the merge base is then that parent, and renames, clashes and roots
come out as in `git rebase`. Everything is a function of its arguments: a re-run makes the same commit ids.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowforge.core.conflict import Conflict, Resolution, Side
from flowforge.git.attributes import Attributes, attributes_of, reduce, write_attributes
from flowforge.git.command import Git
from flowforge.git.commits import Commit, Committer, replayed
from flowforge.git.conflicts import MARKER_SIZE, Origin, free_marker_size, invented, read_conflicts
from flowforge.git.held import Watch, held
from flowforge.git.merged import Merged, parse_merge
from flowforge.git.mirror import Mirror
from flowforge.git.objects import Objects
from flowforge.git.putting import accepted, put
from flowforge.git.renames import Renames

__all__ = ["Committer", "Plan", "Replay", "Step", "Stopped", "commits_to_replay", "plan", "replay", "resume"]

_AUTOSQUASH = ("fixup! ", "squash! ", "amend! ")


@dataclass(frozen=True, kw_only=True)
class Step:
    """What became of one commit. `new` is "" where it was dropped; `note` is a sentence, where one is due."""

    original: str
    new: str
    disposition: str  # replayed | unchanged | resolved | rewritten | kept_empty | dropped_merge | dropped_empty | dropped_upstream
    subject: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """The commit that conflicts, and the tree git merged as far as it could (with markers, no invented names).

    `held` are watched files that git merged as text: in `tree` they stand as it merged them, and so they stay where
    nobody answers them. A commit may be stopped for them alone.
    """

    commit: str
    subject: str
    tree: str
    conflicts: tuple[Conflict, ...]
    held: tuple[Conflict, ...] = ()

    @property
    def asked(self) -> tuple[Conflict, ...]:
        """All that may be answered."""
        return (*self.conflicts, *self.held)


@dataclass(frozen=True, kw_only=True)
class Replay:
    """How far it got: `head` and its tree, what became of each commit, and what is still to do."""

    head: str
    tree: str
    steps: tuple[Step, ...]
    pending: tuple[str, ...]  # the commit that it stopped at first
    stopped: Stopped | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which commits to replay, oldest first, and which are left out, with the reason."""

    pending: tuple[str, ...]
    dropped: tuple[Step, ...]


def commits_to_replay(mirror: Mirror, base: str, head: str, upstream: str) -> tuple[str, ...]:
    """The commits of `base..head` that are neither merges nor already in `upstream`, oldest first."""
    return plan(mirror, base, head, upstream).pending


def plan(mirror: Mirror, base: str, head: str, upstream: str) -> Plan:
    """Sort the commits of `base..head` as `git rebase` does: merges are flattened, known patches left out.

    `base` "" means unrelated histories: everything reachable from `head` is taken.
    """
    out = mirror.git.run(
        "rev-list",
        "--topo-order",
        "--reverse",
        "--right-only",
        "--cherry-mark",
        "--parents",
        "--end-of-options",
        f"{upstream}...{head}",
        *([f"^{base}"] if base else []),
    )
    rows = [line.split() for line in out.decode().splitlines()]
    # a row is a mark ("=": upstream has this patch), the commit and its parents
    marked = {oid[1:]: (oid[0], len(parents) > 1) for oid, *parents in rows}
    left_out = {oid for oid, (mark, merge) in marked.items() if mark == "=" or merge}
    with mirror.git.objects() as objects:
        dropped = tuple(
            _dropped(objects.commit(oid), merge=marked[oid][1]) for oid in marked if oid in left_out
        )
    return Plan(pending=tuple(oid for oid in marked if oid not in left_out), dropped=dropped)


def replay(
    mirror: Mirror,
    pending: Sequence[str],
    head: str,
    committer: Committer,
    *,
    empty: str = "drop",
    watch: Watch | None = None,
) -> Replay:
    """Stack the commits `pending` (oldest first) on `head`, up to the first conflict.

    `empty`: "drop" or "keep" commits that were empty from the start; one that becomes empty is dropped. A commit
    that already stands on the tip is taken as it is. Attributes are those of `head`. `watch`: stop, too, where git
    merged one of its files as text.
    """
    with mirror.git.objects() as objects:
        work = _Work(mirror.git, objects, head, committer, keep_empty=empty == "keep", watch=watch)
        return work.go(tuple(pending), ())


def resume(
    mirror: Mirror,
    stopped: Stopped,
    pending: Sequence[str],
    head: str,
    resolutions: Sequence[Resolution],
    committer: Committer,
    *,
    empty: str = "drop",
    watch: Watch | None = None,
) -> Replay:
    """Write the resolved commit on `head` and go on with `pending` (which may name the stopped commit first).

    What was held and has no resolution stays as git merged it.

    Raises:
        Refused: unresolved_conflicts, when a conflict has no resolution, bytes outside hunks were changed, or the
            place of a whole answer is taken.
    """
    answered = {resolution.conflict.path for resolution in resolutions}
    held_back = [one for one in stopped.held if one.path in answered]
    placed = accepted((*stopped.conflicts, *held_back), resolutions)
    rest = tuple(pending)[1:] if pending and pending[0] == stopped.commit else tuple(pending)
    with mirror.git.objects() as objects:
        work = _Work(mirror.git, objects, head, committer, keep_empty=empty == "keep", watch=watch)
        tree = put(objects, stopped.tree, placed, len(head))
        step = work.stack(objects.commit(stopped.commit), tree, _disposition(stopped, resolutions))
        return work.go(rest, (step,))


def _dropped(commit: Commit, *, merge: bool) -> Step:
    return Step(
        original=commit.oid,
        new="",
        disposition="dropped_merge" if merge else "dropped_upstream",
        subject=commit.subject,
        note="a merge commit: its parts are replayed one by one"
        if merge
        else "upstream has this change already",
    )


def _disposition(stopped: Stopped, resolutions: Sequence[Resolution]) -> str:
    if stopped.conflicts:
        return "resolved"
    return "rewritten" if resolutions else "replayed"


def _origin(commit: Commit, size: int, old_path: Callable[[bytes, Side], bytes]) -> Origin:
    return Origin(commit=commit.oid, subject=commit.subject, marker_size=size, old_path=old_path)


class _Work:
    """The state of one replay: where the stack has arrived."""

    def __init__(
        self,
        git: Git,
        objects: Objects,
        head: str,
        committer: Committer,
        *,
        keep_empty: bool,
        watch: Watch | None,
    ) -> None:
        self._git, self._objects, self._watch = git, objects, watch
        self._committer, self._keep_empty = committer, keep_empty
        self._head, self._tree = head, objects.commit(head).tree
        self._upstream_tree = self._tree
        self._attributes: tuple[Attributes, ...] | None = None

    def go(self, pending: tuple[str, ...], steps: tuple[Step, ...]) -> Replay:
        done = list(steps)
        for number, oid in enumerate(pending):
            outcome = self._pick(self._objects.commit(oid))
            if isinstance(outcome, Stopped):
                return self._replay(done, pending[number:], outcome)
            done.append(outcome)
        return self._replay(done, (), None)

    def stack(self, commit: Commit, tree: str, disposition: str) -> Step:
        """Put `commit` with the merged `tree` on the head, or drop it when nothing of it is left."""
        tree = tree or self._objects.write_tree((), len(self._head))
        if tree == self._tree and disposition != "kept_empty":
            return self._step(commit, "", "dropped_empty", "upstream has this change already")
        raw = replayed(commit, tree=tree, parent=self._head, committer=self._committer)
        self._head, self._tree = self._objects.write("commit", raw, len(self._head)), tree
        note = "kept as it is: commits are not squashed" if commit.subject.startswith(_AUTOSQUASH) else ""
        return self._step(commit, self._head, disposition, note)

    def _replay(self, steps: list[Step], pending: tuple[str, ...], stopped: Stopped | None) -> Replay:
        return Replay(head=self._head, tree=self._tree, steps=tuple(steps), pending=pending, stopped=stopped)

    def _step(self, commit: Commit, new: str, disposition: str, note: str = "") -> Step:
        return Step(original=commit.oid, new=new, disposition=disposition, subject=commit.subject, note=note)

    def _pick(self, commit: Commit) -> Step | Stopped:
        if len(commit.parents) > 1:
            return _dropped(commit, merge=True)
        if commit.parents == (self._head,):
            self._head, self._tree = commit.oid, commit.tree
            return self._step(commit, commit.oid, "unchanged")
        base = self._objects.commit(commit.parents[0]).tree if commit.parents else ""
        return self._empty(commit) if commit.tree == base else self._change(commit, base)

    def _empty(self, commit: Commit) -> Step:
        if self._keep_empty:
            return self.stack(commit, self._tree, "kept_empty")
        return self._step(commit, "", "dropped_empty", "the commit was empty from the start")

    def _change(self, commit: Commit, base: str) -> Step | Stopped:
        if base == self._tree:  # nothing to merge with: the commit's tree is the result
            return self.stack(commit, commit.tree, "replayed")
        merged, size = self._merge(commit, MARKER_SIZE)
        trees = {Side.BASE: base, Side.UPSTREAM: self._tree, Side.COMMIT: commit.tree}
        origin = _origin(commit, size, Renames(self._git, self._objects, trees).old_path)
        if merged.conflicted:
            return self._stopped(commit, trees, merged, origin)
        found = self._held(trees, merged, origin)
        if found:
            return Stopped(
                commit=commit.oid, subject=commit.subject, tree=merged.tree, conflicts=(), held=found
            )
        return self.stack(commit, merged.tree, "replayed")

    def _stopped(self, commit: Commit, trees: Mapping[Side, str], merged: Merged, origin: Origin) -> Stopped:
        conflicts = read_conflicts(merged, self._objects, origin)
        free = free_marker_size(conflicts, origin.marker_size)
        if free != origin.marker_size:  # a version holds a line like our markers: merge again with others
            merged, size = self._merge(commit, free)
            origin = replace(origin, marker_size=size)
            conflicts = read_conflicts(merged, self._objects, origin)
        clean = self._objects.replaced(merged.tree, dict.fromkeys(invented(merged)))
        open_ = {path for conflict in conflicts for path in conflict.paths}
        found = tuple(one for one in self._held(trees, merged, origin) if open_.isdisjoint(one.paths))
        return Stopped(commit=commit.oid, subject=commit.subject, tree=clean, conflicts=conflicts, held=found)

    def _held(self, trees: Mapping[Side, str], merged: Merged, origin: Origin) -> tuple[Conflict, ...]:
        if self._watch is None:
            return ()
        return tuple(held(self._objects, trees, merged, self._watch, origin))

    def _merge(self, commit: Commit, size: int) -> tuple[Merged, int]:
        """Merge the change of `commit` into the tip's tree."""
        parent = commit.parents[0] if commit.parents else ""
        dressed = replace(commit, author=b"tip <tip> 0 +0000", encoding="", message=b"tip\n")
        tip = self._objects.write(
            "commit",
            replayed(dressed, tree=self._tree, parent=parent, committer=self._committer),
            len(self._head),
        )
        code, out = self._git.with_attributes(self._attributes_file(size)).try_run(
            "merge-tree",
            "--write-tree",
            "-z",
            "--messages",
            "--allow-unrelated-histories",
            "--end-of-options",
            tip,
            commit.oid,
        )
        return replace(parse_merge(out), conflicted=code != 0), size

    def _attributes_file(self, size: int) -> Path:
        if self._attributes is None:
            self._attributes = attributes_of(self._git, self._objects, self._upstream_tree)
        return write_attributes(self._git.folder, reduce(self._attributes, size))
