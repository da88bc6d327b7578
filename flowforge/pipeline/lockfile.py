"""The rung `lockfile`: the tool that writes a lockfile writes it anew, in the sandbox, on an export of the merged tree.

What to run and whether the result may stand are decided in `resolve`; here it is run. Only the lockfile's bytes cross
back: whatever else the tool, or the repository's code in it, has written is thrown away with the export.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from flowforge.core.conflict import Abstain, Candidate, Conflict, Kind, Resolution, Side, Unresolved, Version
from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import Network, StageSpec
from flowforge.git.export import Row, export_tree, parse_listing
from flowforge.git.objects import Objects
from flowforge.git.putting import Placed, accepted, put
from flowforge.git.replay import Stopped
from flowforge.merge.lockfiles import MAX_BYTES
from flowforge.pipeline.commands import LIMITS
from flowforge.pipeline.context import Tools
from flowforge.pipeline.options import ResolveOptions
from flowforge.resolve.ladder import Answers, Note, Rung, climb
from flowforge.resolve.lockfile import CHANGE_LOST, RUNG, Made
from flowforge.resolve.locktools import HEAD, LockTask, is_lock, lock_task
from flowforge.resolve.policy import Policy, matches
from flowforge.sandbox.contract import MEGABYTE, Command, Finished
from flowforge.sandbox.outputs import read_output

_JUDGE = "flowforge.resolve.lockfile:judge"
_DEADLINE = 30.0  # seconds for reading and comparing the packages of four files
_LONGEST = 600.0  # seconds for one tool, where the stage has more
_OUTPUT = 8 * MEGABYTE
_KEPT = 16 << 10  # bytes of a tool's last words that are looked at
_SHOWN = 200  # characters of them in a sentence
_MANIFESTS = 500  # of one lockfile
_MANIFEST_BYTES = 1 << 20
_MISSING = 127  # a shell's exit status where there is no such program
_REGULAR = {"100644", "100755"}
_KINDS = {
    Kind.CONTENT,
    Kind.ADD_ADD,
    Kind.BINARY,
}  # binary: as attributes may call it, to keep git's hands off
_IN_FOLDER = 'cd -- "$1" && exec /bin/sh -c "$2"'


def climb_all(
    conflicts: Sequence[Conflict],
    rungs: Sequence[Rung],
    policy: Policy,
    relocker: "Relocker",
    options: ResolveOptions,
    held: Sequence[Conflict] = (),
) -> Answers:
    """Climb with what people write first, then with the lockfiles, which are made from what came of it.

    A lockfile is no text to the other rungs: where the pipeline has the rung `lockfile`, that one alone is asked. One
    that the pipeline's own `protect` names stays a person's. `held` are lockfiles that git merged as text; nobody is
    asked about them while a person must answer something else, since they come again with that answer.

    Raises:
        FlowForgeError: what `climb` raises.
    """
    found = lock_conflicts(conflicts, options.regenerate, relocker.tools) if RUNG in options.rungs else ()
    locks = [one for one in found if not any(matches(options.protect or (), path) for path in one.paths)]
    mine = {lock.path for lock in locks}
    first = climb([one for one in conflicts if one.path not in mine], rungs, policy)
    locks += () if first.unresolved else held
    if not locks:
        return first
    relocker = replace(
        relocker,
        regenerate=options.regenerate,
        answered=(*relocker.answered, *first.resolutions),
        locks=locks,
    )
    written = frozenset(path for lock in locks for path in lock.paths)
    allowed = replace(policy, paths=replace(policy.paths, regenerated=written))
    asked = (relocker.rung(), *(rung for rung in rungs if rung.name == RUNG))
    then = climb(relocker.locks, asked, allowed)
    return Answers(
        resolutions=(*first.resolutions, *then.resolutions),
        unresolved=(*first.unresolved, *(told(one, then.notes) for one in then.unresolved)),
        approve=(*first.approve, *then.approve),
        notes=(*first.notes, *then.notes),
    )


def told(unresolved: Unresolved, notes: Sequence[Note]) -> Unresolved:
    """Nobody resolves a lockfile place by place: say what became of writing it anew."""
    path = unresolved.conflict.path
    note = next((one for one in notes if one.path == path and one.rung == RUNG), None)
    if note is None:
        return unresolved
    said = note.sentence.removeprefix(f"{RUNG} failed: ")
    if note.why == Reason.SKIPPED:
        return replace(unresolved, sentence=f"{path!r} is written by a tool: {said}")
    sentence = f"{path!r} is written by a tool, and it could not be written anew: {said}"
    return replace(unresolved, sentence=sentence)


def reason_of(unresolved: Unresolved) -> str:
    """Why the rung did not write a lockfile anew, in its own words."""
    said = unresolved.tried.get(RUNG, unresolved.sentence)
    return said.removeprefix(f"{RUNG} failed: ")


def lock_conflicts(
    conflicts: Iterable[Conflict], regenerate: Mapping[str, str], tools: Tools
) -> tuple[Conflict, ...]:
    """Those of files that a tool writes, and that both sides have as files of this name."""
    with tools.mirror.git.objects() as objects:
        return tuple(one for one in conflicts if is_lock_conflict(one, regenerate, objects))


def is_lock_conflict(conflict: Conflict, regenerate: Mapping[str, str], objects: Objects) -> bool:
    """Whether it is about a lockfile; one side may have moved its folder, but not called it otherwise."""
    sides = (conflict.upstream, conflict.commit)
    if conflict.kind not in _KINDS or any(
        side is None or side.mode not in _REGULAR or _name(side.path) != _name(conflict.path)
        for side in sides
    ):
        return False
    text = _text(conflict.upstream, objects)
    return text is not None and is_lock(conflict.path, text[:HEAD], regenerate)


@dataclass(frozen=True, kw_only=True)
class Relocker:
    """Writes the lockfiles of one commit anew. `answered` are its other conflicts, as far as rungs have got."""

    spec: StageSpec
    tools: Tools
    stopped: Stopped
    regenerate: Mapping[str, str] = field(default_factory=dict)
    answered: Sequence[Resolution] = ()
    locks: Sequence[Conflict] = ()

    def rung(self) -> Rung:
        return Rung(name=RUNG, resolver=RUNG, ask=self.ask, whole=True)

    def ask(self, conflict: Conflict) -> Candidate | Abstain:
        """Run the tool for one lockfile.

        Raises:
            Refused: tool_missing, command_failed, timeout or another limit, too_large, cancelled.
            FlowForgeError: what the sandbox and the export raise.
        """
        with self.tools.mirror.git.objects() as objects:
            begun = self._begun(conflict, objects)
        if isinstance(begun, Abstain):
            return begun
        task, made = begun
        said = self._attempt(task, made, Side.UPSTREAM)
        if isinstance(said, Candidate) or said.why != CHANGE_LOST:
            return said
        # the commit changed what no manifest speaks of: its own lockfile holds that, so begin with it
        again = self._attempt(task, made, Side.COMMIT)
        return again if isinstance(again, Candidate) else said

    def _begun(self, conflict: Conflict, objects: Objects) -> tuple[LockTask, Made] | Abstain:
        """What to run, and what its result will be judged by."""
        sides = [_text(side, objects) for side in (conflict.base, conflict.upstream, conflict.commit)]
        base, upstream, commit = sides
        if upstream is None or commit is None or (conflict.base is not None and base is None):
            return Abstain(why="lock_unreadable", sentence=f"{conflict.path!r} is too large to be compared")
        task = lock_task(conflict.path, upstream, self.regenerate)
        if isinstance(task, Abstain):
            return task
        manifests = self._manifests(task, conflict.path, self._tree(objects), objects)
        if isinstance(manifests, Abstain):
            return manifests
        return task, Made(
            path=conflict.path,
            program=task.program,
            base=base,
            upstream=upstream,
            commit=commit,
            result=b"",
            mode=_mode(conflict),
            manifests=manifests,
        )

    def _attempt(self, task: LockTask, made: Made, ground: Side) -> Candidate | Abstain:
        """Run the tool on the merged tree with one side's lockfile, and judge what came of it."""
        with self.tools.mirror.git.objects() as objects:
            tree = self._tree(objects, made.path if ground is Side.COMMIT else "")
        result, touched = self._run(task, made.path, tree, made.manifests)
        made = replace(made, result=result, touched=touched, ground=ground)
        said: Candidate | Abstain = self.tools.pool.call(  # type: ignore[assignment]  # judge's own type
            _JUDGE, made, deadline=_DEADLINE, cancelled=self.tools.cancelled
        )
        return said

    def _tree(self, objects: Objects, commits: str = "") -> str:
        """What git merged, with the answers that there are, and every lockfile but `commits` as upstream has it."""
        known = {one.conflict.path for one in self.answered}
        conflicts = [one for one in self.stopped.asked if one.path in known]
        placed = dict(accepted(conflicts, self.answered))
        for lock in self.locks:
            version = lock.commit if lock.path == commits else lock.upstream
            if version is not None:
                placed[os.fsencode(lock.path)] = Placed(mode=version.mode, oid=version.oid)
        return put(objects, self.stopped.tree, placed, len(self.stopped.tree))

    def _manifests(
        self, task: LockTask, path: str, tree: str, objects: Objects
    ) -> Mapping[str, bytes] | Abstain:
        """What the lockfile is made from, as merged; an abstention where it is not merged yet, or not there."""
        listing = self.tools.mirror.git.run(
            "ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", tree
        )
        rows = manifests_of(path, task.manifests, parse_listing(listing))
        paths = [os.fsdecode(row.path) for row in rows]
        if task.manifests and not rows:
            named = " or ".join(task.manifests)
            return Abstain(why="no_manifest", sentence=f"there is no {named} that {path!r} is made from")
        known = {one.conflict.path for one in self.answered} | {one.path for one in self.locks}
        open_ = {path for one in self.stopped.conflicts if one.path not in known for path in one.paths}
        waiting = sorted(open_ & set(paths))
        if waiting:
            return Abstain(
                why="manifest_open",
                sentence=f"{waiting[0]!r}, from which {path!r} is made, has no answer yet",
            )
        if any(row.size > _MANIFEST_BYTES for row in rows):
            large = next(name for name, row in zip(paths, rows, strict=True) if row.size > _MANIFEST_BYTES)
            return Abstain(why="manifest_unreadable", sentence=f"{large!r} is too large to be read")
        return dict(zip(paths, objects.contents([row.oid for row in rows]), strict=True))

    def _run(
        self, task: LockTask, path: str, tree: str, manifests: Mapping[str, bytes]
    ) -> tuple[bytes, tuple[str, ...]]:
        """The lockfile that the tool wrote, and the manifests that it changed beside it."""
        with tempfile.TemporaryDirectory(prefix="lockfile-", dir=self.tools.workspace) as private:
            folder = Path(private) / "tree"
            export_tree(self.tools.mirror, tree, folder)
            said = _Words(log=lambda text: self.tools.recorder.log(self.spec.id, text))
            said.own(f"--- {task.command} (for {path})")
            finished = self.tools.sandbox.run(self._command(task, folder), said, self.tools.cancelled)
            for limit, why in finished.missing.items():
                said.own(f"not limited on this host: {limit} ({why})")
            self._refuse_failed(task, finished, said)
            result = read_output(folder, path, MAX_BYTES)
            touched = tuple(name for name, text in manifests.items() if _or_none(folder, name) != text)
        return result, touched

    def _command(self, task: LockTask, folder: Path) -> Command:
        """What keeps the tool tame comes last: no definition takes it away by a variable."""
        spec = self.spec
        offline = task.offline if spec.network is Network.NONE else {}
        return Command(
            argv=("/bin/sh", "-c", _IN_FOLDER, "sh", f"./{task.folder}", task.command),
            folder=folder,
            env={**offline, **self.tools.pipeline.env, **spec.env, **task.env},
            timeout=min(spec.timeout, _LONGEST),
            memory=spec.memory,
            cpu=spec.cpu,
            output=_OUTPUT,
            network=spec.network,
        )

    def _refuse_failed(self, task: LockTask, finished: Finished, said: "_Words") -> None:
        shown = repr(task.command[:_SHOWN])
        if finished.why in LIMITS:
            _, reason, words = LIMITS[finished.why]
            limit = min(self.spec.timeout, _LONGEST)
            raise Refused(reason, f"{shown} {words.format(timeout=limit)}")
        if finished.status == _MISSING:
            raise Refused(
                Reason.TOOL_MISSING,
                f"{task.program!r} is not installed where commands run",
                next_action="install it there, or name it in the setting sandbox_tools: flowforge doctor shows what is seen",
            )
        if finished.status:
            last = last_words(said.kept)
            why = f": {last}" if last else ""
            raise Refused(Reason.COMMAND_FAILED, f"{shown} ended with exit status {finished.status}{why}")


@dataclass(kw_only=True)
class _Words:
    """What a tool says: into the log, and the last of it kept for a sentence."""

    log: Callable[[bytes], None]
    kept: bytes = b""

    def __call__(self, text: bytes) -> None:
        self.log(text)
        self.kept = (self.kept + text)[-_KEPT:]

    def own(self, line: str) -> None:
        self.log(f"{line}\n".encode("utf-8", "surrogateescape"))


def last_words(said: bytes) -> str:
    """Of what a tool said, the first line that speaks of an error, else the last one; short and printable.

    Of a crash in Python the last line says what it was, and the lines before it are the tool's own code.
    """
    text = said.decode("utf-8", "replace")
    lines = ["".join(c for c in line if c.isprintable()).strip() for line in text.splitlines()]
    spoken = [line for line in lines if line]
    crashed = any(line.startswith("Traceback (most recent call last)") for line in spoken)
    errors = [] if crashed else [line for line in spoken if "error" in line.lower()]
    return next(iter([*errors, *reversed(spoken)]), "")[:_SHOWN]


def manifests_of(path: str, names: Sequence[str], rows: Sequence[Row]) -> tuple[Row, ...]:
    """The manifests of a lockfile: in its folder and below, down to where another lockfile of its name stands.

    `()` where the one in its own folder is missing: the others are members of something that is not there.
    """
    folder, slash, lock = path.rpartition("/")
    files = {os.fsdecode(row.path): row for row in rows if row.mode in _REGULAR}
    inside = [name for name in files if name.startswith(f"{folder}{slash}")]
    others = {name.rpartition("/")[0] for name in inside if name != path and name.rpartition("/")[2] == lock}
    found = [
        name
        for name in inside
        if name.rpartition("/")[2] in names and not any(_within(name, other) for other in others)
    ]
    own = [name for name in found if name.rpartition("/")[0] == folder]
    ordered = sorted(found, key=lambda name: (name.count("/"), name))[:_MANIFESTS]
    return tuple(files[name] for name in ordered) if own else ()


def _within(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _or_none(folder: Path, path: str) -> bytes | None:
    try:
        return read_output(folder, path, MAX_BYTES)
    except Refused:
        return None


def _text(version: Version | None, objects: Objects) -> bytes | None:
    """A version's bytes, also where git takes it for binary; None where it is absent or too large."""
    if version is None or version.content is not None:
        return version.content if version else None
    return blob_of(version.oid, objects)


def blob_of(oid: str, objects: Objects) -> bytes | None:
    """The bytes of a file that may be a lockfile; None for one that is too large."""
    info = objects.info(oid)
    if info is None or info.kind != "blob" or info.size > MAX_BYTES:
        return None
    return objects.read(oid, "blob")


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _mode(conflict: Conflict) -> str:
    """As git decided it, else upstream's; a lockfile is a regular file here."""
    upstream = conflict.upstream.mode if conflict.upstream else conflict.mode
    return upstream if conflict.kind is Kind.BINARY or conflict.mode not in _REGULAR else conflict.mode
