"""A signal is two numbers; whatever else lies under its key counts as nothing told."""

from uuid import uuid4

import pytest

from flowforge.core.errors import Temporary
from flowforge.queues.notify import PREFIX, News, Signals, _job_of

NOWHERE = "redis://127.0.0.1:1/0"


def test_a_signal_survives_its_journey() -> None:
    news = News(seq=7, logged=4096)
    assert News.decode(news.encode().encode()) == news


@pytest.mark.parametrize("data", [None, b"", b"7", b"a b", b"1 2 3", "\N{SNOWMAN} 1"])
def test_what_is_no_signal_is_read_as_nothing(data: bytes | str | None) -> None:
    assert News.decode(data) == News()


@pytest.mark.parametrize(
    ("told", "known", "newer"),
    [
        (News(seq=2), News(seq=1), True),
        (News(seq=1, logged=9), News(seq=1, logged=8), True),
        (News(seq=1, logged=9), News(seq=1, logged=9), False),
        (News(), News(seq=1), False),
    ],
)
def test_news_is_newer_when_either_number_is(told: News, known: News, newer: bool) -> None:
    assert told.beyond(known) is newer


def test_publishing_without_redis_says_so_and_harms_nobody() -> None:
    assert Signals(url=NOWHERE).publish(uuid4(), News(seq=1)) is False


def test_waiting_without_redis_tells_the_reader_to_poll() -> None:
    with pytest.raises(Temporary, match="Redis did not answer while waiting for news"):
        Signals(url=NOWHERE).wait(uuid4(), News(), 0.1)


def test_only_signals_of_jobs_ring() -> None:
    job = uuid4()
    assert _job_of({"type": "pmessage", "channel": f"{PREFIX}{job}".encode()}) == job
    assert _job_of({"type": "psubscribe", "channel": f"{PREFIX}{job}".encode()}) is None
    assert _job_of({"type": "pmessage", "channel": b"ff:new:nonsense"}) is None
    assert _job_of({"type": "pmessage", "channel": None}) is None
