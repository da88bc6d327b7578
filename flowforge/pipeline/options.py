"""The `with` of every built-in stage. A stage rebuilds its model from `StageSpec.options`, where all defaults stand."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, field_serializer, model_validator

from flowforge.pipeline.fields import Command, Dollars, Duration, Line, Pattern, Size, Strict
from flowforge.resolve.prompt import CONTEXT, LEAST_CONTEXT

RUNGS = ("memory", "mechanical", "lockfile", "document", "structural", "model")
CHECKS = ("markers", "syntax", "provenance", "security", "semantics")


class NoOptions(Strict):
    """clone, test, run and report have none: what they take are keys of the stage itself."""


class RebaseOptions(Strict):
    onto: Annotated[str, Field(max_length=250)] = ""  # the branch to rebase onto; "" = the job's target
    empty: Literal["drop", "keep"] = "drop"  # commits that change nothing on the new base


class ModelChoice(Strict):
    provider: Annotated[str, Field(max_length=60)] = ""  # "" = the installation's own choice
    name: Annotated[str, Field(max_length=100)] = ""  # of the model; "" = the provider's default


class ModelOptions(ModelChoice):
    candidates: Annotated[int, Field(ge=1, le=5)] = (
        1  # answers asked for per question; two or more must agree
    )
    attempts: Annotated[int, Field(ge=1, le=5)] = 2  # questions for one answer, counting corrections
    context: Annotated[int, Field(ge=LEAST_CONTEXT, le=100_000)] = CONTEXT  # tokens of one request, at most
    batch: bool = False  # jobs of priority 0-3 wait for the provider's cheaper answers, where it sells such
    review: bool = False  # a fresh request looks at what was answered; its doubt makes a person necessary


class FallbackOptions(Strict):
    """What becomes of paths that no rung could answer; `hand_back` takes paths out of the other two."""

    hand_back: Annotated[list[Pattern], Field(max_length=200)] = Field(default_factory=list)
    upstream: Annotated[list[Pattern], Field(max_length=200)] = Field(default_factory=list)
    commit: Annotated[list[Pattern], Field(max_length=200)] = Field(default_factory=list)


class ResolveOptions(Strict):
    rungs: Annotated[list[Line], Field(min_length=1, max_length=20)] = Field(
        default_factory=lambda: ["memory", "mechanical", "lockfile", "document", "structural"]
    )
    never: Annotated[list[Pattern], Field(max_length=200)] = Field(default_factory=list)  # always a person
    ask: Annotated[list[Pattern], Field(max_length=200)] = Field(default_factory=list)  # propose only
    regenerate: Annotated[dict[Pattern, Command], Field(max_length=50)] = Field(
        default_factory=dict  # lockfile -> command that writes it anew, in its folder
    )
    model: ModelOptions = Field(default_factory=ModelOptions)
    fallback: FallbackOptions = Field(default_factory=FallbackOptions)
    protect: Annotated[list[Pattern], Field(max_length=200)] | None = None  # None = FlowForge's own list


class ValidateOptions(Strict):
    checks: Annotated[list[Line], Field(min_length=1, max_length=20)] = Field(
        default_factory=lambda: list(CHECKS)
    )
    max_file_size: Size = 1 << 20  # bytes; larger files are not parsed, and said so


class ReviewOptions(Strict):
    paths: Annotated[list[Pattern], Field(max_length=200)] = Field(default_factory=list)  # [] = all
    never: Annotated[list[Pattern], Field(max_length=200)] = Field(default_factory=list)  # shown to no model
    max_findings: Annotated[int, Field(ge=1, le=100)] = 20
    min_level: Literal["note", "warning", "error"] = "note"
    model_usd: Dollars = Decimal("0.50")  # for this stage, beside the job's own cap
    model: ModelChoice = Field(default_factory=ModelChoice)
    wait: bool = False  # while the model is away: the job goes back to the queue, rather than on without

    @field_serializer("model_usd")
    def _as_a_number(self, dollars: Decimal) -> float:
        """As a definition says it, so that what was filled in can be read again."""
        return float(dollars)


class PushOptions(Strict):
    to: Literal["head", "target", "new-branch"] = "head"
    require: Literal["tested", "validated"] | None = None  # filled in: tested for target, else validated
    branch: Annotated[str, Field(max_length=250)] = ""  # the name for new-branch; "" = made from the branch's

    @model_validator(mode="after")
    def _fill(self) -> "PushOptions":
        if self.require is None:
            self.require = "tested" if self.to == "target" else "validated"
        return self


class ApproveOptions(Strict):
    message: Annotated[str, Field(max_length=500)] = (
        ""  # what the person is asked; "" = FlowForge's own words
    )
    who: Literal["user", "maintainer", "admin"] = "user"  # the least role that may say yes
    within: Duration | None = None  # seconds for the answer; the setting decision_hours is the most

    @field_serializer("within")
    def _as_written(self, within: float | None) -> str | None:
        """As a definition says it, so that what was filled in can be read again."""
        return None if within is None else f"{within:.0f}s"


OPTIONS: Mapping[str, type[Strict]] = {
    "clone": NoOptions,
    "rebase": RebaseOptions,
    "resolve": ResolveOptions,
    "validate": ValidateOptions,
    "test": NoOptions,
    "review": ReviewOptions,
    "approve": ApproveOptions,
    "push": PushOptions,
    "run": NoOptions,
    "report": NoOptions,
}
BUILT_IN = tuple(OPTIONS)
