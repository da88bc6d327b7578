"""A person's retry: a new job that names its parent, whole or from one of its stages on."""

from uuid import UUID

from flowforge.core.access import Operation, Principal, may
from flowforge.core.concurrency import Concurrency, Policy
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job, JobRequest
from flowforge.jobs.cancel import not_found
from flowforge.jobs.submit import Door, check, store
from flowforge.pipeline.calibrating import CALIBRATE
from flowforge.store import jobs as table
from flowforge.store import stages
from flowforge.store.retention import texts_erased
from flowforge.store.transaction import Row, Transaction

_WELL = frozenset({"success", "skip"})


def retry(
    transaction: Transaction,
    principal: Principal,
    identity: UUID,
    door: Door,
    *,
    start: str = "",
    idempotency_key: str = "",
) -> Job:
    """Submit the job again as its child; from stage `start` with the results of the stages before it.

    A whole retry reads its pipeline anew from the target branch; one from a stage keeps the text as it ran, or
    the earlier results would belong to another definition.

    Raises:
        Refused: not_allowed, not_found, conflict_of_state (the job has not ended), invalid_request (no such
            stage, or one before it did not end well), and what `submit` refuses.
    """
    if not may(principal, Operation.CONTROL):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not retry jobs",
            next_action="use a token with the scope control, or ask for the role user",
        )
    parent = table.get(transaction, identity)
    if parent is None:
        raise not_found(identity)
    if not parent.final:
        raise Refused(
            Reason.CONFLICT_OF_STATE,
            f"job {identity} is still {parent.state}",
            next_action="wait until it has ended, or cancel it first",
        )
    if parent.trigger == CALIBRATE:  # who may retry a job may not set a policy
        raise Refused(
            Reason.CONFLICT_OF_STATE,
            f"job {identity} has calibrated its repository, which is not tried again as a job",
            next_action="ask for a new one: flowforge calibrate --repository REPOSITORY",
        )
    if texts_erased(transaction, parent.id):
        raise Refused(
            Reason.CONFLICT_OF_STATE,
            f"the definition and the variables of job {identity} were erased after their time",
            next_action="submit a new job",
        )
    earlier = before(stages.last_runs(transaction, parent.id), start) if start else ()
    request = _request(parent, start, idempotency_key)
    wanted = check(transaction, request, door.check_ref)
    child = store(transaction, principal, wanted, door, source=parent.pipeline_source if start else "")
    if earlier and child.attempts == 0:
        stages.inherit(transaction, parent.id, child.id, earlier)
    return child


def before(runs: list[Row], start: str) -> tuple[str, ...]:
    """The stages before `start`, all of which ended well.

    Raises:
        Refused: no such stage ran, or one before it did not end well.
    """
    names = [str(run["stage"]) for run in runs]
    if start not in names:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"stage {start!r} never began in this job; these did: {', '.join(names) or 'none'}",
            next_action="name one of them, or retry the whole job",
        )
    earlier = runs[: names.index(start)]
    bad = [str(run["stage"]) for run in earlier if run["result"] not in _WELL]
    if bad:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"stage {bad[0]!r} comes before {start!r} and did not end well",
            next_action=f"retry from {bad[0]!r}, or the whole job",
        )
    return tuple(str(run["stage"]) for run in earlier)


def _request(parent: Job, start: str, key: str) -> JobRequest:
    given = parent.trigger if parent.trigger == "api" else f"retry of {parent.trigger}"
    return JobRequest(
        repository=parent.repository,
        branch=parent.branch,
        target=parent.target,
        task=parent.task,
        pipeline=parent.pipeline if start or not parent.pipeline_source else "",
        priority=parent.priority,
        environment=parent.environment,
        idempotency_key=key,
        trigger=given,
        parent_job=parent.id,
        retry_from=start,
        max_attempts=parent.max_attempts,
        concurrency=_group(parent),
    )


def _group(parent: Job) -> Concurrency | None:
    """The group that the parent's request asked for; one of the definition is found anew."""
    if not parent.concurrency_template:
        return None
    return Concurrency(group=parent.concurrency_template, policy=parent.concurrency_policy or Policy.QUEUE)
