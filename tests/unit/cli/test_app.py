import json
import os
from pathlib import Path

import pytest
import typer

from flowforge.cli.app import AsJson, group, run_verb, single
from flowforge.cli.exits import Exit
from flowforge.cli.output import coloured
from flowforge.core.errors import Broken, Reason, Refused, Temporary


def ends(error: BaseException | None = None, *, words: tuple[str, ...] = ()) -> int:
    def verb(*, json: AsJson = False) -> None:
        if error is not None:
            raise error

    return run_verb(single(verb), "try", words)


REFUSED = Refused(
    Reason.BRANCH_MISSING, "there is no branch 'x'", next_action="push it first", evidence="log 3"
)


def test_a_verb_that_returns_ended_well() -> None:
    assert ends() == Exit.OK


def test_a_refusal_is_told_as_sentence_reason_and_next_action(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(REFUSED) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "error: there is no branch 'x'\nreason: branch_missing\nnext: push it first\n"


def test_with_json_an_error_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(REFUSED, words=("--json",)) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out) == {
        "error": {
            "reason": "branch_missing",
            "sentence": "there is no branch 'x'",
            "next_action": "push it first",
            "evidence": "log 3",
        }
    }


def test_control_characters_of_a_sentence_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ends(Refused(Reason.INVALID_REF, "no branch \x1b[31mred\x07"))
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused(Reason.NOT_SIGNED_IN, "s"), 4),
        (Refused(Reason.BUDGET_EXHAUSTED, "s"), 6),
        (Refused(Reason.UNRESOLVED_CONFLICTS, "s"), 5),
        (Refused(Reason.TESTS_FAILED, "s"), 1),
        (Broken(Reason.CONFIGURATION, "s"), 3),
        (Temporary(Reason.SERVICE_UNAVAILABLE, "s"), 3),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
        (typer.Exit(8), 8),
        (SystemExit(7), 7),
    ],
)
def test_every_end_has_its_exit_code(error: BaseException, code: int) -> None:
    assert ends(error) == code


def test_a_bug_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(KeyError("x")) == Exit.BROKEN
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert "reason: internal_error" in captured.err


def test_a_bug_may_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_DEBUG", "1")
    with pytest.raises(KeyError):
        ends(KeyError("x"))


def test_an_unknown_option_is_a_usage_error_with_a_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends(words=("--nope",)) == Exit.USAGE
    assert capsys.readouterr().err == "error: No such option: --nope\nnext: flowforge try --help\n"


def test_a_group_without_a_verb_shows_its_help_as_talk(capsys: pytest.CaptureFixture[str]) -> None:
    app = group("Try things.")
    app.command("one")(lambda: None)
    app.command("two")(lambda: None)
    assert run_verb(app, "try", []) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "one" in captured.err


def test_a_verb_may_return_its_code() -> None:
    assert run_verb(single(lambda: int(Exit.PENDING)), "try", []) == Exit.PENDING


def test_colours_need_a_terminal_and_no_NO_COLOR() -> None:  # noqa: N802 (the variable's own name)
    class Terminal:
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    assert coloured(terminal, {})  # type: ignore[arg-type]  # only isatty is asked
    assert coloured(terminal, {"NO_COLOR": ""})  # type: ignore[arg-type]
    assert not coloured(terminal, {"NO_COLOR": "1"})  # type: ignore[arg-type]
    assert not coloured(terminal, {"TERM": "dumb"})  # type: ignore[arg-type]
    with Path(os.devnull).open() as file:
        assert not coloured(file, {})


def test_an_interrupt_is_told_like_an_error_and_is_130(capsys: pytest.CaptureFixture[str]) -> None:
    def verb() -> None:
        raise KeyboardInterrupt

    assert run_verb(single(verb), "verb", []) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(":")[0] for line in captured.err.splitlines()] == ["error", "reason", "next"]


def test_a_number_that_a_verb_answers_says_nothing_of_an_interrupt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_verb(single(lambda: 130), "verb", []) == 130
    assert capsys.readouterr() == ("", "")


def test_with_json_a_wrong_option_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    def verb(as_json: AsJson = False) -> None:
        assert as_json

    assert run_verb(single(verb), "verb", ["--json", "--absent"]) == 2
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["reason"] == "invalid_request"
    assert "--absent" in told["sentence"]
    assert told["next_action"] == "flowforge verb --help"
