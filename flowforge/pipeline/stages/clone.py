"""clone: bring both branches into the mirror, find where they part, look for hostile content."""

from dataclasses import replace

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.verdict import Finding, Level
from flowforge.git.scan import scan
from flowforge.pipeline.context import Tools, Work


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    if work.branch == work.target:
        raise Refused(
            Reason.BRANCH_IS_TARGET,
            f"branch and target are both {work.branch!r}",
            next_action="name the branch to rebase, and the branch it should be rebased onto",
        )
    tips = tools.fetched or tools.mirror.fetch(work.branch, work.target)
    base = tools.mirror.merge_base(tips.target, tips.branch)
    if not base:
        raise Refused(
            Reason.UNRELATED_HISTORIES,
            f"{work.branch!r} and {work.target!r} share no commit",
            next_action="check that this is the right target; FlowForge never joins unrelated histories",
        )
    findings = scan(tools.mirror, base, tips.branch)
    tools.recorder.scanned(findings)
    cloned = replace(
        work,
        old_head=tips.branch,
        upstream=tips.target,
        merge_base=base,
        head=tips.branch,
        tree=tools.mirror.tree_of(tips.branch),
    )
    hostile = [finding for finding in findings if finding.level is Level.ERROR]
    return (_refusal(spec.id, hostile) if hostile else _cloned(spec.id, cloned)), cloned


def _cloned(stage: str, work: Work) -> StageResult:
    sentence = f"{work.branch} is at {work.old_head[:10]}, {work.target} at {work.upstream[:10]}"
    return StageResult(stage=stage, result=Result.SUCCESS, sentence=sentence)


def _refusal(stage: str, findings: list[Finding]) -> StageResult:
    first = findings[0]
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return StageResult(
        stage=stage,
        result=Result.FAILURE,
        reason=Reason.HOSTILE_CONTENT,
        sentence=f"the branch holds what FlowForge does not touch: {first.path}: {first.message}{more}",
        next_action="take it out of the branch, then submit again",
        evidence="scan",
    )
