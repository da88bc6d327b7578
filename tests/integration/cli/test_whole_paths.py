"""Whole paths in real histories: what `flowforge replay` tells of them, and what a rule for them earns by `calibrate`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from flowforge.wiring.main import main
from tests.gitrepo import Content, Repository, git

Said = pytest.CaptureFixture[str]
TEXT = "".join(f"line {number}\n" for number in range(20))
SPACED = TEXT.replace("line 3\n", "line 3  \n")  # whitespace at the end of a line
RULE = "mechanical/deleted, else only whitespace"
ENOUGH = 160  # cases that a rule without a shipped count has to be right in


def merge(
    repo: Repository, base: dict[str, Content], one: dict[str, Content], two: dict[str, Content]
) -> tuple[str, str]:
    """Two sides of a merge."""
    start = repo.commit({"k": "k\n"} | base)
    return repo.commit({"k": "k\n"} | one, start), repo.commit({"k": "k\n"} | two, start)


def merged(
    repo: Repository,
    name: str,
    person: dict[str, Content],
    *sides: Mapping[str, Content],
) -> str:
    base, one, two = (dict(side) for side in sides)
    return repo.commit({"k": "k\n"} | person, *merge(repo, base, one, two), branch=f"of-{name}")


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Each kind of conflict about a path, and what people made of it. Nothing is written into it."""
    made = Repository(tmp_path_factory.mktemp("paths") / "origin.git")
    merged(made, "dropped", {}, {"a.txt": TEXT}, {}, {"a.txt": SPACED})
    merged(made, "kept", {"b.txt": SPACED}, {"b.txt": TEXT}, {"b.txt": SPACED}, {})
    merged(made, "rewritten", {"c.txt": "new\n"}, {"c.txt": TEXT}, {"c.txt": TEXT + "more\n"}, {})
    runs: Content = ("100755", "x\n")
    merged(made, "runs", {"d.sh": runs}, {}, {"d.sh": runs}, {"d.sh": "x\n"})
    merged(made, "lame", {"e.sh": "x\n"}, {}, {"e.sh": "x\n"}, {"e.sh": runs})
    other = TEXT.replace("line", "word")
    merged(
        made,
        "moved",
        {"new/x": TEXT, "new/y": other, "new/z": "z\n"},
        {"old/x": TEXT, "old/y": other},
        {"new/x": TEXT, "new/y": other},
        {"old/x": TEXT, "old/y": other, "old/z": "z\n"},
    )
    merged(
        made,
        "link",
        {"f": ("120000", "there")},
        {"f": ("120000", "here")},
        {"f": ("120000", "./here")},
        {"f": ("120000", "there")},
    )
    merged(made, "binary", {"g": b"\0two"}, {"g": b"\0"}, {"g": b"\0one"}, {"g": b"\0two"})
    ids = ["160000", "1" * 40, "2" * 40, "3" * 40]
    merged(made, "module", *({"h": (ids[0], one)} for one in (ids[2], ids[1], ids[2], ids[3])))
    merged(made, "named", {"j": TEXT, "i": TEXT}, {"h": TEXT}, {"i": TEXT}, {"j": TEXT})
    merged(made, "file", {"m.txt": "1 and 2\n"}, {"m.txt": "0\n"}, {"m.txt": "1\n"}, {"m.txt": "2\n"})
    return made


def replayed(repo: Repository, capsys: Said, *words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows by path, and the summary."""
    assert main(["replay", str(repo.path), "--json", *words]) == 0
    *rows, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    return {row["path"]: row for row in rows}, last["summary"]


@pytest.mark.parametrize(
    ("path", "kind", "whole", "equal", "took"),
    [
        ("a.txt", "modify_delete", "removed", "exact", "upstream"),
        ("b.txt", "modify_delete", "removed", "different", "upstream"),
        ("c.txt", "modify_delete", None, None, None),
        ("d.sh", "mode", "upstream", "exact", "upstream"),
        ("e.sh", "mode", "upstream", "different", "upstream"),
        ("new/z", "directory_rename", "commit", "exact", None),
        ("f", "symlink", "commit", "exact", "commit"),
        ("g", "binary", None, None, "commit"),
        ("h", "submodule", None, None, "upstream"),
    ],
)
def test_every_kind_of_conflict_about_a_path_is_compared(
    repo: Repository, capsys: Said, path: str, kind: str, whole: str | None, equal: str | None, took: str
) -> None:
    row = replayed(repo, capsys)[0][path]
    assert (row["kind"], row["conflict_kind"], row["conflicts"]) == ("path", kind, 0)
    assert (row["whole"], row["equal"], row["human_took_side"]) == (whole, equal, took)
    assert (row["outcome"] == "handed_back") is (whole is None)
    assert row["stands_at"] == (path if whole not in {None, "removed"} else None)


def test_a_file_with_two_names_is_one_conflict_and_both_kept_is_nobodys_choice(
    repo: Repository, capsys: Said
) -> None:
    rows, _ = replayed(repo, capsys, "--paths", "j")
    (row,) = rows.values()
    assert (row["conflict_kind"], row["human_took_side"]) == ("rename_rename", None)


def test_whole_paths_are_a_group_of_their_own_and_files_are_told_as_before(
    repo: Repository, capsys: Said
) -> None:
    rows, summary = replayed(repo, capsys)
    assert rows["m.txt"]["conflict_kind"] == "content"
    assert set(rows["m.txt"]) == set(rows["a.txt"])
    assert (summary["files"], summary["conflicting"], set(summary["kinds"])) == (1, 11, {"other"})
    paths = summary["paths"]
    assert (paths["paths"], paths["merges"]) == (10, 10)
    assert (paths["with_proposals"]["answered"], paths["with_proposals"]["equal"]) == (6, 4)
    assert set(paths["kinds"]) == {
        "binary",
        "directory_rename",
        "mode",
        "modify_delete",
        "rename_rename",
        "submodule",
        "symlink",
    }
    assert paths["kinds"]["modify_delete"]["people"] == {"otherwise": 1, "upstream": 2}
    assert paths["rules"][RULE]["precision"] == 0.5
    assert paths["differences"] == {"took_upstream": 2}
    assert (summary["rungs"], summary["differences"]) == ({}, {})


def test_a_person_reads_a_table_of_whole_paths(repo: Repository, capsys: Said) -> None:
    assert main(["replay", str(repo.path)]) == 0
    told = capsys.readouterr()
    assert "11 merges, 11 with conflicts to judge, 1 files, 10 whole paths" in told.err
    assert "directory rename" in told.out
    assert RULE in told.out
    assert max(map(len, (told.out + told.err).splitlines())) <= 80


def test_a_repository_with_whole_paths_alone_is_told_too(tmp_path: Path, capsys: Said) -> None:
    made = Repository(tmp_path / "origin.git")
    merged(made, "dropped", {}, {"a.txt": TEXT}, {}, {"a.txt": SPACED})
    assert main(["replay", str(made.path)]) == 0
    told = capsys.readouterr()
    assert "0 files, 1 whole paths" in told.err
    assert "modify delete" in told.out


def test_answers_for_paths_are_written_where_they_stand(
    repo: Repository, tmp_path: Path, capsys: Said
) -> None:
    rows, _ = replayed(repo, capsys, "--out", str(tmp_path / "out"))
    found = {path.relative_to(tmp_path / "out").parts[1:] for path in (tmp_path / "out").rglob("*")}
    assert ("new", "z") in found
    assert not {("a.txt",), ("f",), ("g",)} & found  # removed; a link; not answered
    assert (tmp_path / "out" / rows["new/z"]["merge"] / "new" / "z").read_text() == "z\n"


def test_a_limit_counts_merges_in_which_files_conflict(tmp_path: Path, capsys: Said) -> None:
    made = Repository(tmp_path / "origin.git")
    merged(made, "file", {"m.txt": "3\n"}, {"m.txt": "0\n"}, {"m.txt": "1\n"}, {"m.txt": "2\n"})
    for name in ("a.txt", "b.txt"):
        merged(made, name, {}, {name: TEXT}, {}, {name: SPACED})
    _, summary = replayed(made, capsys, "--limit", "1")
    assert (summary["conflicting"], summary["files"], summary["paths"]["paths"]) == (3, 1, 2)


# -------------------------------------------------------------------------------------------------------- earning


def history(repo: Repository, people: Sequence[bool], *, repeat: int = 1) -> None:
    """Merges in which one side drops a file and the other changed whitespace in it; True: people dropped it.

    Told to git's fast-import, as building a long history by one process a commit takes minutes.
    """
    stream = ["reset refs/heads/main\nfrom refs/heads/main^0\n\n"]
    for number, dropped in enumerate(people):
        name, text = f"f{number // repeat}.txt", f"of {number // repeat}\n{TEXT}"
        spaced = text.replace("line 3\n", "line 3  \n")
        start, one, two, done = (10 * number + step for step in range(1, 5))
        stream += [
            _commit(start, [], number, f"M 100644 inline {name}\ndata {len(text)}\n{text}\n"),
            _commit(one, [start], number, f"D {name}\n"),
            _commit(two, [start], number, f"M 100644 inline {name}\ndata {len(spaced)}\n{spaced}\n"),
            _commit(
                done,
                [one, two],
                number,
                "" if dropped else f"M 100644 inline {name}\ndata {len(spaced)}\n{spaced}\n",
            ),
        ]
    repo.git("fast-import", "--quiet", "--force", "--done", stdin="".join([*stream, "done\n"]).encode())


def _commit(mark: int, parents: list[int], at: int, change: str) -> str:
    words = ["from", "merge"]
    ref = "refs/made/it" if mark % 10 == 3 else "refs/heads/main"
    told = "".join(f"{word} :{parent}\n" for word, parent in zip(words, parents, strict=False))
    when = 1_700_000_000 + 60 * at + mark % 10
    return f"commit {ref}\nmark :{mark}\ncommitter Ada <ada@example.org> {when} +0000\ndata 4\nwork\n{told}{change}\n"


@pytest.fixture
def long(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "some" / "thing.git")
    made.commit({"README": "x\n"}, branch="main")
    return made


def calibrated(repo: Repository, capsys: Said, *words: str) -> dict[str, Any]:
    assert main(["calibrate", str(repo.path), "--json", *words]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def rule(told: dict[str, Any]) -> dict[str, Any]:
    (found,) = [row for row in told["rules"] if row["rule"] == RULE]
    return dict(found)


def test_people_who_always_drop_such_files_earn_the_rule_the_right_to_act(
    long: Repository, capsys: Said, tmp_path: Path
) -> None:
    history(long, [True] * ENOUGH)
    file = tmp_path / "policy.json"
    told = calibrated(long, capsys, "--policy", str(file))
    row = rule(told)
    assert (row["kind"], row["action"], row["right"], row["cases"]) == ("path", "act", ENOUGH, ENOUGH)
    assert (told["later"]["files"], told["later"]["paths"]) == (0, 48)
    policy = told["policy"]
    assert policy["repository"]["paths"] == ENOUGH
    assert policy["repository"]["files"] == 0
    assert policy["held_out"]["paths"]["paths"] == 48
    _, before = replayed(long, capsys)
    _, after = replayed(long, capsys, "--policy", str(file))
    assert (before["paths"]["acted"]["answered"], after["paths"]["acted"]["answered"]) == (0, ENOUGH)
    assert after["paths"]["acted"]["cost"]["10"] == 0.0


def test_a_policy_that_earned_it_acts_when_the_same_comes_again(
    long: Repository, capsys: Said, tmp_path: Path
) -> None:
    history(long, [True] * ENOUGH)
    file = tmp_path / "policy.json"
    calibrated(long, capsys, "--policy", str(file))
    start = long.commit({"new.txt": TEXT, "k": "k\n"}, long.tip("main"), branch="main")
    long.commit({"new.txt": SPACED, "k": "k\n"}, start, branch="topic")
    long.commit({"k": "k\n"}, start, branch="main")
    words = ["simulate", str(long.path), "--branch", "topic", "--json", "--pipeline", "rebase-and-resolve"]
    main([*words, "--policy", str(file)])
    (branch,) = json.loads(capsys.readouterr().out)["branches"]
    (answer,) = [hunk for c in branch["conflicts"] for f in c["files"] for hunk in f["hunks"]]
    assert answer["confirmed"]
    assert f"right {ENOUGH} of {ENOUGH} in this repository's history" in answer["why"]


def test_people_who_always_keep_them_switch_the_rule_off(long: Repository, capsys: Said) -> None:
    history(long, [False] * 40)
    told = calibrated(long, capsys)
    row = rule(told)
    assert (row["kind"], row["action"], row["right"], row["cases"]) == ("path", "off", 0, 40)
    assert told["later"]["own"]["kinds"]["path"]["with_proposals"]["answered"] == 0
    assert told["later"]["shipped"]["kinds"]["path"]["with_proposals"]["answered"] == 12


def test_people_of_two_minds_leave_it_to_whoever_confirms(long: Repository, capsys: Said) -> None:
    history(long, [bool(number % 3) for number in range(30)])
    row = rule(calibrated(long, capsys))
    assert (row["action"], row["right"], row["cases"]) == ("confirm", 20, 30)


def test_the_same_conflict_met_again_counts_once(long: Repository, capsys: Said) -> None:
    history(long, [True] * 12, repeat=4)
    assert rule(calibrated(long, capsys))["cases"] == 3


def test_the_tables_and_the_page_tell_whole_paths_by_themselves(
    long: Repository, capsys: Said, tmp_path: Path
) -> None:
    history(long, [False] * 12)
    page = tmp_path / "page.html"
    assert main(["calibrate", str(long.path), "--out", str(page)]) == 0
    told = capsys.readouterr()
    assert "in 0 files and 12 whole paths" in told.err
    assert "whole paths" in told.out
    assert max(map(len, (told.out + told.err).splitlines())) <= max(80, len(f"the page is in {page}"))
    text = page.read_text()
    for words in (
        "Conflicts about a path as a whole",
        "4 of them in the later part",
        "as a whole, 2023-11-1",
    ):
        assert words in text
    assert "people took the commit" in text


def test_a_whole_path_of_which_a_partial_clone_lacks_something_is_left_out(
    long: Repository, capsys: Said, tmp_path: Path
) -> None:
    history(long, [False] * 3)
    long.git("config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", long.url, "partial.git")
    git(tmp_path / "partial.git", "remote", "remove", "origin")
    assert main(["calibrate", str(tmp_path / "partial.git"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["lacking"], told["rules"]) == (3, [])
