import asyncio
from collections.abc import AsyncIterator

import falcon
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.api.media import DEPTH_LIMIT, StrictJSON, parse, read_at_most
from flowforge.core.errors import Reason, Refused


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 1, "a": 2}', "same key twice"),
        (b'{"x": {"a": 1, "a": 1}}', "same key twice"),
        (b"[" * 40 + b"]" * 40, "nests deeper"),
        (b"[" * 200_000, "nests deeper"),
        (b'{"a":' * 100_000, "nests deeper"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too long"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "line 1, column 2"),
        (b"{} {}", "extra data"),
        (b"{'a': 1}", "line 1"),
    ],
)
def test_what_the_standard_library_might_take_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        parse(body)
    assert caught.value.reason is Reason.MALFORMED
    assert caught.value.next_action


def test_ordinary_values_come_through() -> None:
    assert parse(b'{"a": [1, 2.5, true, null, "\\ud83d\\ude00"]}') == {
        "a": [1, 2.5, True, None, "\U0001f600"]
    }


def test_nesting_up_to_the_limit_is_read() -> None:
    assert parse(b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT) is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    try:
        parse(body)
    except Refused as refused:
        assert refused.reason is Reason.MALFORMED  # noqa: PT017 (either outcome is fine, nothing else is)


class Chunks:
    """A body that counts how much of it was taken."""

    def __init__(self, size: int, number: int) -> None:
        self.size, self.number, self.taken = size, number, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.number):
            self.taken += 1
            yield b" " * self.size


def test_a_body_without_a_length_is_left_at_the_limit() -> None:
    body = Chunks(1000, 10_000)
    with pytest.raises(Refused) as caught:
        asyncio.run(read_at_most(body, 4500))
    assert caught.value.reason is Reason.TOO_LARGE
    assert body.taken == 5


def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    body = Chunks(1000, 10)
    with pytest.raises(Refused):
        asyncio.run(StrictJSON(4500).deserialize_async(body, "application/json", 5000))
    assert body.taken == 0


def test_an_empty_body_is_told_from_a_wrong_one() -> None:
    with pytest.raises(falcon.MediaNotFoundError):
        asyncio.run(StrictJSON().deserialize_async(Chunks(0, 1), "application/json", 0))
