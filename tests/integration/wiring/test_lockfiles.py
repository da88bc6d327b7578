"""Whole jobs with a lockfile that both sides changed, by `flowforge run`: what is pushed, who decides, what a simulation says."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flowforge.cli.runner import Asked, Ended
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.sandbox.choose import choose_sandbox
from flowforge.settings import Settings
from flowforge.wiring.local import run_here
from flowforge.wiring.main import main
from tests.gitrepo import Content, Repository
from tests.integration.pipeline.lockscene import LISTS

LOCK, MANIFEST = "package-lock.json", "package.json"
DEFINITION = """version: 1
name: own
stages:
  - {uses: clone}
  - {uses: rebase}
  - {uses: resolve, with: {rungs: [lockfile, document], regenerate: {package-lock.json: %s}}}
  - {uses: validate}
%s  - {uses: push}
finally: [{uses: report}]
"""
TEST = "  - {uses: test, run: 'test -f package-lock.json'}\n"


def files(*names: str) -> dict[str, Content]:
    rows = {f"node_modules/{name}": {"version": "1.0.0"} for name in names}
    return {
        LOCK: json.dumps({"lockfileVersion": 3, "packages": rows}, indent=1) + "\n",
        MANIFEST: json.dumps({"name": "app", "dependencies": dict.fromkeys(names, "*")}, indent=1) + "\n",
    }


OLD = tuple("klmnop")
WROTE = files("a", "b", "c")[LOCK]
WRITES: dict[str, Content] = {"relock.sh": f"cat > {LOCK} <<'END'\n{WROTE}END\n"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    try:
        choose_sandbox("auto", unique=lambda: "look", warn=lambda _text: None)
    except Refused as error:
        pytest.skip(error.sentence)
    return Settings(data_dir=tmp_path / "data")


def origin(
    folder: Path, definition: str, script: Mapping[str, Content] = WRITES, **topic: Content
) -> Repository:
    """`main` and `topic` both added a package; the definition stands on both, and `topic` may change more."""
    repo = Repository(folder / "origin.git")
    base = {**files("a"), **script, ".flowforge.yml": definition}
    start = repo.commit(base)
    repo.commit({**base, **files("a", "b")}, start, branch="main", message="add b")
    repo.commit({**base, **files("a", "c"), **topic}, start, branch="topic", message="add c")
    return repo


def apart(
    folder: Path, definition: str, script: Mapping[str, Content], *, branch: str = "topic"
) -> Repository:
    """As `origin`, with the packages so far from each other that git merges both files without a conflict."""
    repo = Repository(folder / "apart.git")
    base = {**files(*OLD), **script, ".flowforge.yml": definition}
    start = repo.commit(base)
    repo.commit({**base, **files("a", *OLD)}, start, branch="main", message="add a")
    first = repo.commit({**base, **files(*OLD, "z")}, start, message="add z")
    repo.commit({**base, **files(*OLD, "y", "z")}, first, branch=branch, message="add y")
    return repo


def ran(
    repo: Repository, settings: Settings, told: list[tuple[str, Mapping[str, Any]]] | None = None
) -> Ended:
    asked = Asked(repository=str(repo.path), branch="topic", onto="main")
    return run_here(
        asked, settings, lambda kind, data: told.append((kind, data)) if told is not None else None
    )


def test_a_lockfile_is_written_anew_tested_and_pushed(tmp_path: Path, settings: Settings) -> None:
    repo = origin(tmp_path, DEFINITION % ("sh relock.sh", TEST))
    ended = ran(repo, settings)
    assert (ended.ending.result, ended.ending.reason) == (Result.SUCCESS, Reason.PUSHED), ended.ending
    assert repo.git("show", f"topic:{LOCK}").decode() == WROTE
    assert json.loads(repo.git("show", f"topic:{MANIFEST}"))["dependencies"] == dict.fromkeys("abc", "*")
    assert "sh wrote it anew from the merged manifest: 3 packages" in ended.report


def test_a_command_that_the_branch_brings_is_not_run(tmp_path: Path, settings: Settings) -> None:
    mine = DEFINITION % ("echo evil > package-lock.json", TEST)
    repo = origin(tmp_path, DEFINITION % ("sh relock.sh", TEST), **{".flowforge.yml": mine})
    told: list[tuple[str, Mapping[str, Any]]] = []
    ended = ran(repo, settings, told)
    log = "".join(str(data["text"]) for kind, data in told if kind == "log")
    assert ended.ending.result is Result.SUCCESS, ended.ending
    assert "--- sh relock.sh (for package-lock.json)" in log
    assert "evil" not in log
    assert repo.git("show", f"topic:{LOCK}").decode() == WROTE


def test_a_tool_that_fails_leaves_the_branch_to_a_person(tmp_path: Path, settings: Settings) -> None:
    repo = origin(tmp_path, DEFINITION % ("sh relock.sh", TEST), {"relock.sh": "echo no index >&2\nexit 4\n"})
    before = repo.git("for-each-ref")
    ended = ran(repo, settings)
    assert ended.ending.reason is Reason.UNRESOLVED_CONFLICTS
    assert "'sh relock.sh' ended with exit status 4: no index" in ended.ending.sentence
    assert "package-lock.json" in ended.report
    assert repo.git("for-each-ref") == before
    assert "main" in repo.git("branch").decode()


def test_without_a_test_the_answer_stays_a_proposal(tmp_path: Path, settings: Settings) -> None:
    """Nothing is known yet about how often this rung is right, so it does not act on its own."""
    ended = ran(origin(tmp_path, DEFINITION % ("sh relock.sh", "")), settings)
    assert ended.ending.reason is Reason.DECISION_NEEDED
    assert LOCK in ended.ending.sentence


def test_a_simulation_runs_no_tool_and_says_so(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FLOWFORGE_DATA_DIR", str(tmp_path / "data"))
    repo = origin(tmp_path, DEFINITION % ("touch /tmp/ran", TEST))
    main(["simulate", str(repo.path), "--branch", "topic", "--onto", "main"])
    said = " ".join(capsys.readouterr().out.split())
    assert "a run would write it anew with a tool; a simulation runs none" in said
    assert "could not" not in said


def locked(repo: Repository, commit: str) -> set[str]:
    rows = json.loads(repo.git("show", f"{commit}:{LOCK}"))["packages"]
    return {name.removeprefix("node_modules/") for name in rows}


def test_a_lockfile_that_git_merged_is_written_anew_in_every_commit_and_pushed(
    tmp_path: Path, settings: Settings
) -> None:
    repo = apart(tmp_path, DEFINITION % ("sh relock.sh", TEST), {"relock.sh": LISTS})
    ended = ran(repo, settings)
    assert (ended.ending.result, ended.ending.reason) == (Result.SUCCESS, Reason.PUSHED), ended.ending
    assert b'"version": "1.0.9"' in repo.git("show", f"topic:{LOCK}")
    assert locked(repo, "topic") == {"a", *OLD, "y", "z"}
    assert locked(repo, "topic^") == {"a", *OLD, "z"}
    report = " ".join(ended.report.split())
    assert "sh wrote it anew from the merged manifest: 9 packages" in report
    assert report.count("git had merged it as text, without a conflict") == 2
    assert "add z replayed without a conflict, with files written anew" in report
    assert "resolved conflicts" not in report


def test_written_anew_it_is_a_proposal_as_after_a_conflict(tmp_path: Path, settings: Settings) -> None:
    ended = ran(apart(tmp_path, DEFINITION % ("sh relock.sh", ""), {"relock.sh": LISTS}), settings)
    assert ended.ending.reason is Reason.DECISION_NEEDED
    assert LOCK in ended.ending.sentence


def test_a_tool_that_fails_there_leaves_gits_text_and_the_report_says_so(
    tmp_path: Path, settings: Settings
) -> None:
    definition = DEFINITION % ("sh relock.sh", "")
    repo = apart(tmp_path, definition, {"relock.sh": "echo no index >&2\nexit 4\n"})
    ended = ran(repo, settings)
    assert (ended.ending.result, ended.ending.reason) == (Result.SUCCESS, Reason.PUSHED), ended.ending
    assert locked(repo, "topic") == {"a", *OLD, "y", "z"}
    note = "as text, and it was not written anew: 'sh relock.sh' ended with exit status 4: no index"
    assert " ".join(ended.report.split()).count(note) == 1


def test_a_simulation_says_what_a_run_would_do_with_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FLOWFORGE_DATA_DIR", str(tmp_path / "data"))
    repo = apart(tmp_path, DEFINITION % ("sh relock.sh", TEST), {"relock.sh": LISTS})
    main(["simulate", str(repo.path), "--branch", "topic", "--onto", "main"])
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("it was not written anew: a run would write it anew with a tool") == 1
    assert "a person" not in said
