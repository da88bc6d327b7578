"""The pause between tries."""

from hypothesis import given
from hypothesis import strategies as st

from flowforge.outbound.deliver import Patience


@given(attempts=st.integers(1, 60), draw=st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_longer_than_the_longest_nor_shorter_than_half_of_its_step(
    attempts: int, draw: float
) -> None:
    patience = Patience(first=5.0, longest=3600.0)
    step = min(3600.0, 5.0 * 2 ** (attempts - 1))
    assert step / 2 <= patience.pause(attempts, draw) <= step


def test_pauses_double() -> None:
    patience = Patience(first=2.0)
    assert [patience.pause(n, 1.0) for n in (1, 2, 3)] == [2.0, 4.0, 8.0]
