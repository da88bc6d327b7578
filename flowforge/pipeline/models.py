"""The shape of a definition: the one source for validation and for the JSON Schema.

What a shape cannot say (unknown stages, order, conditions, names of variables) is in `check`.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from flowforge.pipeline.fields import (
    Command,
    Condition,
    Dollars,
    Duration,
    GroupTemplate,
    Id,
    Line,
    Pattern,
    Quoted,
    Size,
    Strict,
    Version,
)

RETRYABLE = Literal[
    "infrastructure",
    "service_unavailable",
    "model_unavailable",
    "repository_unreachable",
    "sandbox_unavailable",
    "plugin_failed",
    "no_space",
    "timeout",
    "memory_limit",
    "tests_failed",
    "command_failed",
]


class PullRequestTrigger(Strict):
    types: list[Line] = Field(default_factory=list)
    labels: list[Line] = Field(default_factory=list)


class CommentTrigger(Strict):
    command: Line


class PushTrigger(Strict):
    branches: list[Line] = Field(default_factory=list)
    when: Literal["conflicted", "next", "always"] = "conflicted"


class ScheduleTrigger(Strict):
    cron: Line
    timezone: Line = "UTC"


class ApiTrigger(Strict):
    pass


class Triggers(Strict):
    pull_request: PullRequestTrigger | None = None
    comment: CommentTrigger | None = None
    push: PushTrigger | None = None
    schedule: ScheduleTrigger | None = None
    api: ApiTrigger | None = None


class ConcurrencyModel(Strict):
    group: GroupTemplate = "branch"
    policy: Literal["supersede", "queue", "reject"] = "queue"


class LimitsModel(Strict):
    wall: Duration = 2700.0
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    model_usd: Dollars = Decimal("2.00")
    model_calls: Annotated[int, Field(ge=0, le=10_000)] = 40


class RetryModel(Strict):
    on: Annotated[list[RETRYABLE], Field(min_length=1)]
    max: Annotated[int, Field(ge=1, le=10)] = 1


class CacheModel(Strict):
    key: Line
    paths: Annotated[list[Pattern], Field(min_length=1, max_length=50)]


class StageModel(Strict):
    id: Id = ""  # "" = as `uses`
    uses: Line
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    run: Command = ""
    image: Line = ""
    network: Literal["none", "registry", "full"] = "none"
    timeout: Duration = 1200.0
    cpu: Annotated[float, Field(gt=0, le=256)] = 2.0
    memory: Size = 4 << 30
    env: Annotated[dict[str, Quoted], Field(max_length=100)] = Field(default_factory=dict)
    matrix: Annotated[dict[str, list[Quoted]], Field(max_length=10)] = Field(default_factory=dict)
    cache: CacheModel | None = None
    junit: Pattern = ""
    retry: RetryModel | None = None
    compare_base: bool = False
    when: Condition = ""
    on_failure: Literal["stop", "continue", "hand_back"] = "stop"


class Definition(Strict):
    version: Version
    name: Line
    extends: Annotated[list[Line], Field(max_length=8)] = Field(default_factory=list)
    triggers: Triggers = Field(default_factory=Triggers)
    concurrency: ConcurrencyModel | None = None
    limits: LimitsModel = Field(default_factory=LimitsModel)
    env: Annotated[dict[str, Quoted], Field(max_length=100)] = Field(default_factory=dict)
    stages: Annotated[list[StageModel], Field(min_length=1, max_length=64)]
    finally_: Annotated[list[StageModel], Field(max_length=16)] = Field(default_factory=list, alias="finally")
