"""What a job does that meets others of its concurrency group: on arrival, or when a worker reads which group it is in."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from flowforge.core.concurrency import BadTemplate, Concurrency, Group, Late, Policy, group_of, late
from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Ending, Job, JobRequest, Result
from flowforge.jobs.ending import superseded
from flowforge.jobs.tell import Teller
from flowforge.pipeline import grouping
from flowforge.pipeline.load import FILE
from flowforge.store import groups as table
from flowforge.store import jobs, outbox, schedule
from flowforge.store.errors import Duplicate
from flowforge.store.transaction import Transaction

_LEARNED = ("group", "policy", "pipeline")  # of a repository's own definition, for the jobs that arrive later
REPORT = "report"  # kind of the outbox letters that tell a git host how a job stands


def of_request(request: JobRequest, known: Mapping[str, Mapping[str, str]]) -> Group | None:
    """The group of a job that arrives; None when it has none, or only its worker can tell.

    `known` is what the repository's own definition last said, by target.

    Raises:
        Refused: invalid_request, the group that the request asks for cannot be read.
    """
    asked = _asked(request, known)
    if asked is None:
        return None
    try:
        return resolved(asked, request.repository, request.branch, request.target)
    except ValueError as error:
        if request.concurrency is None:
            return None  # written by a newer version; the worker decides
        raise Refused(
            Reason.INVALID_REQUEST,
            f"the concurrency group {asked.group[:60]!r} cannot be read: {error}"
            if isinstance(error, BadTemplate)
            else f"there is no policy {str(asked.policy)[:60]!r} for a concurrency group",
            next_action="use repository, branch, target or a text with these in braces; supersede, queue or reject",
        ) from error


def resolved(asked: Concurrency, repository: UUID, branch: str, target: str) -> Group | None:
    return group_of(asked, repository=str(repository), branch=branch, target=target)


def _asked(request: JobRequest, known: Mapping[str, Mapping[str, str]]) -> Concurrency | None:
    """What the request asks for, within the pipeline that its definition names; else what the definition does."""
    defined = _of_definition(request, known)
    if request.concurrency is None:
        return defined
    return replace(request.concurrency, pipeline=defined.pipeline if defined else "")


def _of_definition(request: JobRequest, known: Mapping[str, Mapping[str, str]]) -> Concurrency | None:
    if request.pipeline:
        return grouping.of_text(request.pipeline)
    if request.task:
        return grouping.of_shipped(request.task)
    found = known.get(request.target)
    # What an earlier version has learned bears no name; the worker finds it, and the group with it.
    return Concurrency(**{name: found[name] for name in _LEARNED if name in found}) if found else None


def columns(asked: Concurrency | None, group: Group | None) -> dict[str, str]:
    """The job's columns about its group; the policy also of one that only the worker can tell."""
    return {
        "concurrency_group": group.key if group else "",
        "concurrency_policy": group.policy.value if group else str(asked.policy) if asked else "",
        "concurrency_template": asked.group if asked else "",
    }


def enter(transaction: Transaction, repository: UUID, group: Group | None) -> UUID | None:
    """Hold the group, if there is one; an open job of it."""
    return table.enter(transaction, repository, group.key) if group else None


def keeps_out(group: Group | None) -> bool:
    return group is not None and group.policy is Policy.REJECT


def busy(job: UUID, group: Group | None) -> Refused:
    return Refused(
        Reason.GROUP_BUSY,
        f"job {job} of the concurrency group {group.key if group else ''!r} is open, and the group rejects a second one",
        next_action=f"wait until it has ended, or cancel it: flowforge job cancel {job}",
    )


def arrive(transaction: Transaction, job: Job, group: Group, met: UUID, teller: Teller) -> None:
    """The new job is stored and another of its held group is open: it waits, or the older ones make way."""
    stopping = _make_way(transaction, job, group, teller) if group.policy is Policy.SUPERSEDE else (met,)
    if stopping:
        _tell_waiting(transaction, job, group, stopping[0], teller)


def _make_way(transaction: Transaction, job: Job, group: Group, teller: Teller) -> tuple[UUID, ...]:
    """Those that a worker must stop first."""
    ended, asked = table.make_way(transaction, job, group.key, superseded(job.id))
    for moved in ended:
        outbox.put(
            transaction, moved.job.organization, moved.job.id, REPORT, {"state": moved.job.state.value}
        )
        teller.moved(transaction, moved)
    for told in asked:
        teller.news(transaction, told.job, told.seq)
    return tuple(told.job for told in asked)


def _tell_waiting(transaction: Transaction, job: Job, group: Group, ahead: UUID, teller: Teller) -> None:
    said = {
        "code": "group_busy",
        "sentence": f"job {ahead} of its concurrency group {group.key!r} comes first",
        "changes": "it runs when that job has ended, or is cancelled",
    }
    for told in table.note(transaction, [job.id], said):
        teller.news(transaction, told.job, told.seq)


# ------------------------------------------------------------------------------------- found by the worker


def of_job(job: Job, asked: Concurrency | None, target: str) -> Group | None:
    """The group of a job whose definition, which asks for this one, was read: by its request, else by that."""
    if job.concurrency_template:
        policy, name = job.concurrency_policy or Policy.QUEUE, asked.pipeline if asked else ""
        asked = Concurrency(group=job.concurrency_template, policy=policy, pipeline=name)
    return resolved(asked, job.repository, job.branch, target) if asked else None


def differs(job: Job, asked: Concurrency | None, target: str) -> bool:
    """Whether the definition puts the job into another group than the door did."""
    group = of_job(job, asked, target)
    return (group.key if group else "") != job.concurrency_group


def hold(transaction: Transaction, job: Job, asked: Concurrency | None, target: str) -> None:
    """Hold the group that `decide_late` will decide about."""
    group = of_job(job, asked, target)
    if group is not None and differs(job, asked, target):
        table.enter(transaction, job.repository, group.key)


def decide_late(
    transaction: Transaction, job: Job, target: str, asked: Concurrency | None, teller: Teller
) -> Refused | None:
    """Bring a running job into the group that its definition names; what must end its run once this is committed.

    What the repository's own file says is kept, so that the next job's group is known on arrival.
    """
    stop = _moved_in(transaction, job, target, asked, teller)
    if not job.task and (not job.pipeline or job.pipeline_source.startswith(FILE)):
        said = {name: str(getattr(asked, name)) for name in _LEARNED} if asked else {}
        table.learn(transaction, job.repository, job.target, said)
    return stop


def _moved_in(
    transaction: Transaction, job: Job, target: str, asked: Concurrency | None, teller: Teller
) -> Refused | None:
    if not differs(job, asked, target):
        return None
    group = of_job(job, asked, target)
    teller.freed(transaction)  # whoever waits behind it in the group that it leaves
    if group is None:
        table.join(transaction, job, "", "")
        return None
    met = table.meet(transaction, job, group.key)
    verdict = late(group.policy, met)
    if verdict is Late.YIELD:
        table.give_way(transaction, job, UUID(met.newer))
        return Refused(Reason.CANCELLED, f"job {met.newer} of its group {group.key!r} is newer")
    if verdict is Late.REFUSED:
        return busy(UUID(met.older), group)
    stopping = _make_way(transaction, job, group, teller) if group.policy is Policy.SUPERSEDE else ()
    if verdict is Late.GO and not stopping and _joined(transaction, job, group):
        return None
    ahead = met.running or (str(stopping[0]) if stopping else met.ahead)
    return _sent_back(transaction, job, group, ahead, teller)


def _joined(transaction: Transaction, job: Job, group: Group) -> bool:
    """False when another member was claimed in this very moment."""
    try:
        with transaction.savepoint():
            table.join(transaction, job, group.key, group.policy)
    except Duplicate:
        return False
    return True


def _sent_back(transaction: Transaction, job: Job, group: Group, ahead: str, teller: Teller) -> Refused:
    """Into the queue again, as a member; the attempt does not count, for nothing was tried."""
    before = f"job {ahead}" if ahead else "another job"
    ending = Ending(
        result=Result.ERROR,
        reason=Reason.GROUP_BUSY,
        sentence=f"{before} of its concurrency group {group.key!r} comes first",
        next_action="nothing is needed: it runs after that one",
    )
    moved = jobs.hand_back(transaction, job, ending, give_back=True)
    if moved is not None:
        schedule.close_execution(transaction, job, moved.job.state.value, ending)
        table.join(transaction, job, group.key, group.policy)
        teller.moved(transaction, moved)
    return Refused(Reason.GROUP_BUSY, ending.sentence)
