from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from flowforge.api.models import JobOut
from flowforge.cli.exits import Exit
from flowforge.cli.watch import exit_of

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def job(state: str, reason: str = "", result: str = "failure") -> JobOut:
    ending = {"result": result, "reason": reason, "sentence": "s", "next_action": "", "evidence": ""}
    times = ("run_after", "queued_at", "started_at", "completed_at", "cancelled_at")
    words = ("branch", "target", "task", "pipeline_source", "trigger", "retry_from", "worker")
    values: dict[str, Any] = {
        **dict.fromkeys(times),
        **dict.fromkeys(words, ""),
        "id": UUID(int=7),
        "repository": UUID(int=2),
        "user": None,
        "parent_job": None,
        "state": state,
        "final": state in {"success", "failed", "cancelled", "superseded"},
        "priority": 5,
        "priority_class": "normal",
        "environment": [],
        "attempts": 1,
        "max_attempts": 3,
        "cancel_requested": False,
        "created_at": NOON,
        "ending": ending if reason else None,
        "outputs": {},
    }
    return JobOut.model_validate(values)


@pytest.mark.parametrize(
    ("watched", "code"),
    [
        (job("queued"), Exit.PENDING),
        (job("running"), Exit.PENDING),
        (job("waiting"), Exit.DECISION),
        (job("success", "pushed", "success"), Exit.OK),
        (job("success", "cancel_too_late", "success"), Exit.OK),
        (job("failed", "tests_failed"), Exit.FAILED),
        (job("failed", "unresolved_conflicts"), Exit.DECISION),
        (job("failed", "budget_exhausted"), Exit.BUDGET),
        (job("failed", "branch_missing"), Exit.USAGE),
        (job("failed", "internal_error", "error"), Exit.BROKEN),
        (job("failed", "a_reason_of_tomorrow"), Exit.FAILED),
        (job("failed", "a_fault_of_tomorrow", "error"), Exit.BROKEN),
        (job("failed"), Exit.FAILED),
        (job("cancelled", "cancelled", "cancellation"), Exit.INTERRUPTED),
        (job("superseded", "superseded", "cancellation"), Exit.SUPERSEDED),
        (job("superseded", "a_reason_of_tomorrow", "cancellation"), Exit.SUPERSEDED),
    ],
    ids=lambda value: (
        f"{value.state}-{value.ending.reason if value.ending else ''}" if isinstance(value, JobOut) else ""
    ),
)
def test_the_exit_code_says_how_a_job_stands(watched: JobOut, code: Exit) -> None:
    assert exit_of(watched) is code
