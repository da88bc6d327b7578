"""The sandbox of one job, by the settings; looked for only where its pipeline runs a command."""

import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from flowforge.core.errors import Broken, Reason
from flowforge.core.pipeline import Pipeline
from flowforge.pipeline.table import BUILT_IN
from flowforge.sandbox.choose import choose_sandbox, python_tools
from flowforge.sandbox.contract import Command, Finished, Limit, Sandbox
from flowforge.settings import Settings


def sandbox_for(pipeline: Pipeline, settings: Settings, warn: Callable[[str], None]) -> Sandbox:
    """Make it.

    Raises:
        Refused: a stage runs a command, and this host cannot give the sandbox that the settings ask for.
    """
    stages = (*pipeline.stages, *pipeline.last)
    if not any(stage.run or stage.uses not in BUILT_IN for stage in stages):
        return NoCommands()
    return choose_sandbox(
        settings.sandbox,
        unique=lambda: secrets.token_hex(8),
        warn=lambda text: warn(f"{text}\n"),
        tools=python_tools(Path(sys.executable)),
    )


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
