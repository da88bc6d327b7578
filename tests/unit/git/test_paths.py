"""The rules for whole paths on conflicts that git made: what is answered, what stands after it, what is handed back."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, example, given, settings

from flowforge.core.conflict import Abstain, Candidate, Conflict, Kind
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Committer, Replay, replay, resume
from flowforge.hooks.contracts import EntityRule, Language, ResolveContext
from flowforge.merge import whitespace
from flowforge.resolve.ladder import Answers, Rung, climb
from flowforge.resolve.policy import Action, Policy
from flowforge_plugins.resolvers import paths
from tests.gitrepo import Content, Repository
from tests.unit.git.test_conflicts import CASES, LONG, OTHER

MirrorOf = Callable[[Repository], Mirror]
Files = dict[str, Content]
LANGUAGES = {
    "go": Language(id="go", globs=("*.go",), entities=(EntityRule(node="function", kind="function"),)),
    "py": Language(
        id="python",
        globs=("*.py",),
        entities=(EntityRule(node="function", kind="function"),),
        indentation=True,
    ),
}
K: Files = {"k": "k\n"}
GO = "func f() {\n\tif a {\n\t\tb()\n\t}\n}\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


def rungs() -> list[Rung]:
    def asked(
        resolve: Callable[[Conflict, ResolveContext], Candidate | Abstain], name: str, *, whole: bool
    ) -> Rung:
        return Rung(
            name="mechanical",
            resolver=name,
            ask=lambda c: resolve(c, ResolveContext(language=LANGUAGES.get(c.path.rpartition(".")[2]))),
            whole=whole,
            hunks=not whole,
        )

    return [asked(whitespace.resolve, "mechanical", whole=False), asked(paths.resolve, "paths", whole=True)]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the rungs made of one commit, and the tree after it, where every conflict was answered."""

    answers: Answers
    files: dict[str, Content] = field(default_factory=dict)

    @property
    def rules(self) -> list[str]:
        return [answer.rule for r in self.answers.resolutions for answer in r.given]

    @property
    def words(self) -> list[str]:
        return [note.why for note in self.answers.notes if note.outcome == "abstained"]


Solve = Callable[[Files, Files, Files], Found]


@pytest.fixture
def solve(origin: Repository, mirror_of: MirrorOf, committer: Committer) -> Solve:
    origin.commit(K, branch="main")
    origin.commit(K, branch="topic")
    mirror = mirror_of(origin)

    def solved(base: Files, upstream: Files, commit: Files) -> Found:
        start = origin.commit(base)
        target = origin.commit(upstream, start, branch="main")
        head = origin.commit(commit, start, branch="topic")
        mirror.fetch("topic", "main")
        done = replay(mirror, [head], target, committer)
        assert done.stopped is not None
        answers = climb(done.stopped.conflicts, rungs(), Policy(otherwise=Action.ACT))
        if answers.unresolved:
            return Found(answers=answers)
        after = resume(mirror, done.stopped, done.pending, done.head, answers.resolutions, committer)
        assert after.stopped is None
        return Found(answers=answers, files=files_of(mirror, after))

    return solved


def files_of(mirror: Mirror, done: Replay) -> dict[str, Content]:
    """Path -> (mode, text)."""
    found: dict[str, Content] = {}
    for row in mirror.git.run("ls-tree", "-r", "-z", done.tree).split(b"\0")[:-1]:
        head, _, path = row.partition(b"\t")
        mode, _, oid = head.decode().split(" ")
        found[path.decode()] = (mode, oid if mode == "160000" else mirror.git.run("cat-file", "blob", oid))
    return found


def file(text: str, mode: str = "100644") -> Content:
    return (mode, text.encode())


# ---------------------------------------------------------------------------------------------------- deleted


@pytest.mark.parametrize("deleter", ["upstream", "commit"])
@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a", "x = 1\ny = 2\n", "x  =  1\ny = 2  \n\n"),
        ("a", "x = 1\ny = 2\n", "x = 1\r\ny = 2\r\n"),
        ("a.go", GO, GO.replace("\t", "    ")),
        ("a.py", "def f():\n    return 1\n", "def f():\n    return  1\n"),
    ],
)
def test_a_file_of_which_only_whitespace_changed_stays_deleted(
    solve: Solve, deleter: str, path: str, before: str, after: str
) -> None:
    sides: list[Files] = [{**K}, {**K, path: after}]
    found = solve({**K, path: before}, *(sides if deleter == "upstream" else sides[::-1]))
    assert found.rules == ["deleted, else only whitespace"]
    assert found.files == {"k": file("k\n")}
    (resolution,) = found.answers.resolutions
    who = "upstream deleted" if deleter == "upstream" else "the commit deleted"
    assert (resolution.taken, resolution.given[0].why.startswith(who)) == ("removed", True)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a", "x = 1\ny = 2\n", "x = 1\ny = 3\n"),
        ("a", "x = 1\n  y = 2\n", "x = 1\n    y = 2\n"),  # of an unknown language
        ("a.py", "if a:\n    b()\nc()\n", "if a:\n    b()\n    c()\n"),
        ("a.go", 'var a = "x y"\n', 'var a = "x  y"\n'),
        ("a.go", "var a = `\n  x\n`\n", "var a = `\n    x\n`\n"),
        ("a.go", GO, "// why\n" + GO),
        ("a", "x\0 1\n", "x\0  1\n"),
    ],
)
def test_a_change_of_more_than_whitespace_keeps_the_question(
    solve: Solve, path: str, before: str, after: str
) -> None:
    found = solve({**K, path: before}, {**K}, {**K, path: after})
    assert found.words == ["changed"]
    (left,) = found.answers.unresolved
    assert left.sentence.startswith(f"upstream deleted {path!r} while the commit changed it")
    assert "the commit changed" in left.tried["mechanical"]


def test_a_new_mode_of_a_deleted_file_is_a_change(solve: Solve) -> None:
    found = solve({**K, "a": LONG}, {**K}, {**K, "a": ("100755", LONG)})
    assert found.words == ["changed"]
    assert "mode" in found.answers.unresolved[0].tried["mechanical"]


@pytest.mark.parametrize(("text", "said"), [(LONG, "changed nothing else"), (LONG + "x\n", "changed it")])
def test_a_renamed_file_that_the_other_side_deleted_is_never_answered(
    solve: Solve, text: str, said: str
) -> None:
    found = solve({**K, "a": LONG}, {**K}, {**K, "b": text})
    assert found.words == ["renamed_and_deleted"]
    (left,) = found.answers.unresolved
    assert said in left.tried["mechanical"]
    assert "upstream deleted 'a', the commit renamed it to 'b'" in left.sentence


# ------------------------------------------------------------------------------------------------ added twice


@pytest.mark.parametrize(
    ("one", "other"),
    [("x = 1\ny\n", "x = 1\n\ny\n"), ("x\ny\n", "x\r\ny\r\n"), ("f(a, b)\n", "f(a, b)  \n\n")],
)
def test_a_file_that_both_added_alike_but_for_blank_lines_and_line_ends_is_upstreams(
    solve: Solve, one: str, other: str
) -> None:
    found = solve({**K}, {**K, "a": one}, {**K, "a": other})
    assert found.files["a"] == file(one)
    assert len(set(found.rules)) == 1


def test_a_file_that_both_added_laid_out_differently_is_left_to_a_person(solve: Solve) -> None:
    found = solve({**K}, {**K, "a": "f(a, b)\n"}, {**K, "a": "f(a,b)\n"})
    (left,) = found.answers.unresolved
    assert "laid them out differently" in left.tried["mechanical"]


@pytest.mark.parametrize("who", ["upstream", "commit"])
@pytest.mark.parametrize("other", ["x = 1\n", "x  = 1\n"])
def test_a_file_that_one_side_added_as_executable_is_executable(solve: Solve, who: str, other: str) -> None:
    sides: list[Files] = [{**K, "a": ("100755", "x = 1\n")}, {**K, "a": other}]
    found = solve({**K}, *(sides if who == "upstream" else sides[::-1]))
    text = "x = 1\n" if who == "upstream" else other
    assert (found.rules, found.files["a"]) == (["executable on one side"], file(text, "100755"))
    assert ("upstream made" if who == "upstream" else "the commit made") in found.answers.resolutions[
        0
    ].given[0].why


def test_two_texts_with_two_modes_are_handed_back(solve: Solve) -> None:
    found = solve({**K}, {**K, "a": ("100755", "x\n")}, {**K, "a": "y\n"})
    assert found.words == ["two_contents"]
    assert "only upstream made it executable" in found.answers.unresolved[0].sentence


def test_a_bit_that_one_side_set_is_git_s_own_merge(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": LONG})
    target = origin.commit({"a": ("100755", LONG)}, start, branch="main")
    head = origin.commit({"a": LONG + "more\n"}, start, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    done = replay(mirror, [head], target, committer)
    assert done.stopped is None
    assert files_of(mirror, done) == {"a": file(LONG + "more\n", "100755")}


# ------------------------------------------------------------------------------------------------------ names


def test_both_renamed_alike_and_changed_is_merged_under_the_new_name(solve: Solve) -> None:
    found = solve({"a": LONG}, {"b": LONG + "up  \n"}, {"b": LONG + "up\n"})
    assert (found.files, len(found.rules)) == ({"b": file(LONG + "up  \n")}, 1)


@pytest.mark.parametrize("more", ["", "up\n"])
def test_two_new_names_are_both_told(solve: Solve, more: str) -> None:
    found = solve({"a": LONG}, {"b": LONG + more}, {"c": LONG + "down\n"})
    assert found.words == ["two_names"]
    (left,) = found.answers.unresolved
    assert "upstream renamed 'a' to 'b', the commit to 'c'" in left.sentence


def test_a_file_in_a_renamed_folder_moves_with_it_as_a_proposal(solve: Solve) -> None:
    base: Files = {"d/a": LONG, "d/b": OTHER}
    found = solve(base, {"e/a": LONG, "e/b": OTHER}, {**base, "d/new": ("100755", "new\n")})
    assert found.files == {"e/a": file(LONG), "e/b": file(OTHER), "e/new": file("new\n", "100755")}
    (proposal,) = found.answers.proposals
    assert proposal.given[0].why == (
        "the commit put 'd/new' into a folder that upstream renamed: it moves to 'e/new'"
    )


def test_the_commit_that_renames_a_folder_takes_upstreams_new_file_along(solve: Solve) -> None:
    base: Files = {"d/a": LONG, "d/b": OTHER}
    found = solve(base, {**base, "d/new": "new\n"}, {"e/a": LONG, "e/b": OTHER})
    assert sorted(found.files) == ["e/a", "e/b", "e/new"]
    assert [answer.confirmed for answer in found.answers.resolutions[0].given] == [False]


@pytest.mark.parametrize(
    ("upstreams", "result"),
    [(LONG + OTHER, LONG + OTHER), (LONG + OTHER + "up\n", None), (LONG + "up\n" + OTHER, None)],
)
def test_a_file_that_was_renamed_into_a_renamed_folder_loses_nothing(
    solve: Solve, upstreams: str, result: str | None
) -> None:
    base: Files = {"d/a": LONG, "d/b": OTHER, "x": LONG + OTHER}
    found = solve(
        base,
        {"e/a": LONG, "e/b": OTHER, "x": upstreams},
        {"d/a": LONG, "d/b": OTHER, "d/x": LONG + OTHER},
    )
    if result is None:
        assert found.words == ["no_one_place"]
    else:
        assert found.files == {"e/a": file(LONG), "e/b": file(OTHER), "e/x": file(result)}
        assert len(found.answers.proposals) == 1


# ------------------------------------------------------------------------------------- links and other types


@pytest.mark.parametrize(
    ("base", "upstream", "commit", "target"),
    [
        ("x", "./y", "y", "./y"),
        ("x", "d/./y", "d//y", "d/./y"),
        ("x", "./x", "z", "z"),
        ("x", "z", ".//x", "z"),
        ("", "./y", "y", "./y"),
    ],
)
def test_a_link_that_was_only_spelled_differently_is_one_link(
    solve: Solve, base: str, upstream: str, commit: str, target: str
) -> None:
    before: Files = {**K, "a": ("120000", base)} if base else {**K}
    found = solve(before, {**K, "a": ("120000", upstream)}, {**K, "a": ("120000", commit)})
    assert (found.rules, found.files["a"]) == (["link spelled differently"], file(target, "120000"))


@pytest.mark.parametrize(
    ("upstream", "commit", "word", "said"),
    [
        (("120000", "y"), ("120000", "z"), "two_targets", "a link to 'y' at 'a', the commit a link to 'z'"),
        (("120000", "d/../y"), ("120000", "y"), "two_targets", "a link to 'd/../y'"),
        (LONG + "x\n", ("120000", "z"), "link_and_file", "a file at 'a', the commit a link to 'z'"),
    ],
)
def test_links_to_two_places_are_both_told(
    solve: Solve, upstream: Content, commit: Content, word: str, said: str
) -> None:
    found = solve({**K, "a": ("120000", "x")}, {**K, "a": upstream}, {**K, "a": commit})
    assert found.words == [word]
    assert said in found.answers.unresolved[0].sentence


def test_two_commits_of_a_submodule_are_both_told(solve: Solve) -> None:
    sides: list[Files] = [{"a": ("160000", n * 40)} for n in "123"]
    found = solve(*sides)
    assert found.words == ["two_commits"]
    (left,) = found.answers.unresolved
    assert (
        f"the submodule's commit {'2' * 10} at 'a', the commit the submodule's commit {'3' * 10}"
        in left.sentence
    )


@pytest.mark.parametrize(
    ("sides", "word", "said"),
    [
        (["x\0y", "x\0z", "x\0w"], "not_text", "which is no text"),
        ([LFS.format(n * 64, n) for n in "123"], "not_text", "which is kept by Git LFS"),
    ],
)
def test_what_is_no_text_is_chosen_by_a_person(solve: Solve, sides: list[str], word: str, said: str) -> None:
    found = solve(*({"a": text} for text in sides))
    assert found.words == [word]
    (left,) = found.answers.unresolved
    assert (left.conflict.kind, left.conflict.hunks) == (Kind.BINARY, ())
    assert said in left.sentence


def test_no_kind_is_without_a_word_and_a_sentence(solve: Solve) -> None:
    """Every kind of the table of conflicts is answered or told, and none is asked as if it had places to fill."""
    for case in CASES.values():
        found = solve(case.base, case.upstream, case.commit)
        for left in found.answers.unresolved:
            assert len(left.sentence) > len(left.conflict.path) + 20
            assert left.tried
        assert len(found.answers.unresolved) + len(found.answers.resolutions) >= 1


def test_a_file_too_large_to_be_read_says_so(solve: Solve) -> None:
    big = "line\n" * 250_000
    found = solve({"f": f"x\n{big}"}, {"f": f"up\n{big}"}, {"f": f"down\n{big}"})
    assert found.words == ["not_read"]
    assert "(it is too large to be read)" in found.answers.unresolved[0].sentence


# -------------------------------------------------------------------------------------------------- any trees

names = st.sampled_from(["a", "b", "d/a", "d/b", "e/a", "d"])
contents = st.sampled_from(
    [
        LONG,
        LONG + "x\n",
        LONG.replace("line 3", "line  3"),
        OTHER,
        "s\n",
        "s\0\n",
        ("100755", LONG),
        ("120000", "b"),
        ("120000", "./b"),
    ]
)


@st.composite
def trees(draw: st.DrawFn) -> Files:
    """Files of which none is below another."""
    drawn = draw(st.dictionaries(names, contents, min_size=1, max_size=5))
    return {
        path: text for path, text in drawn.items() if not any(posixpath.dirname(o) == path for o in drawn)
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(base={"d/a": LONG}, upstream={"a": LONG}, commit={"d/b": LONG, "a": LONG})
@given(base=trees(), upstream=trees(), commit=trees())
def test_whatever_is_answered_the_tree_has_paths_and_blobs_of_its_sides_only(
    origin: Repository, mirror_of: MirrorOf, committer: Committer, base: Files, upstream: Files, commit: Files
) -> None:
    start = origin.commit({**base, "k": "k\n"})
    target = origin.commit({**upstream, "k": "k\n"}, start, branch="main")
    head = origin.commit({**commit, "k": "k\n"}, start, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    done = replay(mirror, [head], target, committer)
    if done.stopped is not None:
        names_ = mirror.git.run("ls-tree", "-r", "--name-only", "-z", done.stopped.tree)
        assert b"~" not in names_
        answers = climb(done.stopped.conflicts, rungs(), Policy(otherwise=Action.ACT))
        if answers.unresolved:
            return
        decided = {path for r in answers.resolutions for path in r.conflict.places} - {
            r.stands_at for r in answers.resolutions
        }
        done = resume(mirror, done.stopped, done.pending, done.head, answers.resolutions, committer)
        assert decided.isdisjoint(files_of(mirror, done))
    after = files_of(mirror, done)
    folders = {
        posixpath.dirname(path) for path in (*upstream, *commit)
    }  # a folder may be moved into the root
    moved = {posixpath.join(to, posixpath.basename(path)) for path in (*upstream, *commit) for to in folders}
    assert set(after) <= {*base, *upstream, *commit, *moved, "k"}
    assert all(b"<<<<" not in text[1] for text in after.values() if isinstance(text[1], bytes))
