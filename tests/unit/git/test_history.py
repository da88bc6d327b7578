"""Merges of the past, made again without touching the repository, against real git."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.core.conflict import Kind
from flowforge.core.errors import Reason, Refused
from flowforge.git.command import Door, Git
from flowforge.git.conflicts import MAX_CONTENT
from flowforge.git.history import (
    PastMerge,
    borrowed,
    committed,
    conflicts_of,
    merge_base,
    merges,
    name_of,
    stood,
    tips,
)
from tests.gitrepo import Repository, git

DOOR = Door(protocols=frozenset({"file"}))
BASE = "".join(f"line {n}\n" for n in range(20))


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin.git")


@pytest.fixture
def here(repo: Repository, tmp_path: Path) -> Iterator[Git]:
    (tmp_path / "scratch").mkdir()
    with borrowed(repo.path, tmp_path / "scratch", DOOR) as git_:
        yield git_


def merge(repo: Repository, upstream: str, commit: str, person: str | None, *, name: str = "main") -> str:
    """A merge of two edits of one line; `person` is what was committed."""
    start = repo.commit({"a.py": BASE, "b.txt": "b\n"})
    one = repo.commit({"a.py": BASE.replace("line 9\n", upstream), "b.txt": "b\n"}, start)
    two = repo.commit({"a.py": BASE.replace("line 9\n", commit), "b.txt": "b\n"}, start)
    files = {"b.txt": "b\n"} | ({} if person is None else {"a.py": BASE.replace("line 9\n", person)})
    return repo.commit(files, one, two, branch=name)


def fingerprint(folder: Path) -> str:
    """Every path of a folder with its bytes."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def test_a_merge_that_conflicted_is_made_again_with_what_people_committed(
    repo: Repository, here: Git
) -> None:
    oid = merge(repo, "up\n", "mine\n", "both\n")
    (found,) = merges(here, tips(repo.path, DOOR))
    assert found.oid == oid
    with here.objects() as objects:
        (conflict,) = conflicts_of(here, objects, found)
        assert (conflict.path, conflict.kind) == ("a.py", Kind.CONTENT)
        assert [(h.base, h.upstream, h.commit) for h in conflict.hunks] == [(b"line 9\n", b"up\n", b"mine\n")]
        assert conflict.base is not None
        assert conflict.commit_id == found.commit
        assert committed(objects, found, "a.py") == BASE.replace("line 9\n", "both\n").encode()


def test_a_merge_that_git_makes_by_itself_has_no_conflicts(repo: Repository, here: Git) -> None:
    start = repo.commit({"a": "1\n", "b": "1\n"})
    one, two = repo.commit({"a": "2\n", "b": "1\n"}, start), repo.commit({"a": "1\n", "b": "2\n"}, start)
    repo.commit({"a": "2\n", "b": "2\n"}, one, two, branch="main")
    (found,) = merges(here, tips(repo.path, DOOR))
    with here.objects() as objects:
        assert conflicts_of(here, objects, found) == ()


def test_nothing_is_written_into_the_repository(repo: Repository, here: Git) -> None:
    merge(repo, "up\n", "mine\n", "both\n")
    before = fingerprint(repo.path)
    with here.objects() as objects:
        for found in merges(here, tips(repo.path, DOOR)):
            assert conflicts_of(here, objects, found)
    assert fingerprint(repo.path) == before


def test_merges_come_newest_first_and_those_of_three_parents_are_left_out(
    repo: Repository, here: Git
) -> None:
    first, second = merge(repo, "a\n", "b\n", "c\n"), merge(repo, "d\n", "e\n", "f\n", name="other")
    repo.commit({"a.py": BASE}, first, second, repo.commit({"x": "y"}), branch="third")
    assert [found.oid for found in merges(here, tips(repo.path, DOOR))] == [second, first]


def test_a_file_that_people_removed_has_no_text(repo: Repository, here: Git) -> None:
    merge(repo, "up\n", "mine\n", None)
    (found,) = merges(here, tips(repo.path, DOOR))
    with here.objects() as objects:
        assert committed(objects, found, "a.py") is None


def test_what_people_left_at_paths_is_told_by_mode_and_content(repo: Repository, here: Git) -> None:
    module = ("160000", "1" * 40)
    left = {
        "a.py": ("100755", "x\n"),
        "link": ("120000", "a.py"),
        "module": module,
        "big": b"x" * (MAX_CONTENT + 1),
        "folder/file": "y\n",
    }
    repo.commit(left, repo.commit({"a.py": "1\n"}), repo.commit({"a.py": "2\n"}), branch="main")
    (found,) = merges(here, tips(repo.path, DOOR))
    with here.objects() as objects:
        there = stood(objects, found, ["a.py", "link", "module", "big", "folder", "gone", "a.py/below"])
    assert [(one.path, one.mode, one.content) for one in there] == [
        ("a.py", "100755", b"x\n"),
        ("link", "120000", b"a.py"),
        ("module", "160000", None),
        ("big", "100644", None),
    ]
    assert there[2].oid == module[1]


def test_a_file_with_lines_like_our_markers_is_merged_with_others(repo: Repository, here: Git) -> None:
    marks = "<" * 31 + " not a marker\n"
    merge(repo, f"up\n{marks}", f"mine\n{marks}", "both\n")
    (found,) = merges(here, tips(repo.path, DOOR))
    with here.objects() as objects:
        (conflict,) = conflicts_of(here, objects, found)
    assert conflict.hunks[0].upstream == f"up\n{marks}".encode()


def test_attributes_of_the_upstream_side_count(repo: Repository, here: Git) -> None:
    start = repo.commit({"a": "1\n", ".gitattributes": "a merge=union\n"})
    one = repo.commit({"a": "2\n", ".gitattributes": "a merge=union\n"}, start)
    two = repo.commit({"a": "3\n", ".gitattributes": "a merge=union\n"}, start)
    repo.commit({"a": "2\n3\n", ".gitattributes": "a merge=union\n"}, one, two, branch="main")
    (found,) = merges(here, tips(repo.path, DOOR))
    with here.objects() as objects:
        assert conflicts_of(here, objects, found) == ()


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_working_folder_is_as_good_as_a_bare_one(tmp_path: Path, object_format: str) -> None:
    repo = Repository(tmp_path / "origin.git", object_format=object_format)
    merge(repo, "up\n", "mine\n", "both\n")
    git(tmp_path, "clone", "-q", str(repo.path), "work")
    (tmp_path / "scratch").mkdir()
    with borrowed(tmp_path / "work", tmp_path / "scratch", DOOR) as here, here.objects() as objects:
        (found,) = merges(here, tips(tmp_path / "work", DOOR))
        assert isinstance(found, PastMerge)
        assert len(conflicts_of(here, objects, found)) == 1


def test_a_linked_work_tree_shares_its_repository(tmp_path: Path, repo: Repository) -> None:
    merge(repo, "up\n", "mine\n", "both\n")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "main")
    (tmp_path / "scratch").mkdir()
    with borrowed(tmp_path / "linked", tmp_path / "scratch", DOOR) as here:
        assert len(merges(here, tips(tmp_path / "linked", DOOR))) == 1


def test_a_shallow_clone_has_the_merges_that_it_has(tmp_path: Path, repo: Repository) -> None:
    merge(repo, "up\n", "mine\n", "both\n")
    git(tmp_path, "clone", "-q", "--depth", "1", repo.url, "shallow")
    (tmp_path / "scratch").mkdir()
    with borrowed(tmp_path / "shallow", tmp_path / "scratch", DOOR) as here:
        assert merges(here, tips(tmp_path / "shallow", DOOR)) == ()


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused, borrowed(tmp_path, tmp_path, DOOR):
        pass
    assert refused.value.reason is Reason.REPOSITORY_MISSING


def test_tags_of_what_is_no_commit_are_no_tips(repo: Repository) -> None:
    tip = repo.commit({"a": "1\n"}, branch="main")
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    repo.git("tag", "of-a-blob", blob)
    repo.git("tag", "-a", "-m", "told", "of-a-commit", tip)
    assert tips(repo.path, DOOR) == (tip,)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://git.example.org/some/thing.git", "some/thing"),
        ("https://user:secret@git.example.org/some/thing", "some/thing"),
        ("git@git.example.org:some/thing.git", "some/thing"),
        ("ssh://git@git.example.org:22/group/some/thing/", "some/thing"),
        ("thing", "origin"),
        ("", "origin"),
    ],
)
def test_a_repository_is_called_what_it_was_fetched_as(repo: Repository, url: str, name: str) -> None:
    if url:
        repo.git("config", "remote.origin.url", url)
    assert name_of(repo.path, DOOR) == name


def test_sides_that_share_nothing_have_no_base(repo: Repository, here: Git) -> None:
    one, two = repo.commit({"a": "1\n"}), repo.commit({"b": "1\n"})
    apart = PastMerge(oid=one, upstream=one, commit=two, date=0)
    assert merge_base(here, apart) == ""
    assert merge_base(here, PastMerge(oid=one, upstream=one, commit=one, date=0)) == one
