"""Every kind of disagreement that git knows, made for real: its kind, its paths, its versions, its sentence."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from flowforge.core.conflict import Conflict, Hunk, Kind, Version, splice
from flowforge.git.conflicts import MARKER_SIZE
from flowforge.git.merged import parse_merge
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Committer, Stopped, replay
from tests.gitrepo import Content, Repository

MirrorOf = Callable[[Repository], Mirror]
LONG = "".join(f"line {n}\n" for n in range(20))
OTHER = "".join(f"other {n}\n" for n in range(20))
Files = dict[str, Content]


@dataclass(frozen=True, kw_only=True)
class Case:
    kind: Kind
    base: Files
    upstream: Files
    commit: Files
    path: str
    paths: tuple[str, str, str]  # of base, upstream, commit; "" = no version
    said: str


CASES = {
    "both change a line": Case(
        kind=Kind.CONTENT,
        base={"a": LONG},
        upstream={"a": LONG.replace("line 3\n", "up\n")},
        commit={"a": LONG.replace("line 3\n", "down\n")},
        path="a",
        paths=("a", "a", "a"),
        said="upstream and the commit changed the same lines of a",
    ),
    "upstream renamed and both changed": Case(
        kind=Kind.CONTENT,
        base={"a": LONG},
        upstream={"b": LONG + "up\n"},
        commit={"a": LONG + "down\n"},
        path="b",
        paths=("a", "b", "a"),
        said="upstream and the commit changed the same lines of b",
    ),
    "the commit renamed and both changed": Case(
        kind=Kind.CONTENT,
        base={"a": LONG},
        upstream={"a": LONG + "up\n"},
        commit={"b": LONG + "down\n"},
        path="b",
        paths=("a", "a", "b"),
        said="upstream and the commit changed the same lines of b",
    ),
    "both added": Case(
        kind=Kind.ADD_ADD,
        base={"k": "k\n"},
        upstream={"k": "k\n", "a": "up\n"},
        commit={"k": "k\n", "a": "down\n"},
        path="a",
        paths=("", "a", "a"),
        said="upstream and the commit both added a, with different text",
    ),
    "upstream deleted": Case(
        kind=Kind.MODIFY_DELETE,
        base={"a": LONG, "k": "k\n"},
        upstream={"k": "k\n"},
        commit={"a": LONG + "x\n", "k": "k\n"},
        path="a",
        paths=("a", "", "a"),
        said="upstream deleted a, the commit changed it",
    ),
    "the commit deleted": Case(
        kind=Kind.MODIFY_DELETE,
        base={"a": LONG, "k": "k\n"},
        upstream={"a": LONG + "x\n", "k": "k\n"},
        commit={"k": "k\n"},
        path="a",
        paths=("a", "a", ""),
        said="the commit deleted a, upstream changed it",
    ),
    "renamed to two names": Case(
        kind=Kind.RENAME_RENAME,
        base={"a": LONG},
        upstream={"b": LONG},
        commit={"c": LONG},
        path="a",
        paths=("a", "b", "c"),
        said="upstream renamed a to b, the commit renamed it to c",
    ),
    "renamed and deleted": Case(
        kind=Kind.RENAME_DELETE,
        base={"a": LONG, "k": "k\n"},
        upstream={"k": "k\n"},
        commit={"b": LONG + "x\n", "k": "k\n"},
        path="b",
        paths=("a", "", "b"),
        said="upstream deleted a, the commit renamed it to b",
    ),
    "renamed onto an added file": Case(
        kind=Kind.RENAME_ADD,
        base={"a": LONG},
        upstream={"b": LONG + "x\n"},
        commit={"a": LONG + "y\n", "b": "other\n"},
        path="b",
        paths=("", "b", "b"),
        said="one side renamed a file to b, the other side has another file there, and both changed",
    ),
    "added in a folder that was renamed": Case(
        kind=Kind.DIRECTORY_RENAME,
        base={"d/a": LONG, "d/b": OTHER},
        upstream={"e/a": LONG, "e/b": OTHER},
        commit={"d/a": LONG, "d/b": OTHER, "d/new": "new\n"},
        path="e/new",
        paths=("", "", "d/new"),
        said="one side renamed the folder of d/new; git suggests e/new, a person must say",
    ),
    "a folder that was split": Case(
        kind=Kind.DIRECTORY_RENAME,
        base={"d/a": LONG, "d/b": OTHER},
        upstream={"e/a": LONG, "f/b": OTHER},
        commit={"d/a": LONG, "d/b": OTHER, "d/new": "new\n"},
        path="d",
        paths=("", "", ""),
        said="one side renamed the folder of d; git suggests d, a person must say",
    ),
    "a file upstream, a folder here": Case(
        kind=Kind.FILE_DIRECTORY,
        base={"k": "k\n"},
        upstream={"k": "k\n", "d": "file\n"},
        commit={"k": "k\n", "d/x": "x\n"},
        path="d",
        paths=("", "d", ""),
        said="d is a file on one side and a folder on the other",
    ),
    "a folder upstream, a file here": Case(
        kind=Kind.FILE_DIRECTORY,
        base={"k": "k\n"},
        upstream={"k": "k\n", "d/x": "x\n"},
        commit={"k": "k\n", "d": "file\n"},
        path="d",
        paths=("", "", "d"),
        said="d is a file on one side and a folder on the other",
    ),
    "a link against a file": Case(
        kind=Kind.SYMLINK,
        base={"k": "k\n"},
        upstream={"k": "k\n", "a": "file\n"},
        commit={"k": "k\n", "a": ("120000", "k")},
        path="a",
        paths=("", "a", "a"),
        said="a is a symbolic link on at least one side, and both sides changed it",
    ),
    "a file that became a link": Case(
        kind=Kind.SYMLINK,
        base={"a": LONG},
        upstream={"a": LONG + "x\n"},
        commit={"a": ("120000", "t")},
        path="a",
        paths=("a", "a", "a"),
        said="a is a symbolic link on at least one side, and both sides changed it",
    ),
    "two targets of a link": Case(
        kind=Kind.SYMLINK,
        base={"a": ("120000", "x")},
        upstream={"a": ("120000", "y")},
        commit={"a": ("120000", "z")},
        path="a",
        paths=("a", "a", "a"),
        said="a is a symbolic link on at least one side, and both sides changed it",
    ),
    "a submodule": Case(
        kind=Kind.SUBMODULE,
        base={"a": ("160000", "1" * 40)},
        upstream={"a": ("160000", "2" * 40)},
        commit={"a": ("160000", "3" * 40)},
        path="a",
        paths=("a", "a", "a"),
        said="both sides point the submodule a at different commits, or one of them removed it",
    ),
    "a submodule against a file": Case(
        kind=Kind.SUBMODULE,
        base={"k": "k\n"},
        upstream={"k": "k\n", "a": "x\n"},
        commit={"k": "k\n", "a": ("160000", "3" * 40)},
        path="a",
        paths=("", "a", "a"),
        said="both sides point the submodule a at different commits, or one of them removed it",
    ),
    "not text": Case(
        kind=Kind.BINARY,
        base={"a": "x\0y"},
        upstream={"a": "x\0z"},
        commit={"a": "x\0w"},
        path="a",
        paths=("a", "a", "a"),
        said="a is not text, and both sides changed it",
    ),
    "two modes of one new file": Case(
        kind=Kind.MODE,
        base={"k": "k\n"},
        upstream={"k": "k\n", "a": "x\n"},
        commit={"k": "k\n", "a": ("100755", "x\n")},
        path="a",
        paths=("", "a", "a"),
        said="both sides added a with different file modes",
    ),
}


@pytest.fixture
def stop_at(origin: Repository, mirror_of: MirrorOf, committer: Committer) -> Callable[..., Stopped]:
    """Replay a commit of `commit` on `upstream` (both made on `base`); it must stop."""

    def replayed(base: Files, upstream: Files, commit: Files) -> Stopped:
        start = origin.commit(base)
        target = origin.commit(upstream, start, branch="main")
        head = origin.commit(commit, start, branch="topic", message="the change\n\nbody")
        mirror = mirror_of(origin)
        mirror.fetch("topic", "main")
        done = replay(mirror, [head], target, committer)
        assert done.stopped is not None
        assert (done.head, done.pending, done.steps) == (target, (head,), ())
        return done.stopped

    return replayed


def path_of(version: Version | None) -> str:
    return version.path if version else ""


@pytest.mark.parametrize("name", list(CASES))
def test_a_conflict_has_its_kind_and_the_paths_of_its_sides(
    stop_at: Callable[..., Stopped], name: str
) -> None:
    case = CASES[name]
    (conflict,) = stop_at(case.base, case.upstream, case.commit).conflicts
    assert (conflict.kind, conflict.path, conflict.said) == (case.kind, case.path, case.said)
    assert tuple(map(path_of, (conflict.base, conflict.upstream, conflict.commit))) == case.paths
    assert conflict.resolvable == (case.kind in {Kind.CONTENT, Kind.ADD_ADD})
    assert conflict.subject == "the change"


def test_every_kind_is_covered_but_the_one_for_what_git_may_add_later() -> None:
    assert {case.kind for case in CASES.values()} == set(Kind) - {Kind.OTHER}


def test_versions_carry_mode_id_and_content(stop_at: Callable[..., Stopped], origin: Repository) -> None:
    case = CASES["both change a line"]
    (conflict,) = stop_at(case.base, case.upstream, case.commit).conflicts
    assert conflict.upstream == Version(
        path="a",
        mode="100644",
        oid=origin.tip("main:a"),
        content=LONG.replace("line 3\n", "up\n").encode(),
    )
    (hunk,) = conflict.hunks
    assert (hunk.base, hunk.upstream, hunk.commit) == (b"line 3\n", b"up\n", b"down\n")
    assert splice(conflict.segments, [hunk.upstream]) == LONG.replace("line 3\n", "up\n").encode()


def test_two_disagreements_of_one_commit_are_two_conflicts(stop_at: Callable[..., Stopped]) -> None:
    stopped = stop_at(
        {"d/a": LONG, "k": "k\n"}, {"k": "k\n", "d": "a file now\n"}, {"d/a": LONG + "c\n", "k": "k\n"}
    )
    assert [(c.path, c.kind) for c in stopped.conflicts] == [
        ("d", Kind.FILE_DIRECTORY),
        ("d/a", Kind.MODIFY_DELETE),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_last_line_without_an_end_keeps_none(stop_at: Callable[..., Stopped], end: str) -> None:
    body = end.join(["a", "b", ""])
    (conflict,) = stop_at({"f": f"{body}x"}, {"f": f"{body}up{end}"}, {"f": f"{body}down"}).conflicts
    (hunk,) = conflict.hunks
    assert (hunk.base, hunk.upstream, hunk.commit) == (b"x", f"up{end}".encode(), b"down")
    assert splice(conflict.segments, [hunk.commit]) == f"{body}down".encode()


def test_a_side_that_deleted_the_end_has_an_empty_hunk(stop_at: Callable[..., Stopped]) -> None:
    (conflict,) = stop_at({"f": "a\nb\nlast"}, {"f": "a\nb\n"}, {"f": "a\nb\nmore"}).conflicts
    assert (conflict.hunks[-1].upstream, conflict.hunks[-1].commit) == (b"", b"more")


@pytest.mark.parametrize("mark", ["<", "|", "=", ">"])
def test_lines_that_look_like_markers_are_text(stop_at: Callable[..., Stopped], mark: str) -> None:
    lines = "".join(f"{mark * (MARKER_SIZE + n)}\n{mark * 7} HEAD\n" for n in range(3))
    (conflict,) = stop_at({"f": f"{lines}x\n"}, {"f": f"{lines}up\n"}, {"f": f"{lines}down\n"}).conflicts
    (hunk,) = conflict.hunks
    assert (hunk.upstream, hunk.commit) == (b"up\n", b"down\n")
    assert conflict.segments[0] == lines.encode()


def test_a_file_too_large_to_read_has_no_hunks_and_says_so(stop_at: Callable[..., Stopped]) -> None:
    big = "line\n" * 250_000
    (conflict,) = stop_at({"f": f"x\n{big}"}, {"f": f"up\n{big}"}, {"f": f"down\n{big}"}).conflicts
    assert (conflict.kind, conflict.resolvable, conflict.segments) == (Kind.CONTENT, False, ())
    assert conflict.said.endswith("it is too large to be read")


@pytest.mark.parametrize("path", ["a b", "é", 'q"uote', "new\nline", "tab\t", "-dash", "~tilde", "d/ünder"])
def test_a_path_of_any_bytes_is_kept(stop_at: Callable[..., Stopped], path: str) -> None:
    (conflict,) = stop_at({path: "x\n"}, {path: "up\n"}, {path: "down\n"}).conflicts
    assert conflict.path == path
    assert path_of(conflict.base) == path


def test_parts_between_hunks_are_bytes_and_alternate(stop_at: Callable[..., Stopped]) -> None:
    up = LONG.replace("line 3\n", "up 3\n").replace("line 15\n", "up 15\n")
    down = LONG.replace("line 3\n", "down 3\n").replace("line 15\n", "down 15\n").replace("line 9\n", "x\n")
    (conflict,) = stop_at({"f": LONG}, {"f": up}, {"f": down}).conflicts
    kinds = [isinstance(segment, Hunk) for segment in conflict.segments]
    assert kinds == [False, True, False, True, False]
    assert b"x\n" in conflict.segments[2]  # type: ignore[operator] # the assertion above says it is bytes


def test_records_of_a_kind_that_is_not_known_yet_are_still_told() -> None:
    out = b"\0".join(
        [
            b"t" * 40,
            b"100644 " + b"1" * 40 + b" 2\ta",
            b"",
            b"1",
            b"a",
            b"CONFLICT (brand new)",
            b"CONFLICT: something\n",
            b"advice for people",
        ]
    )
    merged = parse_merge(out)
    assert [record.kind for record in merged.records] == ["CONFLICT (brand new)"]
    assert [stage.path for stage in merged.stages] == [b"a"]


def test_no_conflict_names_a_path_that_git_made_up(stop_at: Callable[..., Stopped]) -> None:
    conflicts: list[Conflict] = []
    case = CASES["a file upstream, a folder here"]
    conflicts += stop_at(case.base, case.upstream, case.commit).conflicts
    assert all("~" not in f"{c.path}{path_of(c.upstream)}{path_of(c.commit)}" for c in conflicts)
