"""The sandbox of one job, by the settings; looked for only where its pipeline runs a command."""

import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.pipeline.options import ResolveOptions
from flowforge.pipeline.table import BUILT_IN
from flowforge.resolve.lockfile import RUNG as LOCKFILE
from flowforge.sandbox.choose import choose_sandbox, python_tools
from flowforge.sandbox.contract import Command, Finished, Limit, Sandbox
from flowforge.settings import Settings


def sandbox_for(pipeline: Pipeline, settings: Settings, warn: Callable[[str], None]) -> Sandbox:
    """Make it; where only the rung `lockfile` may need one, when it does.

    Raises:
        Refused: a stage runs a command, and this host cannot give the sandbox that the settings ask for.
    """
    stages = (*pipeline.stages, *pipeline.last)
    if any(stage.run or stage.uses not in BUILT_IN for stage in stages):
        return make_sandbox(settings, warn)
    if any(_relocks(stage) for stage in stages):
        return WhenNeeded(make=lambda: make_sandbox(settings, warn))
    return NoCommands()


def make_sandbox(settings: Settings, warn: Callable[[str], None]) -> Sandbox:
    """The sandbox that the settings ask for.

    Raises:
        Refused: sandbox_unavailable; configuration, for a folder of `sandbox_tools` that is not there.
    """
    return choose_sandbox(
        settings.sandbox,
        unique=lambda: secrets.token_hex(8),
        warn=lambda text: warn(f"{text}\n"),
        tools=tool_folders(settings),
        host_network=settings.sandbox_host_network,
    )


def tool_folders(settings: Settings) -> tuple[Path, ...]:
    """What commands see beside the system's own programs: the Python that runs FlowForge, and what the operator names.

    Raises:
        Refused: configuration, for a folder that is not there.
    """
    named = tuple(Path(word).expanduser() for word in settings.sandbox_tools)
    for folder in named:
        if not (folder.is_absolute() and (folder / "bin").is_dir()):
            raise Refused(
                Reason.CONFIGURATION,
                f"sandbox_tools: {str(folder)!r} has no folder `bin`, or is no absolute path",
                next_action="name the folder in whose `bin` the programs are",
            )
    return (*python_tools(Path(sys.executable)), *named)


def _relocks(stage: StageSpec) -> bool:
    return stage.uses == "resolve" and LOCKFILE in ResolveOptions.model_validate(stage.options).rungs


@dataclass(kw_only=True)
class WhenNeeded:
    """A sandbox that is looked for when the first command is there: most jobs have none."""

    make: Callable[[], Sandbox]

    @cached_property
    def _made(self) -> Sandbox:
        return self.make()

    @property
    def name(self) -> str:
        return "when needed"

    def missing(self) -> Mapping[Limit, str]:
        return self._made.missing()

    def run(
        self, command: Command, on_output: Callable[[bytes], None], cancelled: Callable[[], bool]
    ) -> Finished:
        """Raises:
        Refused: as `make_sandbox`, and as the sandbox itself.
        """
        return self._made.run(command, on_output, cancelled)


@dataclass(frozen=True, kw_only=True)
class Unrun:
    """The sandbox of a simulation: what a run would do in it is told, and not done."""

    name: str = "simulated"

    def missing(self) -> Mapping[Limit, str]:
        return {}

    def run(
        self,
        command: Command,  # noqa: ARG002 (the Protocol's form)
        on_output: Callable[[bytes], None],  # noqa: ARG002
        cancelled: Callable[[], bool],  # noqa: ARG002
    ) -> Finished:
        raise Refused(Reason.SKIPPED, "a run would write it anew with a tool; a simulation runs none")


class NoCommands:
    """The sandbox of a pipeline that has no command: it is never asked for one."""

    @property
    def name(self) -> str:
        return "not needed"

    def missing(self) -> Mapping[Limit, str]:
        return {}

    def run(
        self,
        command: Command,  # noqa: ARG002 (the Protocol's form)
        on_output: Callable[[bytes], None],  # noqa: ARG002
        cancelled: Callable[[], bool],  # noqa: ARG002
    ) -> Finished:
        raise Broken(Reason.SANDBOX_UNAVAILABLE, "no sandbox was looked for: the pipeline has no command")
