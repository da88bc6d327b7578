"""A scene a test; plugins and the pool of children are shared."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.core.errors import Refused
from flowforge.git.command import Door
from flowforge.git.mirror import open_mirror
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.sandbox.choose import choose_sandbox, python_tools
from flowforge.sandbox.contract import Sandbox
from flowforge.sandbox.pool import Pool
from tests.gitrepo import Repository
from tests.integration.pipeline.lockscene import Seen
from tests.integration.pipeline.lockyard import folder_of
from tests.integration.pipeline.scene import Scene


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_plugins(discover())


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool() as made:
        yield made


@pytest.fixture
def scene(tmp_path: Path, registry: Registry, pool: Pool) -> Iterator[Scene]:
    repo = Repository(tmp_path / "origin.git")
    door = Door(protocols=frozenset({"file"}))
    with open_mirror(tmp_path / "mirrors", repo.url, door) as mirror:
        yield Scene(repo=repo, mirror=mirror, folder=tmp_path, pool=pool, registry=registry)


@pytest.fixture(scope="session")
def walls() -> Sandbox:
    """The sandbox that this host can give."""
    numbers = itertools.count()
    try:
        return choose_sandbox(
            "auto", unique=lambda: f"stages-{os.getpid()}-{next(numbers)}", warn=lambda _text: None
        )
    except Refused as error:
        pytest.skip(error.sentence)


@pytest.fixture
def seen(scene: Scene) -> Seen:
    """Show the scene's commands a real tool; a skip where it, or a sandbox, is not to be had here."""

    def show(program: str, *, version: str = "", network: bool = False) -> Path:
        folder = folder_of(program, version)
        numbers = itertools.count()
        tools = (folder,) if not folder.is_relative_to("/usr") or program == "go" else ()
        if (folder / "bin" / "python").exists() and tools:
            tools = python_tools(folder / "bin" / "python")
        try:
            scene.sandbox = choose_sandbox(
                "auto",
                unique=lambda: f"locks-{os.getpid()}-{next(numbers)}",
                warn=lambda _text: None,
                tools=tools,
                host_network=network,
            )
        except Refused as error:
            pytest.skip(error.sentence)
        return folder

    return show
