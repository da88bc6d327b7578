"""`flowforge replay` against real repositories, called as the entry point calls it."""

import json
from pathlib import Path
from typing import Any

import pytest

from flowforge.wiring.main import main
from tests.gitrepo import Repository

Said = pytest.CaptureFixture[str]
HEAD = "import os\n\n\ndef first():\n    return os.sep\n"
UP = "\n\ndef opened(path):\n    with open(path) as file:\n        return file.read()\n"
MINE = "\n\ndef largest(rows):\n    return max(rows, key=len, default=None)\n"


def merged(repo: Repository, name: str, person: str, upstream: str = UP, commit: str = MINE) -> str:
    """A merge of two files that both grew at their end."""
    start = repo.commit({name: HEAD})
    one, two = repo.commit({name: HEAD + upstream}, start), repo.commit({name: HEAD + commit}, start)
    return repo.commit({name: person}, one, two, branch=f"of-{name.replace('/', '-')}")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "origin.git")
    merged(made, "right.py", HEAD + UP + MINE)
    merged(made, "turned.py", HEAD + MINE + UP)
    merged(made, "other.py", HEAD)
    merged(made, "src/open.py", HEAD + "\n\nx = 4\n", "\n\nx = 2\n", "\n\nx = 3\n")
    return made


def replayed(repo: Repository, capsys: Said, *words: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rows by path, and the summary."""
    assert main(["replay", str(repo.path), "--json", *words]) == 0
    *rows, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    return {row["path"]: row for row in rows}, last["summary"]


def test_every_conflicting_file_is_a_line_and_the_summary_is_the_last(repo: Repository, capsys: Said) -> None:
    rows, summary = replayed(repo, capsys)
    assert {path: row["equal"] for path, row in rows.items()} == {
        "right.py": "exact",
        "turned.py": "order",
        "other.py": "different",
        "src/open.py": None,
    }
    row = rows["right.py"]
    assert (row["rung"], row["language"], row["kind"], row["conflicts"]) == (
        "structural",
        "python",
        "source",
        1,
    )
    assert row["outcome"] in {"resolved", "proposed"}
    assert row["parses"] is True
    assert rows["src/open.py"]["outcome"] == "handed_back"
    assert rows["src/open.py"]["reason"]
    assert (summary["merges"], summary["conflicting"], summary["files"]) == (4, 4, 4)
    both = summary["with_proposals"]
    assert (both["answered"], both["equal"], both["coverage"]) == (3, 2, 0.75)
    assert both["cost"]["10"] == pytest.approx((1 + 10) / 4)
    assert summary["rungs"]["structural"]["precision"] == pytest.approx(2 / 3, abs=1e-4)


def test_paths_days_and_limits_narrow_what_is_replayed(repo: Repository, capsys: Said) -> None:
    assert set(replayed(repo, capsys, "--paths", "src/")[0]) == {"src/open.py"}
    assert replayed(repo, capsys, "--after", "2100-01-01")[1]["files"] == 0
    assert replayed(repo, capsys, "--before", "2100-01-01")[1]["files"] == 4
    assert len(replayed(repo, capsys, "--limit", "2")[0]) == 2


def test_a_seed_chooses_other_merges_and_the_same_ones_again(repo: Repository, capsys: Said) -> None:
    chosen = {
        seed: tuple(replayed(repo, capsys, "--limit", "2", "--seed", str(seed))[0]) for seed in range(5)
    }
    assert len(set(chosen.values())) > 1
    assert tuple(replayed(repo, capsys, "--limit", "2", "--seed", "3")[0]) == chosen[3]


def test_answers_are_written_where_they_are_asked_for(repo: Repository, tmp_path: Path, capsys: Said) -> None:
    rows, _ = replayed(repo, capsys, "--out", str(tmp_path / "out"))
    text = (tmp_path / "out" / rows["right.py"]["merge"] / "right.py").read_text()
    assert text == HEAD + UP + MINE
    assert len(list((tmp_path / "out").rglob("*.py"))) == 3


def test_a_person_reads_tables_of_eighty_columns(repo: Repository, capsys: Said) -> None:
    assert main(["replay", str(repo.path)]) == 0
    told = capsys.readouterr()
    assert "structural" in told.out
    assert "4 merges, 4 with conflicts to judge, 4 files" in told.err
    assert max(map(len, (told.out + told.err).splitlines())) <= 80


def test_a_repository_without_merges_has_nothing_to_judge(tmp_path: Path, capsys: Said) -> None:
    made = Repository(tmp_path / "origin.git")
    made.commit({"a": "1\n"}, branch="main")
    assert main(["replay", str(made.path)]) == 0
    assert "0 merges" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["/nowhere/at/all"], "repository_missing"),
        (["."], "repository_missing"),
        ([".", "--before", "yesterday"], "invalid_request"),
    ],
)
def test_what_cannot_be_replayed_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, words: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["replay", *words]) == 2
    assert f"reason: {reason}" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_ends_it_with_a_sentence(
    repo: Repository, tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / "out").write_text("a file")
    assert main(["replay", str(repo.path), "--out", str(tmp_path / "out")]) == 2
    assert "cannot be written" in capsys.readouterr().err
