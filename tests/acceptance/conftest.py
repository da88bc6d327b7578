"""One service for the folder: real processes, Postgres, Redis, and a git host with basic auth over loopback http."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.core.errors import Refused
from flowforge.settings import read_settings
from flowforge.wiring.up import service
from tests.acceptance.house import SECRET, USER, House
from tests.conftest import absent
from tests.faults.oracle import Truth
from tests.faults.site import free_port
from tests.githttp import GitServer

SETTINGS = {
    "FLOWFORGE_GIT_PROTOCOLS": "https,ssh,http",
    "FLOWFORGE_GIT_HOSTS": "127.0.0.1",
    "FLOWFORGE_MODEL_PROVIDER": "scripted",
    "FLOWFORGE_WORKER_THREADS": "1",  # one slot, so that order can be seen
    "FLOWFORGE_LEASE_SECONDS": "6",
    "FLOWFORGE_RENEW_SECONDS": "1",
    "FLOWFORGE_SWEEP_SECONDS": "1",
}


@pytest.fixture(scope="session")
def acceptance_folder() -> Iterator[Path]:
    """A short path: sockets live in it."""
    folder = Path(tempfile.mkdtemp(prefix="ff-acceptance-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def house(acceptance_folder: Path) -> Iterator[House]:
    data, served = acceptance_folder / "service", acceptance_folder / "host"
    settings = read_settings(data_dir=data, port=0, database_url="", redis_url="", host="127.0.0.1")
    with GitServer(served) as host:
        host.users[USER] = SECRET
        try:
            more = {
                **SETTINGS,
                "FLOWFORGE_METRICS_PORT": str(free_port()),
            }  # the usual row may be taken by others
            running = service(settings, durable=False, more=more)
            up = running.__enter__()
        except Refused as error:
            absent("the service", error)
            raise
        try:
            truth = Truth(database=up.database_url, served=served, data=data)
            yield House(url=up.url, token=up.token, host=host, truth=truth)
        finally:
            running.__exit__(None, None, None)
