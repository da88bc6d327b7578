"""What whole jobs need: plugins, a pool, and workers made by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.artifacts.store import Artifacts
from flowforge.core.telemetry import Silent
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.sandbox.pool import Pool
from flowforge.settings import Settings
from flowforge.store.ids import make_ids
from flowforge.wiring.keys import open_vault
from flowforge.wiring.models import Services
from flowforge.wiring.runner import PipelineRunner, model_ports
from tests.integration.jobs.workers import Make
from tests.integration.jobs.world import World


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(discover())


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool() as made:
        yield made


@pytest.fixture
def runner(world: World, registry: Registry, pool: Pool, tmp_path: Path) -> Make:
    def made(worker: str) -> PipelineRunner:
        settings = Settings(
            data_dir=tmp_path / worker, git_protocols=("file",), sandbox="none", key_file=tmp_path / "key"
        )
        workspaces = tmp_path / worker / "workspaces"
        workspaces.mkdir(parents=True)
        vault = open_vault(settings, registry)
        ports = model_ports(world.database.system, make_ids(), Silent(), vault, settings)
        return PipelineRunner(
            settings=settings,
            registry=registry,
            database=world.database.system,
            vault=vault,
            artifacts=Artifacts(tmp_path / "artifacts"),
            pool=pool,
            telemetry=Silent(),
            services=Services(registry, settings, ports),
            workspaces=workspaces,
        )

    return made
