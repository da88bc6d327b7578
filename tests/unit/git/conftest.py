"""Fixtures of the git room: a remote repository, a door that allows file urls, and an opened mirror of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flowforge.git.command import Door, RemoteOperation
from flowforge.git.mirror import Mirror, open_mirror
from flowforge.git.replay import Committer
from tests.gitrepo import Repository


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin.git")


@pytest.fixture
def recorded() -> list[RemoteOperation]:
    return []


@pytest.fixture
def door(recorded: list[RemoteOperation]) -> Door:
    return Door(protocols=frozenset({"file", "http"}), record=recorded.append)


@pytest.fixture
def mirror_of(tmp_path: Path, door: Door) -> Iterator[Callable[[Repository], Mirror]]:
    """Open a mirror of a repository; it is closed when the test ends."""
    with ExitStack() as stack:
        yield lambda repo: stack.enter_context(open_mirror(tmp_path / "mirrors", repo.url, door))


@pytest.fixture
def committer() -> Committer:
    return Committer(name="FlowForge", email="flowforge@example.org", date=1_760_000_000)
