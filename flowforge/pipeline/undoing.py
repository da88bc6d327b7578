"""What an undo job is: one stage, made here and never read from a file, and what it may put back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flowforge.core.pipeline import Pipeline, StageSpec

UNDO: Final = "undo"  # the task and the trigger of such a job; nobody can submit one by these words

PIPELINE: Final = Pipeline(
    name=UNDO,
    version=1,
    stages=(StageSpec(id=UNDO, uses=UNDO),),
    source="flowforge:undo",
)


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """What the ref pointed to before one push; zeros: there was none."""

    old: str
    bundle: str = ""  # reference of the artifact that holds its commits; "" = the push kept them reachable


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """The pushes that this job takes back."""

    job: str  # id of the job that pushed
    ref: str
    pushes: Mapping[str, Replaced]  # by the commit that was meant to be pushed
    wait: float  # seconds until no push of a former owner can be under way any more
    fetch: Callable[[str, Path], object]  # brings an artifact into a file
    answers: frozenset[str] = frozenset()  # marks of the answers that were pushed; they are not offered again
