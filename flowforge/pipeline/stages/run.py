"""run: any command, in the sandbox, on an export of the tree; its exit status is the stage's result."""

from flowforge.core.errors import Reason
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.pipeline.commands import ended, nothing_to_run_on, run_on_tree
from flowforge.pipeline.context import Tools, Work


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    if not work.tree:
        return nothing_to_run_on(spec), work
    finished = run_on_tree(spec, work.tree, tools)
    return ended(spec, finished, Reason.COMMAND_FAILED), work
