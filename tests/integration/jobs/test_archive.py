"""A finished job's log moves to an artifact, and nobody who reads it can tell."""

import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from flowforge.artifacts.store import Artifacts, Stored
from flowforge.core.errors import Broken, Reason, Temporary
from flowforge.core.job import Job
from flowforge.jobs import read
from flowforge.jobs.archive import LogKeeper
from flowforge.jobs.log import LogPage, log_behind
from flowforge.store import events
from flowforge.store.ids import uuid7
from flowforge.store.maintenance import maintain
from flowforge.store.retention import Retention
from tests.conftest import TestDatabase
from tests.integration.jobs.world import World, make_world

pytestmark = pytest.mark.services


@dataclass(frozen=True, kw_only=True)
class Scene:
    world: World
    artifacts: Artifacts

    def keeper(self, **changes: object) -> LogKeeper:
        standing = LogKeeper(database=self.world.database.system, artifacts=self.artifacts, days=30, rest=0.0)
        return replace(standing, **changes)  # type: ignore[arg-type]  # a test's own

    def job(self, *pieces: tuple[str, bytes], ended: bool = True, branch: str = "feature") -> Job:
        """A job that wrote these pieces, over two attempts."""
        job = self.world.submit(branch=branch)
        for half in (pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]):
            running = self.world.claim(job)
            assert running is not None
            with self.world.everywhere() as tx:
                for stage, text in half:
                    events.append_log(tx, job.id, running.fence, stage, text)
                tx.run("UPDATE jobs SET state = 'queued' WHERE id = %(id)s", id=job.id)
        return self.world.cancel(job) if ended else self.world.job(job)

    def page(self, job: Job, **asked: object) -> LogPage:
        with self.world.transaction() as tx:
            return read.log(tx, job.id, artifacts=self.artifacts, **asked)  # type: ignore[arg-type]  # a test's own

    def behind(self, job: Job, seq: int, limit: int = 64) -> list[events.LogChunk]:
        with self.world.transaction() as tx:
            return list(log_behind(tx, self.world_job(job), seq, self.artifacts, limit))

    def world_job(self, job: Job) -> Job:
        return self.world.job(job)

    def chunks(self, job: Job) -> int:
        return int(self.world.value("SELECT count(*) FROM log_chunks WHERE job = %(job)s", job=job.id))

    def archived(self, job: Job) -> bool:
        return self.world.value("SELECT 1 FROM log_archives WHERE job = %(job)s", job=job.id) == 1


@pytest.fixture
def scene(database: TestDatabase, tmp_path: Path) -> Scene:
    return Scene(world=make_world(database), artifacts=Artifacts(tmp_path / "artifacts"))


def some_log(seed: int) -> list[tuple[str, bytes]]:
    """Pieces of many sizes, some of them no text, some cut in the middle of a character."""
    draw = random.Random(seed)  # noqa: S311 (sizes of test data)
    pieces = []
    for _ in range(draw.randrange(150, 220)):
        stage = draw.choice(["clone", "test", "push"])
        text = draw.choice(
            [
                "grün € 😀\n".encode() * draw.randrange(1, 40),
                draw.randbytes(draw.randrange(1, 300)),
                b"x" * draw.choice([1, 2, 65_536]),
            ]
        )
        end = draw.randrange(1, len(text) + 1)
        pieces.append((stage, text[:end]))
    return pieces


QUESTIONS = [
    {},
    {"limit": 1},
    {"limit": 1000, "whole": True},
    {"offset": 12_345, "limit": 7_777},
    {"offset": 12_345, "limit": 3, "whole": True},
    {"stage": "test"},
    {"stage": "test", "attempt": 2, "limit": 5_000},
    {"attempt": 1, "offset": 900},
    {"tail": 1},
    {"tail": 100_000},
    {"tail": 5_000, "stage": "clone"},
    {"tail": 5_000, "stage": "clone", "attempt": 1},
    {"tail": 1 << 30},
    {"stage": "nowhere"},
    {"stage": "nowhere", "tail": 10},
    {"attempt": 9, "offset": 5},
    {"offset": 1 << 40},
]


def test_before_and_after_the_move_every_question_has_the_same_answer(scene: Scene) -> None:
    seed = random.randrange(10**6)  # noqa: S311 (another log each time; it is printed)
    print(f"seed {seed}")
    draw, pieces = random.Random(seed), some_log(seed)  # noqa: S311 (the same)
    job = scene.job(*pieces)
    whole = b"".join(text for _, text in pieces)
    asked = [
        *QUESTIONS,
        *({"offset": draw.randrange(len(whole)), "limit": draw.randrange(1, 90_000)} for _ in range(20)),
    ]
    before = [scene.page(job, **question) for question in asked]
    behind = [scene.behind(job, seq) for seq in range(0, 250, 17)]
    assert scene.keeper().move() == 1
    assert scene.chunks(job) == 0
    for question, page in zip(asked, before, strict=True):
        assert scene.page(job, **question) == page, question
    assert [scene.behind(job, seq) for seq in range(0, 250, 17)] == behind
    text, offset = b"", 0
    while not (page := scene.page(job, offset=offset, limit=50_000)).complete or page.text:
        text, offset = text + page.text, page.next_offset
    assert text == whole


def test_filtered_pages_lead_through_all_that_was_chosen(scene: Scene) -> None:
    pieces = some_log(7)
    job = scene.job(*pieces)
    for _ in range(2):
        for chosen in ({"stage": "test"}, {"attempt": 2}, {"stage": "clone", "attempt": 1}):
            half = len(pieces) // 2
            wanted = b"".join(
                text
                for n, (stage, text) in enumerate(pieces)
                if chosen.get("stage", stage) == stage
                and chosen.get("attempt", 1 + (n >= half)) == 1 + (n >= half)
            )
            text, offset, steps = b"", 0, 0
            while not (page := scene.page(job, offset=offset, limit=9_000, **chosen)).complete:
                text, offset, steps = text + page.text, page.next_offset, steps + 1
                assert steps < 2_000
            assert text + page.text == wanted
        scene.keeper().move()


def test_a_running_job_keeps_its_chunks_and_a_fresh_end_rests(scene: Scene) -> None:
    running = scene.job(("test", b"a"), ("test", b"b"), ended=False)
    ended = scene.job(("test", b"c"), ("test", b"d"), branch="other")
    assert scene.keeper(rest=600.0).move() == 0
    assert scene.keeper().move() == 1
    assert (scene.chunks(running), scene.chunks(ended)) == (2, 0)


def test_a_job_without_a_log_is_complete_and_empty(scene: Scene) -> None:
    job = scene.world.cancel(scene.world.submit())
    assert scene.keeper().move() == 0
    page = scene.page(job)
    assert (page.text, page.complete, page.removed) == (b"", True, False)


def test_many_movers_at_once_keep_one_artifact_and_every_byte(scene: Scene) -> None:
    pieces = some_log(3)
    job = scene.job(*pieces)
    scene.world.at_once(lambda: scene.keeper().move(), threads=4, times=8)
    assert scene.chunks(job) == 0
    assert len(scene.artifacts.names(f"jobs/{job.id}")) == 1
    assert scene.page(job, limit=1 << 26).text[:100] == b"".join(text for _, text in pieces)[:100]


def test_a_reader_sees_every_byte_while_the_log_moves(scene: Scene) -> None:
    pieces = [("test", f"line {n}\n".encode()) for n in range(60)]
    whole = b"".join(text for _, text in pieces)
    jobs = [scene.job(*pieces, branch=f"b{n}") for n in range(15)]
    seen: list[bytes] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.extend(scene.page(job).text for job in jobs)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    while scene.keeper().move():
        pass
    done.set()
    for reader in readers:
        reader.join()
    assert all(scene.archived(job) for job in jobs)
    assert set(seen) <= {whole}
    assert seen


MOVE = """
import sys
from pathlib import Path
from flowforge.artifacts.store import Artifacts, Stored
from flowforge.jobs.archive import LogKeeper
from flowforge.store.database import Database
keeper = LogKeeper(database=Database(sys.argv[1]), artifacts=Artifacts(Path(sys.argv[2])), days=1, rest=0.0)
print(keeper.move(), keeper.remove())
"""


def dies_at(scene: Scene, folder: Path, place: str) -> None:
    environment = {**os.environ, "FLOWFORGE_TEST_MODE": "1", "FLOWFORGE_FAILPOINTS": f"{place}:kill9"}
    ended = subprocess.run(
        [sys.executable, "-c", MOVE, scene.world.database.urls.system, str(folder)],
        env=environment,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -9, ended.stderr


@pytest.mark.parametrize("place", ["archive.stored", "archive.noted"])
def test_a_mover_that_is_killed_loses_nothing_and_leaves_nothing(
    scene: Scene, tmp_path: Path, place: str
) -> None:
    pieces = some_log(5)
    job, whole = scene.job(*pieces), b"".join(text for _, text in pieces)
    dies_at(scene, tmp_path / "artifacts", place)
    assert scene.page(job, offset=len(whole) - 50).text == whole[-50:]
    scene.keeper().move()
    assert scene.page(job, offset=len(whole) - 50).text == whole[-50:]
    assert (scene.chunks(job), len(scene.artifacts.names(f"jobs/{job.id}"))) == (0, 1)


def older(scene: Scene, job: Job, days: int) -> None:
    scene.world.run(
        "UPDATE log_archives SET at = now() - make_interval(days => %(days)s) WHERE job = %(job)s",
        days=days,
        job=job.id,
    )


def test_a_log_is_removed_after_its_days_and_says_so(scene: Scene) -> None:
    kept, gone = (scene.job(("test", b"ab"), ("test", b"cd"), branch=name) for name in ("kept", "gone"))
    scene.keeper().move()
    older(scene, kept, 29)
    older(scene, gone, 31)
    assert scene.keeper(days=0).remove() == 0
    assert scene.keeper().remove() == 1
    assert scene.artifacts.names(f"jobs/{gone.id}") == []
    page = scene.page(gone)
    assert (page.text, page.complete, page.removed, page.next_offset) == (b"", True, True, 4)
    assert scene.behind(gone, 0) == []
    assert scene.page(kept).text == b"abcd"
    assert scene.keeper().remove() == 0


def test_a_logs_time_runs_from_its_jobs_end_however_late_it_was_moved(scene: Scene) -> None:
    job = scene.job(("test", b"ab"), ("test", b"cd"))
    scene.world.run(
        "UPDATE jobs SET completed_at = now() - interval '31 days' WHERE id = %(job)s", job=job.id
    )
    scene.keeper().move()
    assert scene.page(job).text == b"abcd"
    assert scene.keeper().remove() == 1
    assert scene.page(job).removed


def test_a_log_that_is_noted_as_removed_is_moved_nowhere(scene: Scene) -> None:
    """Its pieces are deleted in batches; what is left of them is no log."""
    months = uuid7(int((time.time() - 40 * 86_400) * 1000), os.urandom(10))
    door = replace(scene.world.door, new_id=lambda: months)
    old = replace(scene, world=replace(scene.world, door=door)).job(("test", b"ab"), ("test", b"cd"))
    scene.world.run(
        "UPDATE jobs SET completed_at = now() - interval '31 days' WHERE id = %(job)s", job=old.id
    )
    keep = Retention(logs=30, events=0, texts=0, stages=0, pushes=0, usage=0, executions=0, audit=0)
    assert maintain(scene.world.database.system, keep, most=1).chunks == 1
    assert scene.chunks(old) == 1
    page = scene.page(old)
    assert (page.text, page.complete, page.removed, page.next_offset) == (b"", True, True, 4)
    assert scene.behind(old, 0) == []
    assert scene.keeper().move() == scene.keeper().remove() == 0
    assert scene.artifacts.names() == []
    assert maintain(scene.world.database.system, keep).chunks == 1
    assert scene.page(old).removed


def test_a_remover_that_is_killed_is_followed_by_one_that_ends_it(scene: Scene, tmp_path: Path) -> None:
    job = scene.job(("test", b"ab"), ("test", b"cd"))
    scene.keeper().move()
    older(scene, job, 2)
    dies_at(scene, tmp_path / "artifacts", "archive.expired")
    assert scene.page(job).removed, "from the first step on nobody reads it"
    assert scene.keeper(days=1).remove() == 1
    assert scene.artifacts.names(f"jobs/{job.id}") == []


def test_a_process_without_the_store_says_what_to_share(scene: Scene, tmp_path: Path) -> None:
    job = scene.job(("test", b"ab"), ("test", b"cd"))
    scene.keeper().move()
    for elsewhere in (None, Artifacts(tmp_path / "elsewhere")):
        with pytest.raises(Broken) as caught:
            replace(scene, artifacts=elsewhere).page(job)  # type: ignore[arg-type]  # None is what is tested
        assert caught.value.reason is Reason.CONFIGURATION
        assert "share" in caught.value.next_action


class Full(Artifacts):
    """A store without room for one job's log."""

    def __init__(self, folder: Path, job: UUID) -> None:
        super().__init__(folder)
        self.job = job

    def put(self, name: str, content: bytes | Path) -> Stored:
        if str(self.job) in name:
            raise Temporary(Reason.NO_SPACE, "no room")
        return super().put(name, content)


def test_a_log_for_which_there_is_no_room_stays_and_holds_up_no_other(scene: Scene, tmp_path: Path) -> None:
    stays, goes = (scene.job(("test", b"ab"), ("test", b"cd"), branch=name) for name in ("stays", "goes"))
    assert scene.keeper(artifacts=Full(tmp_path / "artifacts", stays.id)).move() == 1
    assert (scene.chunks(stays), scene.chunks(goes)) == (2, 0)
    assert scene.page(stays).text == b"abcd"


def test_another_organization_sees_no_archive(scene: Scene) -> None:
    job = scene.job(("test", b"ab"), ("test", b"cd"))
    scene.keeper().move()
    with scene.world.organization("other").transaction() as tx:
        assert tx.value("SELECT count(*) FROM log_archives WHERE job = %(job)s", job=job.id) == 0


def test_a_long_backlog_is_gone_through_in_turns(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowforge.jobs.archive._LOOKED", 3)
    monkeypatch.setattr("flowforge.jobs.archive.MOST", 2)
    running = [scene.job(("test", b"a"), ("test", b"b"), ended=False, branch=f"r{n}") for n in range(4)]
    ended = [scene.job(("test", b"a"), ("test", b"b"), branch=f"e{n}") for n in range(5)]
    keeper = scene.keeper()
    for _ in range(12):
        keeper.move()
    assert all(scene.archived(job) for job in ended)
    assert not any(scene.archived(job) for job in running)
