import re
from importlib.resources import files

import pytest

from flowforge.cli.exits import Exit, exit_of_ending, exit_of_error, exit_of_reason
from flowforge.core.errors import Broken, Reason, Refused
from flowforge.core.job import Ending, Result


@pytest.mark.parametrize(
    ("result", "reason", "code"),
    [
        (Result.SUCCESS, Reason.PUSHED, 0),
        (Result.SUCCESS, Reason.CANCEL_TOO_LATE, 0),
        (Result.SKIP, Reason.SKIPPED, 0),
        (Result.FAILURE, Reason.TESTS_FAILED, 1),
        (Result.FAILURE, Reason.PUSH_REJECTED, 1),
        (Result.TIMEOUT, Reason.TIMEOUT, 1),
        (Result.ERROR, Reason.PIPELINE_INVALID, 2),
        (Result.ERROR, Reason.REPOSITORY_MISSING, 2),
        (Result.ERROR, Reason.NO_SPACE, 3),
        (Result.ERROR, Reason.INTERNAL_ERROR, 3),
        (Result.FAILURE, Reason.UNRESOLVED_CONFLICTS, 5),
        (Result.FAILURE, Reason.BUDGET_EXHAUSTED, 6),
        (Result.CANCELLATION, Reason.CANCELLED, 130),
        (Result.CANCELLATION, Reason.SUPERSEDED, 7),
    ],
)
def test_a_jobs_end_has_its_exit_code(result: Result, reason: Reason, code: int) -> None:
    assert exit_of_ending(Ending(result=result, reason=reason, sentence="s")) == code


@pytest.mark.parametrize("reason", list(Reason))
def test_an_error_never_ends_with_zero(reason: Reason) -> None:
    assert exit_of_error(Refused(reason, "s")) != Exit.OK
    assert exit_of_error(Broken(reason, "s")) != Exit.OK


def test_a_machine_without_a_sandbox_is_not_the_changes_fault() -> None:
    assert exit_of_error(Refused(Reason.SANDBOX_UNAVAILABLE, "s")) == Exit.BROKEN
    assert exit_of_error(Refused(Reason.VALIDATION_FAILED, "s")) == Exit.FAILED


def test_a_request_that_cannot_be_met_is_never_flowforges_own_error() -> None:
    asked = [
        reason for reason in Reason if reason.startswith(("invalid_", "pipeline_", "branch_", "target_"))
    ]
    assert len(asked) >= 7
    assert {exit_of_reason(reason) for reason in asked} == {Exit.USAGE}


def test_every_code_is_documented_and_no_other() -> None:
    page = (files("flowforge.docs") / "cli.md").read_text(encoding="utf-8").partition("## Exit codes")[2]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == sorted(Exit)
