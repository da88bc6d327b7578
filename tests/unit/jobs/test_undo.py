"""What may be undone and how long an undo waits, from the rows of the pushes alone."""

from typing import Any

import pytest

from flowforge.git.push import DEADLINE
from flowforge.jobs.undo import MARGIN, pushed_refs
from flowforge.pipeline.undoing import Replaced

OLD, NEW, OTHER, ZEROS = "a" * 40, "b" * 40, "c" * 40, "0" * 40
TOPIC = "refs/heads/topic"


def intent(**changes: Any) -> dict[str, Any]:
    row = {
        "ref": TOPIC,
        "old_sha": OLD,
        "new_sha": NEW,
        "outcome": "pushed",
        "bundle": "x#1",
        "attempt": 1,
        "age": 5.0,
    }
    return {**row, **changes}


def test_one_push_whose_answer_is_known_is_undone_at_once() -> None:
    (pushed,) = pushed_refs([intent()]).values()
    assert (pushed.ref, pushed.wait) == (TOPIC, 0.0)
    assert pushed.replaced == {NEW: Replaced(old=OLD, bundle="x#1")}


@pytest.mark.parametrize("outcome", ["moved", "rejected"])
def test_a_push_that_the_remote_did_not_take_leaves_nothing_to_undo(outcome: str) -> None:
    assert pushed_refs([intent(outcome=outcome)]) == {}


@pytest.mark.parametrize(
    ("rows", "wait"),
    [
        ([intent(outcome="unknown")], DEADLINE + MARGIN - 5),
        ([intent(outcome="intended", age=64.0)], 1.0),
        ([intent(outcome="unknown", age=500.0)], 0.0),
        ([intent(age=40.0), intent(outcome="already", attempt=2, age=10.0)], DEADLINE + MARGIN - 10),
        ([intent(age=400.0), intent(outcome="already", attempt=2, age=300.0)], 0.0),
    ],
)
def test_an_undo_waits_for_the_deadline_of_a_former_owners_push(
    rows: list[dict[str, Any]], wait: float
) -> None:
    (pushed,) = pushed_refs(rows).values()
    assert pushed.wait == pytest.approx(wait)


def test_what_any_attempt_meant_to_push_is_recognised() -> None:
    rows = [intent(outcome="unknown"), intent(new_sha=OTHER, outcome="already", bundle="y#2", attempt=2)]
    (pushed,) = pushed_refs(rows).values()
    assert pushed.replaced == {NEW: Replaced(old=OLD, bundle="x#1"), OTHER: Replaced(old=OLD, bundle="y#2")}


def test_each_ref_stands_for_itself() -> None:
    rows = [
        intent(ref="refs/heads/copy", old_sha=ZEROS, bundle=""),
        intent(outcome="rejected"),
        intent(ref="refs/heads/main", bundle=""),
    ]
    assert set(pushed_refs(rows)) == {"refs/heads/copy", "refs/heads/main"}
