"""What belongs to a lockfile in a tree, what a tool's last words are, and what a person is told."""

import pytest

from flowforge.core.conflict import Conflict, Kind, Unresolved, Version
from flowforge.git.export import Row
from flowforge.pipeline.lockfile import last_words, manifests_of, told
from flowforge.resolve.ladder import Note


def rows(*paths: str, mode: str = "100644") -> list[Row]:
    return [Row(mode=mode, oid="0" * 40, size=1, path=path.encode()) for path in paths]


def names(path: str, *paths: str, manifests: tuple[str, ...] = ("package.json",)) -> list[str]:
    return [row.path.decode() for row in manifests_of(path, manifests, rows(*paths))]


def test_the_manifest_beside_a_lockfile_comes_first_and_its_members_after_it() -> None:
    found = names(
        "yarn.lock", "x/package.json", "a/b/package.json", "package.json", "a/package.json", "a/other.json"
    )
    assert found == ["package.json", "a/package.json", "x/package.json", "a/b/package.json"]


def test_what_has_a_lockfile_of_its_own_is_no_member() -> None:
    tree = (
        "package.json",
        "web/package.json",
        "web/yarn.lock",
        "web/pkgs/a/package.json",
        "website/package.json",
    )
    assert names("yarn.lock", *tree) == ["package.json", "website/package.json"]
    assert names("web/yarn.lock", *tree) == ["web/package.json", "web/pkgs/a/package.json"]


def test_without_the_one_beside_it_there_is_none() -> None:
    assert names("yarn.lock", "web/package.json") == []
    assert names("web/yarn.lock", "package.json", "webpack/package.json") == []


def test_a_manifest_that_is_a_link_is_none() -> None:
    assert manifests_of("yarn.lock", ("package.json",), rows("package.json", mode="120000")) == ()


def test_a_thousand_members_are_bounded() -> None:
    many = (f"pkgs/p{number}/package.json" for number in range(1000))
    assert len(names("yarn.lock", "package.json", *many)) == 500


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"", ""),
        (b"one\ntwo\n\n", "two"),
        (b"reading\nnpm ERROR no such thing\nA log is in /x\n", "npm ERROR no such thing"),
        (b"\x1b[31mred\x1b[0m error\x07\n", "[31mred[0m error"),
        (
            b"Traceback (most recent call last):\n  raise error from e\nx.NotFound: no zero\n",
            "x.NotFound: no zero",
        ),
        (b"\xff\xfe\n", "\ufffd\ufffd"),
        (b"e" * 999, "e" * 200),
        ("trap \u202e error\n".encode(), "trap  error"),
    ],
)
def test_a_tools_last_words_are_one_short_harmless_line(said: bytes, shown: str) -> None:
    assert last_words(said) == shown


def unresolved() -> Unresolved:
    version = Version(path="uv.lock", mode="100644", oid="0" * 40, content=b"x")
    conflict = Conflict(path="uv.lock", kind=Kind.CONTENT, base=None, upstream=version, commit=version)
    return Unresolved(conflict=conflict, sentence="no rung could answer it")


def note(why: str, sentence: str, *, rung: str = "lockfile", path: str = "uv.lock") -> Note:
    return Note(path=path, rung=rung, resolver=rung, outcome="failed", why=why, sentence=sentence)


def test_a_person_is_told_what_became_of_writing_it_anew() -> None:
    said = told(unresolved(), [note("timeout", "lockfile failed: 'uv lock' ran longer than its 5 s")])
    assert said.sentence == (
        "'uv.lock' is written by a tool, and it could not be written anew: 'uv lock' ran longer than its 5 s"
    )


def test_what_a_simulation_does_not_run_did_not_fail() -> None:
    said = told(unresolved(), [note("skipped", "lockfile failed: a run would ask")])
    assert said.sentence == "'uv.lock' is written by a tool: a run would ask"


@pytest.mark.parametrize("notes", [[], [note("x", "y", rung="other")], [note("x", "y", path="other.lock")]])
def test_where_the_rung_said_nothing_the_ladders_sentence_stands(notes: list[Note]) -> None:
    assert told(unresolved(), notes) == unresolved()
