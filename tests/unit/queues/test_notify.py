"""A signal is a number; whatever else lies under its key counts as nothing told."""

import socketserver
import threading
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


class Silent(socketserver.BaseRequestHandler):
    """A server that takes connections and never answers."""

    def handle(self) -> None:
        self.request.recv(1 << 16)
        threading.Event().wait(5)


def test_a_redis_that_hangs_delays_one_signal_and_not_the_next() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        now = [100.0]
        signals = Signals(url=f"redis://127.0.0.1:{server.server_address[1]}/0", clock=lambda: now[0])
        tried = [signals.publish(uuid4(), 1), signals._mute_until]
        signals._client = None  # whoever uses it now fails
        signals.url = "nonsense"
        assert signals.publish(uuid4(), 1) is False
        now[0] += 5.0
        with pytest.raises(ValueError, match="scheme"):
            signals.publish(uuid4(), 1)
        server.shutdown()
    assert tried == [False, 105.0]


def test_waiting_without_redis_tells_the_reader_to_poll() -> None:
    with pytest.raises(Temporary, match="Redis did not answer while waiting for news"):
        Signals(url=NOWHERE).wait(uuid4(), 0, 0.1)


def test_only_signals_of_jobs_ring() -> None:
    job = uuid4()
    assert _job_of({"type": "pmessage", "channel": f"{PREFIX}{job}".encode()}) == job
    assert _job_of({"type": "psubscribe", "channel": f"{PREFIX}{job}".encode()}) is None
    assert _job_of({"type": "pmessage", "channel": b"ff:new:nonsense"}) is None
    assert _job_of({"type": "pmessage", "channel": None}) is None
