"""Where a push goes, what it needs first, and what its outcome is called: all without a remote."""

from dataclasses import replace

import pytest

from flowforge.core.errors import FlowForgeError, Reason, Refused, Temporary
from flowforge.core.pipeline import StageSpec
from flowforge.git.push import PushOutcome
from flowforge.pipeline.context import Work
from flowforge.pipeline.stages.push import (
    Destination,
    choose_destination,
    refuse_unfinished,
    refuse_unproven,
    told,
    wanted_decision,
)

OLD, UP, HEAD, TREE = "a" * 40, "b" * 40, "c" * 40, "d" * 40
WORK = Work(
    branch="topic", target="main", old_head=OLD, upstream=UP, head=HEAD, tree=TREE, validated_tree=TREE
)


def push(**options: object) -> StageSpec:
    return StageSpec(id="push", uses="push", options=options)


@pytest.mark.parametrize(
    ("options", "ref", "old", "require"),
    [
        ({}, "refs/heads/topic", OLD, "validated"),
        ({"to": "head", "require": "tested"}, "refs/heads/topic", OLD, "tested"),
        ({"to": "target"}, "refs/heads/main", UP, "tested"),
        ({"to": "target", "require": "validated"}, "refs/heads/main", UP, "validated"),
        ({"to": "new-branch"}, "refs/heads/flowforge/topic", "0" * 40, "validated"),
        ({"to": "new-branch", "branch": "x/y"}, "refs/heads/x/y", "0" * 40, "validated"),
    ],
)
def test_options_choose_one_ref_and_its_lease(
    options: dict[str, str], ref: str, old: str, require: str
) -> None:
    assert choose_destination(push(**options), WORK) == Destination(ref=ref, old=old, require=require)


def test_a_repository_of_longer_ids_has_longer_zeros() -> None:
    work = replace(WORK, head="c" * 64)
    assert choose_destination(push(to="new-branch"), work).old == "0" * 64


@pytest.mark.parametrize(
    ("require", "changes", "reason"),
    [
        ("validated", {}, None),
        ("validated", {"validated_tree": ""}, Reason.NOT_VALIDATED),
        ("validated", {"validated_tree": "", "tested_tree": TREE}, None),
        ("validated", {"validated_tree": "e" * 40}, Reason.NOT_VALIDATED),
        ("tested", {}, Reason.NOT_TESTED),
        ("tested", {"tested_tree": TREE}, None),
        ("tested", {"tested_tree": TREE, "validated_tree": ""}, None),
        ("tested", {"tested_tree": "e" * 40}, Reason.NOT_TESTED),
        ("tested", {"approve": ("a",)}, Reason.NOT_TESTED),
    ],
)
def test_what_is_pushed_is_what_was_proven(
    require: str, changes: dict[str, object], reason: Reason | None
) -> None:
    work = replace(WORK, **changes)  # type: ignore[arg-type]  # fields of Work
    if reason is None:
        refuse_unproven(require, work)
        return
    with pytest.raises(Refused) as refused:
        refuse_unproven(require, work)
    assert refused.value.reason is reason
    assert refused.value.next_action


@pytest.mark.parametrize(
    ("changes", "approved", "words"),
    [
        ({}, (), ""),
        ({"unconfirmed": ("a",)}, (), "answers for a are proposals"),
        ({"unconfirmed": ("a",), "tested_tree": TREE}, (), ""),
        ({"unconfirmed": ("a",)}, (TREE,), ""),
        ({"unconfirmed": ("a",)}, ("e" * 40,), "answers for a are proposals"),
        ({"approve": ("a", "b"), "tested_tree": TREE}, (), "approve what was resolved in a, b"),
        ({"approve": ("a",), "tested_tree": TREE}, (TREE,), ""),
        ({"approve": ("a",), "tested_tree": TREE}, ("e" * 40,), "approve what was resolved in a"),
    ],
)
def test_a_person_is_asked_for_this_very_tree_and_once(
    changes: dict[str, object], approved: tuple[str, ...], words: str
) -> None:
    asked = wanted_decision(replace(WORK, **changes), approved)  # type: ignore[arg-type]  # fields of Work
    assert words in asked
    assert bool(asked) is bool(words)


@pytest.mark.parametrize(("pending", "words"), [(("x",), "1 commit left"), (("x", "y"), "2 commits left")])
def test_half_a_branch_is_refused_in_numbers(pending: tuple[str, ...], words: str) -> None:
    with pytest.raises(Refused, match=words):
        refuse_unfinished(replace(WORK, pending=pending))
    refuse_unfinished(WORK)


HEAD_REF = Destination(ref="refs/heads/topic", old=OLD, require="validated")
NEW_REF = Destination(ref="refs/heads/new", old="0" * 40, require="validated")


@pytest.mark.parametrize(
    ("destination", "tip", "sentence"),
    [
        (HEAD_REF, HEAD, "topic moved from aaaaaaaaaa to cccccccccc (validated, not tested)"),
        (HEAD_REF, "f" * 40, "topic moved from aaaaaaaaaa to ffffffffff (by an earlier attempt of this job)"),
        (NEW_REF, HEAD, "new was made at cccccccccc (validated, not tested)"),
    ],
)
def test_what_landed_is_told_by_what_the_remote_has(
    destination: Destination, tip: str, sentence: str
) -> None:
    for status in ("pushed", "already"):
        result = told("push", destination, WORK, PushOutcome(status=status, tip=tip))
        assert (result.reason, result.sentence) == (Reason.PUSHED, sentence)
        assert result.outputs["new"] == tip
        assert ("tree" in result.outputs) is (tip == HEAD)


@pytest.mark.parametrize(
    ("destination", "outcome", "reason", "words"),
    [
        (
            HEAD_REF,
            PushOutcome(status="moved", tip="f" * 40),
            Reason.REMOTE_MOVED,
            "topic moved to ffffffffff",
        ),
        (HEAD_REF, PushOutcome(status="moved", tip=""), Reason.REMOTE_MOVED, "topic was moved or removed"),
        (NEW_REF, PushOutcome(status="moved", tip="f" * 40), Reason.REMOTE_MOVED, "new is there already"),
        (
            HEAD_REF,
            PushOutcome(status="rejected", tip=OLD, detail="protected"),
            Reason.PUSH_REJECTED,
            "refused the push of topic: protected",
        ),
        (HEAD_REF, PushOutcome(status="unknown", tip=""), Reason.REPOSITORY_UNREACHABLE, "did not say"),
    ],
)
def test_every_other_outcome_has_its_reason_its_words_and_a_next_step(
    destination: Destination, outcome: PushOutcome, reason: Reason, words: str
) -> None:
    with pytest.raises(FlowForgeError, match=words) as error:
        told("push", destination, WORK, outcome)
    assert error.value.reason is reason
    assert error.value.next_action
    assert isinstance(error.value, Temporary) is (outcome.status == "unknown")
