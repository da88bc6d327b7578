"""Pull requests of the past found where they were landed, against real git."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.git.command import Door, Git
from flowforge.git.history import borrowed, conflicts_of, merge_base, roots, tips
from flowforge.git.pulls import Landed, Pull, certain, landed, pulls, trunk
from tests.gitrepo import Repository, git

DOOR = Door(protocols=frozenset({"file"}))


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "origin.git")
    made.commit({"a": "1\n", "b": "1\n"}, branch="main")
    return made


@pytest.fixture
def here(repo: Repository, tmp_path: Path) -> Iterator[Git]:
    (tmp_path / "scratch").mkdir()
    with borrowed(repo.path, tmp_path / "scratch", DOOR) as found:
        yield found


def pull(repo: Repository, number: int, head: str, form: str = "refs/pull/{}/head") -> None:
    repo.git("update-ref", form.format(number), head)


def main_on(repo: Repository, a: str, *, b: str = "1\n", message: str = "a change") -> str:
    return repo.commit({"a": a, "b": b}, repo.tip("main"), branch="main", message=message)


def found_in(repo: Repository, here: Git) -> Landed:
    return landed(here, trunk(repo.path, DOOR), pulls(repo.path, DOOR))


def squashed(repo: Repository, number: int = 7, message: str = "change a (#7)") -> tuple[str, str, str]:
    """A pull request that changes `a`, as main does; its head, what main was, and the commit that landed it."""
    head = repo.commit({"a": "mine\n", "b": "1\n"}, repo.tip("main"), message="work on a")
    before = main_on(repo, "theirs\n")
    after = main_on(repo, "both\n", message=message)
    pull(repo, number, head)
    return head, before, after


# ----------------------------------------------------------------------------------------------- finding heads


@pytest.mark.parametrize(
    "form",
    [
        "refs/pull/{}/head",
        "refs/merge-requests/{}/head",
        "refs/pull-requests/{}/from",
        "refs/remotes/origin/pr/{}",
        "refs/remotes/up/pull/{}",
    ],
)
def test_heads_are_found_under_the_names_that_hosts_and_people_give_them(repo: Repository, form: str) -> None:
    pull(repo, 12, repo.tip("main"), form)
    assert pulls(repo.path, DOOR) == (Pull(number=12, head=repo.tip("main")),)


def test_a_hosts_own_test_merges_and_other_refs_are_no_heads(repo: Repository) -> None:
    pull(repo, 12, repo.tip("main"), "refs/pull/{}/merge")
    repo.git("tag", "v1", "main")
    assert pulls(repo.path, DOOR) == ()


def test_the_default_branch_is_that_of_the_remote_or_what_is_checked_out(
    repo: Repository, tmp_path: Path
) -> None:
    assert trunk(repo.path, DOOR) == repo.tip("main")
    git(tmp_path, "clone", "-q", str(repo.path), "work")
    git(tmp_path / "work", "checkout", "-q", "-b", "topic")
    git(tmp_path / "work", "commit", "-q", "--allow-empty", "-m", "mine")
    assert trunk(tmp_path / "work", DOOR) == repo.tip("main")


def test_a_repository_without_commits_has_no_default_branch(tmp_path: Path) -> None:
    empty = Repository(tmp_path / "empty.git")
    assert trunk(empty.path, DOOR) == ""


# ---------------------------------------------------------------------------------------------- where they landed


def test_a_squashed_head_is_merged_into_what_the_branch_was_before(repo: Repository, here: Git) -> None:
    head, before, after = squashed(repo)
    (merge,) = found_in(repo, here).merges
    assert (merge.upstream, merge.commit, merge.oid, merge.how) == (before, head, after, "squash")
    with here.objects() as objects:
        (conflict,) = conflicts_of(here, objects, merge)
    assert [(one.upstream, one.commit) for one in conflict.hunks] == [(b"theirs\n", b"mine\n")]


@pytest.mark.parametrize(
    "message",
    ["Merged in a (pull request #7)", "Change a\n\nbody\n\nSee merge request group/sub/project!7\n"],
)
def test_other_hosts_write_the_number_otherwise(repo: Repository, here: Git, message: str) -> None:
    squashed(repo, message=message)
    assert len(found_in(repo, here).merges) == 1


@pytest.mark.parametrize("message", ["change a", "change a, as (#7) says", "change a\n\n(#7)"])
def test_a_number_elsewhere_in_a_message_is_no_name(repo: Repository, here: Git, message: str) -> None:
    squashed(repo, message=message)
    assert found_in(repo, here) == Landed(merges=(), left={"not on the default branch": 1})


def test_a_number_that_two_commits_name_is_left_out(repo: Repository, here: Git) -> None:
    squashed(repo)
    main_on(repo, "again\n", message="change a again (#7)")
    assert found_in(repo, here).left == {"more than one commit names it": 1}


def rebased(repo: Repository, *, apart: bool = False, edited: bool = False) -> tuple[str, str, str]:
    """Two commits that were rebased: their own head, what main was, and the last that landed."""
    start = repo.tip("main")
    first = repo.commit({"a": "mine\n", "b": "1\n"}, start, message="first")
    head = repo.commit({"a": "mine\nmore\n", "b": "1\n"}, first, message="second")
    pull(repo, 8, head)
    before = main_on(repo, "theirs\n")
    one = _copy(repo, first, before, {"a": "theirs\nmine\n", "b": "1\n"})
    between = repo.commit({"a": "theirs\nmine\n", "b": "2\n"}, one) if apart else one
    subject = "third" if edited else ""
    two = _copy(repo, head, between, {"a": "theirs\nmine\nmore\n", "b": "2\n" if apart else "1\n"}, subject)
    repo.point("main", two)
    return head, before, two


def _copy(repo: Repository, of: str, onto: str, files: dict[str, str], subject: str = "") -> str:
    """A commit as a rebase makes it: another parent, tree and committer; the author with their time, and the message."""
    made = repo.commit(files, onto)
    when = repo.git("log", "-1", "--format=%at %an|%ae|%s", of).decode().strip()
    date, _, rest = when.partition(" ")
    name, mail, told = rest.split("|")
    identity = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail, "GIT_AUTHOR_DATE": f"@{date} +0200"}
    out = repo.git("commit-tree", repo.tree(made), "-p", onto, "-m", subject or told, **identity)
    return out.decode().strip()


def test_rebased_commits_are_known_by_author_time_and_subject(repo: Repository, here: Git) -> None:
    head, before, last = rebased(repo)
    (merge,) = found_in(repo, here).merges
    assert (merge.upstream, merge.commit, merge.oid, merge.how) == (before, head, last, "rebase")


def test_commits_that_landed_apart_are_left_out(repo: Repository, here: Git) -> None:
    rebased(repo, apart=True)
    assert found_in(repo, here).left == {"landed apart": 1}


def test_a_request_of_which_a_commit_is_not_found_is_left_out(repo: Repository, here: Git) -> None:
    rebased(repo, edited=True)
    assert found_in(repo, here).left == {"landed in part, or its commits are there twice": 1}


def test_a_head_that_was_merged_is_among_the_merges_already(repo: Repository, here: Git) -> None:
    head = repo.commit({"a": "mine\n", "b": "1\n"}, repo.tip("main"))
    repo.commit({"a": "mine\n", "b": "1\n"}, repo.tip("main"), head, branch="main")
    pull(repo, 9, head)
    assert found_in(repo, here) == Landed(merges=(), left={"merged as they were, so among the merges": 1})


def test_a_request_that_never_landed_is_counted(repo: Repository, here: Git) -> None:
    pull(repo, 3, repo.commit({"a": "9\n", "b": "1\n"}, repo.tip("main")))
    assert found_in(repo, here).left == {"not on the default branch": 1}


def test_a_repository_without_requests_has_none(repo: Repository, here: Git) -> None:
    assert found_in(repo, here) == Landed(merges=(), left={})


# --------------------------------------------------------------------------------------------------- certainty


def is_certain(repo: Repository, here: Git) -> bool:
    (merge,) = found_in(repo, here).merges
    with here.objects() as objects:
        return certain(objects, merge, merge_base(here, merge))


def test_a_landed_change_of_the_same_files_is_certain(repo: Repository, here: Git) -> None:
    squashed(repo)
    assert is_certain(repo, here)


def test_a_landed_change_of_other_files_too_is_not(repo: Repository, here: Git) -> None:
    head = repo.commit({"a": "mine\n", "b": "1\n"}, repo.tip("main"))
    main_on(repo, "both\n", b="2\n", message="change a (#7)")
    pull(repo, 7, head)
    assert not is_certain(repo, here)


def test_a_head_that_brings_the_rest_of_another_branch_along_is_not(repo: Repository, here: Git) -> None:
    release = repo.commit({"a": "1\n", "b": "released\n"}, repo.tip("main"), branch="release")
    head = repo.commit({"a": "mine\n", "b": "released\n"}, release)
    main_on(repo, "both\n", message="change a (#7)")
    pull(repo, 7, head)
    assert not is_certain(repo, here)


def test_a_file_that_the_branch_had_already_need_not_land(repo: Repository, here: Git) -> None:
    head = repo.commit({"a": "mine\n", "b": "2\n"}, repo.tip("main"))
    main_on(repo, "theirs\n", b="2\n")
    main_on(repo, "both\n", b="2\n", message="change a (#7)")
    pull(repo, 7, head)
    assert is_certain(repo, here)


def test_first_commits_are_the_same_in_every_clone(repo: Repository, here: Git, tmp_path: Path) -> None:
    first = repo.tip("main")
    main_on(repo, "2\n")
    assert roots(here, tips(repo.path, DOOR)) == (first,)
    git(tmp_path, "clone", "-q", str(repo.path), "fork")
    (tmp_path / "more").mkdir()
    with borrowed(tmp_path / "fork", tmp_path / "more", DOOR) as there:
        assert roots(there, tips(tmp_path / "fork", DOOR)) == (first,)
    assert roots(here, ()) == ()
