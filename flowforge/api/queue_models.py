"""The shapes of the queue and its pauses; the rules are those of `models`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from flowforge.api.models import MAX_PAGE, Asked, ConcurrencyOut, Id, Incoming, Line, Outgoing, Ref, WhyOut


class PauseIn(Incoming):
    """What to pause: the whole organization, a repository, or one target of a repository."""

    repository: Id | None = Field(default=None, description="id of a repository; without it everything")
    target: Ref = Field(default="", description="only jobs onto this branch of the repository")
    reason: Annotated[Line, Field(min_length=1, max_length=500)] = Field(
        description="shown on every job that waits for it"
    )


class PauseOut(Outgoing):
    id: UUID
    repository: UUID | None = Field(description="null: all of the organization's")
    repository_name: str = Field(description='"": all of the organization\'s')
    target: str = Field(description='"": all of the repository\'s')
    reason: str
    by: str = Field(description='who paused it; "" where that was no person')
    created_at: datetime


class PauseList(Outgoing):
    """All pauses of the organization, the widest first."""

    pauses: list[PauseOut]


class QueueQuery(Asked):
    limit: Annotated[int, Field(ge=0, le=MAX_PAGE)] = Field(
        default=20, description="how many of the next jobs"
    )


class Depth(Outgoing):
    """Queued jobs by class of priority."""

    high: int
    normal: int
    low: int


class QueuedOut(Outgoing):
    """A queued job and what stands between it and its start."""

    id: UUID
    repository: UUID
    repository_name: str
    branch: str
    target: str
    task: str
    priority: int
    concurrency: ConcurrencyOut | None
    queued_at: datetime | None
    why: WhyOut | None
    estimated_start: datetime | None


class QueueOut(Outgoing):
    """The organization's queue as it is now. `slots` and `workers` are the installation's, shared with others."""

    depth: Depth
    oldest: datetime | None = Field(description="since when the job waits that has waited longest")
    running: int
    waiting: int = Field(description="jobs that wait for a person's decision")
    cap: int = Field(description="jobs of the organization that may run at a time")
    slots: int
    workers: int
    pauses: list[PauseOut]
    next: list[QueuedOut] = Field(description="in the order of their turns")
