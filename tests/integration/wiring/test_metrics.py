"""/metrics of whole processes: several of the API answer as one, and a port that is taken stops nobody."""

import re
import socket
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.settings import read_settings
from flowforge.wiring.up import Service, service
from tests.conftest import TestDatabase
from tests.integration.jobs.world import until

pytestmark = [pytest.mark.services, pytest.mark.slow]

ASKED = 40  # times; each is another connection, so both processes are met


@pytest.fixture
def running(database: TestDatabase, redis_url: str) -> Iterator[Service]:
    """Two processes of the API, and the last port of all, which somebody else holds."""
    with (
        socket.create_server(("127.0.0.1", 65535)),
        tempfile.TemporaryDirectory(prefix="ff-up-") as folder,  # a short path: sockets live in it
    ):
        settings = read_settings(
            data_dir=Path(folder),
            port=0,
            host="127.0.0.1",
            database_url=database.admin_url,
            redis_url=redis_url,
        )
        more = {"FLOWFORGE_API_PROCESSES": "2", "FLOWFORGE_METRICS_PORT": "65535"}
        with service(settings, durable=False, more=more) as up:
            yield up


def ask(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (loopback)
        return str(answer.read().decode())


def healths(text: str) -> int:
    """How often /healthz was answered well, as the metrics say."""
    sample = r'^flowforge_http_requests_total\{method="GET",route="/healthz",status="200"\} (\S+)$'
    return sum(int(float(n)) for n in re.findall(sample, text, flags=re.MULTILINE))


def test_several_processes_answer_with_their_sum_and_no_port_is_no_failure(running: Service) -> None:
    for _ in range(ASKED):
        ask(f"{running.url}/healthz")
    assert {healths(ask(f"{running.url}/metrics")) for _ in range(10)} == {ASKED}
    until(lambda: "flowforge_db_connections 0.0" in ask(f"{running.url}/metrics"))
    for part in ("relay", "worker"):
        until(lambda part=part: "no metrics of this process" in (running.logs / f"{part}.log").read_text())  # type: ignore[misc]
    assert running.fallen() == ""
    assert 'flowforge_build_info{version="' in ask(f"{running.url}/metrics")
