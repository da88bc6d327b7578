"""The shapes of undo and decisions in the REST API; as in `models`, read by the server and by our own client."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from flowforge.api.models import Asked, HunkOut, Incoming, Line, Outgoing, Ref
from flowforge.core.decision import QuestionKind, Verb

MAX_FILES = 200

Path = Annotated[Line, Field(min_length=1, max_length=4096)]


class UndoQuery(Asked):
    ref: Ref | None = Field(
        default=None, description="which branch to put back, where the job pushed to several"
    )


class DecisionIn(Incoming):
    """What a person decides on the question of a waiting job."""

    decision: Annotated[Verb, Field(strict=False)] = Field(
        description="approve: go on as it stands; reject: end the job; edit: go on with `files`"
    )
    files: dict[Path, str] = Field(
        default_factory=dict,
        max_length=MAX_FILES,
        description="for edit: the whole text of each file by its path; every open file must be there",
    )
    question: int | None = Field(
        default=None,
        ge=1,
        description="number of the question that was read; refused if another is asked now",
    )


class AskedFileOut(Outgoing):
    """One conflicted file of a question. A text is null where that side has none, or it cannot be shown."""

    path: str
    commit: str = Field(description="id of the commit that was being replayed")
    kind: str
    open: bool = Field(description="it has no answer yet: only an edit can give one")
    protected: bool = Field(description="only a maintainer may edit it")
    sentence: str
    hunks: list[HunkOut]
    base: str | None
    upstream: str | None
    mine: str | None = Field(description="as the replayed commit has it")
    result: str | None = Field(
        description="the answer; of an open file git's merge with markers, to start from"
    )


class RefMoveOut(Outgoing):
    ref: str
    old: str = Field(description='what the ref points to now; "" = it would be made')
    new: str


class CheckOut(Outgoing):
    stage: str
    result: str
    sentence: str


class OutlookOut(Outgoing):
    """What a yes lets through."""

    target: str
    upstream: str = Field(description="the target's tip that the result stands on")
    head: str = Field(description="the result's last commit")
    commits: int = Field(description="of the branch, as they were replayed")
    moves: list[RefMoveOut] = Field(description="what the push stages that follow would do")
    changed: list[str] = Field(description="the first paths in which result and target differ")
    changed_count: int
    checks: list[CheckOut] = Field(description="what the stages before said about the result")


class QuestionOut(Outgoing):
    """What a job asks, or asked, a person."""

    number: int
    kind: QuestionKind
    stage: str
    sentence: str
    tree: str = Field(description="the tree that an approval is for")
    files: list[AskedFileOut]
    answers: list[Verb] = Field(description="what may be said to it")
    who: str = Field(description="the least role that may approve: user, maintainer, admin")
    outlook: OutlookOut | None = Field(description="of a question to approve: what would be pushed")
    asked_at: datetime
    expires_at: datetime
    decision: Verb | None
    decided_by: UUID | None
    decided_at: datetime | None
