"""Versions of several ecosystems: which is surely lower."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.merge.releases import below, highest

LOWER_FIRST = [
    ("1.0", "1.1"),
    ("1.9", "1.10"),
    ("1.2.3", "2"),
    ("1.0.0-alpha.1", "1.0.0"),
    ("1.0.0-alpha.2", "1.0.0-alpha.10"),
    ("1.0.0-alpha", "1.0.0-beta"),
    ("2.0rc1", "2.0"),
    ("2.0a1", "2.0b1"),
    ("2.0.dev3", "2.0"),
    ("1.0", "1.0.post1"),
    ("9.9", "1!0.1"),
    ("v1.2.0", "v1.2.1"),
    ("v0.0.0-20210101000000-aaaaaaaaaaaa", "v0.0.0-20220101000000-000000000000"),
    ("v2.0.0+incompatible", "v2.0.1+incompatible"),
]


@pytest.mark.parametrize(("low", "high"), LOWER_FIRST)
def test_the_lower_one_is_known(low: str, high: str) -> None:
    assert below(low, high)
    assert not below(high, low)


@pytest.mark.parametrize("same", [("1.0", "1.0.0"), ("v1.2", "1.2"), ("1.0+a", "1.0+b"), ("1.0-x", "1.0-x")])
def test_the_same_version_is_not_lower(same: tuple[str, str]) -> None:
    assert not below(*same)
    assert not below(*reversed(same))


@pytest.mark.parametrize(
    "odd", ["", "latest", "git+ssh://host/x#abc", "file:../x", "1" * 500, "1." * 50, "²", "\u0661.\u0662"]
)
def test_what_is_no_version_has_no_order(odd: str) -> None:
    assert not below(odd, "1.0")
    assert not below("1.0", odd)
    assert highest(["1.0", odd]) == ""


def test_the_highest_of_several() -> None:
    assert highest(["1.9", "1.10", "1.10.0-rc1"]) == "1.10"
    assert highest([]) == ""


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_two_texts_are_each_below_the_other(one: str, other: str) -> None:
    assert not (below(one, other) and below(other, one))
