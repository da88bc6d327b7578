"""What the metrics learn of jobs, with the real table of metrics."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from flowforge.core.conflict import Conflict, HunkAnswer, Kind, Resolution, Unresolved
from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Result, State
from flowforge.jobs import measure
from flowforge.jobs.ending import cancelled
from flowforge.jobs.tell import Teller
from flowforge.observe.metrics import Metrics
from flowforge.store.jobs import Moved
from tests.unit.jobs.test_relay import JOB, NOW

ENDED = replace(
    JOB,
    state=State.FAILED,
    ending=Ending(result=Result.FAILURE, reason=Reason.TESTS_FAILED, sentence="one test fails"),
    started_at=NOW,
    completed_at=NOW + timedelta(seconds=42),
)
CONFLICT = Conflict(path="a.py", kind=Kind.CONTENT, base=None, upstream=None, commit=None)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="1")


def samples(metrics: Metrics, name: str) -> dict[str, float]:
    """Samples of one name by their labels, as they are written."""
    found = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", metrics.expose()[0].decode(), flags=re.MULTILINE)
    return {labels.strip("{}"): float(value) for labels, value in found}


def resolution(*answers: tuple[str, bool]) -> Resolution:
    given = tuple(
        HunkAnswer(index=index, text=b"", rung=rung, rule="r", why="w", confirmed=confirmed)
        for index, (rung, confirmed) in enumerate(answers)
    )
    return Resolution(conflict=CONFLICT, answers=given, result=b"", outside="")


def test_an_ended_job_is_counted_with_its_result_and_timed_from_its_start(metrics: Metrics) -> None:
    measure.ended(metrics, ENDED)
    assert samples(metrics, "flowforge_jobs_total") == {'reason="tests_failed",result="failure"': 1}
    assert samples(metrics, "flowforge_job_duration_seconds_sum") == {"": 42}


def test_a_job_that_never_ran_is_counted_and_has_no_duration(metrics: Metrics) -> None:
    measure.ended(metrics, replace(JOB, state=State.CANCELLED, ending=cancelled(), completed_at=NOW))
    assert samples(metrics, "flowforge_jobs_total") == {'reason="cancelled",result="cancellation"': 1}
    assert samples(metrics, "flowforge_job_duration_seconds_count") == {"": 0}


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.WAITING])
def test_a_job_that_goes_on_is_not_counted(metrics: Metrics, state: State) -> None:
    measure.ended(metrics, replace(ENDED, state=state))
    assert samples(metrics, "flowforge_jobs_total") == {}


def test_a_repository_is_told_where_the_setting_asks_for_it() -> None:
    metrics = Metrics(version="1", repository_label=True)
    measure.ended(metrics, ENDED)
    assert list(samples(metrics, "flowforge_jobs_total")) == [
        f'reason="tests_failed",repository="{JOB.repository}",result="failure"'
    ]


def test_the_wait_is_from_queued_to_claimed_by_the_class_of_the_priority(metrics: Metrics) -> None:
    claimed = replace(JOB, priority=8, queued_at=NOW, lease_until=NOW + timedelta(seconds=15 + 4))
    measure.claimed(metrics, claimed, 15)
    measure.claimed(metrics, replace(claimed, priority=0, queued_at=NOW + timedelta(hours=1)), 15)
    assert samples(metrics, "flowforge_job_queue_wait_seconds_sum") == {
        'priority="high"': 4,
        'priority="low"': 0,  # never less than nothing
    }


def test_conflicts_are_counted_by_who_answered_and_how_well(metrics: Metrics) -> None:
    measure.answered(
        metrics,
        [
            resolution(("mechanical", True)),
            resolution(("mechanical", True), ("mechanical", True)),
            resolution(("mechanical", True), ("model", False)),
            resolution(("structural", False)),
        ],
        [Unresolved(conflict=CONFLICT, sentence="no")] * 2,
    )
    assert samples(metrics, "flowforge_conflicts_total") == {
        'outcome="resolved",rung="mechanical"': 2,
        'outcome="proposed",rung="several"': 1,
        'outcome="proposed",rung="structural"': 1,
        'outcome="handed_back",rung="none"': 2,
    }


def test_no_conflict_leaves_no_sample(metrics: Metrics) -> None:
    measure.answered(metrics, [], [])
    assert samples(metrics, "flowforge_conflicts_total") == {}


def test_who_tells_of_a_move_measures_it_too(metrics: Metrics) -> None:
    Teller(telemetry=metrics).tell(Moved(job=ENDED, seq=9))
    assert samples(metrics, "flowforge_jobs_total") == {'reason="tests_failed",result="failure"': 1}
