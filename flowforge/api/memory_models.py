"""The shapes of a repository's memory in the REST API; as in `models`, read by the server and by our own client."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from flowforge.api.models import Asked, Cursor, Limit, Line, Outgoing

Glob = Annotated[Line, Field(min_length=1, max_length=500)]
Name = Annotated[Line, Field(min_length=1, max_length=320)]
Beginning = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]


class Chosen(Asked):
    """Which answers: all that fit every one of these."""

    path: Glob | None = Field(
        default=None,
        description="a glob: * and ? stay within a folder, ** does not; without a slash, in every folder",
    )
    person: Name | None = Field(default=None, description="id or name of who wrote or approved it")
    before: date | None = Field(default=None, description="used last before this day, UTC")


class MemoryQuery(Chosen):
    key: Beginning | None = Field(default=None, description="how the key begins, in hex")
    limit: Limit = 50
    cursor: Cursor | None = None


class ForgetQuery(Chosen):
    all: bool = Field(default=False, description="needed where nothing else says which")


class KeptOut(Outgoing):
    """One answer that is kept, without its text."""

    key: str = Field(description="of path, three sides and context: the exact place in which it is offered")
    path: str
    size: int = Field(description="bytes of its text")
    rung: str = Field(description="that first gave it; person: somebody wrote it")
    rule: str
    why: str
    confirmed: str = Field(description='tests | person; "" = it is a proposal')
    by: UUID | None = Field(description="who wrote or approved it")
    by_name: str | None = Field(description="what they were called then; null = nobody did")
    refused: str = Field(
        description='rejected | undone: it is not offered, and needs a person; "" = it is offered'
    )
    job: UUID | None = Field(description="in which it was given")
    commit: str = Field(description="id of the commit that was being replayed")
    uses: int
    created_at: datetime
    last_used_at: datetime


class KeptDetail(KeptOut):
    """One answer with its text."""

    text: str | None = Field(description="null: it does not open, or is no UTF-8")


class KeptList(Outgoing):
    answers: list[KeptOut]
    next_cursor: str | None


class ForgottenOut(Outgoing):
    count: int
    more: bool = Field(description="a request forgets at most 10000; others that were meant are left")
