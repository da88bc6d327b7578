"""A job's life: its states, the one table of moves between them, and the values that describe it.

Rule 1: a job changes state only by `advance`; the database trigger is generated from the same `TABLE`.
Rule 2: an illegal move changes nothing and says state and event.
Rule 3: the final states have no way out. A person's retry is a new job that names its parent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from flowforge.core.concurrency import Concurrency
from flowforge.core.errors import Reason, Refused


class State(StrEnum):
    PENDING = "pending"  # stored; its pipeline is not read yet
    QUEUED = "queued"  # may be claimed by a worker
    RUNNING = "running"  # claimed: it has an owner, a lease and a fence
    WAITING = "waiting"  # a person must decide
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


class Event(StrEnum):
    VALIDATE_OK = "validate_ok"
    INVALID = "invalid"
    CLAIM = "claim"
    HAND_BACK = "hand_back"
    DEAD = "dead"
    ASK = "ask"
    DECIDE = "decide"
    EXPIRE = "expire"
    SUCCEED = "succeed"  # `finish` of CONTRACTS, with its two ends spelled out
    FAIL = "fail"
    CANCEL = "cancel"
    SUPERSEDE = "supersede"


FINAL = frozenset({State.SUCCESS, State.FAILED, State.CANCELLED, State.SUPERSEDED})

_OPEN = (State.PENDING, State.QUEUED, State.WAITING, State.RUNNING)

TABLE: Mapping[tuple[State, Event], State] = {
    (State.PENDING, Event.VALIDATE_OK): State.QUEUED,
    (State.PENDING, Event.INVALID): State.FAILED,
    (State.QUEUED, Event.CLAIM): State.RUNNING,
    (State.QUEUED, Event.DEAD): State.FAILED,
    (State.RUNNING, Event.HAND_BACK): State.QUEUED,
    (State.RUNNING, Event.ASK): State.WAITING,
    (State.WAITING, Event.DECIDE): State.QUEUED,
    (State.WAITING, Event.EXPIRE): State.FAILED,
    (State.RUNNING, Event.SUCCEED): State.SUCCESS,
    (State.RUNNING, Event.FAIL): State.FAILED,
    **{(state, Event.CANCEL): State.CANCELLED for state in _OPEN},
    **{(state, Event.SUPERSEDE): State.SUPERSEDED for state in _OPEN},
}


def advance(state: State, event: Event) -> State:
    """Return the state after `event`.

    Raises:
        Refused: the table has no such move; nothing changed.
    """
    after = TABLE.get((state, event))
    if after is None:
        raise Refused(
            Reason.CONFLICT_OF_STATE,
            f"a job that is {state} cannot {event.replace('_', ' ')}",
            next_action="look at the job's state first: flowforge job show ID",
        )
    return after


class Result(StrEnum):
    """How a job, stage or check ended, in the words of OpenTelemetry's CI/CD conventions."""

    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    TIMEOUT = "timeout"
    CANCELLATION = "cancellation"
    SKIP = "skip"


def final_event(result: Result) -> Event:
    """Which move a running job makes when its pipeline ended with `result`."""
    match result:
        case Result.SUCCESS | Result.SKIP:
            return Event.SUCCEED
        case Result.CANCELLATION:
            return Event.CANCEL
        case _:
            return Event.FAIL


class PriorityClass(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


DEFAULT_PRIORITY = 5
MAX_PRIORITY = 9
_HIGH_FROM, _NORMAL_FROM = 7, 4


def priority_class(priority: int) -> PriorityClass:
    """Name the queue of a priority: 0-3 low, 4-6 normal, 7-9 high.

    Raises:
        Refused: not an integer from 0 to 9.
    """
    if not 0 <= priority <= MAX_PRIORITY:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"priority {priority!r} is not between 0 and {MAX_PRIORITY}",
            next_action="use 0-3 for low, 4-6 for normal, 7-9 for high",
        )
    if priority >= _HIGH_FROM:
        return PriorityClass.HIGH
    return PriorityClass.NORMAL if priority >= _NORMAL_FROM else PriorityClass.LOW


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What somebody asks for, from whichever door it came (REST, CLI, webhook, schedule)."""

    repository: UUID  # id of a known repository of the organization
    branch: str  # the branch to bring up to date, without refs/heads/
    target: str  # the branch it is rebased onto; "" = the repository's default branch
    task: str = ""  # a shipped or the organization's pipeline by name; "" = the repository's own file
    pipeline: str = ""  # YAML text given with the request; "" = found by task
    priority: int = DEFAULT_PRIORITY
    environment: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str = ""
    trigger: str = "api"
    parent_job: UUID | None = None
    retry_from: str = ""  # stage id to start from, with parent_job
    max_attempts: int = 3
    concurrency: Concurrency | None = None  # overrules what the definition says


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why a job or stage ended: machine word, plain sentence, next step, where the proof is."""

    result: Result
    reason: Reason
    sentence: str
    next_action: str = ""
    evidence: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One row of `jobs` as the rest of the house sees it; times are aware, UTC, from Postgres."""

    id: UUID
    organization: UUID
    repository: UUID
    user: UUID | None
    parent_job: UUID | None
    state: State
    priority: int
    branch: str
    target: str
    task: str
    pipeline: str  # YAML text as it will run; "" until it was read from the target branch
    pipeline_source: str  # where the text came from, with its commit id
    environment: Mapping[str, str]
    trigger: str
    retry_from: str
    attempts: int
    max_attempts: int
    fence: int
    owner: str
    lease_until: datetime | None
    cancel_requested: bool
    run_after: datetime | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    ending: Ending | None
    outputs: Mapping[str, object]  # artifacts, metrics and what the stages said
    superseded_by: UUID | None = None  # the newer job of its group, for which it makes way
    concurrency_group: str = ""  # key of its group; "" = it has none
    concurrency_policy: str = ""
    concurrency_template: str = ""  # as the request asked; "" = the definition decides

    @property
    def final(self) -> bool:
        return self.state in FINAL

    def log_context(self) -> dict[str, str]:
        """The fields that every log line about this job carries."""
        return {"job_id": str(self.id), "organization": str(self.organization)}
