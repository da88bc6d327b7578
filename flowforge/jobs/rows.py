"""Values of the pipeline as rows and events, and back. Nothing here reads or writes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowforge.core.account import NO_ACCOUNT
from flowforge.core.conflict import Resolution, Unresolved
from flowforge.core.errors import Reason
from flowforge.core.job import Job, Result
from flowforge.core.pipeline import StageResult
from flowforge.pipeline.context import Work
from flowforge.store.stages import StageRow
from flowforge.store.transaction import Row


@dataclass(frozen=True, kw_only=True)
class StageRun:
    """The last run of a stage in earlier attempts."""

    result: StageResult  # where the stage has not ended: an error that says so
    ended: bool
    work: Mapping[str, Any] | None  # `Work.to_json` after the stage
    checkpoint: str  # reference of the bundle, "" = none
    ordinal: int
    fence: int  # of the attempt that ran it
    tries: int  # how often it ran in earlier attempts of this very job
    spent: float  # seconds it took in them


def stage_row(result: StageResult, work: Work, checkpoint: str) -> StageRow:
    return StageRow(
        stage=result.stage,
        result=result.result.value,
        reason=result.reason.value,
        sentence=result.sentence,
        next_action=result.next_action,
        evidence=result.evidence,
        outputs=dict(result.outputs),
        seconds=result.seconds,
        work=work.to_json(),
        checkpoint=checkpoint,
    )


def stage_run(row: Row) -> StageRun:
    ended = row["result"] is not None
    result = StageResult(
        stage=row["stage"],
        result=Result(row["result"]) if ended else Result.ERROR,
        reason=Reason(row["reason"]) if ended else Reason.LEASE_EXPIRED,
        sentence=row["sentence"],
        next_action=row["next_action"],
        evidence=row["evidence"],
        outputs=row["outputs"],
        seconds=row["seconds"] or 0.0,
        attempt=row["tries"] or 1,
    )
    return StageRun(
        result=result,
        ended=ended,
        work=row["work"],
        checkpoint=row["checkpoint"],
        ordinal=row["ordinal"],
        fence=row["fence"],
        tries=row["tries"],
        spent=row["spent"],
    )


def resolved_row(job: Job, stage: str, resolution: Resolution) -> dict[str, object]:
    """A row of conflict_resolutions; the text itself stays in git, its hash here."""
    rungs = list(dict.fromkeys(answer.rung for answer in resolution.given))
    accounts = [answer.account for answer in resolution.given]
    return _row(
        job,
        stage,
        conflict=resolution.conflict,
        method=",".join(rungs),
        model=", ".join(dict.fromkeys(one.model for one in accounts if one.model)),
        prompt_hash=next((one.prompt_hash for one in accounts if one.prompt_hash), ""),
        success=True,
        outside_hash=resolution.outside,
        result_hash=hashlib.sha256(resolution.result).hexdigest() if resolution.stands_at else "",
        hunks=[
            {
                "index": at,
                "rung": a.rung,
                "rule": a.rule,
                "why": a.why,
                "confirmed": a.confirmed,
                "approval": a.approval,
                "account": a.account.to_json(),
                **({"whole": resolution.taken} if resolution.whole is not None else {}),
            }
            for at, a in enumerate(resolution.given)
        ],
    )


def unresolved_row(job: Job, stage: str, unresolved: Unresolved) -> dict[str, object]:
    return _row(
        job,
        stage,
        conflict=unresolved.conflict,
        success=False,
        sentence=unresolved.sentence,
        model=", ".join(dict.fromkeys(one.model for one in unresolved.accounts.values() if one.model)),
        prompt_hash=next((one.prompt_hash for one in unresolved.accounts.values()), ""),
        hunks=[
            {
                "rung": rung,
                "why": said,
                "reason": unresolved.reasons.get(rung, ""),
                "account": unresolved.accounts.get(rung, NO_ACCOUNT).to_json(),
            }
            for rung, said in unresolved.tried.items()
        ],
    )


def _row(job: Job, stage: str, *, conflict: Any, **more: object) -> dict[str, object]:
    return {
        "organization": job.organization,
        "job": job.id,
        "stage": stage,
        "attempt": job.attempts,
        "commit_id": conflict.commit_id,
        "path": conflict.path,
        "kind": conflict.kind.value,
        "method": "",
        "outside_hash": "",
        "result_hash": "",
        "sentence": "",
        **more,
    }
