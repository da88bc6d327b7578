"""The shapes of schedules in the REST API; as in `models`, read by the server and by our own client."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from flowforge.api.models import (
    Asked,
    Cursor,
    Id,
    Incoming,
    Limit,
    Line,
    Outgoing,
    Ref,
    VariableName,
    VariableValue,
    Word,
)
from flowforge.core.job import DEFAULT_PRIORITY, MAX_PRIORITY

ScheduleName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,198}[A-Za-z0-9])?$")]
Cron = Annotated[Line, Field(min_length=1, max_length=200)]
Zone = Annotated[Line, Field(min_length=1, max_length=200)]
Task = Annotated[Word, Field()] | Annotated[str, Field(max_length=0)]
Branch = Annotated[Ref, Field(min_length=1)]
Priority = Annotated[int, Field(ge=0, le=MAX_PRIORITY)]
Attempts = Annotated[int, Field(ge=1, le=10)]
Environment = Annotated[dict[VariableName, VariableValue], Field(max_length=100)]


class ScheduleIn(Incoming):
    """A job to submit again and again."""

    repository: Id = Field(description="id of a repository of your organization")
    name: ScheduleName = Field(description="what you will call it; unique in your organization")
    branch: Branch = Field(description="the branch to bring up to date, without refs/heads/")
    target: Ref = Field(
        default="", description='the branch to rebase onto; "" = the repository\'s default branch'
    )
    task: Task = Field(default="", description='a pipeline by name; "" = the repository\'s own file')
    cron: Cron = Field(description="minute, hour, day of month, month, day of week")
    timezone: Zone = Field(default="UTC", description="a name of the IANA database, such as Europe/Berlin")
    priority: Priority = Field(default=DEFAULT_PRIORITY, description="0-3 low, 4-6 normal, 7-9 high")
    environment: Environment = Field(
        default_factory=dict, description="variables for the commands that the pipeline runs"
    )
    max_attempts: Attempts = 3


class SchedulePatch(Incoming):
    """What to change; a field that is left out stays. `is_active` false pauses it, true resumes it."""

    name: ScheduleName | None = None
    branch: Branch | None = None
    target: Ref | None = None
    task: Task | None = None
    cron: Cron | None = None
    timezone: Zone | None = None
    priority: Priority | None = None
    environment: Environment | None = None
    max_attempts: Attempts | None = None
    is_active: bool | None = None


class ScheduleOut(Outgoing):
    """One schedule. Times are RFC 3339, UTC. Values of `environment` are not shown: they may be secrets."""

    id: UUID
    repository: UUID
    user: UUID = Field(description="in whose name its jobs are submitted: who added or last changed it")
    name: str
    branch: str
    target: str
    task: str
    cron: str
    timezone: str
    priority: int
    environment: list[str] = Field(description="names of the variables")
    max_attempts: int
    is_active: bool
    next_at: datetime | None = Field(description="null while it is paused, or when its zone is not known")
    last_due_at: datetime | None = Field(description="the last time that was acted on")
    last_job: UUID | None = Field(description="the last job that it started")
    last_reason: str = Field(description='why the last time started no job; "" = it did')
    last_error: str = Field(description="the same as a sentence")
    created_at: datetime
    updated_at: datetime


class ScheduleDetail(ScheduleOut):
    """One schedule with its next times."""

    upcoming: list[datetime] = Field(description="up to five, the next one first")


class ScheduleList(Outgoing):
    schedules: list[ScheduleOut]
    next_cursor: str | None


class ScheduleListQuery(Asked):
    name: Annotated[Line, Field(max_length=200)] | None = None
    repository: UUID | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
