"""A finished job's log in one file: its pieces as they were written, compressed, with an index that finds any of them.

    block block ... block index        each of them one zlib stream, so damage is found when it is read

A block holds whole pieces, about 256 KiB of them. The index is JSON: the stages by name, a row `[at, length]` for
each block, and a row `[seq, attempt, stage, microseconds, bytes, block]` for each piece. The same pieces make the
same file. Reading takes ranges, never the whole.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any

from flowforge.core.errors import Broken, Reason
from flowforge.store.events import LogChunk

BLOCK = 256 * 1024  # bytes of log in one block, before compression
LARGEST_INDEX = 64 << 20  # bytes, once unpacked
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Range = Callable[[int, int], bytes]  # (begin, length) -> those bytes of the file


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What must be known of a file to read it."""

    index_at: int  # bytes before the index
    stored: int  # bytes of the file
    size: int  # bytes of the log
    pieces: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """A piece without its text."""

    seq: int
    attempt: int
    stage: str
    at: datetime
    starts: int  # offset of its first byte in the whole log
    length: int
    block: int


@dataclass(frozen=True, kw_only=True)
class Index:
    blocks: Sequence[tuple[int, int]]  # (where, how many bytes) in the file
    places: Sequence[Place]


class Packer:
    """Takes pieces in order, writes blocks as they fill; `end` writes the index."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._stages: dict[str, int] = {}
        self._blocks: list[tuple[int, int]] = []
        self._pieces: list[list[int]] = []
        self._waiting: list[bytes] = []
        self._held = self._written = self._size = 0

    def add(self, chunk: LogChunk) -> None:
        stage = self._stages.setdefault(chunk.stage, len(self._stages))
        moment = (chunk.at - _EPOCH) // _MICROSECOND
        self._pieces.append([chunk.seq, chunk.attempt, stage, moment, len(chunk.text), len(self._blocks)])
        self._waiting.append(chunk.text)
        self._held += len(chunk.text)
        self._size += len(chunk.text)
        if self._held >= BLOCK:
            self._end_block()

    def end(self) -> Packed:
        if self._waiting:
            self._end_block()
        index = {"version": 1, "stages": list(self._stages), "blocks": self._blocks, "pieces": self._pieces}
        index_at = self._written
        self._write(json.dumps(index, separators=(",", ":")).encode())
        return Packed(index_at=index_at, stored=self._written, size=self._size, pieces=len(self._pieces))

    def _end_block(self) -> None:
        where = self._written
        self._write(b"".join(self._waiting))
        self._blocks.append((where, self._written - where))
        self._waiting, self._held = [], 0

    def _write(self, data: bytes) -> None:
        packed = zlib.compress(data, 6)
        self._file.write(packed)
        self._written += len(packed)


def pack(chunks: Iterable[LogChunk], file: IO[bytes]) -> Packed:
    """Write pieces, in the order of their numbers, into a file."""
    packer = Packer(file)
    for chunk in chunks:
        packer.add(chunk)
    return packer.end()


class PackedLog:
    """Reads a packed file by ranges; each block is read once."""

    def __init__(self, read: Range, *, index_at: int, stored: int) -> None:
        """Raises:
        Broken: the index is damaged.
        """
        self._read = read
        self.index = _index(_unpacked(read(index_at, stored - index_at), LARGEST_INDEX))
        self._block: tuple[int, int, bytes] = (-1, 0, b"")  # number, offset in the log, text

    @property
    def places(self) -> Sequence[Place]:
        return self.index.places

    def chunk(self, place: Place) -> LogChunk:
        """A piece with its text.

        Raises:
            Broken: the block is damaged.
        """
        if self._block[0] != place.block:
            self._block = (place.block, self._first(place), self._text(place.block))
        _, starts, text = self._block
        begin = place.starts - starts
        found = text[begin : begin + place.length]
        if len(found) != place.length:
            raise _damaged()
        row = {name: value for name, value in vars(place).items() if name not in {"length", "block"}}
        return LogChunk(**row, text=found)

    def _text(self, block: int) -> bytes:
        where, length = self.index.blocks[block]
        return _unpacked(self._read(where, length), 2 * BLOCK)

    def _first(self, place: Place) -> int:
        """Where a block begins in the whole log: at the first of its pieces."""
        low, high = 0, len(self.places)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.places[middle].block < place.block else (low, middle)
        return self.places[low].starts


def _index(data: bytes) -> Index:
    try:
        raw: dict[str, Any] = json.loads(data)
        stages, places, starts = raw["stages"], [], 0
        for seq, attempt, stage, moment, length, block in raw["pieces"]:
            at = _EPOCH + moment * _MICROSECOND
            places.append(
                Place(
                    seq=seq,
                    attempt=attempt,
                    stage=stages[stage],
                    at=at,
                    starts=starts,
                    length=length,
                    block=block,
                )
            )
            starts += length
        return Index(blocks=[(where, length) for where, length in raw["blocks"]], places=places)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _damaged() from error


def _unpacked(data: bytes, most: int) -> bytes:
    """One zlib stream of at most `most` bytes; its own checksum finds damage."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, most)
    except zlib.error as error:
        raise _damaged() from error
    if not unpacker.eof:
        raise _damaged()
    return text


def _damaged() -> Broken:
    return Broken(
        Reason.INTERNAL_ERROR,
        "the kept log of this job is damaged",
        next_action="check the disk of the artifact store; the job itself is not touched",
    )
