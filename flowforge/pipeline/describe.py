"""A pipeline as plain JSON values: for `flowforge pipeline show --json` and the golden plans."""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from enum import Enum

from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.core.plan import make_plan


def as_json(pipeline: Pipeline) -> dict[str, object]:
    """Everything the pipeline says, with matrices expanded; values that are a stage's defaults are left out."""
    plan, asked = make_plan(pipeline), pipeline.concurrency
    return {
        "name": pipeline.name,
        "version": pipeline.version,
        "source": pipeline.source,
        "triggers": _plain(pipeline.triggers),
        "concurrency": _plain(asked and {"group": asked.group, "policy": asked.policy}),
        "limits": _plain(vars(pipeline.limits)),
        "env": dict(pipeline.env),
        "stages": [stage_as_json(stage) for stage in plan.stages],
        "finally": [stage_as_json(stage) for stage in plan.last],
    }


def stage_as_json(stage: StageSpec) -> dict[str, object]:
    bare = StageSpec(id=stage.id, uses=stage.uses)
    told = [f.name for f in fields(stage) if f.name != "line"]
    changed = {name for name in told if getattr(stage, name) != getattr(bare, name)}
    return {name: _plain(getattr(stage, name)) for name in told if name in {"id", "uses", *changed}}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    return _plain(vars(value)) if hasattr(value, "__dataclass_fields__") else value
