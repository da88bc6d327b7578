"""What the metrics learn of jobs: at their moves, once those are true, in the process that made them."""

from collections.abc import Sequence
from datetime import timedelta

from flowforge.core.conflict import Resolution, Unresolved
from flowforge.core.job import Job, priority_class
from flowforge.core.telemetry import Telemetry

SEVERAL = "several"  # the rung of a conflict whose hunks were answered by more than one
NOBODY = "none"  # the rung of a conflict that goes to a person


def ended(telemetry: Telemetry, job: Job) -> None:
    """Count a job that has reached its end; one that never ran has no duration."""
    if not job.final or job.ending is None:
        return
    repository = str(job.repository)
    telemetry.count(
        "flowforge_jobs_total",
        result=job.ending.result.value,
        reason=job.ending.reason.value,
        repository=repository,
    )
    if job.started_at is not None and job.completed_at is not None:
        seconds = (job.completed_at - job.started_at).total_seconds()
        telemetry.observe("flowforge_job_duration_seconds", seconds, repository=repository)


def claimed(telemetry: Telemetry, job: Job, lease: float) -> None:
    """How long a job waited that was claimed just now for `lease` seconds; both ends are the database's time."""
    if job.lease_until is None or job.queued_at is None:
        return
    waited = job.lease_until - timedelta(seconds=lease) - job.queued_at
    telemetry.observe(
        "flowforge_job_queue_wait_seconds",
        max(0.0, waited.total_seconds()),
        priority=priority_class(job.priority).value,
    )


def answered(telemetry: Telemetry, resolutions: Sequence[Resolution], open_: Sequence[Unresolved]) -> None:
    """Count conflicts by who answered them; a stage that runs again meets them again."""
    for resolution in resolutions:
        rungs = {answer.rung for answer in resolution.given}
        proven = all(answer.confirmed for answer in resolution.given)
        telemetry.count(
            "flowforge_conflicts_total",
            rung=rungs.pop() if len(rungs) == 1 else SEVERAL,
            outcome="resolved" if proven else "proposed",
        )
    if open_:
        telemetry.count("flowforge_conflicts_total", len(open_), rung=NOBODY, outcome="handed_back")
