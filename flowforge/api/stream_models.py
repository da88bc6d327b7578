"""What streams say, version 1: read by the server and by our own client alike."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from flowforge.api.models import Asked, Line, Outgoing

SUBPROTOCOL = "flowforge.v1"
TOKEN_SUBPROTOCOL = "flowforge.token."  # noqa: S105 (what stands before a token, for clients that can set no header)

AFTER_LIMIT = 4096


class LogPiece(Outgoing):
    """A piece of a job's log; offsets count bytes of the whole log."""

    seq: int
    stage: str
    attempt: int
    at: datetime
    offset: int
    next_offset: int
    text: str


class Ready(Outgoing):
    """The first message of a WebSocket: where the stream begins."""

    type: Literal["ready"] = "ready"
    after: str = Field(description="send it as `after` to begin here again")


class LiveEvent(Outgoing):
    """An event of a job."""

    type: Literal["event"] = "event"
    after: str = Field(description="send it as `after` to go on strictly behind this event")
    job: UUID
    repository: UUID
    seq: int
    kind: str
    at: datetime
    data: dict[str, Any]


class LiveLog(LogPiece):
    """A piece of a job's log, among its events."""

    type: Literal["log"] = "log"
    after: str
    job: UUID


class Heartbeat(Outgoing):
    """Nothing happened, and the stream lives."""

    type: Literal["heartbeat"] = "heartbeat"


class JobLiveQuery(Asked):
    after: Annotated[str, Field(max_length=AFTER_LIMIT)] = ""
    logs: bool = False


class LiveQuery(Asked):
    after: Annotated[str, Field(max_length=AFTER_LIMIT)] = ""


class PieceOut(Outgoing):
    """Where a part of a page of the log comes from; `offset` counts bytes of the whole log."""

    seq: int
    stage: str
    attempt: int
    at: datetime
    offset: int
    size: int = Field(description="bytes")


class LogOut(Outgoing):
    """A piece of a job's log; `offset` and `next_offset` count bytes of the whole log."""

    offset: int
    next_offset: int
    complete: bool = Field(description="the job is final and nothing follows")
    removed: bool = Field(default=False, description="the log was kept for its time, and is gone")
    text: str
    pieces: list[PieceOut] = Field(
        default_factory=list, description="the same text by stage, attempt and time"
    )


class LogQuery(Asked):
    offset: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    limit: Annotated[int, Field(ge=1, le=1 << 20)] = Field(default=1 << 16, description="bytes")
    stage: Annotated[Line, Field(max_length=200)] = Field(default="", description="only what this stage said")
    attempt: Annotated[int, Field(ge=0, le=1 << 30)] = Field(default=0, description="only in this attempt")
    tail: Annotated[int, Field(ge=0, le=1 << 20)] = Field(
        default=0, description="begin so many bytes before the present end, whatever `offset` says"
    )
