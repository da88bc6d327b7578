"""What a stream of one job reads each time it looks: its events, its log, or both in the order of their numbers."""

import codecs
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from falcon.asgi import Request, SSEvent

from flowforge.api.desk import Desk
from flowforge.api.feeds import MOST, News
from flowforge.api.live import Batch
from flowforge.api.models import EventOut
from flowforge.api.shapes import event_out
from flowforge.api.stream_models import LiveEvent, LiveLog, LogOut, LogPiece, LogQuery, PieceOut
from flowforge.artifacts.store import Artifacts
from flowforge.core.job import Job
from flowforge.jobs import read
from flowforge.jobs.log import LogPage, joined, log_behind, log_end, read_log
from flowforge.jobs.log import LogQuery as Query
from flowforge.store import events as story
from flowforge.store.events import JobEvent, LogChunk
from flowforge.store.transaction import Transaction

EVENTS_AT_ONCE = 200
PIECES_AT_ONCE = 16
LOG_AT_ONCE = 1 << 16  # bytes; as JSON still far below what clients take as one message

Message = LiveEvent | LiveLog


class Stories:
    def __init__(self, *, desk: Desk, artifacts: Artifacts | None) -> None:
        self._desk = desk
        self._artifacts = artifacts

    def head(self, tx: Transaction, job: UUID) -> int:
        """The highest number of a job's story."""
        return story.head(tx, job)

    def events(self, tx: Transaction, job: UUID, after: int) -> Batch[EventOut]:
        """Events behind a number."""
        seen, head = looked(tx, job)
        found = read.events(tx, job, after=after, limit=EVENTS_AT_ONCE)
        return Batch(
            items=[event_out(event) for event in found],
            next=found[-1].seq if found else after,
            head=head,
            final=seen.final,
            full=len(found) == EVENTS_AT_ONCE,
        )

    def page(self, tx: Transaction, job: UUID, asked: LogQuery, *, whole: bool) -> LogPage:
        """A page of the log as it was asked for."""
        return read_log(tx, read.get(tx, job), query_of(asked, asked.offset, whole=whole), self._artifacts)

    def start(self, tx: Transaction, job: UUID, asked: LogQuery, seen: int) -> int:
        """Where a stream of the log begins: behind what was seen, or where it was asked to.

        An offset that the log has not reached yet was never seen; it is answered like none.
        """
        if 0 < seen <= log_end(tx, read.get(tx, job)):
            return seen
        return self.page(tx, job, asked, whole=False).offset

    def log(self, tx: Transaction, job: UUID, offset: int, asked: LogQuery) -> Batch[LogPiece]:
        """The log from an offset on, neighbours joined, ending with a whole character."""
        found, head = looked(tx, job)
        query = replace(query_of(asked, offset, whole=True), limit=LOG_AT_ONCE, tail=0)
        page = read_log(tx, found, query, self._artifacts)
        return Batch(
            items=[log_piece(piece) for piece in joined(page.pieces)],
            next=page.next_offset,
            head=head,
            final=found.final,
            full=page.more,
        )

    def reader(self, req: Request, job: Job, *, logs: bool) -> Callable[[int], Awaitable[Batch[Message]]]:
        """What a WebSocket of one job looks with; it remembers the beginnings of characters."""
        decoders = Decoders()

        async def look(after: int) -> Batch[Message]:
            return await self._desk.read(req, lambda tx: self._both(tx, job, after, decoders, logs=logs))

        return look

    def _both(
        self, tx: Transaction, known: Job, after: int, decoders: "Decoders", *, logs: bool
    ) -> Batch[Message]:
        """Events and pieces in one order; where one of the two was cut, what lies behind the cut waits."""
        job, head = looked(tx, known.id)
        events = story.after(tx, job.id, after, EVENTS_AT_ONCE)
        pieces = log_behind(tx, job, after, self._artifacts, PIECES_AT_ONCE) if logs else ()
        cuts = [
            found[-1].seq
            for found, most in ((events, EVENTS_AT_ONCE), (pieces, PIECES_AT_ONCE))
            if len(found) >= most
        ]
        upto = min(cuts, default=max(head, after))
        both: list[JobEvent | LogChunk] = [*events, *pieces]
        both = sorted((one for one in both if one.seq <= upto), key=lambda one: one.seq)
        items = [
            live_event(job, one) if isinstance(one, JobEvent) else decoders.log(job, one) for one in both
        ]
        return Batch(
            items=[item for item in items if item is not None],
            next=upto,
            head=head,
            final=job.final,
            full=bool(cuts),
        )


def looked(tx: Transaction, identity: UUID) -> tuple[Job, int]:
    """The job, and a number up to which all of its story stands: to be read before what it tells.

    The number comes before the state, or who saw the last number beside a state that was not the last would wait for
    a next one. A job that was seen final writes no more, so its number is asked again.
    """
    head = story.head(tx, identity)
    job = read.get(tx, identity)
    return job, story.head(tx, identity) if job.final else head


class Decoders:
    """Texts of one stream's pieces: the beginning of a character is shown with its end."""

    def __init__(self) -> None:
        self._of: tuple[str, int] = ("", 0)
        self._decoder = _decoder()

    def log(self, job: Job, piece: LogChunk) -> LiveLog | None:
        """None where a piece is nothing but the beginning of a character."""
        if self._of != (piece.stage, piece.attempt):
            self._of, self._decoder = (piece.stage, piece.attempt), _decoder()
        text = self._decoder.decode(piece.text)
        shown = {**log_piece(piece).model_dump(exclude={"text"}), "text": text}
        return LiveLog(**shown, after=str(piece.seq), job=job.id) if text else None


def query_of(asked: LogQuery, offset: int, *, whole: bool) -> Query:
    return Query(
        offset=offset,
        limit=asked.limit,
        stage=asked.stage,
        attempt=asked.attempt,
        tail=asked.tail,
        whole=whole,
    )


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("replace")


def log_out(page: LogPage) -> LogOut:
    """Bytes as text: what is no UTF-8 is shown as a replacement character, offsets still count bytes."""
    return LogOut(
        offset=page.offset,
        next_offset=page.next_offset,
        complete=page.complete,
        removed=page.removed,
        text=page.text.decode("utf-8", errors="replace"),
        pieces=[
            PieceOut(
                seq=piece.seq,
                stage=piece.stage,
                attempt=piece.attempt,
                at=piece.at,
                offset=piece.starts,
                size=len(piece.text),
            )
            for piece in page.pieces
        ],
    )


def log_piece(piece: LogChunk) -> LogPiece:
    return LogPiece(
        seq=piece.seq,
        stage=piece.stage,
        attempt=piece.attempt,
        at=piece.at,
        offset=piece.starts,
        next_offset=piece.starts + len(piece.text),
        text=piece.text.decode("utf-8", errors="replace"),
    )


def live_event(job: Job, event: JobEvent) -> LiveEvent:
    return LiveEvent(
        after=str(event.seq),
        job=job.id,
        repository=job.repository,
        seq=event.seq,
        kind=event.kind,
        at=event.at,
        data=dict(event.data),
    )


def event_sse(event: EventOut) -> SSEvent:
    """One event on the wire: its seq as id, its kind as name, all of it as JSON on one line."""
    return SSEvent(text=event.model_dump_json(), event=event.kind, event_id=str(event.seq))


def log_sse(piece: LogPiece) -> SSEvent:
    """A piece of the log: the offset behind it as id."""
    return SSEvent(text=piece.model_dump_json(), event="log", event_id=str(piece.next_offset))


def news(tx: Transaction, organization: UUID, seen: str, upto: str) -> News:
    """What an organization's feed shows next; with `seen` "" only where it begins."""
    now = upto or story.snapshot(tx)
    found = story.feed(tx, organization, seen, now, MOST + 1) if seen else []
    return News(now=now, events=found[:MOST], full=len(found) > MOST)
