"""What a rebase did to each commit, as pairs."""

from collections.abc import Callable

import pytest

from flowforge.core.errors import Refused
from flowforge.git.mirror import Mirror
from flowforge.git.rangediff import range_diff
from flowforge.git.replay import Committer, replay
from tests.gitrepo import Repository

MirrorOf = Callable[[Repository], Mirror]
LONG = "".join(f"line {n}\n" for n in range(20))


def test_equal_changed_gone_and_new_commits_are_told_apart(origin: Repository, mirror_of: MirrorOf) -> None:
    start = origin.commit({"a b": LONG, "c": LONG}, branch="main")
    same = {"a b": LONG, "c": LONG, "n": "1\n" * 20}
    one = origin.commit(same, start, message="same: in both")
    two = origin.commit(
        {**same, "a b": LONG.replace("line 3\n", "x\n"), "c": LONG + "c\n"}, one, message="two"
    )
    old = origin.commit({**same, "gone": "g\n" * 30}, two, message="gone")
    moved = origin.commit({**same, "u": "u\n"}, start, message="same: in both")
    first = origin.commit({**same, "u": "u\n"}, moved)
    changed = origin.commit(
        {**same, "u": "u\n", "a b": LONG.replace("line 3\n", "y\n"), "c": LONG + "c\n"}, first, message="two"
    )
    new = origin.commit({**same, "fresh": "f\n" * 40}, changed, branch="topic", message="! 1: odd subject")
    origin.point("old", old)
    mirror = mirror_of(origin)
    mirror.fetch("topic", "old")
    done = range_diff(mirror, start, old, start, new)
    found = {(pair.status, pair.subject): pair for pair in done.pairs}
    assert ("<", "gone") in found
    assert (">", "! 1: odd subject") in found
    two_now = found["!", "two"]
    assert (two_now.old, two_now.new, two_now.paths) == (two, changed, ("a b",))
    assert done.text


def test_a_clean_replay_changes_no_patch(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": LONG})
    target = origin.commit({"a": LONG, "u": "u\n"}, start, branch="main")
    one = origin.commit({"a": LONG + "1\n"}, start, message="one")
    two = origin.commit({"a": LONG + "2\n"}, one, branch="topic", message="two")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    done = replay(mirror, [one, two], target, committer)
    pairs = range_diff(mirror, start, two, target, done.head).pairs
    assert [(p.status, p.old, p.new, p.paths) for p in pairs] == [
        ("=", one, done.steps[0].new, ()),
        ("=", two, done.head, ()),
    ]


def test_an_empty_range_leaves_the_other_side_alone(origin: Repository, mirror_of: MirrorOf) -> None:
    start = origin.commit({"a": "1\n"}, branch="main")
    head = origin.commit({"a": "2\n"}, start, branch="topic", message="two")
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    assert range_diff(mirror, start, start, start, start).pairs == ()
    (gone,) = range_diff(mirror, start, head, start, start).pairs
    assert (gone.status, gone.old, gone.new, gone.subject) == ("<", head, "", "two")
    (come,) = range_diff(mirror, start, start, start, head).pairs
    assert (come.status, come.old, come.new) == (">", "", head)


def test_an_option_in_place_of_a_commit_is_refused(origin: Repository, mirror_of: MirrorOf) -> None:
    with pytest.raises(Refused):
        range_diff(mirror_of(origin), "--output=x", "1" * 40, "1" * 40, "1" * 40)
