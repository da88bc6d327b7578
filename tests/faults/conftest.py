"""One site for the folder; each test starts the workers that it kills."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from flowforge.core.errors import Refused
from tests.acceptance.house import Project
from tests.acceptance.stories import CART, pipeline, shop
from tests.conftest import absent
from tests.faults.site import Site
from tests.faults.wired import WiredSite
from tests.githttp import GitServer

S = TypeVar("S", bound=Site)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    with standing(Site) as made:
        yield made


@pytest.fixture(scope="session")
def wired() -> Iterator[WiredSite]:
    """Another one, for the faults of services: its wires can be cut."""
    with standing(WiredSite) as made:
        yield made


@contextmanager
def standing(kind: type[S]) -> Iterator[S]:
    folder = Path(tempfile.mkdtemp(prefix="ff-faults-"))  # a short path: sockets live in it
    try:
        with GitServer(folder / "host") as host:
            made = kind(folder=folder, host=host)
            try:
                made.__enter__()
            except Refused as error:
                absent("the service", error)
                raise
            yield made
            made.__exit__(None, None, None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def make_project(site: Site) -> Callable[..., Project]:
    """A project whose branch conflicts with main in its imports, so that every stage has work."""

    def make(test: str = "python3 -m unittest -q") -> Project:
        project = site.house.project()
        start = shop(pipeline(test=test))
        base = project.repository.commit(start, branch="main", message="Open the shop")
        for branch, module in (("main", "logging"), ("topic", "decimal")):
            cart = CART.format(imports=f"import {module}\n\n", tail="old")
            files = {**start, "shop/cart.py": cart}
            project.repository.commit(files, base, branch=branch, message=f"Use {module}")
        return project

    return make
