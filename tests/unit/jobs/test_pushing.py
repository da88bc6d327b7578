"""What earlier intents leave open to a push."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Reason, Refused
from flowforge.jobs.pushing import LANDED, OPEN, Meant, landed

OUTCOMES = ("intended", "pushed", "already", "moved", "rejected", "unknown")


def meant(old: str, new: str, outcome: str) -> Meant:
    return Meant(old=old, new=new, outcome=outcome)


def test_the_first_attempt_may_push() -> None:
    assert landed([], "o") == ""


@pytest.mark.parametrize("outcome", sorted(LANDED))
def test_what_landed_is_not_pushed_again_wherever_the_ref_is_now(outcome: str) -> None:
    assert landed([meant("o", "n", outcome)], "o") == "n"
    assert landed([meant("o", "n", outcome)], "a person's") == "n"
    assert landed([meant("x", "y", "unknown"), meant("o", "n", outcome)], "a person's") == "n"


@pytest.mark.parametrize("outcome", sorted(OPEN))
def test_a_push_in_doubt_may_be_tried_again_from_the_same_tip_only(outcome: str) -> None:
    assert landed([meant("o", "n", outcome)], "o") == ""
    with pytest.raises(Refused, match="may have pushed") as refused:
        landed([meant("o", "n", outcome)], "a person's")
    assert refused.value.reason is Reason.REMOTE_MOVED
    assert refused.value.next_action


@pytest.mark.parametrize("outcome", sorted(OPEN))
def test_a_push_in_doubt_whose_commit_is_found_at_the_branch_has_landed(outcome: str) -> None:
    assert landed([meant("o", "n", outcome)], "n") == "n"
    assert landed([meant("o", "n", "moved"), meant("o", "m", outcome)], "m") == "m"


@pytest.mark.parametrize("outcome", ["moved", "rejected"])
def test_what_did_not_land_is_no_hindrance(outcome: str) -> None:
    assert landed([meant("o", "n", outcome)], "another") == ""


intents = st.lists(st.builds(meant, st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from(OUTCOMES)))


@given(earlier=intents, old=st.sampled_from("ab"))
def test_a_job_pushes_from_one_tip_or_not_at_all(earlier: list[Meant], old: str) -> None:
    try:
        there = landed(earlier, old)
    except Refused:
        there = "refused"
    if there == "":
        assert not [one for one in earlier if one.outcome in LANDED]
        assert {one.old for one in earlier if one.outcome in OPEN} <= {old}
