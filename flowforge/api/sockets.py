"""WebSocket: a job, a repository or an organization, as it happens.

The server speaks, the client listens. A client that takes nothing is dropped with a code that says so; what waits
for it is bounded all the while. Whether something does not exist or is another's, and whether a token is missing,
wrong or too weak, the handshake answers 403 to all of it: nothing else can be said before a stream stands.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from enum import IntEnum
from typing import TypeVar
from uuid import UUID

import falcon
from falcon.asgi import Request, WebSocket
from pydantic import BaseModel, ValidationError

from flowforge.api.auth import principal_of
from flowforge.api.desk import Desk
from flowforge.api.feeds import Cursor, Feeds, Told, TooFarBehind, TooSlow, read_cursor
from flowforge.api.live import Live
from flowforge.api.operation import Contract, operation
from flowforge.api.stories import Stories
from flowforge.api.stream_models import (
    SUBPROTOCOL,
    Heartbeat,
    JobLiveQuery,
    LiveEvent,
    LiveQuery,
    Ready,
)
from flowforge.core.access import Operation
from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.jobs import read
from flowforge.store import accounts

Query = TypeVar("Query", bound=BaseModel)

_PATIENT = 64  # messages of a client that has nothing to say
_HEARTBEAT = Heartbeat().model_dump_json()

_log = logging.getLogger("flowforge.api")


class Close(IntEnum):
    """Why a stream ended: 1xxx are the protocol's own codes, 4xxx ours."""

    DONE = 1000  # the job is final, and everything was sent
    GOING_AWAY = 1001  # this process stops: open the stream again, with `after`
    TALKATIVE = 1008  # the client spoke too much
    BROKEN = 1011  # FlowForge failed
    AGAIN_LATER = 1013  # the database is away
    NOT_SIGNED_IN = 4401  # the token ended
    TOO_SLOW = 4408  # the client took too little
    TOO_FAR_BEHIND = 4410  # more was missed than a stream makes up for
    INVALID = 4422  # a parameter makes no sense


_SAID = {
    Close.DONE: "the job is final",
    Close.GOING_AWAY: "this server stops: open the stream again with `after`",
    Close.TALKATIVE: "this stream listens to nobody",
    Close.BROKEN: "FlowForge failed; what happened is in its log",
    Close.AGAIN_LATER: "a service that FlowForge needs does not answer",
    Close.NOT_SIGNED_IN: "the token is not valid any more",
    Close.TOO_SLOW: "too slow: read faster, or go on with `after`",
    Close.TOO_FAR_BEHIND: "too far behind: ask for the jobs, then begin without `after`",
}


_CODES: dict[type[Exception], Close] = {
    TooSlow: Close.TOO_SLOW,
    TooFarBehind: Close.TOO_FAR_BEHIND,
    Temporary: Close.AGAIN_LATER,
    Refused: Close.NOT_SIGNED_IN,  # those that are not about a parameter
}


class Sockets:
    def __init__(self, *, desk: Desk, live: Live, feeds: Feeds, stories: Stories) -> None:
        self._desk = desk
        self._live = live
        self._feeds = feeds
        self._stories = stories

    @operation(Contract(name="live_job", tag="live", needs=Operation.READ, answers={}))
    async def on_websocket_job(self, req: Request, ws: WebSocket, job: UUID) -> None:
        """Follow a job until it is final: its events and, with `logs=true`, its log."""
        found = await self._desk.read(req, lambda tx: read.get(tx, job))

        async def say() -> AsyncGenerator[str, None]:
            query = asked(req, JobLiveQuery)
            after = number(query.after)
            head = await self._desk.read(req, lambda tx: self._stories.head(tx, job))
            after = after if after <= head else 0
            yield Ready(after=str(after)).model_dump_json()
            look = self._stories.reader(req, found, logs=query.logs)
            async with aclosing(self._live.batches(job, found.organization, look, after)) as batches:
                async for batch in batches:
                    for item in batch.items if batch else ():
                        yield item.model_dump_json()
                    if batch is None:
                        yield _HEARTBEAT

        await self._serve(req, ws, say)

    @operation(Contract(name="live_repository", tag="live", needs=Operation.READ, answers={}))
    async def on_websocket_repository(self, req: Request, ws: WebSocket, repository: UUID) -> None:
        """Follow every job of a repository."""
        found = await self._desk.read(req, lambda tx: accounts.get_repository(tx, repository))
        if found is None:
            raise Refused(Reason.NOT_FOUND, "there is no such repository")
        await self._serve(req, ws, lambda: self._feed(req, repository))

    @operation(Contract(name="live", tag="live", needs=Operation.READ, answers={}))
    async def on_websocket(self, req: Request, ws: WebSocket) -> None:
        """Follow every job of your organization."""
        await self._serve(req, ws, lambda: self._feed(req, None))

    async def _feed(self, req: Request, repository: UUID | None) -> AsyncGenerator[str, None]:
        query = asked(req, LiveQuery)
        after: Cursor | None = read_cursor(query.after) if query.after else None
        organization = principal_of(req).organization
        async with aclosing(self._feeds.stream(organization, repository, after)) as parts:
            async for part in parts:
                if part is None:
                    yield _HEARTBEAT
                elif isinstance(part, str):
                    yield Ready(after=part).model_dump_json()
                else:
                    for one in part:
                        yield feed_event(one).model_dump_json()

    async def _serve(self, req: Request, ws: WebSocket, say: Callable[[], AsyncGenerator[str, None]]) -> None:
        """The whole life of a stream whose reader may have it."""
        await ws.accept(SUBPROTOCOL if SUBPROTOCOL in ws.subprotocols else None)
        code, reason = await self._until_over(req, ws, say)
        with suppress(TimeoutError, OSError, falcon.WebSocketDisconnected):
            async with asyncio.timeout(self._live.pace.parting):
                await ws.close(code, (reason or _SAID.get(code, ""))[:120])

    async def _until_over(
        self, req: Request, ws: WebSocket, say: Callable[[], AsyncGenerator[str, None]]
    ) -> tuple[Close, str]:
        speaking = asyncio.ensure_future(self._speak(req, ws, say))
        listening = asyncio.ensure_future(_listen(ws))
        try:
            done, _ = await asyncio.wait({speaking, listening}, return_when=asyncio.FIRST_COMPLETED)
            if speaking in done:
                return speaking.result()
            return Close.TALKATIVE, ""  # or the client has left, and nobody hears it
        finally:
            for task in (speaking, listening):
                task.cancel()
            await asyncio.gather(speaking, listening, return_exceptions=True)

    async def _speak(
        self, req: Request, ws: WebSocket, say: Callable[[], AsyncGenerator[str, None]]
    ) -> tuple[Close, str]:
        """Send until there is nothing more to say; what went wrong as the code that says so."""
        believe: Callable[[], Awaitable[object]] = req.context.believe
        try:
            async with aclosing(self._live.trusted(say(), believe)) as texts:
                async for text in texts:
                    await self._send(ws, text)
        except (OSError, falcon.WebSocketDisconnected):
            return Close.DONE, ""  # nobody hears it
        except Exception as error:  # noqa: BLE001 (each becomes a code)
            return code_of(error)
        return (Close.GOING_AWAY if self._live.bells.stopped else Close.DONE), ""

    async def _send(self, ws: WebSocket, text: str) -> None:
        try:
            async with asyncio.timeout(self._live.pace.patience):
                await ws.send_text(text)
        except TimeoutError:
            raise TooSlow from None


async def _listen(ws: WebSocket) -> None:
    """Until the client has left, or has said more than anybody should who is not asked."""
    for _ in range(_PATIENT):
        try:
            await ws.receive_text()
        except falcon.PayloadTypeError:
            continue
        except (OSError, falcon.WebSocketDisconnected):
            return


def code_of(error: Exception) -> tuple[Close, str]:
    """Why a stream ends, and the words where they are not always the same."""
    if isinstance(error, Refused) and error.reason not in {Reason.NOT_SIGNED_IN, Reason.NOT_ALLOWED}:
        return Close.INVALID, error.sentence
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), Close.BROKEN)
    if code is Close.BROKEN:
        _log.error("a stream broke", exc_info=error)
    elif code is Close.TOO_SLOW:
        _log.warning("a client was too slow for its stream and was dropped")
    return code, ""


def asked(req: Request, shape: type[Query]) -> Query:
    """The parameters of a handshake.

    Raises:
        Refused: one is unknown or not possible.
    """
    try:
        return shape.model_validate(dict(req.params))
    except ValidationError as error:
        names = sorted({str(row["loc"][0]) for row in error.errors(include_input=False) if row["loc"]})
        raise Refused(
            Reason.INVALID_REQUEST, f"not possible: {', '.join(name[:20] for name in names)[:80]}"
        ) from None


_DIGITS = 18  # fits into Postgres' bigint


def number(after: str) -> int:
    """Where a job's stream begins; 0 for "".

    Raises:
        Refused: it is no number.
    """
    if not after:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) <= _DIGITS):
        raise Refused(Reason.INVALID_REQUEST, "`after` is no number of an event")
    return int(after)


def feed_event(one: Told) -> LiveEvent:
    event = one.news.event
    return LiveEvent(
        after=one.cursor,
        job=one.news.job,
        repository=one.news.repository,
        seq=event.seq,
        kind=event.kind,
        at=event.at,
        data=dict(event.data),
    )
