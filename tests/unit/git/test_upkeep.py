"""A mirror that many jobs used is rolled up when nobody else has it open, and loses nothing."""

from pathlib import Path

import pytest

from flowforge.git import upkeep
from flowforge.git.command import Door
from flowforge.git.mirror import open_mirror
from flowforge.git.replay import Committer, replay
from tests.gitrepo import Repository


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "MANY_PACKS", 3)


def fetched(origin: Repository, root: Path, door: Door, committer: Committer) -> tuple[str, int]:
    """One job: fetch a new commit and replay it; the new head (which no ref holds) and packs left behind."""
    with open_mirror(root, origin.url, door) as mirror:
        tips = mirror.fetch("topic", "main")
        head = replay(mirror, [tips.branch], tips.target, committer).head
        path = mirror.path
    return head, len(list(path.glob("objects/pack/*.pack")))


def test_packs_are_rolled_up_and_unreferenced_commits_are_kept(
    few: None, origin: Repository, tmp_path: Path, door: Door, committer: Committer
) -> None:
    start = origin.commit({"a": "1\n"})
    origin.commit({"a": "1\n", "u": "u\n"}, start, branch="main")
    left = []
    heads = []
    for number in range(6):
        origin.commit({"a": f"{number}\n" * 9}, start, branch="topic")
        head, packs = fetched(origin, tmp_path / "mirrors", door, committer)
        heads.append(head)
        left.append(packs)
    assert max(left) <= 4
    assert min(left[3:]) < 3
    with open_mirror(tmp_path / "mirrors", origin.url, door) as mirror:
        assert all(mirror.has(head) for head in heads)
        assert mirror.git.run("fsck", "--connectivity-only", "--no-dangling") == b""


def test_a_mirror_that_somebody_else_reads_is_left_alone(
    few: None, origin: Repository, tmp_path: Path, door: Door, committer: Committer
) -> None:
    start = origin.commit({"a": "1\n"}, branch="main")
    with open_mirror(tmp_path / "mirrors", origin.url, door):
        for number in range(6):
            origin.commit({"a": f"{number}\n" * 9}, start, branch="topic")
            _, packs = fetched(origin, tmp_path / "mirrors", door, committer)
    assert packs == 6
