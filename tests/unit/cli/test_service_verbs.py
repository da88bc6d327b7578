"""The verbs up, serve and db, handed parts of which each does one thing."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowforge.cli import db, run, serve, up
from flowforge.cli.app import run_verb
from flowforge.cli.runner import Asked, Ended, Tell
from flowforge.core.errors import Broken, Reason
from flowforge.core.job import Ending, Result
from flowforge.core.pipeline import StageResult

Said = pytest.CaptureFixture[str]


@dataclass
class Running:
    falls: str = ""
    url: str = "http://127.0.0.1:8080"
    token_file: Path = Path("/home/me/my data/token")
    logs: Path = Path("/home/me/my data/logs")
    closed: list[bool] = field(default_factory=list)

    def wait(self) -> str:
        return self.falls

    @contextmanager
    def start(self) -> Iterator["Running"]:
        try:
            yield self
        finally:
            self.closed.append(True)


def test_up_says_how_to_use_it_and_ends_well_on_a_stop(capsys: Said) -> None:
    running = Running()
    assert run_verb(up.app, "up", [], running.start) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert (
        "export FLOWFORGE_URL=http://127.0.0.1:8080 FLOWFORGE_TOKEN=$(cat '/home/me/my data/token')"
        in captured.err
    )
    assert "running jobs are handed back" in captured.err
    assert running.closed == [True]


def test_up_names_the_process_that_fell_with_its_log(capsys: Said) -> None:
    running = Running(falls="relay")
    assert run_verb(up.app, "up", [], running.start) == 3
    assert "the relay process ended by itself; see /home/me/my data/logs/relay.log" in capsys.readouterr().err
    assert running.closed == [True]


@pytest.mark.parametrize("name", ["api", "relay", "worker"])
def test_serve_starts_the_process_of_that_name(name: str) -> None:
    started: list[str] = []
    assert run_verb(serve.app, "serve", [name], started.append) == 0
    assert started == [name]


def test_serve_without_a_name_or_with_a_strange_one_starts_nothing(capsys: Said) -> None:
    started: list[str] = []
    assert run_verb(serve.app, "serve", [], started.append) == 2
    assert run_verb(serve.app, "serve", ["everything"], started.append) == 2
    assert started == []


@dataclass(frozen=True, kw_only=True)
class Chores:
    upgrade: Callable[[], tuple[str, ...]]


@pytest.mark.parametrize(
    ("applied", "words"),
    [(("0001", "0002"), "applied 0001\napplied 0002\n"), ((), "the database is up to date\n")],
)
def test_upgrade_tells_what_it_applied(applied: tuple[str, ...], words: str, capsys: Said) -> None:
    parts = Chores(upgrade=lambda: applied)
    assert run_verb(db.app, "db", ["upgrade"], parts) == 0
    assert capsys.readouterr().out == words
    assert run_verb(db.app, "db", ["upgrade", "--json"], parts) == 0
    assert json.loads(capsys.readouterr().out) == {"applied": list(applied)}


def test_an_upgrade_that_is_refused_is_an_error_of_the_house(capsys: Said) -> None:
    def refused() -> tuple[str, ...]:
        raise Broken(Reason.CONFIGURATION, "no database is named", next_action="name one")

    assert run_verb(db.app, "db", ["upgrade"], Chores(upgrade=refused)) == 3
    assert capsys.readouterr().err == "error: no database is named\nreason: configuration\nnext: name one\n"


def ended(result: Result, reason: Reason, *, fetch: str = "") -> Ended:
    stage = StageResult(stage="clone", result=result, reason=reason, outputs={"n": 1}, seconds=1.23456)
    report = StageResult(
        stage="report", result=Result.SUCCESS, outputs={"text": "R\n", "markdown": "**R**\n"}
    )
    return Ended(
        ending=Ending(result=result, reason=reason, sentence="it ended"),
        branch="topic",
        target="main",
        old_head="a",
        head="b",
        results=(stage, report),
        report="R\n",
        fetch=fetch,
    )


@dataclass
class Runner:
    answer: Ended
    asked: list[Asked] = field(default_factory=list)

    def __call__(self, asked: Asked, tell: Tell) -> Ended:
        self.asked.append(asked)
        tell("stage.started", {"stage": "clone", "uses": "clone"})
        tell("log", {"stage": "clone", "text": "output of a command\n"})
        return self.answer


@pytest.mark.parametrize(
    ("result", "reason", "code"),
    [
        (Result.SUCCESS, Reason.PUSHED, 0),
        (Result.FAILURE, Reason.TESTS_FAILED, 1),
        (Result.ERROR, Reason.BRANCH_MISSING, 2),
        (Result.ERROR, Reason.INTERNAL_ERROR, 3),
        (Result.FAILURE, Reason.UNRESOLVED_CONFLICTS, 5),
        (Result.FAILURE, Reason.BUDGET_EXHAUSTED, 6),
        (Result.CANCELLATION, Reason.CANCELLED, 130),
    ],
)
def test_how_a_run_ended_is_its_code_in_both_forms(
    result: Result, reason: Reason, code: int, capsys: Said
) -> None:
    runner = Runner(ended(result, reason))
    assert run_verb(run.app, "run", ["x", "--branch", "topic"], runner) == code
    captured = capsys.readouterr()
    assert captured.out == "R\n"
    assert "output of a command" in captured.err
    assert run_verb(run.app, "run", ["x", "--json"], runner) == code
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (told["result"], told["reason"]) == (result.value, reason.value)
    assert captured.err == ""


def test_a_run_is_asked_for_exactly_what_was_written() -> None:
    runner = Runner(ended(Result.SUCCESS, Reason.DONE))
    words = [
        "repo",
        "--branch",
        "b",
        "--onto",
        "o",
        "--pipeline",
        "p",
        "--no-push",
        "--sandbox",
        "none",
        "--json",
    ]
    assert run_verb(run.app, "run", words, runner) == 0
    assert run_verb(run.app, "run", ["--json"], runner) == 0
    assert runner.asked == [
        Asked(repository="repo", branch="b", onto="o", pipeline="p", push=False, sandbox="none"),
        Asked(repository="."),
    ]


def test_as_json_outputs_are_kept_and_the_report_stands_once(capsys: Said) -> None:
    assert run_verb(run.app, "run", ["--json"], Runner(ended(Result.SUCCESS, Reason.DONE))) == 0
    told = json.loads(capsys.readouterr().out)
    assert [stage["outputs"] for stage in told["stages"]] == [{"n": 1}, {}]
    assert told["stages"][0]["seconds"] == 1.235
    assert told["report"] == "R\n"


def test_an_unpushed_result_is_named_for_people_only(capsys: Said) -> None:
    runner = Runner(ended(Result.SUCCESS, Reason.DONE, fetch="git fetch /m ref"))
    run_verb(run.app, "run", [], runner)
    assert "the result is yours with: git fetch /m ref" in capsys.readouterr().err
    run_verb(run.app, "run", ["--json"], runner)
    assert capsys.readouterr().err == ""
