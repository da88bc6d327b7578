"""What a replay keeps, drops and says, each against `git rebase` in a work tree where git has a say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.core.conflict import HunkAnswer, Resolution, resolve_with
from flowforge.core.errors import Reason, Refused
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Committer, Replay, commits_to_replay, plan, replay, resume
from tests.gitrepo import Content, Repository

MirrorOf = Callable[[Repository], Mirror]
LONG = "".join(f"line {n}\n" for n in range(20))


def ready(origin: Repository, mirror_of: MirrorOf) -> Mirror:
    mirror = mirror_of(origin)
    mirror.fetch("topic", "main")
    return mirror


def replayed(origin: Repository, mirror: Mirror, committer: Committer, **options: str) -> Replay:
    head, upstream = origin.tip("topic"), origin.tip("main")
    base = mirror.merge_base(head, upstream)
    return replay(mirror, commits_to_replay(mirror, base, head, upstream), upstream, committer, **options)


def raw(mirror: Mirror, commit: str) -> bytes:
    return mirror.git.run("cat-file", "commit", commit)


def dispositions(done: Replay) -> list[str]:
    return [step.disposition for step in done.steps]


def answered(done: Replay, text: bytes = b"answer\n") -> list[Resolution]:
    assert done.stopped is not None
    return [
        resolve_with(
            conflict,
            [
                HunkAnswer(index=hunk.index, text=text, rung="person", rule="typed", why="asked")
                for hunk in conflict.hunks
            ],
        )
        for conflict in done.stopped.conflicts
    ]


def test_author_zone_message_and_encoding_are_kept_and_the_committer_is_pinned(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": "1\n"})
    origin.commit({"a": "1\n", "u": "u\n"}, start, branch="main")
    message = b"gr\xfc\xdfe\n\n  odd   spacing \n\n\n# not a comment\ntrailing \n\n"
    origin.commit(
        {"a": "1\n", "b": "2\n"},
        start,
        branch="topic",
        message=message,
        author="J. R. 'Bob' <bob+x@example.org>",
        zone="-0930",
        encoding="ISO-8859-1",
    )
    mirror = ready(origin, mirror_of)
    done = replayed(origin, mirror, committer)
    head, _, text = raw(mirror, done.head).partition(b"\n\n")
    old, _, _ = raw(mirror, origin.tip("topic")).partition(b"\n\n")
    kept = [line for line in old.split(b"\n") if line.startswith((b"author", b"encoding"))]
    assert text == message
    assert [line for line in head.split(b"\n") if line.startswith((b"author", b"encoding"))] == kept
    assert b"committer FlowForge <flowforge@example.org> 1760000000 +0000" in head


def test_a_rerun_makes_the_same_commit_and_another_date_another(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": "1\n"})
    origin.commit({"a": "1\n", "u": "u\n"}, start, branch="main")
    origin.commit({"a": "1\n", "b": "2\n"}, start, branch="topic")
    mirror = ready(origin, mirror_of)
    first = replayed(origin, mirror, committer)
    assert replayed(origin, mirror, committer) == first
    later = Committer(name=committer.name, email=committer.email, date=committer.date + 1)
    assert replayed(origin, mirror, later).head != first.head


def test_a_signature_is_not_carried_over(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": "1\n"})
    origin.commit({"a": "1\n", "u": "u\n"}, start, branch="main")
    plain = origin.commit({"a": "1\n", "b": "2\n"}, start)
    head, _, message = origin.git("cat-file", "commit", plain).partition(b"\n\n")
    seal = b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----"
    signed = origin.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=head + seal + b"\n\n" + message)
    origin.point("topic", signed.decode().strip())
    mirror = ready(origin, mirror_of)
    done = replayed(origin, mirror, committer)
    assert dispositions(done) == ["replayed"]
    assert b"gpgsig" not in raw(mirror, done.head)
    assert raw(mirror, done.head).endswith(b"\n\n" + message)


def test_commits_that_stand_on_the_tip_already_are_unchanged(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": "1\n"}, branch="main")
    one = origin.commit({"a": "1\n", "b": "2\n"}, start)
    two = origin.commit({"a": "1\n", "b": "3\n"}, one, branch="topic")
    done = replayed(origin, ready(origin, mirror_of), committer)
    assert (done.head, dispositions(done)) == (two, ["unchanged", "unchanged"])
    assert done.tree == origin.tree(two)


def test_merges_are_flattened_and_said(
    origin: Repository, mirror_of: MirrorOf, committer: Committer, tmp_path: Path
) -> None:
    start = origin.commit({"a": LONG})
    target = origin.commit({"a": LONG, "u": "u\n"}, start, branch="main")
    left = origin.commit({"a": LONG, "l": "l\n"}, start, message="left")
    right = origin.commit({"a": LONG, "r": "r\n"}, start, message="right")
    merge = origin.commit({"a": LONG, "l": "l\n", "r": "r\n"}, left, right, message="merge")
    head = origin.commit({"a": LONG, "l": "l2\n", "r": "r\n"}, merge, branch="topic", message="after")
    mirror = ready(origin, mirror_of)
    sorted_out = plan(mirror, start, head, target)
    assert [(step.original, step.disposition) for step in sorted_out.dropped] == [(merge, "dropped_merge")]
    done = replayed(origin, mirror, committer)
    assert [step.subject for step in done.steps] == ["left", "right", "after"]
    assert done.tree == origin.tree(origin.rebase(tmp_path / "w", head, target))
    handed = replay(mirror, [merge], target, committer)
    assert dispositions(handed) == ["dropped_merge"]


def test_a_patch_that_upstream_has_is_dropped_and_said(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": LONG})
    picked = origin.commit({"a": LONG.replace("line 3\n", "3\n")}, start, message="picked upstream")
    target = origin.commit({"a": LONG.replace("line 3\n", "3\n"), "u": "u\n"}, picked, message="more")
    same = origin.commit({"a": LONG.replace("line 3\n", "3\n")}, start, message="the same, by hand")
    head = origin.commit({"a": LONG.replace("line 3\n", "3\n"), "t": "t\n"}, same, branch="topic")
    origin.point("main", target)
    mirror = ready(origin, mirror_of)
    sorted_out = plan(mirror, start, head, target)
    assert [(s.subject, s.disposition) for s in sorted_out.dropped] == [
        ("the same, by hand", "dropped_upstream")
    ]
    assert sorted_out.pending == (head,)
    assert replayed(origin, mirror, committer).stopped is None


@pytest.mark.parametrize(
    ("empty", "expected"),
    [("drop", ["replayed", "dropped_empty"]), ("keep", ["replayed", "kept_empty"])],
)
def test_a_commit_that_was_empty_is_kept_or_dropped_as_asked(
    origin: Repository, mirror_of: MirrorOf, committer: Committer, empty: str, expected: list[str]
) -> None:
    start = origin.commit({"a": "1\n"})
    origin.commit({"a": "1\n", "u": "u\n"}, start, branch="main")
    one = origin.commit({"a": "1\n", "b": "2\n"}, start)
    origin.commit({"a": "1\n", "b": "2\n"}, one, branch="topic", message="trigger the build")
    mirror = ready(origin, mirror_of)
    done = replayed(origin, mirror, committer, empty=empty)
    assert dispositions(done) == expected
    assert (b"trigger the build" in raw(mirror, done.head)) == (empty == "keep")


def test_a_commit_that_becomes_empty_is_dropped_whatever_is_asked(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": LONG})
    both = LONG.replace("line 3\n", "3\n").replace("line 15\n", "15\n")
    origin.commit({"a": both}, start, branch="main")
    origin.commit({"a": LONG.replace("line 3\n", "3\n")}, start, branch="topic")
    done = replayed(origin, ready(origin, mirror_of), committer, empty="keep")
    assert dispositions(done) == ["dropped_empty"]
    assert done.head == origin.tip("main")


def test_a_fixup_stays_a_commit_of_its_own_and_is_said(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": "1\n"})
    origin.commit({"a": "1\n", "u": "u\n"}, start, branch="main")
    one = origin.commit({"a": "1\n", "b": "2\n"}, start, message="add b")
    origin.commit({"a": "1\n", "b": "3\n"}, one, branch="topic", message="fixup! add b")
    done = replayed(origin, ready(origin, mirror_of), committer)
    assert [step.note for step in done.steps] == ["", "kept as it is: commits are not squashed"]


def test_a_root_commit_is_replayed_onto_unrelated_history(
    origin: Repository, mirror_of: MirrorOf, committer: Committer, tmp_path: Path
) -> None:
    target = origin.commit({"a": "1\n"}, branch="main")
    head = origin.commit({"b": "2\n"}, branch="topic")
    mirror = ready(origin, mirror_of)
    assert mirror.merge_base(head, target) == ""
    done = replay(mirror, commits_to_replay(mirror, "", head, target), target, committer)
    assert done.tree == origin.tree(origin.rebase(tmp_path / "w", head, target))


def test_an_empty_root_is_no_trouble(origin: Repository, mirror_of: MirrorOf, committer: Committer) -> None:
    start = origin.commit({})
    origin.commit({"u": "u\n"}, start, branch="main")
    origin.commit({"t": "t\n"}, start, branch="topic")
    mirror = ready(origin, mirror_of)
    done = replayed(origin, mirror, committer)
    assert mirror.git.run("ls-tree", "--name-only", done.head) == b"t\nu\n"


CLEAN: dict[str, tuple[dict[str, Content], dict[str, Content], dict[str, Content]]] = {
    "a rename upstream": ({"a": LONG}, {"b": LONG}, {"a": LONG + "x\n"}),
    "a rename here": ({"a": LONG}, {"a": LONG + "x\n"}, {"b": LONG}),
    "a mode change": ({"a": LONG}, {"a": LONG + "x\n"}, {"a": ("100755", LONG)}),
    "a folder renamed around a change": (
        {"d/a": LONG, "d/b": "b\n"},
        {"e/a": LONG, "e/b": "b\n"},
        {"d/a": LONG + "x\n", "d/b": "b\n"},
    ),
    "a file that becomes a folder": (
        {"d": "x\n", "k": "k\n"},
        {"d": "x\n", "k": "k2\n"},
        {"d/x": "y\n", "k": "k\n"},
    ),
    "a link": ({"a": "1\n"}, {"a": "1\n", "u": "u\n"}, {"a": "1\n", "l": ("120000", "a")}),
    "a submodule moved here": (
        {"s": ("160000", "1" * 40)},
        {"s": ("160000", "1" * 40), "u": "u\n"},
        {"s": ("160000", "2" * 40)},
    ),
    "a binary file": ({"a": "\0x"}, {"a": "\0x", "u": "u\n"}, {"a": "\0y"}),
    "no line end at the end": ({"a": LONG + "end"}, {"a": "first\n" + LONG + "end"}, {"a": LONG + "END"}),
    "everything deleted": ({"a": "1\n", "d/b": "2\n"}, {"a": "1\n", "d/b": "2\n", "u": "u\n"}, {}),
    "the same change on both sides": (
        {"a": LONG, "k": "k\n"},
        {"a": LONG + "x\n", "k": "k\n"},
        {"a": LONG + "x\n", "k": "k2\n"},
    ),
}


@pytest.mark.parametrize("name", list(CLEAN))
def test_a_clean_replay_has_the_tree_of_a_clean_rebase(
    origin: Repository, mirror_of: MirrorOf, committer: Committer, tmp_path: Path, name: str
) -> None:
    base, upstream, change = CLEAN[name]
    start = origin.commit(base)
    target = origin.commit(upstream, start, branch="main")
    head = origin.commit(change, start, branch="topic")
    done = replayed(origin, ready(origin, mirror_of), committer)
    assert done.stopped is None
    assert done.tree == origin.tree(origin.rebase(tmp_path / "w", head, target))


def test_a_revert_that_conflicts_stops_and_one_that_does_not_goes_through(
    origin: Repository, mirror_of: MirrorOf, committer: Committer, tmp_path: Path
) -> None:
    start = origin.commit({"a": LONG})
    changed = origin.commit({"a": LONG.replace("line 3\n", "3\n")}, start)
    target = origin.commit(
        {"a": LONG.replace("line 3\n", "3\n").replace("line 9\n", "9\n")}, changed, branch="main"
    )
    head = origin.commit({"a": LONG}, changed, branch="topic", message='Revert "three"')
    done = replayed(origin, ready(origin, mirror_of), committer)
    assert done.tree == origin.tree(origin.rebase(tmp_path / "w", head, target))


@pytest.fixture
def stopped(origin: Repository, mirror_of: MirrorOf, committer: Committer) -> tuple[Mirror, Replay]:
    """Three commits, the second of which conflicts in two files, one of them in a folder."""
    start = origin.commit({"a": LONG, "d/e/f": LONG, "k/x": "x\n"})
    up = LONG.replace("line 3\n", "up\n")
    origin.commit({"a": up, "d/e/f": up, "k/x": "x\n"}, start, branch="main")
    down = LONG.replace("line 3\n", "down\n")
    one = origin.commit({"a": LONG, "d/e/f": LONG, "k/x": "x\n", "one": "1\n"}, start, message="one")
    two = origin.commit(
        {"a": down, "d/e/f": ("100755", down), "k/x": "x\n", "one": "1\n"}, one, message="two"
    )
    origin.commit(
        {"a": down, "d/e/f": ("100755", down), "k/x": "x\n", "one": "1\n", "three": "3\n"},
        two,
        branch="topic",
        message="three",
    )
    mirror = ready(origin, mirror_of)
    return mirror, replayed(origin, mirror, committer)


def test_a_resolved_commit_is_written_and_the_rest_is_replayed(
    stopped: tuple[Mirror, Replay], committer: Committer
) -> None:
    mirror, done = stopped
    assert done.stopped is not None
    assert [c.path for c in done.stopped.conflicts] == ["a", "d/e/f"]
    after = resume(mirror, done.stopped, done.pending, done.head, answered(done), committer)
    assert [(s.subject, s.disposition) for s in after.steps] == [("two", "resolved"), ("three", "replayed")]
    assert (after.stopped, after.pending) == (None, ())
    assert mirror.read_file(after.head, "d/e/f") == LONG.replace("line 3\n", "answer\n").encode()
    listing = mirror.git.run("ls-tree", "-r", after.head).decode()
    assert [row.split()[0] for row in listing.splitlines()] == ["100644", "100755", *["100644"] * 3]
    assert mirror.git.run("fsck", "--no-dangling") == b""


def test_a_resolution_equal_to_upstream_drops_the_commit(
    origin: Repository, mirror_of: MirrorOf, committer: Committer
) -> None:
    start = origin.commit({"a": "x\n"})
    target = origin.commit({"a": "up\n"}, start, branch="main")
    origin.commit({"a": "down\n"}, start, branch="topic")
    mirror = ready(origin, mirror_of)
    done = replayed(origin, mirror, committer)
    assert done.stopped is not None
    after = resume(mirror, done.stopped, done.pending, done.head, answered(done, b"up\n"), committer)
    assert (after.head, dispositions(after)) == (target, ["dropped_empty"])


def test_a_resolution_for_half_of_the_files_is_refused(
    stopped: tuple[Mirror, Replay], committer: Committer
) -> None:
    mirror, done = stopped
    assert done.stopped is not None
    with pytest.raises(Refused) as caught:
        resume(mirror, done.stopped, done.pending, done.head, answered(done)[:1], committer)
    assert caught.value.reason is Reason.UNRESOLVED_CONFLICTS


def test_a_resolution_that_changes_other_bytes_is_refused(
    stopped: tuple[Mirror, Replay], committer: Committer
) -> None:
    mirror, done = stopped
    assert done.stopped is not None
    honest, other = answered(done)
    forged = Resolution(
        conflict=honest.conflict,
        answers=honest.answers,
        result=honest.result + b"smuggled\n",
        outside=honest.outside,
    )
    with pytest.raises(Refused, match="outside the conflict"):
        resume(mirror, done.stopped, done.pending, done.head, [forged, other], committer)


def test_nothing_but_values_is_left_behind(stopped: tuple[Mirror, Replay]) -> None:
    mirror, _ = stopped
    refs = mirror.git.run("for-each-ref", "--format=%(refname)").decode().split()
    assert all(ref.startswith("refs/flowforge/") for ref in refs)
    assert not (mirror.path / "index").exists()
