"""Bundles: written from half-done work, read on another worker, refused when they are not whole."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.git.bundle import read_bundle, write_bundle
from flowforge.git.command import Door
from flowforge.git.mirror import Mirror, open_mirror
from flowforge.git.replay import Committer, replay
from tests.gitrepo import Repository

MirrorOf = Callable[[Repository], Mirror]


@pytest.fixture
def work(origin: Repository, mirror_of: MirrorOf, committer: Committer) -> tuple[Mirror, str, str]:
    """A mirror with a replayed commit that no ref holds: mirror, its id, and the upstream it stands on."""
    start = origin.commit({"a": "1\n" * 200})
    target = origin.commit({"a": "1\n" * 200, "u": "u\n"}, start, branch="main")
    head = origin.commit({"a": "1\n" * 200 + "2\n"}, start, branch="topic")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    return mirror, replay(mirror, [head], target, committer).head, target


def elsewhere(origin: Repository, tmp_path: Path, door: Door) -> Mirror:
    with open_mirror(tmp_path / "another-worker", origin.url, door) as mirror:
        mirror.fetch("topic", "main")
        return mirror


def test_another_worker_goes_on_from_a_bundle(
    work: tuple[Mirror, str, str], origin: Repository, tmp_path: Path, door: Door
) -> None:
    mirror, head, upstream = work
    write_bundle(mirror, {"refs/flowforge/checkpoint": head}, [upstream], tmp_path / "b")
    other = elsewhere(origin, tmp_path, door)
    assert not other.has(head)
    assert read_bundle(other, tmp_path / "b") == {"refs/flowforge/checkpoint": head}
    assert other.read_file(head, "a") == mirror.read_file(head, "a")
    assert other.git.run("fsck", "--no-dangling", head) == b""
    assert (tmp_path / "b").stat().st_size < 1000


def test_git_itself_takes_the_file(work: tuple[Mirror, str, str], origin: Repository, tmp_path: Path) -> None:
    mirror, head, upstream = work
    write_bundle(mirror, {"refs/heads/kept": head}, [upstream], tmp_path / "b")
    origin.git("bundle", "verify", str(tmp_path / "b"))
    origin.git("fetch", "-q", str(tmp_path / "b"), "refs/heads/kept:refs/heads/restored")
    assert origin.tip("restored") == head


def test_a_bundle_without_prerequisites_stands_alone(
    work: tuple[Mirror, str, str], tmp_path: Path, door: Door
) -> None:
    mirror, head, upstream = work
    write_bundle(mirror, {"refs/a": head, "refs/b": upstream}, [], tmp_path / "b")
    empty = Repository(tmp_path / "empty.git")
    with open_mirror(tmp_path / "third", empty.url, door) as other:
        assert read_bundle(other, tmp_path / "b") == {"refs/a": head, "refs/b": upstream}


def test_nothing_new_is_a_bundle_too(work: tuple[Mirror, str, str], tmp_path: Path) -> None:
    mirror, _, upstream = work
    write_bundle(mirror, {"refs/a": upstream}, [upstream], tmp_path / "b")
    assert read_bundle(mirror, tmp_path / "b") == {"refs/a": upstream}


def test_a_bundle_that_builds_on_unknown_commits_is_refused(
    work: tuple[Mirror, str, str], tmp_path: Path, door: Door
) -> None:
    mirror, head, upstream = work
    write_bundle(mirror, {"refs/a": head}, [upstream], tmp_path / "b")
    stranger = Repository(tmp_path / "stranger.git")
    with open_mirror(tmp_path / "third", stranger.url, door) as other, pytest.raises(Refused) as caught:
        read_bundle(other, tmp_path / "b")
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: b"not a bundle\n\nPACK",
        lambda data: data[:-30],
        lambda data: data.replace(b"PACK", b"KCAP"),
        lambda data: data[:60],
        lambda data: data.replace(b"refs/a", b"refs/a\nzzzz refs/b", 1),
        lambda data: data[: data.index(b"refs/a") - 41] + b"1" * 40 + data[data.index(b"refs/a") - 1 :],
    ],
    ids=["empty", "other text", "cut", "no pack", "cut header", "bad row", "another tip"],
)
def test_a_bundle_that_is_not_whole_is_refused(
    work: tuple[Mirror, str, str],
    origin: Repository,
    tmp_path: Path,
    door: Door,
    spoil: Callable[[bytes], bytes],
) -> None:
    mirror, head, upstream = work
    write_bundle(mirror, {"refs/a": head}, [upstream], tmp_path / "b")
    (tmp_path / "b").write_bytes(spoil((tmp_path / "b").read_bytes()))
    with pytest.raises(Broken) as caught:
        read_bundle(elsewhere(origin, tmp_path, door), tmp_path / "b")
    assert caught.value.reason is Reason.INFRASTRUCTURE
    assert caught.value.next_action


def test_names_that_are_no_commits_are_refused(work: tuple[Mirror, str, str], tmp_path: Path) -> None:
    mirror, head, _ = work
    for tips, exclude in (({"refs/a": "--all"}, []), ({"refs/a": head}, ["main"])):
        with pytest.raises(Refused):
            write_bundle(mirror, tips, exclude, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_missing_file_is_said_to_be_unreadable(work: tuple[Mirror, str, str], tmp_path: Path) -> None:
    with pytest.raises(Broken, match="cannot be read"):
        read_bundle(work[0], tmp_path / "nowhere")
