"""A signal is a number; whatever else lies under its key counts as nothing told."""

from uuid import uuid4

import pytest

from flowforge.core.errors import Temporary
from flowforge.queues.notify import PREFIX, Signals, _job_of, _number

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("data", "number"), [(b"7", 7), (None, 0), (b"", 0), (b"a", 0), (b"-1", 0), ("9", 9)]
)
def test_what_is_no_number_is_read_as_nothing_told(data: bytes | str | None, number: int) -> None:
    assert _number(data) == number


def test_publishing_without_redis_says_so_and_harms_nobody() -> None:
    assert Signals(url=NOWHERE).publish(uuid4(), 1) is False


def test_waiting_without_redis_tells_the_reader_to_poll() -> None:
    with pytest.raises(Temporary, match="Redis did not answer while waiting for news"):
        Signals(url=NOWHERE).wait(uuid4(), 0, 0.1)


def test_only_signals_of_jobs_ring() -> None:
    job = uuid4()
    assert _job_of({"type": "pmessage", "channel": f"{PREFIX}{job}".encode()}) == job
    assert _job_of({"type": "psubscribe", "channel": f"{PREFIX}{job}".encode()}) is None
    assert _job_of({"type": "pmessage", "channel": b"ff:new:nonsense"}) is None
    assert _job_of({"type": "pmessage", "channel": None}) is None
