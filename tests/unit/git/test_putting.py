"""Answers for whole paths, written into real trees: exactly the expected paths, and nothing else's place."""

from collections.abc import Callable
from typing import Any

import pytest

from flowforge.core.conflict import Conflict, Resolution, WholeAnswer, resolve_whole, resolve_with
from flowforge.core.conflict import HunkAnswer as Hunked
from flowforge.core.errors import Refused
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Committer, Replay, Stopped, replay, resume
from tests.gitrepo import Content, Repository
from tests.unit.git.test_conflicts import LONG, OTHER

MirrorOf = Callable[[Repository], Mirror]
Files = dict[str, Content]


class Scene:
    """A replay that stopped, and how it goes on."""

    def __init__(self, origin: Repository, mirror: Mirror, committer: Committer) -> None:
        self.origin, self.mirror, self.committer = origin, mirror, committer

    def stop(self, base: Files, upstream: Files, commit: Files) -> Stopped:
        start = self.origin.commit(base)
        target = self.origin.commit(upstream, start, branch="main")
        head = self.origin.commit(commit, start, branch="topic")
        self.mirror.fetch("topic", "main")
        self.done = replay(self.mirror, [head], target, self.committer)
        assert self.done.stopped is not None
        return self.done.stopped

    def go_on(self, *resolutions: Resolution) -> Replay:
        assert self.done.stopped is not None
        return resume(
            self.mirror, self.done.stopped, self.done.pending, self.done.head, resolutions, self.committer
        )

    def files(self, done: Replay) -> dict[str, tuple[str, bytes | str]]:
        rows = self.mirror.git.run("ls-tree", "-r", "-z", done.tree).split(b"\0")[:-1]
        found = {}
        for row in rows:
            head, _, path = row.partition(b"\t")
            mode, _, oid = head.decode().split(" ")
            text = oid if mode == "160000" else self.mirror.git.run("cat-file", "blob", oid)
            found[path.decode()] = (mode, text)
        return found


@pytest.fixture
def scene(origin: Repository, mirror_of: MirrorOf, committer: Committer) -> Scene:
    origin.commit({"x": "x\n"}, branch="topic")
    origin.commit({"x": "x\n"}, branch="main")
    return Scene(origin, mirror_of(origin), committer)


def whole(conflict: Conflict, path: str = "", **more: Any) -> Resolution:
    answer = WholeAnswer(path=path or conflict.path, rung="r", rule="r", why="w", **more)
    return resolve_whole(conflict, answer)


FILE = ("100644", LONG.encode())


def test_a_deleted_file_is_removed_or_kept(scene: Scene) -> None:
    sides: tuple[Files, Files, Files] = (
        {"d/a": LONG, "k": "k\n"},
        {"k": "k\n"},
        {"d/a": LONG + "x\n", "k": "k2\n"},
    )
    (conflict,) = scene.stop(*sides).conflicts
    assert scene.files(scene.go_on(whole(conflict))) == {"k": ("100644", b"k2\n")}
    kept = scene.files(scene.go_on(whole(conflict, version=conflict.commit)))
    assert kept == {"k": ("100644", b"k2\n"), "d/a": ("100644", LONG.encode() + b"x\n")}
    told = scene.files(scene.go_on(whole(conflict, text=b"told\n")))
    assert told["d/a"] == ("100644", b"told\n")


def test_of_two_new_names_only_the_chosen_one_stays(scene: Scene) -> None:
    (conflict,) = scene.stop({"a": LONG}, {"b": LONG}, {"c": LONG}).conflicts
    assert conflict.places == ("a", "b", "c")
    for path in ("a", "b", "c"):
        done = scene.go_on(whole(conflict, path, version=conflict.upstream))
        assert scene.files(done) == {path: FILE}
    assert scene.files(scene.go_on(whole(conflict))) == {}


def test_a_name_that_git_made_up_is_never_in_a_result(scene: Scene) -> None:
    stopped = scene.stop({"k": "k\n"}, {"k": "k\n", "a": "file\n"}, {"k": "k\n", "a": ("120000", "k")})
    (conflict,) = stopped.conflicts
    assert conflict.places == ("a",)
    assert b"~" not in scene.mirror.git.run("ls-tree", "-r", "--name-only", stopped.tree)
    done = scene.go_on(whole(conflict, version=conflict.commit, mode="120000"))
    assert scene.files(done) == {"k": ("100644", b"k\n"), "a": ("120000", b"k")}
    done = scene.go_on(whole(conflict, version=conflict.upstream))
    assert scene.files(done)["a"] == ("100644", b"file\n")


def test_a_folder_that_stands_there_is_never_taken_away(scene: Scene) -> None:
    (conflict,) = scene.stop({"k": "k\n"}, {"k": "k\n", "d": "f\n"}, {"k": "k\n", "d/x": "x\n"}).conflicts
    with pytest.raises(Refused, match="'d' stands there"):
        scene.go_on(whole(conflict, version=conflict.upstream))
    gone = scene.files(scene.go_on(whole(conflict)))
    assert gone == {"k": ("100644", b"k\n"), "d/x": ("100644", b"x\n")}


def test_a_place_that_something_else_took_is_refused(scene: Scene) -> None:
    base: Files = {"d/a": LONG, "d/b": OTHER}
    upstream: Files = {"e/a": LONG, "e/b": OTHER, "d": "in the way\n"}
    (conflict,) = scene.stop(base, upstream, {**base, "d/new": "new\n"}).conflicts
    assert (conflict.path, conflict.places) == ("e/new", ("e/new",))
    done = scene.go_on(whole(conflict, version=conflict.commit))
    assert sorted(scene.files(done)) == ["d", "e/a", "e/b", "e/new"]
    with pytest.raises(Refused, match="'d/new' cannot be written: 'd' stands there"):
        scene.go_on(whole(conflict, "d/new", version=conflict.commit))


def test_a_path_below_a_file_is_refused(scene: Scene) -> None:
    sides: tuple[Files, Files, Files] = (
        {"d/a": LONG, "k": "k\n"},
        {"k": "k\n", "d": "a file now\n"},
        {"d/a": LONG + "c\n", "k": "k\n"},
    )
    file, inside = scene.stop(*sides).conflicts
    assert (file.path, inside.path) == ("d", "d/a")
    both = scene.go_on(whole(file), whole(inside, version=inside.commit))
    assert sorted(scene.files(both)) == ["d/a", "k"]
    done = scene.go_on(whole(file, version=file.upstream), whole(inside))
    assert sorted(scene.files(done)) == ["d", "k"]
    with pytest.raises(Refused, match="cannot be written"):
        scene.go_on(whole(file, version=file.upstream), whole(inside, version=inside.commit))


def test_a_submodule_is_taken_by_its_commit(scene: Scene) -> None:
    sides: list[Files] = [{"a": ("160000", n * 40)} for n in "123"]
    (conflict,) = scene.stop(*sides).conflicts
    done = scene.go_on(whole(conflict, version=conflict.commit, mode="160000"))
    assert scene.files(done) == {"a": ("160000", "3" * 40)}


def test_a_whole_answer_may_stand_for_a_file_with_hunks(scene: Scene) -> None:
    (conflict,) = scene.stop({"f": "x\n"}, {"f": "up\n"}, {"f": "down\n"}).conflicts
    assert scene.files(scene.go_on(whole(conflict, text=b"anew\n"))) == {"f": ("100644", b"anew\n")}
    hunk = Hunked(index=0, text=b"h\n", rung="r", rule="r", why="w")
    assert scene.files(scene.go_on(resolve_with(conflict, [hunk]))) == {"f": ("100644", b"h\n")}


def test_a_forged_answer_is_refused_before_anything_is_written(scene: Scene) -> None:
    (conflict,) = scene.stop({"f": "x\n"}, {"f": "up\n"}, {"f": "down\n"}).conflicts
    answer = WholeAnswer(path="../g", rung="r", rule="r", why="w", text=b"x")
    forged = Resolution(conflict=conflict, answers=(), result=b"x", outside="", whole=answer)
    with pytest.raises(Refused, match="no path of this conflict"):
        scene.go_on(forged)
    with pytest.raises(Refused, match="has no resolution"):
        scene.go_on()
    other = Conflict(path="g", kind=conflict.kind, base=None, upstream=None, commit=None)
    with pytest.raises(Refused, match="did not conflict"):
        scene.go_on(whole(conflict, text=b"x"), whole(other))
