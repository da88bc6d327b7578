"""Commits that finished jobs left in the artifact storage go after their time, and the rows that name them after those."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import Ending, Job, Result, State
from flowforge.jobs.bundles import BundleKeeper
from flowforge.jobs.undo import undo
from flowforge.store import jobs as table
from flowforge.store import stages
from flowforge.store.ids import uuid7
from flowforge.store.retention import Retention
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services

DAY = 86_400
KEEP = Retention(stages=30, texts=30, pushes=60)


@dataclass(frozen=True, kw_only=True)
class Scene:
    world: World
    artifacts: Artifacts

    def keeper(self, keep: Retention = KEEP, artifacts: Artifacts | None = None) -> BundleKeeper:
        return BundleKeeper(
            database=self.world.database.system, artifacts=artifacts or self.artifacts, days=keep.of
        )

    def job(self, days: float) -> Job:
        """A job that pushed, so many days ago, over two attempts: what they left is in the storage."""
        world = self.world
        made = uuid7(int((time.time() - days * DAY) * 1000), os.urandom(10))
        door = type(world.door)(new_id=lambda: made, check_ref=world.door.check_ref)
        job = World(
            database=world.database, principal=world.principal, repository=world.repository, door=door
        ).submit(branch=f"b{uuid4().hex}")
        for attempt in (1, 2):
            running = world.claim(job)
            assert running is not None
            with world.everywhere() as tx:
                story = ("stage.started", {})
                stages.start(tx, job.id, running.fence, stage="rebase", ordinal=0, story=story)
                tx.run(
                    "UPDATE stage_runs SET checkpoint = %(name)s WHERE job = %(job)s AND attempt = %(attempt)s",
                    name=self.kept(job.id, f"{attempt}/after"),
                    job=job.id,
                    attempt=attempt,
                )
                if attempt == 1:
                    tx.run("UPDATE jobs SET state = 'queued' WHERE id = %(id)s", id=job.id)
                    continue
                self.push(tx, running)
                ending = Ending(result=Result.SUCCESS, reason=Reason.PUSHED, sentence="pushed")
                assert table.end(tx, running, State.SUCCESS, ending) is not None
        world.run(
            "UPDATE jobs SET completed_at = now() - make_interval(secs => %(ago)s) WHERE id = %(id)s",
            ago=days * DAY,
            id=job.id,
        )
        return world.job(job)

    def push(self, tx: object, job: Job) -> None:
        stages.intend(
            tx,  # type: ignore[arg-type]  # a transaction
            job.id,
            job.fence,
            ref=f"refs/heads/{job.branch}",
            old="a" * 40,
            new="b" * 40,
            story=("push.intended", {}),
            bundle=self.kept(job.id, "2/before"),
        )

    def kept(self, job: UUID, name: str) -> str:
        return self.artifacts.put(f"jobs/{job}/{name}.bundle", name.encode()).reference

    def left(self, job: Job) -> tuple[list[str], int, int]:
        """What is in the storage, and how many rows tell of stages and of pushes."""
        names = [name.rpartition("/")[2] for name in self.artifacts.names(f"jobs/{job.id}")]
        return names, *(
            int(self.world.value(f"SELECT count(*) FROM {name} WHERE job = %(job)s", job=job.id))  # noqa: S608 (two names)
            for name in ("stage_runs", "push_intents")
        )  # type: ignore[return-value]  # two of them


@pytest.fixture
def scene(database: TestDatabase, tmp_path: Path) -> Scene:
    return Scene(world=make_world(database), artifacts=Artifacts(tmp_path / "artifacts"))


ALL = (["after.bundle", "after.bundle", "before.bundle"], 2, 1)


def test_commits_go_after_their_time_and_with_them_the_rows_that_name_them(scene: Scene) -> None:
    young, old, oldest = (scene.job(days) for days in (20, 40, 70))
    assert scene.keeper().remove() == 2
    assert scene.left(young) == ALL
    assert scene.left(old) == (["before.bundle"], 0, 1), "it can still be undone"
    assert scene.left(oldest) == ([], 0, 0)
    assert scene.keeper().remove() == 0


def test_where_all_is_kept_nothing_goes(scene: Scene) -> None:
    job = scene.job(4000)
    assert scene.keeper(Retention(stages=0, pushes=0)).remove() == 0
    assert scene.keeper(Retention(stages=30, texts=0, pushes=0)).remove() == 0, "it can be retried for ever"
    assert scene.left(job) == ALL


class Away(Artifacts):
    def delete(self, reference: str) -> bool:
        raise Temporary(Reason.SERVICE_UNAVAILABLE, "the storage is away")


def test_while_the_storage_is_away_the_rows_stay(scene: Scene, tmp_path: Path) -> None:
    job = scene.job(70)
    assert scene.keeper(artifacts=Away(tmp_path / "artifacts")).remove() == 0
    assert scene.left(job) == ALL


def test_who_dies_over_it_is_followed_by_one_that_ends_it(scene: Scene, tmp_path: Path) -> None:
    job = scene.job(70)
    code = (
        "import sys; from pathlib import Path; from flowforge.artifacts.store import Artifacts; "
        "from flowforge.jobs.bundles import BundleKeeper; from flowforge.store.database import Database; "
        "BundleKeeper(database=Database(sys.argv[1]), artifacts=Artifacts(Path(sys.argv[2])), days=lambda _: 30).remove()"
    )
    words = [sys.executable, "-c", code, scene.world.database.urls.system, str(tmp_path / "artifacts")]
    points = {"FLOWFORGE_TEST_MODE": "1", "FLOWFORGE_FAILPOINTS": "bundles.removed:kill9"}
    assert subprocess.run(words, env={**os.environ, **points}, check=False).returncode == -9
    assert scene.left(job) == (["before.bundle"], 2, 1), (
        "rows that name nothing, and nothing that no row names"
    )
    scene.keeper().remove()
    assert scene.left(job) == ([], 0, 0)


def test_a_job_whose_push_was_forgotten_is_not_said_to_have_pushed_nothing(scene: Scene) -> None:
    job = scene.job(70)
    scene.keeper().remove()
    with (
        pytest.raises(Refused, match="was forgotten after its time") as caught,
        scene.world.transaction() as tx,
    ):
        undo(tx, scene.world.principal, job.id, scene.world.door)
    assert caught.value.reason is Reason.CONFLICT_OF_STATE
    assert "push_days" in caught.value.next_action
    assert scene.world.value("SELECT count(*) FROM jobs") == 1
