"""Files that git merged as text and a replay stops for, because it was asked to; and that nothing changes where it was not."""

import subprocess
from collections.abc import Callable, Mapping, Sequence

import pytest

from flowforge.core.conflict import (
    Conflict,
    HunkAnswer,
    Kind,
    Resolution,
    WholeAnswer,
    resolve_whole,
    resolve_with,
)
from flowforge.core.errors import Reason, Refused
from flowforge.git import process
from flowforge.git.conflicts import MAX_CONTENT
from flowforge.git.held import Watch
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Committer, Replay, Stopped, commits_to_replay, replay, resume
from tests.gitrepo import Content, Repository

MirrorOf = Callable[[Repository], Mirror]
Changes = Mapping[str, Content | None]
WATCH = Watch(path=lambda path: path.endswith(".lock"), conflict=lambda _conflict, _objects: True)
LINES = [f"entry {number}\n" for number in range(20)]


def lock(**changed: str) -> str:
    """A file of twenty entries; `e3="x"` changes the fourth."""
    lines = list(LINES)
    for name, text in changed.items():
        lines[int(name[1:])] = f"{text}\n"
    return "".join(lines)


START: dict[str, Content] = {"a.lock": lock(), "b": "b\n"}


class Stage:
    """A branch and a target that both went on from one start, and the replay of one onto the other."""

    def __init__(self, origin: Repository, mirror_of: MirrorOf, committer: Committer) -> None:
        self.origin, self.mirror_of, self.committer = origin, mirror_of, committer
        self.mirror: Mirror

    def grow(self, main: Changes, *topic: Changes, base: Mapping[str, Content] = START) -> None:
        start = self.origin.commit(base, message="start")
        self.origin.commit(applied(base, main), start, branch="main")
        files, tip = dict(base), start
        for number, change in enumerate(topic, start=1):
            files = applied(files, change)
            tip = self.origin.commit(files, tip, message=f"topic {number}")
        self.origin.point("topic", tip)
        self.mirror = self.mirror_of(self.origin)
        self.mirror.fetch("topic", "main")

    @property
    def pending(self) -> Sequence[str]:
        head, upstream = self.origin.tip("topic"), self.origin.tip("main")
        return commits_to_replay(self.mirror, self.mirror.merge_base(head, upstream), head, upstream)

    def replay(self, watch: Watch | None = WATCH) -> Replay:
        return replay(self.mirror, self.pending, self.origin.tip("main"), self.committer, watch=watch)

    def resume(self, done: Replay, *resolutions: Resolution) -> Replay:
        assert done.stopped is not None
        return resume(
            self.mirror, done.stopped, done.pending, done.head, resolutions, self.committer, watch=WATCH
        )

    def text(self, path: str, commit: str) -> str:
        return self.mirror.git.run("show", f"{commit}:{path}").decode()


@pytest.fixture
def stage(origin: Repository, mirror_of: MirrorOf, committer: Committer) -> Stage:
    return Stage(origin, mirror_of, committer)


def applied(files: Mapping[str, Content], change: Changes) -> dict[str, Content]:
    return {path: text for path, text in {**files, **change}.items() if text is not None}


def stopped(done: Replay) -> Stopped:
    assert done.stopped is not None
    return done.stopped


def one_held(done: Replay) -> Conflict:
    (conflict,) = stopped(done).held
    return conflict


def answer(conflict: Conflict, text: str) -> Resolution:
    return resolve_whole(
        conflict,
        WholeAnswer(path=conflict.path, text=text.encode(), mode="100644", rung="t", rule="t", why="asked"),
    )


def test_a_watched_file_that_git_merged_is_held_with_its_versions_and_gits_text(stage: Stage) -> None:
    stage.grow({"a.lock": lock(e2="up")}, {"a.lock": lock(e17="own"), "b": "c\n"})
    done = stage.replay()
    assert (done.head, done.steps, done.pending) == (stage.origin.tip("main"), (), tuple(stage.pending))
    assert stopped(done).conflicts == ()
    conflict = one_held(done)
    assert (conflict.path, conflict.kind, conflict.hunks, conflict.places) == (
        "a.lock",
        Kind.CONTENT,
        (),
        ("a.lock",),
    )
    assert not conflict.resolvable
    texts = [version.content for version in conflict.versions]
    assert texts == [lock().encode(), lock(e2="up").encode(), lock(e17="own").encode()]
    assert conflict.segments == (lock(e2="up", e17="own").encode(),)
    assert (conflict.commit_id, conflict.subject) == (stage.pending[0], "topic 1")
    assert stage.text("a.lock", stopped(done).tree) == lock(e2="up", e17="own")


NOTHING_MERGED: list[tuple[str, Changes, Changes]] = [
    ("only upstream", {"a.lock": lock(e2="up")}, {"b": "c\n"}),
    ("only the commit", {"b": "c\n"}, {"a.lock": lock(e17="own")}),
    ("both the same", {"a.lock": lock(e2="x"), "u": "u\n"}, {"a.lock": lock(e2="x"), "b": "c\n"}),
    ("both added the same", {"n.lock": lock(), "u": "u\n"}, {"n.lock": lock(), "b": "c\n"}),
    ("the commit has all of upstream's", {"a.lock": lock(e2="x")}, {"a.lock": lock(e2="x", e9="y")}),
    ("upstream has all of the commit's", {"a.lock": lock(e2="x", e9="y")}, {"a.lock": lock(e2="x"), "b": ""}),
    ("added by the commit", {"b": "c\n"}, {"n.lock": lock()}),
    ("moved by the commit", {"b": "c\n"}, {"a.lock": None, "d/a.lock": lock()}),
    ("moved by upstream", {"a.lock": None, "d/a.lock": lock()}, {"b": "c\n"}),
    (
        "moved by upstream, changed by the commit",
        {"a.lock": None, "d/a.lock": lock()},
        {"a.lock": lock(e3="x")},
    ),
    ("removed by both", {"a.lock": None}, {"a.lock": None, "b": "c\n"}),
    ("of another name", {"b": lock(e2="up")}, {"b": lock(e17="own")}),
]


@pytest.mark.parametrize(
    ("main", "topic"), [row[1:] for row in NOTHING_MERGED], ids=[r[0] for r in NOTHING_MERGED]
)
def test_where_one_sides_file_is_the_result_nothing_is_held(
    stage: Stage, main: Changes, topic: Changes
) -> None:
    stage.grow(main, topic, base={"a.lock": lock(), "b": lock()})
    done = stage.replay()
    assert done.stopped is None
    assert done.head == stage.replay(None).head


def test_a_link_and_a_file_that_is_not_wanted_are_not_held(stage: Stage) -> None:
    stage.grow({"a.lock": lock(e2="up")}, {"a.lock": lock(e17="own")})
    seen: list[Conflict] = []
    picky = Watch(path=WATCH.path, conflict=lambda conflict, _objects: seen.append(conflict) is not None)
    assert stage.replay(picky).stopped is None
    assert [conflict.path for conflict in seen] == ["a.lock"]


def test_without_an_answer_the_commit_is_the_one_that_a_replay_without_a_watch_makes(stage: Stage) -> None:
    stage.grow({"a.lock": lock(e2="up")}, {"a.lock": lock(e17="own")}, {"b": "c\n"})
    done = stage.resume(stage.replay())
    assert done.stopped is None
    assert done == stage.replay(None)
    assert [step.disposition for step in done.steps] == ["replayed", "replayed"]


def test_an_answer_stands_in_place_of_gits_text(stage: Stage) -> None:
    stage.grow({"a.lock": lock(e2="up")}, {"a.lock": lock(e17="own"), "b": "c\n"})
    held = stage.replay()
    done = stage.resume(held, answer(one_held(held), "written anew\n"))
    assert [step.disposition for step in done.steps] == ["rewritten"]
    assert stage.text("a.lock", done.head) == "written anew\n"
    assert stage.text("b", done.head) == "c\n"
    again = stage.resume(held, answer(one_held(held), "written anew\n"))
    assert again.head == done.head


def test_a_result_is_replayed_onto_its_own_base_without_a_stop(stage: Stage) -> None:
    stage.grow({"a.lock": lock(e2="up")}, {"a.lock": lock(e17="own")})
    held = stage.replay()
    done = stage.resume(held, answer(one_held(held), "written anew\n"))
    upstream = stage.origin.tip("main")
    again = replay(stage.mirror, (done.head,), upstream, stage.committer, watch=WATCH)
    assert (again.head, again.stopped) == (done.head, None)


def test_each_commit_that_touches_the_file_is_stopped_for_with_what_came_of_the_one_before(
    stage: Stage,
) -> None:
    stage.grow(
        {"a.lock": lock(e2="up")},
        {"a.lock": lock(e17="own")},
        {"b": "c\n"},
        {"a.lock": lock(e17="own", e9="more")},
    )
    first = stage.replay()
    second = stage.resume(first, answer(one_held(first), lock(e2="up", e17="OWN")))
    conflict = one_held(second)
    assert conflict.subject == "topic 3"
    assert conflict.upstream is not None
    assert conflict.upstream.content == lock(e2="up", e17="OWN").encode()
    assert conflict.segments == (lock(e2="up", e17="OWN", e9="more").encode(),)
    done = stage.resume(second)
    assert done.stopped is None
    assert stage.text("a.lock", done.head) == lock(e2="up", e17="OWN", e9="more")


def test_a_commit_of_which_the_answer_leaves_nothing_is_dropped(stage: Stage) -> None:
    stage.grow({"a.lock": lock(e2="up")}, {"a.lock": lock(e17="own")})
    held = stage.replay()
    done = stage.resume(held, answer(one_held(held), lock(e2="up")))
    assert [step.disposition for step in done.steps] == ["dropped_empty"]
    assert done.head == stage.origin.tip("main")


def test_beside_a_conflict_it_is_held_too_and_needs_no_answer(stage: Stage) -> None:
    stage.grow({"a.lock": lock(e2="up"), "b": "up\n"}, {"a.lock": lock(e17="own"), "b": "own\n"})
    done = stage.replay()
    stop = stopped(done)
    assert [conflict.path for conflict in stop.conflicts] == ["b"]
    assert [conflict.path for conflict in stop.held] == ["a.lock"]
    (conflict,) = stop.conflicts
    texts = [HunkAnswer(index=0, text=b"both\n", rung="t", rule="t", why="asked")]
    rest = stage.resume(done, resolve_with(conflict, texts))
    assert stage.text("a.lock", rest.head) == lock(e2="up", e17="own")
    assert [step.disposition for step in rest.steps] == ["resolved"]
    both = stage.resume(done, resolve_with(conflict, texts), answer(stop.held[0], "anew\n"))
    assert (stage.text("a.lock", both.head), stage.text("b", both.head)) == ("anew\n", "both\n")
    with pytest.raises(Refused) as refused:
        stage.resume(done, answer(stop.held[0], "anew\n"))
    assert refused.value.reason is Reason.UNRESOLVED_CONFLICTS


def test_a_file_in_conflict_is_a_conflict_and_is_not_held(stage: Stage) -> None:
    stage.grow({"a.lock": lock(e2="up")}, {"a.lock": lock(e2="own")})
    stop = stopped(stage.replay())
    assert ([conflict.path for conflict in stop.conflicts], stop.held) == (["a.lock"], ())


@pytest.mark.parametrize("mover", ["upstream", "the commit"])
def test_a_file_whose_folder_one_side_moved_is_held_where_it_stands_now(stage: Stage, mover: str) -> None:
    base: dict[str, Content] = {"old/a.lock": lock(), "old/c": "c\n", "b": "b\n"}
    moved: dict[str, Content | None] = {"old/a.lock": None, "old/c": None, "new/c": "c\n"}
    one, other = {**moved, "new/a.lock": lock(e2="x")}, {"old/a.lock": lock(e17="y")}
    main, topic = (one, other) if mover == "upstream" else (other, one)
    stage.grow(main, topic, base=base)
    held = stage.replay()
    conflict = one_held(held)
    assert conflict.path == "new/a.lock"
    assert conflict.paths == ("new/a.lock", "old/a.lock")
    assert conflict.segments == (lock(e2="x", e17="y").encode(),)
    done = stage.resume(held, answer(conflict, "anew\n"))
    assert stage.text("new/a.lock", done.head) == "anew\n"
    names = stage.mirror.git.run("ls-tree", "-r", "--name-only", done.head).decode().split()
    assert names == ["b", "new/a.lock", "new/c"]


def test_two_added_files_that_attributes_merge_line_by_line_are_held(stage: Stage) -> None:
    base: dict[str, Content] = {".gitattributes": "*.lock merge=union\n", "b": "b\n"}
    stage.grow({"n.lock": "one\n"}, {"n.lock": "two\n"}, base=base)
    conflict = one_held(stage.replay())
    assert (conflict.kind, conflict.base, conflict.segments) == (Kind.ADD_ADD, None, (b"one\ntwo\n",))


def test_a_large_file_is_held_without_its_texts(stage: Stage) -> None:
    many = "".join(f"line {number}\n" for number in range(MAX_CONTENT // 8))
    stage.grow({"a.lock": f"up\n{many}"}, {"a.lock": f"{many}own\n"}, base={"a.lock": many})
    conflict = one_held(stage.replay())
    assert conflict.segments == ()
    assert [version.content for version in conflict.versions] == [None, None, None]
    assert stage.resume(stage.replay()).head == stage.replay(None).head


def test_a_commit_whose_base_is_the_tip_or_that_stands_on_it_is_not_looked_at(stage: Stage) -> None:
    stage.grow({"u": "u\n"}, {"a.lock": lock(e17="own")})
    onto = stage.origin.tip("topic^")
    done = replay(stage.mirror, stage.pending, onto, stage.committer, watch=WATCH)
    assert [step.disposition for step in done.steps] == ["unchanged"]


def test_watching_costs_a_branch_without_such_files_no_process(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.grow({"a.lock": lock(e2="up"), "u": "u\n"}, *({"b": f"{number}\n"} for number in range(5)))
    began: list[Sequence[str]] = []
    start = process.start

    def counted(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        began.append(argv)
        return start(argv, env)

    stage.replay(None)  # what the mirror keeps of attributes is there from now on
    monkeypatch.setattr(process, "start", counted)
    stage.replay(None)
    plain, began[:] = len(began), []
    assert stage.replay().stopped is None
    assert len(began) == plain
    began.clear()
    assert stage.replay(Watch(path=lambda _path: True, conflict=WATCH.conflict)).stopped is None
    assert len(began) == plain
