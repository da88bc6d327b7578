"""The house's values in the shapes of the API."""

from collections.abc import Mapping, Sequence
from typing import Any

from flowforge.api.models import (
    ConcurrencyOut,
    ConflictOut,
    EndingOut,
    EventOut,
    HunkOut,
    JobCostOut,
    JobDetail,
    JobOut,
    RepositoryOut,
    StageOut,
    WhyOut,
)
from flowforge.core.job import Ending, Job, priority_class
from flowforge.core.spend import dollars
from flowforge.jobs.why import Why
from flowforge.store.accounts import Repository
from flowforge.store.events import JobEvent
from flowforge.store.usage import Total

NO_CALLS = Total()

_SAME = [
    "id",
    "repository",
    "user",
    "parent_job",
    "state",
    "final",
    "priority",
    "branch",
    "target",
    "task",
    "pipeline_source",
    "trigger",
    "retry_from",
    "attempts",
    "max_attempts",
    "cancel_requested",
    "run_after",
    "created_at",
    "queued_at",
    "started_at",
    "completed_at",
    "cancelled_at",
    "superseded_by",
]


def job_out(job: Job) -> JobOut:
    """A job as lists show it. The environment's values stay inside: they may be secrets."""
    return JobOut(**_job(job))


def job_detail(
    job: Job, stages: Sequence[Mapping[str, Any]], why: Why | None, total: Total = NO_CALLS
) -> JobDetail:
    """A job as it is shown alone."""
    return JobDetail(
        cost=job_cost(total) if total.calls or total.reserved else None,
        **_job(job),
        stages=[stage_out(row) for row in stages],
        why=why_out(why),
        estimated_start=why.estimated_start if why else None,
    )


def job_cost(total: Total) -> JobCostOut:
    """What a job's model calls come to."""
    return JobCostOut(**priced(vars(total), "cost", "saved", "reserved"))


def priced(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Amounts under these names as text in US dollars, with that in their names."""
    amounts = {f"{name}_usd": dollars(values[name]) for name in names}
    return {**{name: value for name, value in values.items() if name not in names}, **amounts}


def why_out(why: Why | None) -> WhyOut | None:
    return WhyOut(code=why.code, sentence=why.sentence, changes=why.changes) if why else None


def concurrency_out(job: Job) -> ConcurrencyOut | None:
    return (
        ConcurrencyOut(group=job.concurrency_group, policy=job.concurrency_policy)
        if job.concurrency_group
        else None
    )


def _job(job: Job) -> dict[str, Any]:
    return {
        **{name: getattr(job, name) for name in _SAME},
        "priority_class": priority_class(job.priority),
        "environment": sorted(job.environment),
        "worker": job.owner,
        "ending": job.ending and ending_out(job.ending),
        "outputs": dict(job.outputs),
        "concurrency": concurrency_out(job),
    }


def ending_out(ending: Ending) -> EndingOut:
    return EndingOut(
        result=ending.result,
        reason=ending.reason,
        sentence=ending.sentence,
        next_action=ending.next_action,
        evidence=ending.evidence,
    )


def stage_out(row: Mapping[str, Any]) -> StageOut:
    """A row of `stage_runs`; its columns are named as ours, and those that are not ours are left."""
    texts = {name: row[name] or "" for name in ("reason", "sentence", "next_action", "evidence")}
    return StageOut(**{**row, **texts})


def event_out(event: JobEvent) -> EventOut:
    return EventOut(seq=event.seq, kind=event.kind, at=event.at, data=dict(event.data))


def conflict_out(row: Mapping[str, Any]) -> ConflictOut:
    """A row of `conflict_resolutions`."""
    return ConflictOut(
        **{name: row[name] for name in ("path", "kind", "method", "sentence", "stage", "model")},
        resolved=row["success"],
        commit=row["commit_id"],
        hunks=[HunkOut.model_validate(hunk) for hunk in row["hunks"]],
    )


def repository_out(repository: Repository) -> RepositoryOut:
    """A repository; whether it has credentials, never which."""
    return RepositoryOut(**{name: getattr(repository, name) for name in RepositoryOut.model_fields})
