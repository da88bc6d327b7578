"""`flowforge calibrate` against repositories whose outcomes are known, called as the entry point calls it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from flowforge.resolve.learnt import read_policy
from flowforge.wiring.main import main
from tests.gitrepo import Repository, git

Said = pytest.CaptureFixture[str]
HEAD = "import os\n\n\ndef first():\n    return os.sep\n"
RULE = "structural/added definitions"


def definition(name: str, number: int) -> str:
    """Two that have nothing in common but that they are functions, unlike any of another number."""
    if name == "up":
        return f"\n\ndef opened_{number}(path):\n    with open(path) as file:\n        return file.read({number})\n"
    return f"\n\ndef largest_{number}(rows):\n    return max(rows, key=len, default={number})\n"


def merged(number: int, *, right: bool, how: str = "merge") -> str:
    """Both sides add a function at the end of a file; people kept both (which is what the rule answers), or one.

    Told to git's fast-import, as building a long history by one process a commit takes minutes.
    """
    name, up, mine = f"m{number}.py", definition("up", number), definition("mine", number)
    start, one, two, done = (10 * number + step for step in range(1, 5))
    last = [("from", one), ("merge", two)] if how == "merge" else [("from", one)]
    text = HEAD + up + mine if right else HEAD + mine
    return "".join(
        [
            _commit("refs/heads/main", start, [], number, name, HEAD),
            _commit("refs/heads/main", one, [("from", start)], number, name, HEAD + up),
            _commit(
                f"refs/pull/{number}/head" if how == "squash" else "refs/made/it",
                two,
                [("from", start)],
                number,
                name,
                HEAD + mine,
            ),
            _commit("refs/heads/main", done, last, number, name, text, f"add largest (#{number})"),
        ]
    )


def _commit(
    ref: str, mark: int, parents: list[tuple[str, int]], at: int, name: str, text: str, message: str = "work"
) -> str:
    told = "".join(f"{word} :{parent}\n" for word, parent in parents)
    return (
        f"commit {ref}\nmark :{mark}\ncommitter Ada <ada@example.org> {1_700_000_000 + 60 * at + mark % 10} +0000\n"
        f"data {len(message)}\n{message}\n{told}M 100644 inline {name}\ndata {len(text)}\n{text}\n"
    )


def build(repo: Repository, *parts: str) -> None:
    stream = "reset refs/heads/main\nfrom refs/heads/main^0\n\n" + "".join(parts) + "done\n"
    repo.git("fast-import", "--quiet", "--force", "--done", stdin=stream.encode())


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "some" / "thing.git")
    made.commit({"README": "x\n"}, branch="main")
    return made


def history(repo: Repository, right: int, wrong: int) -> None:
    build(repo, *(merged(number, right=number >= wrong) for number in range(right + wrong)))


def calibrated(repo: Repository, capsys: Said, *words: str) -> dict[str, Any]:
    assert main(["calibrate", str(repo.path), "--json", *words]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def rule(told: dict[str, Any], name: str = RULE) -> dict[str, Any]:
    (found,) = [row for row in told["rules"] if row["rule"] == name]
    return dict(found)


def test_each_hunk_is_counted_by_what_people_made_of_it(repo: Repository, capsys: Said) -> None:
    history(repo, right=8, wrong=2)
    told = calibrated(repo, capsys)
    row = rule(told)
    assert (row["kind"], row["right"], row["cases"]) == ("source", 8, 10)
    assert row["later"] == {"right": 3, "cases": 3}
    assert told["made_again"] == {"merge": 10}
    assert told["later"]["files"] == 3
    assert (told["policy"]["repository"]["merges"], told["policy"]["repository"]["files"]) == (10, 10)


def test_a_squashed_pull_request_counts_as_a_merge(repo: Repository, capsys: Said) -> None:
    build(repo, merged(5, right=True, how="squash"), merged(6, right=False, how="squash"))
    repo.git("update-ref", "refs/pull/9/head", repo.commit({"README": "never\n"}, repo.tip("main")))
    told = calibrated(repo, capsys)
    assert told["made_again"] == {"squash": 2}
    assert told["pull_requests_left_out"] == {"not on the default branch": 1}
    assert (rule(told)["right"], rule(told)["cases"]) == (1, 2)


def test_a_good_record_earns_the_right_to_act_and_is_worth_what_the_later_part_says(
    repo: Repository, capsys: Said
) -> None:
    history(repo, right=75, wrong=0)
    told = calibrated(repo, capsys)
    assert rule(told)["action"] == "act"
    later = told["later"]
    assert later["shipped"]["acted"]["answered"] == 0
    assert later["own"]["acted"]["answered"] == later["files"] > 20
    assert later["own"]["acted"]["cost"]["10"] == 0.0
    assert told["policy"]["held_out"]["cost"]["10"] == 0.0
    assert told["policy"]["held_out"]["shipped"]["10"] == 1.0


def test_a_dearer_mistake_earns_less(repo: Repository, capsys: Said) -> None:
    history(repo, right=75, wrong=0)
    assert rule(calibrated(repo, capsys, "--k", "100"))["action"] == "confirm"


def test_a_bad_record_switches_a_rule_off_and_the_file_goes_to_a_person(
    repo: Repository, capsys: Said
) -> None:
    history(repo, right=0, wrong=60)
    told = calibrated(repo, capsys)
    assert rule(told)["action"] == "off"
    assert told["later"]["shipped"]["with_proposals"]["answered"] == told["later"]["files"]
    assert told["later"]["own"]["with_proposals"]["answered"] == 0


def test_the_policy_is_written_read_back_and_obeyed_by_replay(
    repo: Repository, capsys: Said, tmp_path: Path
) -> None:
    history(repo, right=75, wrong=0)
    file = tmp_path / "policy.json"
    told = calibrated(repo, capsys, "--policy", str(file))
    assert json.loads(file.read_text()) == told["policy"]
    assert read_policy(file.read_text(), "x").head == repo.tip("main")
    assert outcomes(repo, capsys) == {"proposed"}
    assert outcomes(repo, capsys, "--policy", str(file)) == {"resolved"}


def outcomes(repo: Repository, capsys: Said, *words: str) -> set[str]:
    assert main(["replay", str(repo.path), "--json", *words]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {row["outcome"] for row in rows[:-1]}


def test_simulate_obeys_it_too_and_shows_the_record(repo: Repository, capsys: Said, tmp_path: Path) -> None:
    history(repo, right=75, wrong=0)
    file = tmp_path / "policy.json"
    calibrated(repo, capsys, "--policy", str(file))
    start = repo.commit({"new.py": HEAD}, repo.tip("main"), branch="main")
    repo.commit({"new.py": HEAD + definition("mine", 900)}, start, branch="topic")
    repo.commit({"new.py": HEAD + definition("up", 900)}, start, branch="main")
    words = ["simulate", str(repo.path), "--branch", "topic", "--json", "--pipeline", "rebase-and-resolve"]
    ((confirmed, why),) = hunks(capsys, [*words])
    assert not confirmed
    ((acts, told),) = hunks(capsys, [*words, "--policy", str(file)])
    assert acts
    assert told == f"{why}; structural acts here: right 75 of 75 in this repository's history"


def hunks(capsys: Said, words: list[str]) -> list[tuple[bool, str]]:
    """(confirmed, why) of each place of the one branch."""
    main(words)
    (branch,) = json.loads(capsys.readouterr().out)["branches"]
    found = [hunk for commit in branch["conflicts"] for file in commit["files"] for hunk in file["hunks"]]
    return [(hunk["confirmed"], hunk["why"]) for hunk in found]


def test_the_page_and_the_tables_are_written(repo: Repository, capsys: Said, tmp_path: Path) -> None:
    history(repo, right=8, wrong=2)
    page = tmp_path / "page.html"
    assert main(["calibrate", str(repo.path), "--out", str(page)]) == 0
    told = capsys.readouterr()
    assert RULE in told.out
    assert max(map(len, (told.out + told.err).splitlines())) <= max(80, len(f"the page is in {page}"))
    text = page.read_text()
    assert "largest_0" in text
    assert "2 answers differ" in text


def test_nothing_is_written_into_the_repository(repo: Repository, capsys: Said) -> None:
    history(repo, right=3, wrong=1)
    before = fingerprint(repo.path)
    calibrated(repo, capsys)
    assert fingerprint(repo.path) == before


def fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def test_merges_of_which_a_partial_clone_lacks_something_are_left_out_and_counted(
    repo: Repository, capsys: Said, tmp_path: Path
) -> None:
    history(repo, right=4, wrong=0)
    repo.git("config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--bare", "--filter=blob:none", repo.url, "partial.git")
    git(tmp_path / "partial.git", "remote", "remove", "origin")
    words = [str(tmp_path / "partial.git"), "--json"]
    assert main(["calibrate", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["lacking"], told["rules"]) == (4, [])
    assert main(["replay", *words]) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["lacking"] == 4


def test_a_day_and_a_limit_narrow_what_is_looked_at(repo: Repository, capsys: Said) -> None:
    history(repo, right=4, wrong=0)
    assert calibrated(repo, capsys, "--before", "2001-01-01")["made_again"] == {}
    assert calibrated(repo, capsys, "--limit", "2", "--seed", "1")["policy"]["repository"]["merges"] == 2


def test_a_repository_without_merges_keeps_what_is_shipped(repo: Repository, capsys: Said) -> None:
    told = calibrated(repo, capsys)
    assert (told["rules"], told["policy"]["held_out"]) == ([], None)
    assert main(["calibrate", str(repo.path)]) == 0
    assert "stays as shipped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["/nowhere/at/all"], "repository_missing"),
        (["."], "repository_missing"),
        ([".", "--before", "yesterday"], "invalid_request"),
        ([".", "--k", "1"], "invalid_request"),
        ([".", "--k", "nan"], "invalid_request"),
        ([".", "--out", "/nowhere/at/all/page.html"], "invalid_request"),
        ([".", "--policy", "."], "invalid_request"),
    ],
)
def test_what_cannot_be_calibrated_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, words: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", *words]) == 2
    assert f"reason: {reason}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", [["replay", "."], ["simulate", "."], ["run", ".", "--branch", "main"]])
@pytest.mark.parametrize("text", [None, "{}", "not json"])
def test_what_is_no_policy_ends_a_verb_before_it_begins(
    repo: Repository, monkeypatch: pytest.MonkeyPatch, capsys: Said, verb: list[str], text: str | None
) -> None:
    monkeypatch.chdir(repo.path)
    file = repo.path.parent / "policy.json"
    if text is not None:
        file.write_text(text)
    assert main([*verb, "--policy", str(file)]) == 2
    assert "reason: policy_invalid" in capsys.readouterr().err
