"""test: run the test command on exactly the tree that would be pushed, and remember that tree."""

from dataclasses import replace

from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import OnFailure, StageResult, StageSpec
from flowforge.pipeline.commands import ended, run_on_tree
from flowforge.pipeline.context import Tools, Work


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    _refuse_half(work)
    result = ended(spec, run_on_tree(spec, work.tree, tools), Reason.TESTS_FAILED)
    if result.ok:
        told = replace(result, outputs={**result.outputs, "tree": work.tree})
        return told, replace(work, tested_tree=work.tree)
    if spec.compare_base and result.reason is Reason.TESTS_FAILED:
        result = _compared(spec, result, work, tools)
    if spec.on_failure is OnFailure.CONTINUE:  # it may fail: what other stages proved of this tree stands
        return result, work
    return result, replace(work, tested_tree="")


def _refuse_half(work: Work) -> None:
    """Tests of half a branch would prove something of a tree that nobody will ever have."""
    if work.pending:
        raise Refused(
            Reason.UNRESOLVED_CONFLICTS,
            "the branch is not replayed to its end, so there is no result to test",
            next_action="put a resolve stage before test",
        )


def _compared(spec: StageSpec, result: StageResult, work: Work, tools: Tools) -> StageResult:
    """Blame the target when the same command fails there too; being stopped there by a limit proves nothing."""
    tools.recorder.log(spec.id, f"--- the same command on {work.target} itself\n".encode())
    there = ended(spec, run_on_tree(spec, tools.mirror.tree_of(work.upstream), tools), Reason.TESTS_FAILED)
    if there.reason is not Reason.TESTS_FAILED:
        return result
    return replace(
        result,
        reason=Reason.BASE_ALREADY_RED,
        sentence=f"the tests fail, and they fail on {work.target} itself too",
        next_action=f"mend {work.target} first, then retry this job",
    )
