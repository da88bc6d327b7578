"""A real gunicorn process: what only a server on a socket can show."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from flowforge.api.models import JobIn, RepositoryIn
from flowforge.cli.client import Client
from flowforge.core.errors import Reason, Refused, Temporary
from tests.conftest import TestDatabase
from tests.integration.api.served import ENDED, SERVE, STARTED, Running, serving

pytestmark = pytest.mark.services


@pytest.fixture
def running(database: TestDatabase, tmp_path: Path) -> Iterator[Running]:
    with serving(database, tmp_path) as served:
        yield served


def submit(client: Client, branch: str = "feature") -> UUID:
    found = client.repositories(name="shop").repositories
    shop = (
        found[0]
        if found
        else client.add_repository(
            RepositoryIn(name="shop", url="https://git.example.org/shop.git", default_branch="main")
        )
    )
    return client.submit(JobIn(repository=shop.id, branch=branch), f"key-{branch}").id


def test_a_real_token_submits_and_follows_a_job_to_its_end(running: Running) -> None:
    with running.client() as client:
        job = submit(client)
        assert (
            client.submit(JobIn(repository=client.job(job).repository, branch="feature"), "key-feature").id
            == job
        )
        later = threading.Timer(0.3, client.cancel, args=(job,))
        later.start()
        kinds = [event.kind for event in client.events(job)]
        later.join()
        assert kinds[0] == "job.submit"
        assert kinds[-1] == "job.cancel"
        assert client.job(job).state == "cancelled"


def test_a_stranger_is_refused_with_the_houses_error(running: Running) -> None:
    for token in ("", "ff_nobodynobody"):
        with running.client(token) as client, pytest.raises(Refused) as caught:
            client.jobs({})
        assert caught.value.reason is Reason.NOT_SIGNED_IN
        assert caught.value.next_action


def test_fifty_open_streams_end_soon_after_sigterm(running: Running) -> None:
    with running.client() as client, ExitStack() as stack:
        job = submit(client)
        http = stack.enter_context(httpx2.Client(timeout=ENDED, limits=httpx2.Limits(max_connections=60)))
        headers = {"Authorization": f"Bearer {running.first.token}"}
        path = f"{running.url}/api/v1/jobs/{job}/events"
        streams = [stack.enter_context(http.stream("GET", path, headers=headers)) for _ in range(50)]
        parts = [stream.iter_raw() for stream in streams]
        for part in parts:
            assert any(b"job.submit" in chunk for chunk in part)  # a heartbeat may come in a chunk of its own
        assert httpx2.get(f"{running.url}/healthz", timeout=ENDED).status_code == 200
        started = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        for part in parts:
            list(part)  # every stream is ended properly: a cut one would raise
        assert running.process.wait(ENDED) == 0
        assert time.monotonic() - started < 15, "the streams held the server for its whole grace period"
    assert "Forcing close" not in running.log.read_text()


def test_a_long_poll_is_answered_when_the_server_stops(running: Running) -> None:
    with running.client() as client:
        job = submit(client)
        states: list[str] = []
        poll = threading.Thread(target=lambda: states.append(client.job(job, wait=50).state))
        poll.start()
        time.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        poll.join(ENDED)
    assert states == ["queued"]


def test_news_over_redis_wake_a_stream_long_before_it_would_look(
    database: TestDatabase, tmp_path: Path, redis_url: str
) -> None:
    with serving(database, tmp_path, FLOWFORGE_REDIS_URL=redis_url) as running, running.client() as client:
        job = submit(client)
        events = client.events(job)
        assert next(events).kind == "job.submit"
        time.sleep(1)  # the subscription stands by now; from here on a stream looks every ten seconds
        client.cancel(job)
        cancelled = time.monotonic()
        assert [event.kind for event in events][-1] == "job.cancel"
        assert time.monotonic() - cancelled < 6, "no ring was heard"


def test_every_answer_is_counted(running: Running) -> None:
    with running.client() as client:
        client.jobs({})
    text = httpx2.get(f"{running.url}/metrics").text
    assert 'flowforge_http_requests_total{method="GET",route="/api/v1/jobs",status="200"} 1.0' in text
    assert 'flowforge_build_info{version="0.1.0"} 1.0' in text


def raw(running: Running, request: bytes, rest: bytes = b"") -> bytes:
    """Send bytes as they are and read what comes until the server closes."""
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=ENDED) as wire:
        wire.sendall(request)
        try:
            if rest:
                wire.sendall(rest)
            answer = b""
            while part := wire.recv(65536):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answer


def head(running: Running, *lines: str) -> bytes:
    token = f"Authorization: Bearer {running.first.token}"
    first = ("POST /api/v1/jobs HTTP/1.1", "Host: x", token, "Content-Type: application/json", *lines)
    return ("\r\n".join(first) + "\r\n\r\n").encode()


def test_a_body_that_declares_too_much_is_refused_without_being_sent(running: Running) -> None:
    answer = raw(running, head(running, "Content-Length: 200000000"))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"reason": "too_large"' in answer


def test_a_stranger_is_refused_before_a_byte_of_the_body_was_sent(running: Running) -> None:
    lines = ("POST /api/v1/jobs HTTP/1.1", "Host: x", "Content-Length: 1000", "Connection: close")
    answer = raw(running, ("\r\n".join(lines) + "\r\n\r\n").encode())
    assert answer.startswith(b"HTTP/1.1 401")


def test_a_body_without_a_length_is_refused_at_the_limit(running: Running) -> None:
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = raw(running, head(running, "Transfer-Encoding: chunked", "Connection: close"), chunk * 20)
    assert answer.startswith(b"HTTP/1.1 413")


def test_the_server_says_so_when_its_database_is_away(database: TestDatabase, tmp_path: Path) -> None:
    with serving(database, tmp_path) as running:
        pass
    assert running.process.returncode == 0
    with pytest.raises(Temporary) as caught, running.client() as client:
        client.version()
    assert caught.value.reason is Reason.SERVICE_UNAVAILABLE


def test_without_a_database_the_start_is_refused_with_what_to_set(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWFORGE_")}
    ended = subprocess.run(
        [sys.executable, "-c", SERVE],
        env={**environment, "FLOWFORGE_CONFIG": str(tmp_path / "none.toml")},
        capture_output=True,
        text=True,
        timeout=STARTED,
        check=False,
    )
    assert ended.returncode != 0
    assert "no database is named" in ended.stderr
