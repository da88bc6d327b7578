"""How a replay moves the work, and what of it is told."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.git.replay import Replay, Step
from flowforge.pipeline.context import Work
from flowforge.pipeline.progress import advanced, changed_paths, count_of, notes_of

WORK = Work(branch="topic", target="main")


def step(disposition: str = "replayed", subject: str = "s", new: str = "n") -> dict[str, str]:
    return {"original": "o", "new": new, "disposition": disposition, "subject": subject, "note": ""}


def test_a_replay_moves_head_and_tree_and_keeps_the_steps_before() -> None:
    before = replace(WORK, head="h0", tree="t0", steps=(step(subject="first"),), resolved=())
    made = Step(original="o2", new="n2", disposition="replayed", subject="second")
    after = advanced(before, Replay(head="h", tree="t", steps=(made,), pending=("p",), stopped=None))
    assert (after.head, after.tree, after.pending) == ("h", "t", ("p",))
    assert [one["subject"] for one in after.steps] == ["first", "second"]
    assert after.branch == "topic"


def test_what_was_proven_of_an_earlier_tree_is_not_proven_of_this_one() -> None:
    before = replace(WORK, tree="t", validated_tree="t", tested_tree="t")
    after = advanced(before, Replay(head="h", tree="t", steps=(), pending=(), stopped=None))
    assert (after.validated_tree, after.tested_tree) == ("", "")


@pytest.mark.parametrize(
    ("dispositions", "note"),
    [
        (["dropped_merge"], "flattened 1 merge commit, as git rebase does"),
        (["dropped_merge"] * 2, "flattened 2 merge commits, as git rebase does"),
        (["dropped_empty"], "dropped 1 commit with nothing left"),
        (["dropped_upstream"] * 3, "left out 3 commits that the target already has"),
        (["kept_empty"] * 2, "kept 2 empty commits"),
    ],
)
def test_what_did_not_simply_carry_over_is_one_sentence_each(dispositions: list[str], note: str) -> None:
    rows = [step(word, new="" if "dropped" in word else "n") for word in dispositions]
    assert notes_of([*rows, step()]) == [note]


def test_what_carried_over_is_not_worth_a_note() -> None:
    assert notes_of([step(), step("unchanged"), step("resolved")]) == []
    assert notes_of([]) == []


def test_fixup_commits_are_kept_and_said_to_be_unless_they_were_dropped() -> None:
    rows = [step(subject="fixup! a"), step(subject="squash! b"), step("dropped_empty", "amend! c", "")]
    assert notes_of(rows) == [
        "dropped 1 commit with nothing left",
        "kept 2 fixup commits unsquashed; git rebase --autosquash folds them in",
    ]
    assert notes_of([step(subject="a fixup! of sorts")]) == []


@given(st.integers(min_value=0, max_value=10**6))
def test_only_one_is_singular(number: int) -> None:
    assert count_of(number, "commit") == f"{number} commit" + ("" if number == 1 else "s")


def test_before_the_clone_no_path_has_changed() -> None:
    assert changed_paths(WORK, None) == ()  # type: ignore[arg-type]  # there is nothing to ask the mirror for
