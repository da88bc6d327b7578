"""Why a job waits, and about when it starts, from values alone."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.job import State
from flowforge.jobs.why import WhyCode, after, asking, explain, in_turn
from flowforge.store.pauses import Pause
from flowforge.store.queue import Before, Standing
from tests.unit.jobs.test_relay import JOB, NOW

MINUTE = timedelta(minutes=1)
OTHER = UUID(int=9)
FREE = Standing(now=NOW, slots=2, cap=50)
RUNNING = Before(job=OTHER, running=True, started_at=NOW - MINUTE, queued=0)
QUEUED = Before(job=OTHER, running=False, started_at=None, queued=1)
PAUSE = Pause(id=UUID(int=8), repository=None, target="", reason="release week", by="Ada", created_at=NOW)


def whole(**changes: object) -> Standing:
    return replace(FREE, **changes)  # type: ignore[arg-type]  # a test's own


@pytest.mark.parametrize(
    ("standing", "paused", "code"),
    [
        (whole(delayed=True, ref=RUNNING, slots=0), PAUSE, WhyCode.PAUSED),
        (whole(reason="budget_exhausted", delayed=True), None, WhyCode.BUDGET),
        (whole(delayed=True, ref=RUNNING, slots=0), None, WhyCode.DELAYED),
        (whole(ref=RUNNING, group=RUNNING, slots=0), None, WhyCode.REF_BUSY),
        (whole(ref=QUEUED), None, WhyCode.REF_BUSY),
        (whole(group=RUNNING, rung=True), None, WhyCode.GROUP_BUSY),
        (whole(group=QUEUED), None, WhyCode.GROUP_BUSY),
        (whole(slots=0, rung=True, ahead=3), None, WhyCode.NO_WORKER),
        (whole(rung=True, taken=50), None, WhyCode.STARTING),
        (whole(taken=50, reason="lease_expired"), None, WhyCode.CAPPED),
        (whole(reason="lease_expired"), None, WhyCode.LEASE_LOST),
        (whole(ahead=3), None, WhyCode.POSITION),
    ],
)
def test_the_most_lasting_reason_is_told(standing: Standing, paused: Pause | None, code: WhyCode) -> None:
    why = explain(replace(JOB, run_after=NOW), standing, paused)
    assert why is not None
    assert why.code is code
    assert why.sentence
    assert why.changes


def test_a_running_job_has_no_reason_unless_its_worker_is_silent() -> None:
    running = replace(JOB, state=State.RUNNING)
    assert explain(running, FREE) is None
    lost = explain(running, whole(lost=True))
    assert lost is not None
    assert lost.code is WhyCode.LEASE_LOST
    assert "'w1'" in lost.sentence


def said(standing: Standing, paused: Pause | None = None) -> str:
    why = explain(replace(JOB, concurrency_group="deploy"), standing, paused)
    assert why is not None
    return why.sentence


def test_what_is_told_names_who_and_what() -> None:
    assert said(whole(ahead=1)) == "1 job comes before it in your organization; 2 can run at a time"
    assert said(whole(ahead=2)).startswith("2 jobs come before it")
    assert said(FREE) == "it comes next in your organization; 2 can run at a time"
    assert said(whole(taken=50, ahead=1)).endswith("; 1 job waits before it")
    assert said(whole(taken=50, ahead=2)).endswith("; 2 jobs wait before it")
    assert said(whole(taken=50)).endswith("; it comes next")
    assert said(whole(reason="lease_expired")) == "its worker fell silent; it comes next"
    assert said(whole(ref=RUNNING)).startswith(f"job {OTHER} is writing 'feature'")
    assert said(whole(group=RUNNING)) == f"job {OTHER} runs in its concurrency group 'deploy'"
    assert said(FREE, PAUSE).endswith("by Ada: release week")
    assert said(FREE, replace(PAUSE, repository=OTHER, target="main", by="")).startswith(
        "target 'main' is paused since 2026-11-23 12:00 UTC: release"
    )


@pytest.mark.parametrize(
    ("before", "median", "expected"),
    [
        (RUNNING, 3 * MINUTE, NOW + 2 * MINUTE),
        (RUNNING, MINUTE / 2, NOW),  # it takes longer than usual: it may end at any moment
        (replace(RUNNING, queued=2), 3 * MINUTE, NOW + 8 * MINUTE),
        (QUEUED, 3 * MINUTE, NOW + 3 * MINUTE),
        (RUNNING, None, None),
    ],
)
def test_a_line_is_estimated_by_how_long_its_like_took(
    before: Before, median: timedelta | None, expected: datetime | None
) -> None:
    assert after(before, median, NOW) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ahead": 0, "taken": 0}, NOW),
        ({"ahead": 1, "taken": 0}, NOW),
        ({"ahead": 1, "taken": 1}, NOW + 2 * MINUTE),  # half of what a job takes, for there are two slots
        ({"ahead": 3, "taken": 2}, NOW + 8 * MINUTE),
        ({"ahead": 0, "taken": 1, "cap": 1}, NOW + 4 * MINUTE),
        ({"ahead": 0, "slots": 0}, None),
        ({"median": None}, None),
    ],
)
def test_a_turn_is_estimated_by_how_often_slots_come_free(
    changes: dict[str, object], expected: datetime | None
) -> None:
    assert in_turn(whole(**{"median": 4 * MINUTE, **changes})) == expected


@pytest.mark.parametrize(
    ("paused", "words"),
    [
        (PAUSE, "--all"),
        (replace(PAUSE, repository=OTHER, repository_name="shop"), "shop"),
        (replace(PAUSE, repository=OTHER, repository_name="shop", target="main"), "shop --target main"),
    ],
)
def test_a_paused_job_names_the_command_that_lets_it_run(paused: Pause, words: str) -> None:
    why = explain(JOB, FREE, paused)
    assert why is not None
    assert why.changes == f"it runs when a maintainer resumes it: flowforge queue resume {words}"


@pytest.mark.parametrize(
    ("reason", "words"),
    [("rejected", "a person rejected it"), ("decision_expired", "nobody decided in time")],
)
def test_a_job_whose_end_is_decided_says_that_only_finally_is_left(reason: str, words: str) -> None:
    why = explain(JOB, whole(reason=reason, slots=0))
    assert why is not None
    assert why.code is WhyCode.NO_WORKER
    assert why.sentence == f"{words}, and its `finally` stages are left: no worker is alive"


@pytest.mark.parametrize(
    ("kind", "words"),
    [("approve", "approve it, by"), ("resolve", "write what no rung could answer, by")],
)
def test_a_waiting_job_says_what_a_person_must_do_until_when_and_how(kind: str, words: str) -> None:
    why = asking({"job": OTHER, "kind": kind, "expires_at": NOW})
    assert why.code is WhyCode.DECISION
    assert f"a person must {words} {NOW:%Y-%m-%d %H:%M} UTC; undecided it ends then" in why.sentence
    for way in ("reject it", "cancel it", f"flowforge job show {OTHER}"):
        assert way in why.changes


counts = st.integers(0, 200)
durations = st.timedeltas(timedelta(seconds=1), timedelta(hours=10))


@given(counts, counts, st.integers(1, 50), st.integers(1, 50), durations)
def test_nobody_starts_before_now_or_before_who_is_ahead(
    ahead: int, taken: int, slots: int, cap: int, median: timedelta
) -> None:
    def start(place: int) -> datetime:
        estimated = in_turn(whole(ahead=place, taken=taken, slots=slots, cap=cap, median=median))
        assert estimated is not None
        return estimated

    assert NOW <= start(ahead) <= start(ahead + 1)


@given(counts, durations, durations)
def test_a_line_moves_on_in_order(queued: int, median: timedelta, age: timedelta) -> None:
    before = replace(RUNNING, started_at=NOW - age, queued=queued)
    first, second = after(before, median, NOW), after(replace(before, queued=queued + 1), median, NOW)
    assert first is not None
    assert second is not None
    assert NOW <= first < second
