import shutil
from pathlib import Path

import pytest

from tests.attacks.command import Place


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.made(tmp_path_factory.mktemp("attack") / "place")


@pytest.fixture
def place(template: Place, tmp_path: Path) -> Place:
    """A place of the test's own, made by copying."""
    folder = tmp_path / "place"
    shutil.copytree(template.folder, folder)
    return Place(folder=folder)
