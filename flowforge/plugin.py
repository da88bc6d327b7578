"""The names a plugin author imports; everything else in this package may change without notice.

Versioned by `PLUGIN_API`: a plugin module may set its own `PLUGIN_API` to say which one it needs.
"""

from flowforge.core.conflict import (
    Abstain,
    Candidate,
    Conflict,
    Hunk,
    HunkAnswer,
    Kind,
    Side,
    Version,
    WholeAnswer,
    split_lines,
)
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.spend import Price, Usage
from flowforge.core.verdict import Finding, Level
from flowforge.hooks.contracts import (
    BatchProvider,
    CheckedFile,
    EntityRule,
    GitHost,
    KeyProvider,
    Keys,
    Language,
    Model,
    ModelAnswer,
    ModelProvider,
    ModelRequest,
    Neighbour,
    PushPlan,
    ResolveContext,
    Resolver,
    Stage,
    StageContext,
    Validator,
)
from flowforge.hooks.manager import PLUGIN_API
from flowforge.hooks.specs import hookimpl

__all__ = [
    "PLUGIN_API",
    "Abstain",
    "BatchProvider",
    "Broken",
    "Candidate",
    "CheckedFile",
    "Conflict",
    "EntityRule",
    "Finding",
    "FlowForgeError",
    "GitHost",
    "Hunk",
    "HunkAnswer",
    "KeyProvider",
    "Keys",
    "Kind",
    "Language",
    "Level",
    "Model",
    "ModelAnswer",
    "ModelProvider",
    "ModelRequest",
    "Neighbour",
    "Price",
    "PushPlan",
    "Reason",
    "Refused",
    "ResolveContext",
    "Resolver",
    "Result",
    "Side",
    "Stage",
    "StageContext",
    "StageResult",
    "StageSpec",
    "Temporary",
    "Usage",
    "Validator",
    "Version",
    "WholeAnswer",
    "hookimpl",
    "split_lines",
]
