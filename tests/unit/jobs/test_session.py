"""A session that stops takes its processes with it, and says why."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from uuid import uuid4

import pytest

from flowforge.core.session import Session
from flowforge.jobs.session import JobSession, Stop


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield started
    started.kill()
    started.wait()


def session() -> JobSession:
    return JobSession(job=uuid4(), fence=1)


def test_the_doors_see_a_session_through_the_protocol() -> None:
    doors_see: Session = session()
    assert doors_see.cancelled() is False


def test_stopping_kills_every_lent_group(child: subprocess.Popen[bytes]) -> None:
    job = session()
    job.adopt(child.pid)
    job.stop(Stop.CANCELLED)
    assert job.cancelled()
    assert child.wait(5) == -signal.SIGKILL


def test_a_group_lent_after_the_stop_dies_at_once(child: subprocess.Popen[bytes]) -> None:
    job = session()
    job.stop(Stop.LOST)
    job.adopt(child.pid)
    assert child.wait(5) == -signal.SIGKILL


def test_a_released_group_is_left_alone(child: subprocess.Popen[bytes]) -> None:
    job = session()
    job.adopt(child.pid)
    job.release(child.pid)
    job.release(os.getpid())
    job.stop(Stop.CANCELLED)
    assert child.poll() is None


def test_a_group_that_ended_by_itself_is_no_problem(child: subprocess.Popen[bytes]) -> None:
    job = session()
    job.adopt(child.pid)
    child.kill()
    child.wait()
    job.stop(Stop.CANCELLED)
    assert job.why is Stop.CANCELLED


def test_a_lost_lease_overrules_a_cancel_and_not_the_other_way_round() -> None:
    job = session()
    job.stop(Stop.CANCELLED)
    job.stop(Stop.LOST)
    job.stop(Stop.DRAINED)
    assert job.why is Stop.LOST


def test_leaving_is_a_wish_and_no_stop() -> None:
    job = session()
    job.leave()
    assert job.leaving
    assert not job.cancelled()
