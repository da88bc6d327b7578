"""test: run the test command on exactly the tree that would be pushed, and remember that tree."""

from dataclasses import replace

from flowforge.core.errors import Reason
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.pipeline.commands import ended, run_on_tree
from flowforge.pipeline.context import Tools, Work


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    result = ended(spec, run_on_tree(spec, work.tree, tools), Reason.TESTS_FAILED)
    if result.ok:
        told = replace(result, outputs={**result.outputs, "tree": work.tree})
        return told, replace(work, tested_tree=work.tree)
    if spec.compare_base and result.reason is Reason.TESTS_FAILED:
        result = _compared(spec, result, work, tools)
    return result, replace(work, tested_tree="")


def _compared(spec: StageSpec, result: StageResult, work: Work, tools: Tools) -> StageResult:
    """Blame the target when the same command fails there too."""
    tools.recorder.log(spec.id, f"--- the same command on {work.target} itself\n".encode())
    if ended(spec, run_on_tree(spec, tools.mirror.tree_of(work.upstream), tools), Reason.TESTS_FAILED).ok:
        return result
    return replace(
        result,
        reason=Reason.BASE_ALREADY_RED,
        sentence=f"the tests fail, and they fail on {work.target} itself too",
        next_action=f"mend {work.target} first, then retry this job",
    )
