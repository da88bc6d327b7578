"""`flowforge run` without a service: from a folder to a pushed branch, and every end in between."""

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flowforge.cli.exits import Exit, exit_of_ending
from flowforge.cli.runner import Asked, Ended
from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.core.job import Result
from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.settings import Settings
from flowforge.wiring.keeping import keeper_of
from flowforge.wiring.local import run_asked, run_here, without_push
from flowforge.wiring.main import main
from tests.gitrepo import IDENTITY, Repository, git

BASE = {"a.py": "import os\n\n\ndef f():\n    return 1\n", "b.txt": "1\n2\n3\n"}
OWN = """version: 1
name: own
stages: [{uses: clone}, {uses: rebase}, {uses: resolve}, {uses: validate}, {uses: push}]
finally: [{uses: report}]
"""


class Origin:
    def __init__(self, folder: Path, branch: str = "topic") -> None:
        self.repo = Repository(folder / "origin.git")
        self.start = self.repo.commit(BASE)
        self.repo.commit({**BASE, "b.txt": "1\n2\n4\n"}, self.start, branch="main", message="main moves on")
        self.add(branch)

    def add(self, branch: str, **files: str) -> str:
        files = files or {"c.txt": f"{branch}\n"}
        return self.repo.commit({**BASE, **files}, self.start, branch=branch, message=branch)


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", sandbox="none")


Told = list[tuple[str, Mapping[str, Any]]]


def ran(origin: Origin, settings: Settings, told: Told | None = None, **asked: Any) -> Ended:
    asked = {"repository": str(origin.repo.path), "branch": "topic", "onto": "main", **asked}
    return run_here(
        Asked(**asked), settings, lambda kind, data: told.append((kind, data)) if told is not None else None
    )


def test_a_branch_is_rebased_validated_and_pushed(origin: Origin, settings: Settings) -> None:
    told: Told = []
    ended = ran(origin, settings, told)
    assert (ended.ending.result, ended.ending.reason) == (Result.SUCCESS, Reason.PUSHED)
    assert origin.repo.tip("topic") == ended.head
    assert origin.repo.tip("topic~1") == origin.repo.tip("main")
    assert ended.report.startswith("Done: topic moved from ")
    assert ended.fetch == ""
    kinds = [kind for kind, _ in told]
    assert kinds[0] == "stage.started"
    assert kinds.count("stage.started") == kinds.count("stage.finished") == len(ended.results)
    json.dumps([data for _, data in told])


CAREFUL = OWN.replace("{uses: push}", "{uses: approve, with: {who: maintainer}}, {uses: push}")


def defined(origin: Origin, text: str) -> None:
    main = {**BASE, "b.txt": "1\n2\n4\n", ".flowforge.yml": text}
    origin.repo.commit(main, origin.start, branch="main", message="main says how")


def test_where_nobody_can_be_asked_a_run_stops_before_the_push_and_shows_what_is_asked_about(
    origin: Origin, settings: Settings
) -> None:
    defined(origin, CAREFUL)
    before = origin.repo.git("for-each-ref")
    ended = ran(origin, settings)
    assert (ended.ending.result, ended.ending.reason) == (Result.FAILURE, Reason.DECISION_NEEDED)
    assert exit_of_ending(ended.ending) == Exit.DECISION
    assert ended.ending.sentence == "a person must approve this before it is pushed to topic"
    assert "push it by hand" in ended.ending.next_action
    assert ended.fetch.startswith("git fetch ")
    assert [result.stage for result in ended.results][-2:] == ["approve", "report"]
    assert origin.repo.git("for-each-ref") == before


def test_without_push_nobody_is_asked_about_it(origin: Origin, settings: Settings) -> None:
    defined(origin, CAREFUL)
    ended = ran(origin, settings, push=False)
    assert ended.ending.result is Result.SUCCESS
    assert "approve" not in [result.stage for result in ended.results]
    assert ended.fetch.startswith("git fetch ")


def test_without_push_what_else_an_approval_guards_is_still_not_done(
    origin: Origin, settings: Settings
) -> None:
    deploy = '{uses: approve}, {uses: push}, {id: deploy, uses: run, run: "false"}'
    defined(origin, OWN.replace("{uses: push}", deploy))
    ended = ran(origin, settings, push=False)
    assert ended.ending.reason is Reason.DECISION_NEEDED
    assert ended.ending.sentence == "a person must approve this before stage 'deploy' runs"
    assert "deploy" not in [result.stage for result in ended.results]


def test_a_second_run_has_nothing_to_do(origin: Origin, settings: Settings) -> None:
    ran(origin, settings)
    ended = ran(origin, settings)
    assert (ended.ending.result, ended.ending.reason) == (Result.SUCCESS, Reason.UP_TO_DATE)
    assert len(origin.repo.updates("topic")) == 2


def test_the_checked_out_branch_of_a_work_tree_goes_onto_the_default_branch(
    origin: Origin, settings: Settings, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    git(tmp_path, "clone", "-q", "-b", "topic", str(origin.repo.path), str(work))
    git(work, "branch", "main", "origin/main")
    git(work, "config", "receive.denyCurrentBranch", "ignore")
    git(origin.repo.path, "symbolic-ref", "HEAD", "refs/heads/main")
    ended = run_here(
        Asked(repository=str(work), onto="main", push=False), settings, lambda _kind, _data: None
    )
    assert (ended.branch, ended.target) == ("topic", "main")
    assert ended.ending.result is Result.SUCCESS


def test_without_push_the_result_can_be_fetched_as_said(
    origin: Origin, settings: Settings, tmp_path: Path
) -> None:
    before = origin.repo.git("for-each-ref")
    ended = ran(origin, settings, push=False)
    assert ended.ending.result is Result.SUCCESS
    assert origin.repo.git("for-each-ref") == before
    assert "push" not in [result.stage for result in ended.results]
    mine = Repository(tmp_path / "mine.git")
    subprocess.run(
        shlex.split(ended.fetch),
        cwd=mine.path,
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", **IDENTITY},
    )
    assert mine.tip("FETCH_HEAD") == ended.head


def test_a_conflict_for_a_person_changes_nothing_and_has_a_report(origin: Origin, settings: Settings) -> None:
    origin.add("topic", **{"b.txt": "1\n2\n5\n"})
    before = origin.repo.git("for-each-ref")
    ended = ran(origin, settings)
    assert (ended.ending.result, ended.ending.reason) == (Result.FAILURE, Reason.UNRESOLVED_CONFLICTS)
    assert origin.repo.git("for-each-ref") == before
    assert "b.txt" in ended.report
    assert ended.fetch == ""


def test_a_cancel_ends_it_typed(origin: Origin, settings: Settings) -> None:
    asked = Asked(repository=str(origin.repo.path), branch="topic", onto="main")
    before = origin.repo.git("for-each-ref")
    seen: list[str] = []

    def tell(kind: str, data: Mapping[str, Any]) -> None:
        seen.append(f"{kind} {data.get('stage', '')}")

    ended = run_here(asked, settings, tell, cancelled=lambda: "stage.finished rebase" in seen)
    assert (ended.ending.result, ended.ending.reason) == (Result.CANCELLATION, Reason.CANCELLED)
    assert origin.repo.git("for-each-ref") == before


def test_the_repositorys_own_definition_is_read_from_the_target(origin: Origin, settings: Settings) -> None:
    main = {**BASE, "b.txt": "1\n2\n4\n", ".flowforge.yml": OWN}
    origin.repo.commit(main, origin.start, branch="main")
    ended = ran(origin, settings)
    assert [result.stage for result in ended.results] == [
        *("clone", "rebase", "resolve", "validate", "push", "report"),
    ]


def test_a_definition_in_a_file_whose_path_holds_an_at_is_read(
    origin: Origin, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "me@example.org" / "own.yml"
    file.parent.mkdir()
    file.write_text(OWN.replace("finally: [{uses: report}]\n", ""))
    ended = ran(origin, settings, pipeline=str(file))
    assert ended.ending.reason is Reason.PUSHED
    assert ended.report == ""


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"branch": "absent"}, Reason.BRANCH_MISSING),
        ({"onto": "absent"}, Reason.TARGET_MISSING),
        ({"branch": "a..b"}, Reason.INVALID_REF),
        ({"pipeline": "no-such-pipeline"}, Reason.PIPELINE_MISSING),
        ({"repository": "ssh://-oProxyCommand=x/y"}, Reason.INVALID_URL),
    ],
)
def test_what_cannot_be_begun_is_a_typed_error_or_end(
    origin: Origin, settings: Settings, asked: dict[str, str], reason: Reason
) -> None:
    try:
        found, action = ran(origin, settings, **asked).ending.reason, "told in its result"
    except FlowForgeError as error:
        found, action = error.reason, error.next_action
    assert found is reason
    assert action


def test_nothing_temporary_is_left(
    origin: Origin, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    ran(origin, settings)
    assert list(place.iterdir()) == []
    assert {path.name for path in settings.folder.iterdir()} == {"mirrors", "backups"}


IMPORTS = "import os\n\n\ndef f():\n    return 1\n"
REMEMBERING = """version: 1
name: own
stages:
  - {uses: clone}
  - {uses: rebase}
  - {uses: resolve, with: {rungs: [memory, structural]}}
  - {uses: validate}
  - {uses: test, run: "RUN"}
finally: [{uses: report}]
"""


def conflicting(origin: Origin, command: str) -> None:
    main = {**BASE, "a.py": IMPORTS.replace("os\n", "os\nimport re\n")}
    definition = REMEMBERING.replace("RUN", command)
    origin.repo.commit({**main, ".flowforge.yml": definition}, origin.start, branch="main", message="main")
    origin.add("topic", **{"a.py": IMPORTS.replace("os\n", "os\nimport sys\n")})


def test_what_tests_have_confirmed_is_answered_from_memory_by_the_next_run(
    origin: Origin, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    conflicting(origin, "true")
    reports = [ran(origin, settings).report for _ in range(2)]
    assert "answered before by" not in reports[0]
    assert "answered before by structural on 2" in " ".join(reports[1].split())
    keeper = keeper_of(str(origin.repo.path))
    (one,) = keeper.answers({}, 10)
    assert (one.path, one.confirmed) == ("a.py", "tests")
    keeper.reject(one.key)
    assert "answered before by" not in ran(origin, settings).report
    off = ran(origin, settings, memory=False)
    assert "answered before by" not in off.report
    never = settings.model_copy(update={"local_memory": False})
    assert "answered before by" not in ran(origin, never).report


def test_what_tests_have_not_confirmed_is_not_remembered(
    origin: Origin, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    conflicting(origin, "false")
    ran(origin, settings)
    conflicting(origin, "true")
    assert "answered before by" not in ran(origin, settings).report


def test_taking_the_push_out_leaves_all_else() -> None:
    stages = tuple(StageSpec(id=name, uses=name) for name in ("clone", "push", "report"))
    pipeline = Pipeline(name="n", version=1, stages=stages)
    assert [stage.uses for stage in without_push(pipeline).stages] == ["clone", "report"]


def test_as_json_the_verb_tells_everything_once(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWFORGE_DATA_DIR", str(tmp_path / "data"))
    assert main(["run", str(origin.repo.path), "--branch", "topic", "--onto", "main", "--json"]) == 0
    out = capsys.readouterr().out
    told = json.loads(out)
    assert (told["result"], told["reason"], told["branch"]) == ("success", "pushed", "topic")
    assert told["head"] == origin.repo.tip("topic")
    assert told["report"].startswith("Done: ")
    assert out.count("Done: topic moved") == 1
    push = next(stage for stage in told["stages"] if stage["stage"] == "push")
    assert push["outputs"]["new"] == told["head"]


def test_as_text_the_verb_writes_the_report_and_says_how_to_fetch(
    origin: Origin, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWFORGE_DATA_DIR", str(tmp_path / "data"))
    assert main(["run", str(origin.repo.path), "--branch", "topic", "--onto", "main", "--no-push"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Done: ")
    assert "the result is yours with: git fetch " in captured.err


@pytest.mark.parametrize(("second", "first"), [("topic/more", "topic"), ("topic", "topic/more")])
def test_results_of_branches_whose_names_are_in_each_others_way_are_both_kept(
    tmp_path: Path, settings: Settings, first: str, second: str
) -> None:
    origin = Origin(tmp_path, branch=first)
    assert ran(origin, settings, branch=first, push=False).fetch
    origin.repo.git("update-ref", "-d", f"refs/heads/{first}")
    origin.add(second)
    assert ran(origin, settings, branch=second, push=False).fetch


def test_trouble_that_may_pass_promises_no_second_try_where_there_is_no_queue(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLOWFORGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FLOWFORGE_GIT_PROTOCOLS", "http")
    asked = Asked(repository="http://127.0.0.1:1/nobody.git", branch="topic", onto="main")
    with pytest.raises(Temporary) as caught:
        run_asked(asked, lambda _kind, _data: None)
    assert caught.value.reason is Reason.REPOSITORY_UNREACHABLE
    assert caught.value.next_action == "check the host; it may pass: start it again later"
