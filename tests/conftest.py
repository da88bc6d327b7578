"""Services for tests: real ones, private ones, started when first asked for.

Each pytest process (so each xdist worker too) has its own PostgreSQL and Redis: nothing is shared, nothing can be
left locked by a neighbour that died. FLOWFORGE_TEST_DATABASE_URL (an administrator's url) and
FLOWFORGE_TEST_REDIS_URL name servers to use instead. A service that cannot be had skips its tests by name on a
laptop and fails them where CI=true.
"""

import functools
import os
import shutil
import signal
import socket
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from flowforge.core.errors import Refused
from flowforge.sandbox.choose import choose_sandbox
from flowforge.store.admin import Urls, create_database, drop_database, role_urls, upgrade, with_database
from flowforge.store.database import Database
from flowforge.wiring.embedded import start_postgres, start_redis


def pytest_configure() -> None:
    """A shell starts what runs in its background with ^C ignored, and every child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # What a person's own runs remember is no test's business, nor the other way round.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="ff-state-")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["XDG_STATE_HOME"], ignore_errors=True)


PROCESSES = (
    "tests/acceptance",
    "tests/faults",
)  # whole services: one after the other, whatever runs beside them


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(PROCESSES):
            item.add_marker(pytest.mark.sandbox)


class OneServiceAtATime(LoadScopeScheduling):
    """A file's tests stay together, and the folders of whole services count as one file.

    (Groups by mark, which xdist offers for this, are without effect under pytest 9.2: it shows node ids as they were.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return "services" if nodeid.startswith(PROCESSES) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneServiceAtATime:
    return OneServiceAtATime(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("sandbox") is not None:
        error = no_sandbox()
        if error is not None:
            absent("the sandbox", error)


@functools.cache
def no_sandbox() -> Refused | None:
    """Why commands cannot be walled in here, if they cannot."""
    try:
        choose_sandbox("auto", unique=lambda: uuid.uuid4().hex, warn=lambda _text: None)
    except Refused as error:
        return error
    return None


def absent(service: str, error: Refused) -> None:
    words = f"{service} is not here: {error.sentence}; {error.next_action}"
    if os.environ.get("CI") == "true":
        pytest.fail(words)
    pytest.skip(words)


@pytest.fixture(scope="session")
def services_folder() -> Iterator[Path]:
    """A short path: sockets live in it."""
    folder = Path(tempfile.mkdtemp(prefix="ff-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(services_folder: Path) -> Iterator[str]:
    """The url of a PostgreSQL administrator; the server is private to this pytest process."""
    given = os.environ.get("FLOWFORGE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    try:
        server = start_postgres(services_folder / "postgres", durable=False)
        url = server.__enter__()
    except Refused as error:
        absent("PostgreSQL", error)
        raise
    yield url
    server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def template(postgres: str) -> Iterator[str]:
    """Name of a database with everything that `upgrade` makes, to be copied."""
    name = f"ff_template_{uuid.uuid4().hex[:12]}"
    create_database(postgres, name)
    upgrade(with_database(postgres, name))
    yield name
    drop_database(postgres, name)


@dataclass(frozen=True, kw_only=True)
class TestDatabase:
    """A migrated, empty database of one test, and a door to it for each role."""

    __test__ = False

    admin_url: str
    urls: Urls
    app: Database
    system: Database


@pytest.fixture
def database(postgres: str, template: str) -> Iterator[TestDatabase]:
    name = f"ff_test_{uuid.uuid4().hex[:12]}"
    create_database(postgres, name, template=template)
    admin_url = with_database(postgres, name)
    urls = role_urls(admin_url)
    made = TestDatabase(admin_url=admin_url, urls=urls, app=Database(urls.app), system=Database(urls.system))
    yield made
    made.app.close()
    made.system.close()
    drop_database(postgres, name)


@pytest.fixture(scope="session")
def redis_server(services_folder: Path) -> Iterator[str]:
    given = os.environ.get("FLOWFORGE_TEST_REDIS_URL")
    if given:
        yield given
        return
    try:
        server = start_redis(services_folder / "redis")
        url = server.__enter__()
    except Refused as error:
        absent("Redis", error)
        raise
    yield url
    server.__exit__(None, None, None)


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """The url of an empty Redis database; emptied again after the test."""
    flush(redis_server)
    yield redis_server
    flush(redis_server)


def flush(url: str) -> None:
    """FLUSHDB, spoken by hand: only `queues` imports the client."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        client = socket.socket(socket.AF_UNIX)
        client.connect(unquote(parts.path))
    else:
        client = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379))
    with client, client.makefile("rwb") as wire:
        number = parts.path.strip("/") if parts.scheme != "unix" else "0"
        for line in (f"SELECT {number or 0}", "FLUSHDB"):
            wire.write(line.encode() + b"\r\n")
            wire.flush()
            answer = wire.readline()
            assert answer.startswith(b"+"), answer
