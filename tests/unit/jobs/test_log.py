"""Pages of a log: what is cut where."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.jobs.log import cut, joined, unfinished, whole_characters
from flowforge.store.events import LogChunk

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def chunk(starts: int, text: bytes, stage: str = "test", attempt: int = 1) -> LogChunk:
    return LogChunk(seq=starts + 1, attempt=attempt, stage=stage, at=NOON, starts=starts, text=text)


@given(st.text(max_size=20), st.integers(0, 90))
def test_what_is_cut_off_is_never_more_than_the_begun_character(text: str, end: int) -> None:
    data = text.encode()[:end]
    kept = data[: len(data) - unfinished(data)]
    assert kept.decode() == text[: len(kept.decode())]
    assert unfinished(data) < 4
    if len(data) == len(text.encode()):
        assert unfinished(data) == 0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b"", 0),
        (b"a", 0),
        (b"\xff", 0),
        (b"\x80\x80\x80\x80\x80", 0),
        (b"a\xe2", 1),
        (b"a\xe2\x82", 2),
        (b"\xf0\x9f\x98", 3),
    ],
)
def test_bytes_that_are_no_text_are_not_waited_for(text: bytes, count: int) -> None:
    assert unfinished(text) == count


def test_a_character_over_several_pieces_is_kept_back_whole() -> None:
    pieces = [chunk(0, b"ab"), chunk(2, b"c\xf0"), chunk(4, b"\x9f"), chunk(5, b"\x98")]
    assert whole_characters(pieces) == [chunk(0, b"ab"), chunk(2, b"c")]


def test_neighbours_of_one_stage_and_attempt_are_joined_and_no_others() -> None:
    pieces = [
        chunk(0, b"ab"),
        chunk(2, b"c"),
        chunk(3, b"d", "push"),
        chunk(4, b"e"),
        chunk(5, b"f", attempt=2),
    ]
    found = list(joined(pieces))
    assert [(one.starts, one.text, one.stage, one.attempt) for one in found] == [
        (0, b"abc", "test", 1),
        (3, b"d", "push", 1),
        (4, b"e", "test", 1),
        (5, b"f", "test", 2),
    ]
    assert found[0].seq == 3, "the number of the last: a reader that saw it has seen all of them"


@given(
    texts=st.lists(st.binary(min_size=1, max_size=5), max_size=8),
    offset=st.integers(0, 50),
    limit=st.integers(1, 50),
)
def test_a_cut_gives_the_bytes_of_the_whole_log_there(texts: list[bytes], offset: int, limit: int) -> None:
    chunks, starts = [], 0
    for text in texts:
        chunks.append(chunk(starts, text))
        starts += len(text)
    pieces = cut(chunks, offset, limit)
    assert b"".join(piece.text for piece in pieces) == b"".join(texts)[offset : offset + limit]
    assert all(piece.text for piece in pieces)
