"""The mirror of a repository: made, locked, repaired, and every way a fetch may be refused."""

import fcntl
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flowforge.core.errors import FlowForgeError, Reason, Refused, Temporary
from flowforge.git import mirror as mirrors
from flowforge.git.command import Door
from flowforge.git.mirror import Mirror, mirror_name, open_mirror
from tests.gitrepo import Repository, git

MirrorOf = Callable[[Repository], Mirror]


@pytest.fixture
def grown(origin: Repository) -> Repository:
    start = origin.commit({"a": "1\n", "d/b": "2\n"}, branch="main")
    origin.commit({"a": "2\n", "d/b": "2\n"}, start, branch="topic")
    return origin


def test_a_fetch_gives_both_tips_and_sees_later_ones(grown: Repository, mirror_of: MirrorOf) -> None:
    mirror = mirror_of(grown)
    tips = mirror.fetch("topic", "main")
    assert (tips.branch, tips.target) == (grown.tip("topic"), grown.tip("main"))
    later = grown.commit({"a": "3\n"}, branch="topic")  # a rewritten branch
    assert mirror.fetch("refs/heads/topic", "main").branch == later
    assert mirror.notes == []


@pytest.mark.parametrize(
    ("branch", "target", "reason"),
    [
        ("nowhere", "main", Reason.BRANCH_MISSING),
        ("topic", "nowhere", Reason.TARGET_MISSING),
        ("nowhere", "neither", Reason.TARGET_MISSING),
        ("main", "main", Reason.BRANCH_IS_TARGET),
        ("main", "refs/heads/main", Reason.BRANCH_IS_TARGET),
        ("Topic", "main", Reason.BRANCH_MISSING),
        ("--upload-pack=touch x", "main", Reason.INVALID_REF),
        ("topic", "$(id)", Reason.INVALID_REF),
    ],
)
def test_names_that_lead_nowhere_are_refused_with_their_reason(
    grown: Repository, mirror_of: MirrorOf, branch: str, target: str, reason: Reason
) -> None:
    with pytest.raises(Refused) as caught:
        mirror_of(grown).fetch(branch, target)
    assert caught.value.reason is reason
    assert caught.value.next_action


def test_an_empty_repository_is_said_to_be_empty(origin: Repository, mirror_of: MirrorOf) -> None:
    for ask in (lambda: mirror_of(origin).fetch("topic", "main"), lambda: mirror_of(origin).default_branch()):
        with pytest.raises(Refused) as caught:
            ask()
        assert caught.value.reason is Reason.REPOSITORY_EMPTY


def test_a_missing_repository_is_said_to_be_missing(tmp_path: Path, door: Door) -> None:
    with (
        open_mirror(tmp_path / "mirrors", f"file://{tmp_path}/nowhere.git", door) as mirror,
        pytest.raises(Refused) as caught,
    ):
        mirror.fetch("topic", "main")
    assert caught.value.reason is Reason.REPOSITORY_MISSING


def test_a_shallow_repository_is_refused(grown: Repository, tmp_path: Path, door: Door) -> None:
    grown.point("tip", grown.commit({"a": "9\n"}, grown.tip("main")))
    git(tmp_path, "clone", "-q", "--bare", "--depth=1", "--no-single-branch", grown.url, "shallow.git")
    with (
        open_mirror(tmp_path / "mirrors", f"file://{tmp_path}/shallow.git", door) as mirror,
        pytest.raises(Refused) as caught,
    ):
        mirror.fetch("topic", "main")
    assert caught.value.reason is Reason.REPOSITORY_SHALLOW


def test_a_branch_that_became_a_folder_of_branches_is_no_trouble(
    grown: Repository, mirror_of: MirrorOf
) -> None:
    mirror = mirror_of(grown)
    mirror.fetch("topic", "main")
    tip = grown.tip("topic")
    grown.git("update-ref", "-d", "refs/heads/topic")
    grown.point("topic/part", tip)
    assert mirror.fetch("topic/part", "main").branch == tip


def test_a_repository_of_sha256_is_mirrored_too(tmp_path: Path, door: Door) -> None:
    repo = Repository(tmp_path / "wide.git", object_format="sha256")
    start = repo.commit({"a": "1\n"}, branch="main")
    repo.commit({"a": "2\n"}, start, branch="topic")
    with open_mirror(tmp_path / "mirrors", repo.url, door) as mirror:
        tips = mirror.fetch("topic", "main")
        assert len(tips.branch) == 64
        assert mirror.read_file(tips.branch, "a") == b"2\n"
        assert mirror.notes == []


def test_questions_to_the_remote(grown: Repository, mirror_of: MirrorOf) -> None:
    mirror = mirror_of(grown)
    grown.point("x/topic", grown.tip("main"))
    assert mirror.ls_remote("topic") == grown.tip("topic")
    assert mirror.ls_remote("refs/heads/topic") == grown.tip("topic")
    assert mirror.ls_remote("absent") == ""
    assert mirror.default_branch() == "main"


def test_questions_to_the_mirror(grown: Repository, mirror_of: MirrorOf) -> None:
    mirror = mirror_of(grown)
    tips = mirror.fetch("topic", "main")
    assert mirror.merge_base(tips.branch, tips.target) == tips.target
    assert mirror.tree_of(tips.branch) == grown.tree("topic")
    assert mirror.read_file(tips.branch, "d/b") == b"2\n"
    assert mirror.has(tips.branch)
    assert not mirror.has("1" * 40)
    for absent in ("nowhere", "d", "a/b", "d/", "/a", "../a", ""):
        assert mirror.read_file(tips.branch, absent) is None
    with pytest.raises(Refused) as caught:
        mirror.read_file(tips.branch, "d/b", limit=1)
    assert caught.value.reason is Reason.TOO_LARGE


def test_unrelated_histories_have_no_merge_base(grown: Repository, mirror_of: MirrorOf) -> None:
    grown.commit({"z": "z\n"}, branch="alone")
    mirror = mirror_of(grown)
    tips = mirror.fetch("alone", "main")
    assert mirror.merge_base(tips.branch, tips.target) == ""


def damaged_pack(path: Path) -> None:
    for pack in path.glob("objects/pack/*.pack"):
        pack.chmod(0o644)
        data = bytearray(pack.read_bytes())
        data[20 : len(data) - 20] = os.urandom(len(data) - 40)
        pack.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: (path / "HEAD").unlink(),
        lambda path: (path / "config").write_bytes(b"\0\0\0"),
        lambda path: (path / "flowforge-url").write_text("https://example.org/another.git"),
        lambda path: [f.unlink() for f in path.glob("objects/pack/*.idx")],
        damaged_pack,
        lambda path: [f.write_text("1" * 40) for f in path.glob("refs/flowforge/*")],
        lambda path: [f.write_text("") for f in path.glob("refs/flowforge/*")],
    ],
    ids=[
        "no HEAD",
        "config of zeros",
        "another url",
        "indexes gone",
        "packs of noise",
        "bad refs",
        "empty refs",
    ],
)
def test_a_damaged_mirror_heals_or_is_made_anew(
    grown: Repository, tmp_path: Path, door: Door, harm: Callable[[Path], object]
) -> None:
    root = tmp_path / "mirrors"
    with open_mirror(root, grown.url, door) as mirror:
        mirror.fetch("topic", "main")
        harm(mirror.path)
    grown.commit({"a": "4\n"}, grown.tip("topic"), branch="topic")
    with open_mirror(root, grown.url, door) as mirror:
        tips = mirror.fetch("topic", "main")
        assert mirror.read_file(tips.branch, "a") == b"4\n"
        assert mirror.git.run("fsck", "--connectivity-only") == b""
        assert all("made anew" in note for note in mirror.notes)


def test_a_mirror_without_its_configuration_says_that_it_was_made_anew(
    grown: Repository, tmp_path: Path, door: Door
) -> None:
    root = tmp_path / "mirrors"
    with open_mirror(root, grown.url, door) as mirror:
        mirror.fetch("topic", "main")
        (mirror.path / "config").unlink()
    with open_mirror(root, grown.url, door) as mirror:
        assert mirror.notes == ["the mirror was damaged (files are missing or unreadable) and was made anew"]


def test_damage_found_in_the_middle_of_a_job_is_mended_by_the_next(
    grown: Repository, tmp_path: Path, door: Door
) -> None:
    root = tmp_path / "mirrors"

    def job() -> None:
        with open_mirror(root, grown.url, door) as mirror:
            tips = mirror.fetch("topic", "main")
            for pack in mirror.path.glob("objects/pack/*"):
                pack.unlink()
            mirror.read_file(tips.branch, "a")

    with pytest.raises(Temporary) as caught:
        job()
    assert caught.value.reason is Reason.MIRROR_DAMAGED
    with open_mirror(root, grown.url, door) as mirror:
        assert "made anew" in mirror.notes[0]
        assert mirror.read_file(mirror.fetch("topic", "main").branch, "a") == b"2\n"


def test_locks_that_a_dead_process_left_are_removed(grown: Repository, mirror_of: MirrorOf) -> None:
    mirror = mirror_of(grown)
    mirror.fetch("topic", "main")
    left = [mirror.path / name for name in ("packed-refs.lock", "config.lock", "objects/pack/tmp_pack_x")]
    left += [path.with_name(f"{path.name}.lock") for path in mirror.path.glob("refs/flowforge/*")]
    for path in left:
        path.touch()
    grown.commit({"a": "5\n"}, grown.tip("topic"), branch="topic")
    assert mirror.fetch("topic", "main").branch == grown.tip("topic")
    assert not any(path.exists() for path in left)


def test_two_jobs_may_fetch_one_repository_at_the_same_time(
    grown: Repository, tmp_path: Path, door: Door
) -> None:
    for number in range(4):
        grown.commit({"a": f"{number}\n"}, grown.tip("main"), branch=f"b{number}")
    failures: list[BaseException] = []

    def job(branch: str) -> None:
        try:
            with open_mirror(tmp_path / "mirrors", grown.url, door) as mirror:
                assert mirror.fetch(branch, "main").branch == grown.tip(branch)
        except BaseException as error:  # noqa: BLE001 (a thread's failure is the test's)
            failures.append(error)

    threads = [threading.Thread(target=job, args=(f"b{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_mirror_in_use_is_not_pulled_away(
    grown: Repository, tmp_path: Path, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "_WAIT", 0.1)
    root = tmp_path / "mirrors"
    with open_mirror(root, grown.url, door) as mirror:
        (mirror.path.parent / "damaged").touch()
        with pytest.raises(Temporary) as caught, open_mirror(root, grown.url, door):
            pass
    assert caught.value.reason is Reason.BUSY


def test_waiting_for_a_lock_ends_with_a_cancel(grown: Repository, tmp_path: Path, door: Door) -> None:
    root = tmp_path / "mirrors"
    (root / mirror_name(grown.url)).mkdir(parents=True)
    with (root / mirror_name(grown.url) / "users").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        stopped = replace(door, cancelled=lambda: True)
        with pytest.raises(Refused) as caught, open_mirror(root, grown.url, stopped):
            pass
    assert caught.value.reason is Reason.CANCELLED


def test_a_folder_that_cannot_be_written_is_the_operators_matter(grown: Repository, door: Door) -> None:
    with pytest.raises(FlowForgeError) as caught, open_mirror(Path("/proc/nowhere"), grown.url, door):
        pass
    assert caught.value.reason is Reason.INFRASTRUCTURE


def test_a_full_disk_is_no_space(grown: Repository, door: Door) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OSError, match="No space") as caught, full.open("wb", buffering=0) as file:
        file.write(b"x")
    assert mirrors.disk(caught.value).reason is Reason.NO_SPACE


def test_mirror_names_are_readable_and_differ() -> None:
    one = mirror_name("https://example.org/team/app.git")
    assert one.startswith("example-org-team-app-git-")
    assert (
        len(
            {
                one,
                mirror_name("https://example.org/team-app.git"),
                mirror_name("https://example.org/team/app"),
            }
        )
        == 3
    )
    assert "/" not in mirror_name("git@example.org:team/app.git") + mirror_name("file:///a/../b")


def test_a_url_of_another_protocol_is_refused_before_anything_is_made(tmp_path: Path, door: Door) -> None:
    with pytest.raises(Refused) as caught, open_mirror(tmp_path / "mirrors", "ext::sh -c id", door):
        pass
    assert caught.value.reason is Reason.INVALID_URL
    assert not (tmp_path / "mirrors").exists()
