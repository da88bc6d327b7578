"""Ask for a calibration of a repository: a job of one stage, one at a time; and what the newest one has found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flowforge.core.access import Operation, Principal, may
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Job
from flowforge.jobs.submit import Checked, Door, known_repository, store
from flowforge.pipeline.calibrating import CALIBRATE, PIPELINE, Wish
from flowforge.store import calibrations
from flowforge.store import jobs as table
from flowforge.store.transaction import Transaction

PRIORITY = 2  # low: nobody's branch waits for it


@dataclass(frozen=True, kw_only=True)
class Found:
    """The newest calibration that has found something."""

    job: UUID
    outputs: Mapping[str, Any]  # as the stage tells them
    created_at: datetime
    completed_at: datetime


def calibrate(
    transaction: Transaction,
    principal: Principal,
    repository: UUID,
    wish: Wish,
    door: Door,
    *,
    idempotency_key: str = "",
) -> Job:
    """Submit the job that counts a repository's history, and sets its policy where `wish` says so.

    Raises:
        Refused: not_allowed, not_found, conflict_of_state (the repository is switched off, or is being calibrated),
            invalid_request (the key was used with another request).
    """
    if not may(principal, Operation.CONFIGURE):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not calibrate repositories",
            next_action="use a token of a maintainer with the scope configure",
        )
    branch = known_repository(transaction, repository)["default_branch"]
    calibrations.lock(transaction, repository)
    known = idempotency_key and table.of_key(transaction, principal.organization, idempotency_key) is not None
    if not known:
        _refuse_twice(transaction, repository)
    request = Checked(
        repository=repository,
        branch=branch or "HEAD",
        target=branch,
        task=CALIBRATE,
        priority=PRIORITY,
        environment=wish.words(),
        idempotency_key=idempotency_key,
        trigger=CALIBRATE,
    )
    return store(transaction, principal, request, door, source=PIPELINE.source)


def newest(transaction: Transaction, repository: UUID) -> Found:
    """Raises:
    Refused: not_found: no such repository (another organization's is answered the same), or none of it has ended well.
    """
    known_repository(transaction, repository, active=False)
    row = calibrations.newest(transaction, repository)
    if row is None:
        raise Refused(
            Reason.NOT_FOUND,
            "no calibration of this repository has found anything yet",
            next_action="ask for one: flowforge calibrate --repository REPOSITORY",
        )
    return Found(
        job=row["id"],
        outputs=row["outputs"][CALIBRATE],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
    )


def _refuse_twice(transaction: Transaction, repository: UUID) -> None:
    open_ = calibrations.open_one(transaction, repository)
    if open_ is not None:
        raise Refused(
            Reason.CONFLICT_OF_STATE,
            f"job {open_} is calibrating this repository",
            next_action=f"follow it: flowforge job watch {open_}",
        )
