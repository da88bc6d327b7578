"""Make a job durable: its row, its audit, its outbox letter, in the caller's transaction."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from flowforge.core.access import Operation, Principal, may
from flowforge.core.concurrency import Group
from flowforge.core.errors import Reason, Refused
from flowforge.core.failpoint import failpoint
from flowforge.core.job import Job, JobRequest, priority_class
from flowforge.jobs import groups
from flowforge.jobs.tell import SILENT, Teller
from flowforge.pipeline.calibrating import CALIBRATE
from flowforge.store import jobs as table
from flowforge.store import outbox
from flowforge.store.transaction import Row, Transaction

READS_ONLY = frozenset({"validate-only", "review"})  # tasks that write no ref, so they may run beside others
REPORT = groups.REPORT

# What could turn our own tools against us, or against the host's network, is never set by a job.
_RESERVED = re.compile(r"GIT_.*|LD_.*|PYTHON.*|DYLD_.*|FLOWFORGE_.*|PATH|HOME|.*_PROXY", re.IGNORECASE)
_ALLOWED = frozenset({"PYTHONHASHSEED"})
_NOT_COLUMNS = frozenset({"concurrency", "joins"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, kw_only=True)
class Door:
    """What submit and retry need beside the request: ids, the check of ref names, and who is told."""

    new_id: Callable[[], UUID]  # uuid v7
    check_ref: Callable[[str], object]  # raises Refused(invalid_ref)
    teller: Teller = SILENT


def submit(transaction: Transaction, principal: Principal, request: JobRequest, door: Door) -> Job:
    """Store a job, queued; the same idempotency key with the same request gives the job that it made before.

    Raises:
        Refused: not_allowed, not_found (repository), conflict_of_state (repository is switched off),
            invalid_request (priority, variable, group, or a key used with another request), invalid_ref,
            branch_is_target, group_busy (its group rejects a second open job).
    """
    if not may(principal, Operation.SUBMIT):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not submit jobs",
            next_action="use a token with the scope submit, or ask for the role user",
        )
    wanted = check(transaction, request, door.check_ref)
    return store(transaction, principal, wanted, door)


@dataclass(frozen=True, kw_only=True)
class Checked(JobRequest):
    """A request that may be stored."""

    joins: Group | None = None  # the group of the job, where it has one and that is known already


def check(transaction: Transaction, request: JobRequest, check_ref: Callable[[str], object]) -> Checked:
    """The request with its defaults filled in.

    Raises:
        Refused: as `submit`.
    """
    priority_class(request.priority)
    _refuse_variables(request.environment)
    repository = known_repository(transaction, request.repository)
    target = request.target or repository["default_branch"]
    check_ref(request.branch)
    if target:
        check_ref(target)
    if request.branch == target:
        raise Refused(
            Reason.BRANCH_IS_TARGET,
            f"branch {request.branch!r} cannot be rebased onto itself",
            next_action="name the branch that holds the work, or another target",
        )
    filled = replace(request, target=target)
    return Checked(**vars(filled), joins=groups.of_request(filled, repository["groups"]))


def known_repository(transaction: Transaction, identity: UUID, *, active: bool = True) -> Row:
    """What submit must know of a repository; with `active`, of one that takes jobs.

    Raises:
        Refused: not_found, conflict_of_state.
    """
    repository = table.repository(transaction, identity)
    if repository is None:
        raise Refused(
            Reason.NOT_FOUND,
            f"there is no repository {str(identity)!r}",
            next_action="list yours: flowforge repo list",
        )
    if active and not repository["is_active"]:
        raise Refused(
            Reason.CONFLICT_OF_STATE,
            f"repository {str(identity)!r} is switched off",
            next_action="switch it on: flowforge repo update --active",
        )
    return repository


def store(
    transaction: Transaction, principal: Principal, request: Checked, door: Door, *, source: str = ""
) -> Job:
    """Insert what `check` let through; `source` is where a text came from that an earlier job had read.

    What becomes of the open jobs of its group is decided here too, in the same transaction and under the group's lock.
    A request that was stored before changes nothing.
    """
    fingerprint, key = body_hash(request), request.idempotency_key
    met = groups.enter(transaction, request.repository, request.joins)
    if met is not None and groups.keeps_out(request.joins):
        if key and table.of_key(transaction, principal.organization, key) is not None:
            return _same(transaction, principal, key, fingerprint)
        raise groups.busy(met, request.joins)
    values: Mapping[str, object] = {
        "id": door.new_id(),
        "organization": principal.organization,
        "user": principal.user,
        "ref_key": ref_key(request),
        "body_hash": fingerprint,
        "pipeline_source": source,
        **groups.columns(request.concurrency, request.joins),
        **{name: value for name, value in vars(request).items() if name not in _NOT_COLUMNS},
    }
    moved = table.insert(transaction, values)
    if moved is None:
        return _same(transaction, principal, key, fingerprint)
    outbox.put(transaction, principal.organization, moved.job.id, REPORT, {"state": moved.job.state.value})
    door.teller.moved(transaction, moved)
    if met is not None and request.joins is not None:
        groups.arrive(transaction, moved.job, request.joins, met, door.teller)
    transaction.after_commit(lambda: failpoint("submit.committed"))
    failpoint("submit.stored")
    return moved.job


def ref_key(request: JobRequest) -> str:
    """The ref that the job will write, of which there is one running writer at a time; "" = it writes none."""
    reads = request.trigger == CALIBRATE or (request.task in READS_ONLY and not request.pipeline)
    return "" if reads else f"refs/heads/{request.branch}"


def body_hash(request: JobRequest) -> bytes:
    """A hash over everything that was asked for; the key itself is not part of it."""
    body: dict[str, object] = {**vars(request), "idempotency_key": ""}
    body.pop("joins", None)  # found, not asked for
    group = body.pop("concurrency")
    if group is not None:  # else the hash of a version that knew no groups
        body["concurrency"] = {
            name: value for name, value in vars(group).items() if name != "pipeline"
        }  # found as well
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).digest()


def _same(transaction: Transaction, principal: Principal, key: str, fingerprint: bytes) -> Job:
    found = table.of_key(transaction, principal.organization, key)
    if found is not None and found[1] == fingerprint:
        return found[0]
    raise Refused(
        Reason.INVALID_REQUEST,
        f"Idempotency-Key {key!r} was used before with another request",
        next_action="use a new key for a new request",
    )


def _refuse_variables(environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not _NAME.match(name) or "\0" in value:
            raise _variable(name, "is no name of a variable" if "\0" not in value else "holds a NUL byte")
        if _RESERVED.fullmatch(name) and name not in _ALLOWED:
            raise _variable(name, "is FlowForge's own to set")


def _variable(name: str, why: str) -> Refused:
    return Refused(
        Reason.INVALID_REQUEST,
        f"environment: {name!r} {why}",
        next_action="use another name for the variable",
    )
