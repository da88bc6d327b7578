"""Random small histories, replayed here and rebased by git in a work tree: the trees and the ends must agree."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowforge.git.changes import changes
from flowforge.git.command import Door
from flowforge.git.held import Watch
from flowforge.git.mirror import Mirror, Tips, open_mirror
from flowforge.git.replay import Committer, Replay, Step, commits_to_replay, replay, resume
from tests.gitrepo import Content, Repository

_EVERY = Watch(path=lambda _path: True, conflict=lambda _conflict, _objects: True)
_WHO = Committer(name="FlowForge", email="flowforge@example.org", date=1_760_000_000)
_LINES = [f"line {n}\n" for n in range(12)]
_PATHS = ["a", "b", "d/a", "d/b", "d/e/f", "x"]
_START: dict[str, Content] = {
    "a": "".join(_LINES),
    "b": "".join(reversed(_LINES)),
    "d/a": "".join(f"{n} {line}" for n, line in enumerate(_LINES)),
    "d/b": "one\n",
    "x": "\x00binary\x00",
}

_edit = st.tuples(st.just("edit"), st.sampled_from(_PATHS), st.integers(0, 11), st.sampled_from("PQ"))
_edits = st.one_of(
    _edit,
    _edit,
    _edit,
    st.tuples(st.just("move"), st.sampled_from(_PATHS), st.sampled_from(_PATHS)),
    st.tuples(st.just("drop"), st.sampled_from(_PATHS)),
    st.tuples(st.just("mode"), st.sampled_from(_PATHS)),
    st.tuples(st.just("link"), st.sampled_from(_PATHS)),
    st.tuples(st.just("end"), st.sampled_from(_PATHS)),
    st.tuples(st.just("nothing")),
)
_history = st.lists(st.lists(_edits, min_size=1, max_size=3), min_size=1, max_size=3)


def changed(files: dict[str, Content], edit: tuple[object, ...]) -> dict[str, Content]:
    """One edit of a tree; an edit of a path that is not there (or cannot be) changes nothing."""
    files = dict(files)
    word, path, *rest = (*edit, "")
    mode, text = parts(files.pop(str(path), None))
    if text is None:
        return (
            files if word == "nothing" else files | ({str(path): "new\n"} if fits(files, str(path)) else {})
        )
    if word == "edit":
        lines = text.splitlines(keepends=True)
        lines[int(str(rest[0])) % len(lines)] = f"{rest[1]}\n"
        files[str(path)] = (mode, "".join(lines))
    elif word == "move":
        files[str(rest[0] if fits(files, str(rest[0])) else path)] = (mode, text)
    elif word == "mode":
        files[str(path)] = ("100755" if mode == "100644" else mode, text)
    elif word == "link":
        files[str(path)] = ("120000", "target")
    elif word == "end":
        files[str(path)] = (mode, text.removesuffix("\n") or "x")
    elif word != "drop":
        files[str(path)] = (mode, text)
    return files or {"kept": "kept\n"}


def parts(content: Content | None) -> tuple[str, str | None]:
    mode, body = content if isinstance(content, tuple) else ("100644", content)
    return mode, body if isinstance(body, str) or body is None else body.decode()


def fits(files: dict[str, Content], path: str) -> bool:
    return path not in files and not any(p.startswith(f"{path}/") or path.startswith(f"{p}/") for p in files)


def grow(repo: Repository, start: str, history: list[list[tuple[object, ...]]], branch: str) -> None:
    files, tip = dict(_START), start
    for number, edits in enumerate(history):
        for edit in edits:
            files = changed(files, edit)
        tip = repo.commit(files, tip, message=f"{branch} {number}")
    repo.point(branch, tip)


def watched(mirror: Mirror, pending: Sequence[str], tips: Tips) -> Replay:
    """The same replay, stopped for every file that git merges as text and gone on from without an answer."""
    done = replay(mirror, pending, tips.target, _WHO, watch=_EVERY)
    steps, held = done.steps, {}
    while done.stopped is not None and not done.stopped.conflicts:
        held[done.stopped.commit] = {conflict.path for conflict in done.stopped.held}
        done = resume(mirror, done.stopped, done.pending, done.head, (), _WHO, watch=_EVERY)
        steps += done.steps
    for step in steps:
        if step.disposition == "replayed":
            assert merged_files(mirror, step) == held.get(step.original, set())
    stopped = replace(done.stopped, held=()) if done.stopped is not None else None
    return replace(done, steps=steps, stopped=stopped)


def merged_files(mirror: Mirror, step: Step) -> set[str]:
    """Paths of a replayed commit whose bytes neither its new parent nor the original commit has anywhere."""
    with mirror.git.objects() as objects:
        new = objects.commit(step.new)
        before = objects.commit(new.parents[0]).tree
        trees = (before, objects.commit(step.original).tree)
        known = {file.new.oid for tree in trees for file in changes(objects, "", tree) if file.new}
        found = [file for file in changes(objects, before, new.tree) if file.new]
        return {file.path.decode() for file in found if file.new and file.new.oid not in known}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(ours=_history, theirs=_history)
def test_a_replay_ends_as_git_rebase_ends(
    ours: list[list[tuple[object, ...]]], theirs: list[list[tuple[object, ...]]]
) -> None:
    with tempfile.TemporaryDirectory(prefix="git-rebase-") as name:
        folder = Path(name)
        repo = Repository(folder / "origin.git")
        start = repo.commit(_START, message="start")
        grow(repo, start, theirs, "main")
        grow(repo, start, ours, "topic")
        door = Door(protocols=frozenset({"file"}))
        with open_mirror(folder / "mirrors", repo.url, door) as mirror:
            tips = mirror.fetch("topic", "main")
            base = mirror.merge_base(tips.branch, tips.target)
            pending = commits_to_replay(mirror, base, tips.branch, tips.target)
            done = replay(mirror, pending, tips.target, _WHO)
            assert watched(mirror, pending, tips) == done
            rebased = repo.rebase(folder / "tree", tips.branch, tips.target, "--no-keep-empty")
            assert (done.stopped is None) == (rebased != "")
            if done.stopped is None:
                assert done.tree == repo.tree(rebased)
                messages = mirror.git.run("log", "--format=%an %ae %ad %s", f"{tips.target}..{done.head}")
                expected = repo.git("log", "--format=%an %ae %ad %s", f"{tips.target}..{rebased}", TZ="UTC")
                assert messages == expected
            else:
                assert done.stopped.conflicts
                assert all("~" not in conflict.path for conflict in done.stopped.conflicts)
