"""Following a job over plain HTTP: its log by bytes, and both its log and its events as server-sent events."""

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar
from uuid import UUID

import falcon
from falcon.asgi import Request, Response, SSEvent

from flowforge.api.auth import principal_of
from flowforge.api.desk import Desk
from flowforge.api.live import Batch, Live
from flowforge.api.models import EventOut
from flowforge.api.operation import Contract, operation
from flowforge.api.stories import Stories, event_sse, log_out, log_sse
from flowforge.api.stream_models import LogOut, LogPiece, LogQuery
from flowforge.core.access import Operation
from flowforge.core.errors import Refused

MEDIA_SSE = "text/event-stream"
_RESUME = {"Last-Event-ID": "id of the last event that was seen; the stream goes on strictly behind it"}
_DIGITS = 18  # fits into Postgres' bigint

Item = TypeVar("Item", EventOut, LogPiece)


class Following:
    def __init__(self, *, desk: Desk, live: Live, stories: Stories) -> None:
        self._desk = desk
        self._live = live
        self._stories = stories

    @operation(
        Contract(
            name="read_log",
            tag="jobs",
            needs=Operation.READ,
            answers={200: LogOut, 204: None},
            media={200: "text/plain"},
            refuses=(404,),
            headers=_RESUME,
        )
    )
    async def on_get_logs(self, req: Request, resp: Response, query: LogQuery, job: UUID) -> None:
        """Read a job's log from a byte offset on, as JSON or (Accept: text/plain) as it was written.

        With Accept: text/event-stream it is followed from there until the job is final: events `log`, each a
        LogPiece as JSON, their id the offset behind them; 204 means that nothing follows what was seen.
        """
        resp.append_header("Vary", "Accept")
        kinds = [falcon.MEDIA_JSON, falcon.MEDIA_TEXT, MEDIA_SSE]
        kind = req.client_prefers(kinds)
        if kind == MEDIA_SSE:
            await self._follow_log(req, resp, query, job)
            return
        page = await self._desk.read(
            req, lambda tx: self._stories.page(tx, job, query, whole=kind != falcon.MEDIA_TEXT)
        )
        if kind == falcon.MEDIA_TEXT:
            resp.content_type = falcon.MEDIA_TEXT
            resp.set_header("X-Next-Offset", str(page.next_offset))
            resp.set_header("X-Complete", str(page.complete).lower())
            resp.data = page.text
            return
        resp.media = log_out(page)

    @operation(
        Contract(
            name="follow_events",
            tag="jobs",
            needs=Operation.READ,
            answers={200: None, 204: None},
            media={200: MEDIA_SSE},
            refuses=(404,),
            headers=_RESUME,
        )
    )
    async def on_get_events(self, req: Request, resp: Response, job: UUID) -> None:
        """Follow a job's events as server-sent events until it is final.

        Every event's id is its `seq`, its data an EventOut as JSON. 204 means that the job is final and nothing
        follows what was seen.
        """

        async def look(after: int) -> Batch[EventOut]:
            return await self._desk.read(req, lambda tx: self._stories.events(tx, job, after))

        seen = last_seen(req.get_header("Last-Event-ID"))
        after = await self._desk.read(req, lambda tx: _within(seen, self._stories.head(tx, job)))
        first = await look(after)
        self._stream(req, resp, first, event_sse, lambda: self._live.batches(job, _eyes(req), look, after))

    async def _follow_log(self, req: Request, resp: Response, query: LogQuery, job: UUID) -> None:
        async def look(offset: int) -> Batch[LogPiece]:
            return await self._desk.read(req, lambda tx: self._stories.log(tx, job, offset, query))

        header = req.get_header("Last-Event-ID")
        seen = last_seen(header)
        start = await self._desk.read(req, lambda tx: self._stories.start(tx, job, query, seen))
        first = await look(start)
        self._stream(req, resp, first, log_sse, lambda: self._live.batches(job, _eyes(req), look, start))

    def _stream(
        self,
        req: Request,
        resp: Response,
        first: Batch[Item],
        wire: Callable[[Item], SSEvent],
        batches: Callable[[], AsyncGenerator[Batch[Item] | None, None]],
    ) -> None:
        """Answer with a stream, or with 204 where there is nothing left to tell."""
        if first.final and not first.items and not first.full:
            resp.status = falcon.HTTP_204
            return
        resp.data = b""  # there is no page whose shape could be checked
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Accel-Buffering", "no")  # a proxy that collects would hold events back
        resp.sse = self._on_wire(req, wire, batches)

    async def _on_wire(
        self,
        req: Request,
        wire: Callable[[Item], SSEvent],
        batches: Callable[[], AsyncGenerator[Batch[Item] | None, None]],
    ) -> AsyncGenerator[SSEvent | None, None]:
        """None is a heartbeat (a comment line). A token that ends, ends the stream: its client is told on reopening."""
        yield None  # at once: servers hold the head of an answer back until there is something of its body
        try:
            async for batch in self._live.trusted(batches(), req.context.believe):
                for item in batch.items if batch else ():
                    yield wire(item)
                if batch is None:
                    yield None
        except Refused:
            return


def _eyes(req: Request) -> UUID:
    return principal_of(req).organization


def last_seen(header: str | None) -> int:
    """The number in Last-Event-ID; 0 (from the beginning) where it is none of ours."""
    text = (header or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def _within(seen: int, head: int) -> int:
    """A number that was never given is answered like none: with everything."""
    return seen if seen <= head else 0
