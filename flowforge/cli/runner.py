"""What a runner without a service is asked and answers; `flowforge.wiring.local` is one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowforge.core.job import Ending
from flowforge.core.pipeline import StageResult

Tell = Callable[[str, Mapping[str, Any]], None]  # an event's kind and data, as `pipeline.story` has them


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What `flowforge run` was asked for; "" where it was not said."""

    repository: str  # a url, or a folder
    branch: str = ""  # "" = the one that is checked out in the folder
    onto: str = ""  # "" = the repository's default branch
    pipeline: str = ""  # a file, a shipped definition by name, or "" = the repository's own
    push: bool = True
    sandbox: str = ""  # "" = as the settings say
    policy: str = ""  # a file that `calibrate` wrote; "" = as shipped
    memory: bool = True  # what earlier runs were answered, and what this one is


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the run ended, and where its result is."""

    ending: Ending
    branch: str
    target: str
    old_head: str
    head: str
    results: tuple[StageResult, ...]
    report: str  # text, "" where the pipeline has no report stage
    fetch: str = ""  # a git command that brings an unpushed result into the folder


Runner = Callable[[Asked, Tell], Ended]
