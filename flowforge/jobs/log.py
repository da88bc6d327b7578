"""A job's log as it is read: by bytes, by number, its end, or what one stage and attempt said.

A log is in the table of chunks until some time after the job has ended, then in an artifact (see `archive`). Both
answer the same questions with the same bytes and pieces, so a reader goes on over the move without noticing it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from uuid import UUID

from flowforge.artifacts.store import Artifacts
from flowforge.core.job import Job
from flowforge.jobs.archive import open_log
from flowforge.jobs.packed import PackedLog
from flowforge.store import archives, events
from flowforge.store.archives import Archive
from flowforge.store.events import LogChunk
from flowforge.store.transaction import Transaction

CHUNKS = 64  # pieces read at once
_LONGEST = 4  # bytes of a character
_GOES_ON = (0xC0, 0x80)  # mask and mark of a byte of UTF-8 that does not begin a character
_BEGINS = {2: (0xE0, 0xC0), 3: (0xF0, 0xE0), 4: (0xF8, 0xF0)}  # and of those that begin one, by its length


@dataclass(frozen=True, kw_only=True)
class LogQuery:
    """What to read. Offsets count bytes of the whole log, whatever is chosen of it."""

    offset: int = 0
    limit: int = 1 << 20  # bytes
    stage: str = ""  # "" = all
    attempt: int = 0  # 0 = all
    tail: int = 0  # begin so many bytes before the present end; 0 = at `offset`
    whole: bool = False  # end at the end of a character, so that the next page does not begin inside one

    def wants(self, stage: str, attempt: int) -> bool:
        return self.stage in {"", stage} and self.attempt in {0, attempt}


@dataclass(frozen=True, kw_only=True)
class LogPage:
    """Bytes of the log from `offset` on; `complete` when the job has ended and nothing follows."""

    offset: int
    next_offset: int
    text: bytes
    complete: bool
    pieces: tuple[LogChunk, ...]  # the same bytes by stage, attempt and time
    more: bool = False  # something follows already
    removed: bool = False  # the log was kept for its time, and is gone


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Chunks that hold what was asked for, from where on, and how many bytes the whole log has."""

    chunks: Sequence[LogChunk]
    offset: int
    size: int
    removed: bool = False


def read_log(transaction: Transaction, job: Job, query: LogQuery, artifacts: Artifacts | None) -> LogPage:
    """A page of a job's log; beyond its end there is nothing, which is no error.

    `job` must have been read before: when it is final there, nothing is written any more.

    Raises:
        Broken: the log was moved to a store that is not this one, or is damaged there.
        Temporary: that store cannot be reached.
    """
    found = _in_table(transaction, job.id, query)
    archive = archives.of_job(transaction, job.id) if job.final else None
    if archive is not None:  # what stood in the table may have been moved while it was read
        found = _in_archive(archive, query, artifacts)
    return _page(found, query, final=job.final)


def log_end(transaction: Transaction, job: Job) -> int:
    """How many bytes the log has by now."""
    size = events.log_size(transaction, job.id)
    archive = archives.of_job(transaction, job.id) if job.final else None
    return archive.size if archive is not None else size


def _in_table(transaction: Transaction, job: UUID, query: LogQuery) -> _Found:
    size = events.log_size(transaction, job)
    if not size:
        return _Found(chunks=(), offset=query.offset, size=0)
    offset = query.offset
    if query.tail:
        start = events.log_tail(transaction, job, query.tail, stage=query.stage, attempt=query.attempt)
        offset = size if start is None else start
    chunks = events.log_after(transaction, job, offset, CHUNKS, stage=query.stage, attempt=query.attempt)
    return _Found(chunks=chunks, offset=offset, size=size)


def _in_archive(archive: Archive, query: LogQuery, artifacts: Artifacts | None) -> _Found:
    if not archive.reference or archive.removed:
        return _Found(chunks=(), offset=query.offset, size=archive.size, removed=True)
    packed = open_log(artifacts, archive)
    offset = _tail(packed, query, archive.size) if query.tail else query.offset
    wanted = (
        place
        for place in packed.places
        if place.starts + place.length > offset and query.wants(place.stage, place.attempt)
    )
    chunks = []
    for place in islice(wanted, CHUNKS):
        chunks.append(packed.chunk(place))
        if sum(len(chunk.text) for chunk in chunks) >= query.limit + len(chunks[0].text):
            break  # the page is full, whatever part of the first piece is in it
    return _Found(chunks=chunks, offset=offset, size=archive.size)


def _tail(packed: PackedLog, query: LogQuery, size: int) -> int:
    begin, left = size, query.tail
    for place in reversed(packed.places):
        if left <= 0:
            break
        if query.wants(place.stage, place.attempt):
            begin = place.starts + max(0, place.length - left)
            left -= place.length
    return begin


def _page(found: _Found, query: LogQuery, *, final: bool) -> LogPage:
    pieces = cut(found.chunks, found.offset, query.limit)
    last = found.chunks[-1] if found.chunks else None
    ends = last.starts + len(last.text) if last else found.offset
    behind = pieces[-1].starts + len(pieces[-1].text) if pieces else found.offset
    read_all = behind == ends and (last is None or len(found.chunks) < CHUNKS)
    if read_all:
        behind = max(behind, found.size)
    if query.whole and not (read_all and final):
        shown = whole_characters(pieces)
        if len(shown) != len(pieces) or shown[-1:] != pieces[-1:]:
            pieces, behind = _shortened(shown, pieces, found.offset, read_all=read_all)
    return LogPage(
        offset=found.offset,
        next_offset=max(behind, found.offset),
        text=b"".join(piece.text for piece in pieces),
        complete=final and read_all,
        pieces=tuple(pieces),
        more=not read_all,
        removed=found.removed,
    )


def _shortened(
    shown: list[LogChunk], pieces: list[LogChunk], offset: int, *, read_all: bool
) -> tuple[list[LogChunk], int]:
    """The page that ends before a character which is not whole, unless it could never go on behind it."""
    kept = shown if shown or read_all else pieces
    return kept, kept[-1].starts + len(kept[-1].text) if kept else offset


def cut(chunks: Iterable[LogChunk], offset: int, limit: int) -> list[LogChunk]:
    """The first `limit` bytes of the chunks from `offset` on."""
    pieces, left = [], limit
    for chunk in chunks:
        begin = max(0, offset - chunk.starts)
        text = chunk.text[begin : begin + left]
        if text:
            pieces.append(replace(chunk, starts=chunk.starts + begin, text=text))
            left -= len(text)
    return pieces


def whole_characters(pieces: Sequence[LogChunk]) -> list[LogChunk]:
    """The pieces without the beginning of a character at their end; all of them where nothing would be left."""
    tail = b"".join(piece.text for piece in pieces[-_LONGEST:])[-_LONGEST:]
    open_ = unfinished(tail)
    kept = list(pieces)
    while open_ and kept:
        last = kept.pop()
        text = last.text[: max(0, len(last.text) - open_)]
        open_ -= len(last.text) - len(text)
        if text:
            kept.append(replace(last, text=text))
    return kept


def unfinished(text: bytes) -> int:
    """How many bytes at the end of UTF-8 text begin a character that is not whole."""
    for back in range(1, min(_LONGEST, len(text) + 1)):
        byte = text[-back]
        if byte & _GOES_ON[0] == _GOES_ON[1]:
            continue
        needs = next((n for n, (mask, mark) in _BEGINS.items() if byte & mask == mark), 1)
        return back if needs > back else 0
    return 0


def joined(pieces: Iterable[LogChunk]) -> Iterator[LogChunk]:
    """Neighbours of one stage and attempt as one: with the number and the time of the last of them."""
    held: LogChunk | None = None
    for piece in pieces:
        if held is not None and (held.stage, held.attempt) == (piece.stage, piece.attempt):
            held = replace(piece, starts=held.starts, text=held.text + piece.text)
            continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held


def log_behind(
    transaction: Transaction,
    job: Job,
    seq: int,
    artifacts: Artifacts | None,
    limit: int = CHUNKS,
) -> Sequence[LogChunk]:
    """Pieces with a number greater than `seq`, at most `limit`; where the log was removed, none.

    Raises:
        Broken, Temporary: as `read_log`.
    """
    chunks = events.log_next(transaction, job.id, seq, limit)
    archive = archives.of_job(transaction, job.id) if job.final else None
    if archive is None:
        return chunks
    if archive.removed or not archive.reference:
        return ()
    packed = open_log(artifacts, archive)
    return [packed.chunk(place) for place in islice((p for p in packed.places if p.seq > seq), limit)]
