"""The little server of /metrics, over real sockets."""

import logging
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from flowforge.observe import listener
from flowforge.observe.listener import metrics_at

Answer = tuple[bytes, str]


def expose() -> Answer:
    return b"a 1\n", "text/plain; version=0.0.4"


def get(url: str) -> tuple[int, bytes, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (loopback)
        return answer.status, answer.read(), answer.headers["Content-Type"]


@pytest.fixture
def port() -> Iterator[int]:
    """Of a row of ports that is held from its first on."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


def test_it_answers_metrics_and_nothing_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    with metrics_at("127.0.0.1", free, expose) as url:
        assert get(url) == (200, b"a 1\n", "text/plain; version=0.0.4")
        assert get(f"{url}?name=x")[0] == 200
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(url.replace("/metrics", "/"))
    with pytest.raises(urllib.error.URLError):
        get(url)


def test_a_port_that_is_taken_is_passed_over(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), metrics_at("127.0.0.1", port, expose) as url:
        assert f":{port}/" not in url
        assert get(url)[1] == b"a 1\n"
    assert url in caplog.text


def test_where_no_port_can_be_had_the_process_goes_on_without(
    port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PORTS", 1)
    with metrics_at("127.0.0.1", port, expose) as url:
        assert url == ""
    assert "no metrics of this process" in caplog.text


def test_an_address_that_is_not_this_machines_costs_the_metrics_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with metrics_at("192.0.2.1", 9464, expose) as url:
        assert url == ""
    assert "192.0.2.1" in caplog.text


def test_port_zero_listens_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    with metrics_at("127.0.0.1", 0, expose) as url:
        assert url == ""
    assert caplog.text == ""


def test_clients_that_say_nothing_do_not_pile_up(port: int) -> None:
    with metrics_at("127.0.0.1", port, expose) as url, ExitStack() as silent:
        there = ("127.0.0.1", int(url.rpartition(":")[2].partition("/")[0]))
        for _ in range(40):
            silent.enter_context(socket.create_connection(there, timeout=10))
        last = silent.enter_context(socket.create_connection(there, timeout=10))
        assert last.recv(1) == b""  # refused at once: eight wait already


def test_a_failing_look_does_not_end_the_server(port: int) -> None:
    answers = iter([None, (b"b 1\n", "text/plain")])

    def sometimes() -> Answer:
        answer = next(answers)
        if answer is None:
            raise RuntimeError("once")
        return answer

    with metrics_at("127.0.0.1", port, sometimes) as url:
        with pytest.raises(OSError, match=r"."):
            get(url)
        assert get(url)[1] == b"b 1\n"
