"""A pipeline as a value, and what a stage answers.

Built by `flowforge.pipeline.load` from YAML, read by `core.plan` and `pipeline.runner`. Durations are seconds,
sizes bytes, money US dollars as Decimal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from flowforge.core.concurrency import Concurrency
from flowforge.core.decision import Question
from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.core.job import Ending, Result


class OnFailure(StrEnum):
    STOP = "stop"  # the pipeline ends here; `finally` still runs
    CONTINUE = "continue"  # noted, the next stage runs, the job does not fail for it
    HAND_BACK = "hand_back"  # the pipeline ends, a person decides


class Network(StrEnum):
    NONE = "none"
    REGISTRY = "registry"
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Retry:
    on: tuple[str, ...] = ()  # reasons that send the job back to the queue, from this stage
    max: int = 0


@dataclass(frozen=True, kw_only=True)
class StageSpec:
    """One stage of a definition, with every default filled in."""

    id: str
    uses: str  # name of a built-in stage or of a plugin's
    options: Mapping[str, object] = field(default_factory=dict)  # the YAML's `with`, validated by the stage
    run: str = ""  # a command for sh -c, inside the sandbox only
    image: str = ""
    network: Network = Network.NONE
    timeout: float = 1200.0
    cpu: float = 2.0
    memory: int = 4 << 30
    env: Mapping[str, str] = field(default_factory=dict)
    matrix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cache_key: str = ""
    cache_paths: tuple[str, ...] = ()
    junit: str = ""
    retry: Retry = Retry()
    compare_base: bool = False
    when: str = ""  # a CEL expression over results, paths, branch and event; "" = always
    on_failure: OnFailure = OnFailure.STOP
    line: int = 0  # where it stands in its file, for messages


@dataclass(frozen=True, kw_only=True)
class Limits:
    wall: float = 2700.0
    attempts: int = 3
    model_usd: Decimal = Decimal("2.00")
    model_calls: int = 40


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    name: str
    version: int
    stages: tuple[StageSpec, ...]
    last: tuple[StageSpec, ...] = ()  # the YAML's `finally`: run whatever happened
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = Limits()
    concurrency: Concurrency | None = None  # None: only the ref that is written keeps jobs apart
    triggers: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    source: str = ""  # path and commit id the definition came from


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What one stage answers. A failed stage is a result, not an exception."""

    stage: str
    result: Result
    reason: Reason = Reason.DONE
    sentence: str = ""
    next_action: str = ""
    evidence: str = ""
    outputs: Mapping[str, object] = field(default_factory=dict)  # JSON-safe; kept with the stage's row
    seconds: float = 0.0
    attempt: int = 1
    delay: float = 0.0  # hand back to the queue after this many seconds, where a retry may help
    question: Question | None = (
        None  # what a person must decide; where one can be asked, the job waits for it
    )

    @property
    def ok(self) -> bool:
        return self.result in {Result.SUCCESS, Result.SKIP}

    def ending(self) -> Ending:
        return Ending(
            result=self.result,
            reason=self.reason,
            sentence=self.sentence,
            next_action=self.next_action,
            evidence=self.evidence,
        )

    def took(self, seconds: float) -> "StageResult":
        return replace(self, seconds=seconds)


# Reasons that lie in the change, or need a person to say so; any other refusal inside a stage is FlowForge's or its
# world's.
_FAILURES = frozenset(
    {
        Reason.UNRESOLVED_CONFLICTS,
        Reason.DECISION_NEEDED,
        Reason.VALIDATION_FAILED,
        Reason.HOSTILE_CONTENT,
        Reason.TESTS_FAILED,
        Reason.BASE_ALREADY_RED,
        Reason.COMMAND_FAILED,
        Reason.NOT_TESTED,
        Reason.NOT_VALIDATED,
        Reason.VETOED,
        Reason.REMOTE_MOVED,
        Reason.PUSH_REJECTED,
        Reason.BUDGET_EXHAUSTED,
    }
)


# What passes by itself, however long it takes: a job waits for it in the queue, and uses up no attempt.
WAITED = frozenset({Reason.MODEL_UNAVAILABLE, Reason.MODEL_LIMIT, Reason.BATCH_PENDING})


def from_error(stage: str, error: FlowForgeError) -> StageResult:
    """Turn an error of the house into the result of the stage it ended."""
    if error.reason is Reason.TIMEOUT:
        result = Result.TIMEOUT
    elif error.reason is Reason.CANCELLED:
        result = Result.CANCELLATION
    else:
        result = Result.FAILURE if error.reason in _FAILURES else Result.ERROR
    return StageResult(
        stage=stage,
        result=result,
        reason=error.reason,
        sentence=error.sentence,
        next_action=error.next_action,
        evidence=error.evidence,
        delay=error.delay if isinstance(error, Temporary) else 0.0,
    )
