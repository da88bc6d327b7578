"""Our own pattern of branch names never lets through what git refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowforge.core.errors import Reason, Refused
from flowforge.git.names import check_ref, plain_ref

ODD = st.text(st.sampled_from("ab.@/-_#+=,%{}\\~^: *?[éлü漢😀\u200b\n\0"), max_size=9)
PIECES = st.lists(st.sampled_from(["a", ".", "..", "/", "//", "@", "@{", ".lock", "HEAD", "refs/", "-", "é"]))


@settings(max_examples=60, deadline=None)
@given(ODD | PIECES.map("".join))
def test_what_the_pattern_lets_through_git_takes_too(name: str) -> None:
    try:
        short = plain_ref(name)
    except Refused as refused:
        assert refused.reason is Reason.INVALID_REF  # noqa: PT017 (either outcome is fine)
    else:
        assert check_ref(name) == short


@pytest.mark.parametrize("name", ["feature", "refs/heads/feature"])
def test_the_short_name_is_given(name: str) -> None:
    assert plain_ref(name) == "feature"
