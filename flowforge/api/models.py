"""The shapes of the REST API, version 1: read by the server, the OpenAPI document and our own client alike.

What comes in is strict and refuses unknown fields. What goes out may gain fields in any release, so a reader
ignores those that it does not know. Imports neither the web framework nor the store.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_serializer

from flowforge.core.concurrency import MAX_TEMPLATE, BadTemplate, parse_template
from flowforge.core.job import (
    DEFAULT_PRIORITY,
    MAX_PRIORITY,
    PriorityClass,
    Result,
    State,
)

MAX_WAIT = 60  # seconds of one long poll
MAX_PAGE = 100


class Incoming(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Asked(BaseModel):
    """Query parameters: text, so numbers are read from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Outgoing(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


def _one_line(text: str) -> str:
    if any(ord(letter) < ord(" ") or letter == "\x7f" for letter in text):
        raise ValueError("must not hold control characters")
    return text


Line = Annotated[str, AfterValidator(_one_line)]
Id = Annotated[UUID, Field(strict=False)]
Ref = Annotated[Line, Field(max_length=1024)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._/-]*$", max_length=200)]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]
VariableValue = Annotated[str, Field(max_length=32_768)]
IdempotencyKey = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=255)]


def _template(text: str) -> str:
    try:
        parse_template(text)
    except BadTemplate as error:
        raise ValueError(str(error)) from error
    return text


class ConcurrencyIn(Incoming):
    """The concurrency group of a job; it overrules what the definition says."""

    group: Annotated[str, Field(max_length=MAX_TEMPLATE), AfterValidator(_template)] = Field(
        default="branch", description="repository, branch, target, or a text that may hold these in braces"
    )
    policy: Literal["supersede", "queue", "reject"] = "queue"


class ConcurrencyOut(Outgoing):
    """The concurrency group that a job is in; groups are told apart by repository."""

    group: str
    policy: str


class JobIn(Incoming):
    """A job to submit."""

    repository: Id = Field(description="id of a repository of your organization")
    branch: Annotated[Ref, Field(min_length=1)] = Field(
        description="the branch to bring up to date, without refs/heads/"
    )
    target: Ref = Field(
        default="", description='the branch to rebase onto; "" = the repository\'s default branch'
    )
    task: Annotated[Word, Field()] | Annotated[str, Field(max_length=0)] = Field(
        default="",
        description="a shipped or your organization's pipeline; \"\" = the repository's own file",
    )
    pipeline: str = Field(
        default="", max_length=65_536, description='pipeline definition (YAML); "" = found by `task`'
    )
    priority: int = Field(
        default=DEFAULT_PRIORITY, ge=0, le=MAX_PRIORITY, description="0-3 low, 4-6 normal, 7-9 high"
    )
    environment: dict[VariableName, VariableValue] = Field(
        default_factory=dict, max_length=100, description="variables for the commands that the pipeline runs"
    )
    max_attempts: int = Field(default=3, ge=1, le=10)
    concurrency: ConcurrencyIn | None = None


class RetryIn(Incoming):
    """How to run a finished job again."""

    from_stage: Word | None = Field(
        default=None, description="stage id to start from; the whole job without it"
    )


class EndingOut(Outgoing):
    """Why a job ended as it did."""

    result: Result
    reason: str = Field(
        description="a word of flowforge/docs/reasons.md, served at /api/docs/problems/{reason}"
    )
    sentence: str
    next_action: str
    evidence: str


class JobOut(Outgoing):
    """One job. Times are RFC 3339, UTC. Values of `environment` are not shown: they may be secrets."""

    id: UUID
    repository: UUID
    user: UUID | None
    parent_job: UUID | None
    state: State
    final: bool
    priority: int
    priority_class: PriorityClass
    branch: str
    target: str
    task: str
    pipeline_source: str
    environment: list[str] = Field(description="names of the variables")
    trigger: str
    retry_from: str
    attempts: int
    max_attempts: int
    worker: str
    cancel_requested: bool
    run_after: datetime | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    ending: EndingOut | None
    outputs: dict[str, Any] = Field(description="what the stages reported: artifacts, metrics, commit ids")
    concurrency: ConcurrencyOut | None = None
    superseded_by: UUID | None = Field(
        default=None, description="the newer job of its group, for which it makes way"
    )


class WhyOut(Outgoing):
    """Why a job that has not ended is not running."""

    code: str
    sentence: str
    changes: str = Field(description="what would change it")


class StageOut(Outgoing):
    """The last run of one stage; `result` is null while it runs."""

    stage: str
    attempt: int
    result: Result | None
    reason: str
    sentence: str
    next_action: str
    evidence: str
    seconds: float | None
    started_at: datetime | None
    completed_at: datetime | None


class JobCostOut(Outgoing):
    """What the model calls of a job come to."""

    calls: int
    cached: int
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    cost_usd: str = Field(description="as the budgets booked it")
    saved_usd: str
    reserved_usd: str = Field(description="set aside for calls that run")


class JobDetail(JobOut):
    """One job with its stages in the order of the plan, and why it waits."""

    stages: list[StageOut]
    why: WhyOut | None
    estimated_start: datetime | None = Field(
        default=None, description="from how long jobs of this repository took; null where nobody can tell"
    )
    cost: JobCostOut | None = Field(default=None, description="of its model calls; null: there were none")


class JobPage(Outgoing):
    """One page of jobs, newest first. The next page is in the Link header and in `next_cursor`."""

    jobs: list[JobOut]
    next_cursor: str | None


class EventOut(Outgoing):
    """Something that happened to a job; `seq` grows, and numbers between two events are pieces of its log."""

    seq: int
    kind: str
    at: datetime
    data: dict[str, Any]


class AccountOut(Outgoing):
    """What is known of a model's answer beside its text. Sentences are the model's own words."""

    model: str = ""
    prompt_version: str = ""
    prompt_hash: str = ""
    redacted: list[str] = Field(default=[], description="kinds of secrets that were not sent")
    kept: list[str] = []
    dropped: list[str] = Field(default=[], description="what was given up, of which side, and why")
    elsewhere: list[str] = Field(default=[], description="edits that other places need, for a person to make")
    new_names: list[str] = Field(default=[], description="names that stand in no side")
    findings: list[str] = Field(default=[], description="what was wrong with earlier answers")
    agreement: str = Field(default="", description="how many of the answers that were asked for say the same")
    review: str = Field(default="", description="what the independent review said")
    answers: list[str] = Field(default=[], description="where they did not agree: each, cut short")


class HunkOut(Outgoing):
    """How one place in a conflicted file was answered."""

    rung: str = ""
    rule: str = ""
    why: str = ""
    reason: str = Field(default="", description="typed word of the rung that gave no answer")
    approval: str = Field(default="", description='why a person must agree, whatever tests say; "" = none')
    account: AccountOut = AccountOut()
    whole: str = Field(
        default="",
        description='what stands for the whole path: upstream | commit | base | text | removed; "" = one place of it',
    )


class ConflictOut(Outgoing):
    """One conflicted path of a job and what became of it."""

    path: str
    kind: str
    resolved: bool
    method: str = Field(description='the rung that answered, or several; "" = handed back to a person')
    sentence: str
    commit: str = Field(description="id of the commit that was being replayed")
    stage: str
    model: str
    hunks: list[HunkOut]


class ConflictList(Outgoing):
    conflicts: list[ConflictOut]


class LoginIn(Incoming):
    """What opens a repository. It is stored sealed and never shown again."""

    username: Annotated[Line, Field(max_length=255)] = Field(
        default="", description="as the git host wants it; for a token often any word"
    )
    secret: SecretStr = Field(min_length=1, max_length=16_384, description="password, token or private key")

    @field_serializer("secret", when_used="json")
    def _sent(self, secret: SecretStr) -> str:
        """Our own client sends it; nothing else serialises what came in."""
        return secret.get_secret_value()


RepositoryName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,198}[A-Za-z0-9])?$")]
RepositoryUrl = Annotated[Line, Field(min_length=1, max_length=2048)]


class RepositoryIn(Incoming):
    """A repository to work on."""

    name: RepositoryName
    url: RepositoryUrl = Field(description="https or ssh, without credentials in it")
    default_branch: Ref = Field(
        default="", description='what jobs are rebased onto; "" = what the remote says'
    )
    login: LoginIn | None = None


class RepositoryPatch(Incoming):
    """What to change; a field that is left out stays. A new url without a new login erases the old login."""

    name: RepositoryName | None = None
    url: RepositoryUrl | None = None
    default_branch: Ref | None = None
    is_active: bool | None = None
    login: LoginIn | None = None
    forget_login: bool = False
    policy: dict[str, Any] | None = Field(
        default=None, description="what its rules have earned, as `flowforge calibrate --policy` writes it"
    )
    forget_policy: bool = Field(default=False, description="from now on its rules do what is shipped")


class RepositoryOut(Outgoing):
    id: UUID
    name: str
    url: str
    host: str
    default_branch: str
    is_active: bool
    has_credentials: bool
    has_policy: bool = Field(description="whether its rules do what its own history has earned")
    created_at: datetime
    updated_at: datetime
    last_synced_at: datetime | None


class RepositoryList(Outgoing):
    repositories: list[RepositoryOut]
    next_cursor: str | None


class Health(Outgoing):
    status: str


class Readiness(Outgoing):
    status: str = Field(description="ready; or degraded: it answers, and something comes later than it could")
    degraded: list[str] = Field(default=[], description="services that are away and that no answer waits for")


class VersionOut(Outgoing):
    version: str
    api: str = Field(description="version of this REST API, the one in its addresses")


class ProblemError(Outgoing):
    detail: str
    pointer: str | None = Field(default=None, description="JSON pointer into the body")
    parameter: str | None = Field(default=None, description="name of a query parameter")
    header: str | None = None


class Problem(Outgoing):
    """RFC 9457. Programs match `reason`; people read `detail` and `next_action`."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    reason: str
    next_action: str | None = None
    evidence: str | None = None
    errors: list[ProblemError] | None = None


Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
Cursor = Annotated[str, Field(max_length=200)]


class JobListQuery(Asked):
    state: State | None = None
    repository: UUID | None = None
    branch: Ref | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class JobQuery(Asked):
    wait: Annotated[int, Field(ge=0, le=MAX_WAIT)] = Field(
        default=0, description="seconds to wait for the job's next change of state"
    )


class RepositoryListQuery(Asked):
    name: Annotated[Line, Field(max_length=200)] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class NoQuery(Asked):
    """For handlers that take no parameters: an unknown one is refused rather than ignored."""
