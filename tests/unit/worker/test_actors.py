import logging
from collections.abc import Callable
from uuid import UUID

import pytest

from flowforge.core.errors import Reason, Temporary
from flowforge.queues.broker import make_broker
from flowforge.queues.doorbell import ACTOR
from flowforge.worker.actors import declare

JOB = "01a20767-c59c-74b4-a95e-bc23b5b5b34d"


def heard(answer: Callable[[UUID], object]) -> Callable[[str], None]:
    """The actor's function, without a queue before it."""
    broker = make_broker("redis://127.0.0.1:1")  # nothing connects
    declare(broker, answer)
    function: Callable[[str], None] = broker.get_actor(ACTOR).fn
    return function


def test_a_ring_calls_with_the_jobs_id() -> None:
    asked: list[UUID] = []
    heard(asked.append)(JOB)
    assert asked == [UUID(JOB)]


def test_a_ring_for_nonsense_is_told_and_asked_of_nobody(caplog: pytest.LogCaptureFixture) -> None:
    heard(lambda _job: pytest.fail("asked"))("no job")
    assert "which is no job" in caplog.text


def test_an_outage_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def away(_job: UUID) -> None:
        raise Temporary(Reason.SERVICE_UNAVAILABLE, "the database is away")

    heard(away)(JOB)
    assert "the database is away" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("bug", [ValueError("None is not a valid Reason"), KeyError("x")])
def test_a_bug_is_told_with_its_trace_and_not_taken_for_a_bad_ring(
    bug: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_job: UUID) -> None:
        raise bug

    with caplog.at_level(logging.ERROR):
        heard(broken)(JOB)
    assert JOB in caplog.text
    assert "Traceback" in caplog.text
    assert "which is no job" not in caplog.text
