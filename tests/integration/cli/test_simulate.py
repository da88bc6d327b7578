"""`flowforge simulate` against real repositories, called as the entry point calls it."""

import json
from pathlib import Path
from typing import Any

import pytest

from flowforge.wiring.main import main
from tests.gitrepo import Repository

Said = pytest.CaptureFixture[str]
CODE = "import os\n\n\ndef f():\n    return 1\n"
BASE = {"a.py": CODE, "b.txt": "1\n2\n3\n", "c.txt": "c\n"}
IMPORTED = CODE.replace("import os\n", "import os\nimport re\n")
ALSO = CODE.replace("import os\n", "import os\nimport sys\n")


TESTED = """version: 1
name: tested
extends: [flowforge:rebase-and-resolve]
stages:
  - {id: test, uses: test, run: "true"}
  - {id: push, uses: push, with: {require: tested}}
"""


class Origin:
    """A repository with one branch of each outcome."""

    def __init__(self, folder: Path) -> None:
        self.repo = Repository(folder)
        self.base = self.repo.commit(BASE)
        self.main = self.repo.commit(
            {**BASE, "a.py": IMPORTED, "b.txt": "1\nup\n3\n"}, self.base, branch="main"
        )

    def with_tests(self) -> None:
        """Let main's own definition test the result, so that proposals are confirmed."""
        files = {**BASE, "a.py": IMPORTED, "b.txt": "1\nup\n3\n", ".flowforge.yml": TESTED}
        self.main = self.repo.commit(files, self.base, branch="main")

    def branch(self, name: str, *versions: dict[str, str]) -> list[str]:
        commits = [self.base]
        for files in versions:
            commits.append(self.repo.commit({**BASE, **files}, commits[-1], message=f"{name} {len(commits)}"))
        self.repo.point(name, commits[-1])
        return commits[1:]


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin.git")


def simulated(origin: Origin, capsys: Said, *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["simulate", str(origin.repo.path), "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def only(told: dict[str, Any]) -> dict[str, Any]:
    (one,) = told["branches"]
    assert isinstance(one, dict)
    return one


def test_a_clean_branch_is_clean_and_counted(origin: Origin, capsys: Said) -> None:
    origin.branch("topic", {"c.txt": "C\n"}, {"c.txt": "D\n"})
    code, told = simulated(origin, capsys)
    one = only(told)
    assert (code, one["state"], one["commits"], one["conflicts"], one["valid"]) == (0, "clean", 2, [], True)


def test_an_answered_conflict_names_rung_rule_and_line_and_is_code_0(origin: Origin, capsys: Said) -> None:
    origin.with_tests()
    (commit,) = origin.branch("topic", {"a.py": ALSO})
    code, told = simulated(origin, capsys)
    one = only(told)
    assert (code, one["state"], one["rungs"]) == (0, "answered", ["structural"])
    (found,) = one["conflicts"]
    assert found["commit"] == commit
    (hunk,) = found["files"][0]["hunks"]
    assert (hunk["line"], hunk["rung"]) == (2, "structural")
    assert hunk["why"]


def test_a_proposal_that_no_test_confirms_is_a_persons(origin: Origin, capsys: Said) -> None:
    origin.branch("topic", {"a.py": ALSO})
    code, told = simulated(origin, capsys)
    (hunk,) = only(told)["conflicts"][0]["files"][0]["hunks"]
    assert (code, hunk["rung"], hunk["confirmed"]) == (5, "structural", False)


@pytest.mark.sandbox
def test_what_a_run_does_is_what_was_said(origin: Origin, capsys: Said, tmp_path: Path) -> None:
    """The same commits come out of `run`: one code, two verbs."""
    origin.with_tests()
    origin.branch("topic", {"a.py": ALSO}, {"a.py": ALSO, "c.txt": "C\n"})
    one = only(simulated(origin, capsys)[1])
    assert main(["run", str(origin.repo.path), "--branch", "topic", "--json"]) == 0
    ran = json.loads(capsys.readouterr().out)
    (resolve,) = [stage for stage in ran["stages"] if stage["stage"] == "resolve"]
    assert one["rungs"] == ["structural"]
    assert "by structural" in resolve["sentence"]
    assert origin.repo.git("rev-list", "--count", "main..topic").strip() == b"2"
    assert one["commits"] == 2


def test_an_open_conflict_is_a_persons_with_what_was_tried(origin: Origin, capsys: Said) -> None:
    origin.branch("topic", {"b.txt": "1\nours\n3\n"})
    code, told = simulated(origin, capsys)
    one = only(told)
    assert (code, one["state"], one["valid"]) == (5, "person", None)
    (file,) = one["conflicts"][0]["files"]
    assert file["kind"] == "content"
    assert file["person"] in one["person"]
    assert {"mechanical", "structural", "model"} <= set(file["tried"])


def test_later_commits_are_looked_at_only_where_the_open_one_cannot_reach(
    origin: Origin, capsys: Said
) -> None:
    commits = origin.branch(
        "topic",
        {"b.txt": "1\nours\n3\n"},
        {"b.txt": "1\nours again\n3\n"},
        {"b.txt": "1\nours again\n3\n", "a.py": ALSO},
        {"b.txt": "1\nours again\n3\n", "a.py": ALSO, "c.txt": "C\n"},
    )
    one = only(simulated(origin, capsys)[1])
    assert one["unseen"] == [commits[1]]
    assert [(found["commit"], found["by_itself"]) for found in one["conflicts"]] == [
        (commits[0], False),
        (commits[2], True),
    ]
    assert one["rungs"] == ["structural"]
    assert one["commits"] == 4
    assert one["validation"] == "there is no result to validate"


def test_the_model_is_never_asked(origin: Origin, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_MODEL_PROVIDER", "scripted")
    origin.branch("topic", {"b.txt": "1\nours\n3\n"})
    code, told = simulated(origin, capsys)
    (file,) = only(told)["conflicts"][0]["files"]
    assert code == 5
    assert "never does" in file["tried"]["model"]


def test_what_fails_validation_needs_a_person(origin: Origin, capsys: Said) -> None:
    """Both sides are right, git merges them without a word, and what comes out is no Python."""
    lines = [f"{name} = 1\n" for name in "abcdefg"]
    base = origin.repo.commit({"m.py": "".join(lines)}, origin.base)
    origin.repo.commit({"m.py": "".join(['S = """\n', *lines, '"""\n'])}, base, branch="main")
    origin.repo.commit({"m.py": "".join([*lines[:4], 'x = """doc"""\n', *lines[4:]])}, base, branch="topic")
    code, told = simulated(origin, capsys)
    one = only(told)
    assert (code, one["state"], one["valid"]) == (5, "person", False)
    assert one["validation"] in one["person"]


def test_the_definition_decides_who_may_answer(origin: Origin, capsys: Said) -> None:
    """`never` and `ask` of the repository's own definition, read from the target."""
    rule = "version: 1\nname: n\nextends: [flowforge:rebase-and-resolve]\nstages:\n  - {id: resolve, uses: resolve, with: {%s: ['a.py']}}\n"
    files = {**BASE, "a.py": IMPORTED, ".flowforge.yml": rule % "never"}
    origin.repo.commit(files, origin.base, branch="main")
    origin.branch("topic", {"a.py": ALSO})
    code, told = simulated(origin, capsys)
    assert code == 5
    assert "resolve: never" in only(told)["person"][0]
    origin.repo.commit({**files, ".flowforge.yml": rule % "ask"}, origin.base, branch="main")
    code, told = simulated(origin, capsys)
    assert code == 5
    assert "approve" in only(told)["person"][0]


def test_a_stage_that_waits_for_a_yes_is_noted_and_changes_nothing_else(origin: Origin, capsys: Said) -> None:
    text = "version: 1\nname: n\nextends: [flowforge:rebase-with-approval]\nstages: [{uses: clone}]\n"
    origin.repo.commit({**BASE, "a.py": IMPORTED, ".flowforge.yml": text}, origin.base, branch="main")
    origin.branch("topic", {"c.txt": "C\n"})
    code, told = simulated(origin, capsys)
    one = only(told)
    assert (code, one["state"], one["person"]) == (0, "clean", [])
    assert one["notes"] == ["a run waits for a person's yes in stage 'approve'"]


def test_a_pipeline_without_a_resolve_stage_leaves_every_conflict_to_a_person(
    origin: Origin, capsys: Said
) -> None:
    origin.branch("topic", {"a.py": ALSO})
    code, told = simulated(origin, capsys, "--pipeline", "rebase")
    assert code == 5
    assert only(told)["conflicts"][0]["files"][0]["tried"] == {}


def test_all_branches_ahead_are_looked_at_newest_first_up_to_the_limit(origin: Origin, capsys: Said) -> None:
    for name in ("one", "two", "three"):
        origin.branch(name, {"c.txt": f"{name}\n"})
    origin.repo.point("behind", origin.base)
    origin.repo.point("level", origin.main)
    code, told = simulated(origin, capsys)
    assert code == 0
    assert [one["branch"] for one in told["branches"]] == ["three", "two", "one"]
    code, told = simulated(origin, capsys, "--limit", "2")
    assert [one["branch"] for one in told["branches"]] == ["three", "two"]
    assert told["left_out"] == 1


def test_named_branches_are_looked_at_in_their_order(origin: Origin, capsys: Said) -> None:
    for name in ("one", "two"):
        origin.branch(name, {"c.txt": f"{name}\n"})
    origin.repo.point("level", origin.main)
    _, told = simulated(origin, capsys, "--branch", "one", "--branch", "level")
    assert [(one["branch"], one["state"]) for one in told["branches"]] == [
        ("one", "clean"),
        ("level", "up to date"),
    ]


def test_an_unrelated_branch_is_a_row_and_not_the_end(origin: Origin, capsys: Said) -> None:
    origin.repo.commit({"x": "x\n"}, branch="unrelated")
    origin.branch("topic", {"c.txt": "C\n"})
    code, told = simulated(origin, capsys)
    assert code == 5
    assert {one["branch"]: one["state"] for one in told["branches"]} == {
        "unrelated": "person",
        "topic": "clean",
    }


def test_nothing_of_the_remote_changes_and_no_folder_is_left(
    origin: Origin, capsys: Said, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    origin.branch("topic", {"a.py": ALSO})
    before = origin.repo.git("for-each-ref")
    objects = origin.repo.git("count-objects", "-v")
    simulated(origin, capsys)
    assert origin.repo.git("for-each-ref") == before
    assert origin.repo.git("count-objects", "-v") == objects
    assert list(temporary.iterdir()) == []


def test_the_table_fits_80_columns_and_strange_text_stays_text(origin: Origin, capsys: Said) -> None:
    commits = origin.branch("a-branch-" + "with-a-long-name-" * 6, {"b.txt": "1\nours\n3\n"})
    message = "\x1b[31mred\x1b[0m " + "long " * 40
    origin.repo.commit({**BASE, "b.txt": "1\nx\n3\n"}, origin.base, branch="topic", message=message)
    assert main(["simulate", str(origin.repo.path)]) == 5
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert commits[0][:10] in out


def test_no_branch_ahead_is_said_and_is_code_0(origin: Origin, capsys: Said) -> None:
    assert main(["simulate", str(origin.repo.path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no branch has commits that main lacks" in captured.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--branch", "absent"], "branch_missing"),
        (["--branch", "main"], "branch_is_target"),
        (["--onto", "absent"], "target_missing"),
        (["--onto", "--exec=touch x"], "invalid_ref"),
        (["--pipeline", "absent"], "pipeline_missing"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    origin: Origin, capsys: Said, words: list[str], reason: str
) -> None:
    origin.branch("topic", {"c.txt": "C\n"})
    code, told = simulated(origin, capsys, *words)
    assert code == 2
    assert told["error"]["reason"] == reason
    assert told["error"]["next_action"]


def test_an_empty_repository_is_refused(tmp_path: Path, capsys: Said) -> None:
    empty = Repository(tmp_path / "empty.git")
    for words in ([], ["--onto", "main"]):
        assert main(["simulate", str(empty.path), "--json", *words]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["reason"] == "repository_empty"
