"""What happened in a job, as JSON-safe values: one kind, one shape, whichever recorder keeps it.

Events are public: they are streamed by the API, shown by the terminal and kept in `job_events`. Kinds:
stage.started, stage.finished, repository.scanned, conflicts.resolved, files.validated, push.intended, push.settled,
checkpoint.lost (the job begins anew), mirror.noted,
and the job's own moves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flowforge.core.conflict import Resolution, Unresolved
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.verdict import Finding, Outcome, Verdict

_MOST = 50  # rows of one kind in one event; the whole is in the job's tables

Story = tuple[str, Mapping[str, Any]]


def stage_started(spec: StageSpec) -> Story:
    return "stage.started", {"stage": spec.id, "uses": spec.uses}


def stage_finished(result: StageResult) -> Story:
    return "stage.finished", {
        "stage": result.stage,
        "result": result.result.value,
        "reason": result.reason.value,
        "sentence": result.sentence,
        "next_action": result.next_action,
        "evidence": result.evidence,
        "seconds": round(result.seconds, 3),
        "attempt": result.attempt,
    }


def scanned(findings: Sequence[Finding]) -> Story:
    return "repository.scanned", {
        "findings": [finding_row(one) for one in findings[:_MOST]],
        "count": len(findings),
    }


def resolved(stage: str, resolutions: Sequence[Resolution], open_: Sequence[Unresolved]) -> Story:
    return "conflicts.resolved", {
        "stage": stage,
        "resolved": [resolution_row(one) for one in resolutions[:_MOST]],
        "unresolved": [unresolved_row(one) for one in open_[:_MOST]],
    }


def validated(stage: str, verdicts: Sequence[Verdict]) -> Story:
    """All verdicts counted, those that say something in full."""
    telling = [one for one in verdicts if one.findings or one.outcome in {Outcome.ERROR, Outcome.SKIP}]
    return "files.validated", {
        "stage": stage,
        "checks": len(verdicts),
        "outcomes": {kind.value: sum(one.outcome is kind for one in verdicts) for kind in Outcome},
        "verdicts": [verdict_row(one) for one in telling[:_MOST]],
    }


def push_intent(ref: str, old: str, new: str) -> Story:
    return "push.intended", {"ref": ref, "old": old, "new": new}


def push_settled(ref: str, new: str, outcome: str) -> Story:
    return "push.settled", {"ref": ref, "new": new, "outcome": outcome}


def finding_row(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "level": finding.level.value,
        "message": finding.message,
        "path": finding.path,
        "start": finding.start,
        "end": finding.end,
        "introduced": finding.introduced,
    }


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    return {
        "validator": verdict.validator,
        "path": verdict.path,
        "outcome": verdict.outcome.value,
        "sentence": verdict.sentence,
        "findings": [finding_row(one) for one in verdict.findings],
    }


def resolution_row(resolution: Resolution) -> dict[str, Any]:
    """Who answered each hunk and why; texts stay in the sealed table of resolutions."""
    return {
        "path": resolution.conflict.path,
        "commit": resolution.conflict.commit_id,
        "outside": resolution.outside,
        "whole": resolution.taken,
        "hunks": [
            {
                "rung": one.rung,
                "rule": one.rule,
                "why": one.why,
                "confirmed": one.confirmed,
                **({"approval": one.approval} if one.approval else {}),
            }
            for one in resolution.given
        ],
    }


def unresolved_row(unresolved: Unresolved) -> dict[str, Any]:
    return {
        "path": unresolved.conflict.path,
        "commit": unresolved.conflict.commit_id,
        "kind": unresolved.conflict.kind.value,
        "sentence": unresolved.sentence,
        "tried": dict(unresolved.tried),
        "reasons": dict(unresolved.reasons),
    }
