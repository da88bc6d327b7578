"""A git host on loopback and a mirror of what it serves."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flowforge.git.command import Credential, Door, RemoteOperation
from flowforge.git.mirror import Mirror, open_mirror
from flowforge.git.replay import Committer
from tests.githttp import GitServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "served") as running:
        yield running


@pytest.fixture
def recorded() -> list[RemoteOperation]:
    return []


@pytest.fixture
def door(recorded: list[RemoteOperation]) -> Door:
    return Door(protocols=frozenset({"file", "http"}), record=recorded.append, remote_deadline=30.0)


@pytest.fixture
def committer() -> Committer:
    return Committer(name="FlowForge", email="flowforge@example.org", date=1_760_000_000)


@pytest.fixture
def opened(tmp_path: Path, door: Door) -> Iterator[Callable[..., Mirror]]:
    """Open the mirror of a url; closed when the test ends."""
    with ExitStack() as stack:

        def open_it(url: str, credential: Credential | None = None) -> Mirror:
            return stack.enter_context(open_mirror(tmp_path / "mirrors", url, door, credential))

        yield open_it
