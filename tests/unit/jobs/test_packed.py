"""A packed log gives back every piece as it was, reads ranges only, and notices damage."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.errors import Broken
from flowforge.jobs.packed import BLOCK, PackedLog, pack
from flowforge.store.events import LogChunk

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)

TEXTS = st.lists(
    st.tuples(
        st.sampled_from(["clone", "test", "tëst"]), st.integers(1, 3), st.binary(min_size=1, max_size=20)
    ),
    max_size=30,
)


def chunks_of(texts: list[tuple[str, int, bytes]]) -> list[LogChunk]:
    found, starts = [], 0
    for number, (stage, attempt, text) in enumerate(texts):
        at = NOON + timedelta(microseconds=number * 777_777)
        found.append(
            LogChunk(seq=3 * number + 2, attempt=attempt, stage=stage, at=at, starts=starts, text=text)
        )
        starts += len(text)
    return found


class File:
    """A packed file that counts what is read of it."""

    def __init__(self, chunks: list[LogChunk]) -> None:
        written = io.BytesIO()
        self.packed = pack(chunks, written)
        self.data = bytearray(written.getvalue())
        self.reads: list[tuple[int, int]] = []

    def read(self, begin: int, length: int) -> bytes:
        self.reads.append((begin, length))
        return bytes(self.data[begin : begin + length])

    def open(self) -> PackedLog:
        return PackedLog(self.read, index_at=self.packed.index_at, stored=self.packed.stored)


@given(TEXTS)
def test_every_piece_comes_back_as_it_was(texts: list[tuple[str, int, bytes]]) -> None:
    chunks = chunks_of(texts)
    file = File(chunks)
    log = file.open()
    assert [log.chunk(place) for place in log.places] == chunks
    assert file.packed.size == sum(len(chunk.text) for chunk in chunks)
    assert (file.packed.pieces, file.packed.stored) == (len(chunks), len(file.data))


def long(pieces: int = 40) -> list[LogChunk]:
    return chunks_of([("test", 1, bytes([65 + n % 26]) * 65_536) for n in range(pieces)])


def test_the_same_pieces_make_the_same_file() -> None:
    assert File(long()).data == File(long()).data


def test_a_piece_in_the_middle_is_read_with_its_block_alone() -> None:
    file = File(long())
    log = file.open()
    assert log.chunk(log.places[21]).text == b"V" * 65_536
    assert len(file.reads) == 2, "the index and one block"
    assert log.chunk(log.places[22]).text[:1] == b"W"
    assert len(file.reads) == 2, "the next piece lies in the same block"
    assert sum(length for _, length in file.reads) < len(file.data) / 2


def test_a_block_holds_no_more_than_it_may() -> None:
    log = File(long()).open()
    held = {place.block: 0 for place in log.places}
    for place in log.places:
        held[place.block] += place.length
    assert max(held.values()) < BLOCK + 65_536
    assert len(held) == len(log.index.blocks) == 10


def test_any_damaged_byte_is_noticed() -> None:
    texts = [("test", 1, f"line {n}\n".encode() * 5) for n in range(20)]
    file = File(chunks_of(texts))
    for at in range(len(file.data)):
        file.data[at] ^= 0xFF
        with pytest.raises(Broken):  # noqa: PT012 (either step may notice)
            log = file.open()
            _ = [log.chunk(place) for place in log.places]
        file.data[at] ^= 0xFF


def test_a_file_that_was_cut_is_noticed() -> None:
    file = File(chunks_of([("test", 1, b"some text")]))
    del file.data[-3:]
    with pytest.raises(Broken):
        file.open()


def test_an_empty_log_has_no_places() -> None:
    assert File([]).open().places == []
