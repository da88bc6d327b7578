"""Pause and resume: an organization, a repository, or one target of a repository. What runs goes on to its end."""

from collections.abc import Mapping
from uuid import UUID

from flowforge.core.access import Operation, Principal, may
from flowforge.core.errors import Reason, Refused
from flowforge.jobs.submit import Door
from flowforge.jobs.tell import Teller
from flowforge.store import audit, groups, pauses
from flowforge.store import jobs as table
from flowforge.store.pauses import Pause
from flowforge.store.transaction import Transaction

TOLD = 1000  # queued jobs, next ones first, in whose story a pause and its end are written


def pause(
    transaction: Transaction,
    principal: Principal,
    door: Door,
    *,
    repository: UUID | None,
    target: str,
    reason: str,
) -> Pause:
    """Let no queued job start: all of the organization's, a repository's, or those onto one target of it.

    Raises:
        Refused: not_allowed, not_found (repository), invalid_ref, invalid_request (a target without its repository,
            or no reason), conflict_of_state (exactly this is paused already).
    """
    _allow(principal)
    _check(transaction, door, repository, target, reason)
    identity = door.new_id()
    made = pauses.add(
        transaction,
        identity=identity,
        organization=principal.organization,
        repository=repository,
        target=target,
        reason=reason.strip(),
        user=principal.user,
    )
    if made is None:
        raise _already(pauses.same(transaction, principal.organization, repository, target))
    _note(transaction, principal, made, "pause.create")
    told = {"code": "paused", "sentence": sentence(made), "changes": resumed(made)}
    _tell(transaction, principal.organization, made, told, door.teller)
    return made


def resume(transaction: Transaction, principal: Principal, identity: UUID, teller: Teller) -> Pause:
    """End a pause; its jobs run in their turn, those that another pause covers not yet.

    Raises:
        Refused: not_allowed, not_found (nothing is paused by this id, or not any more).
    """
    _allow(principal)
    found = pauses.get(transaction, identity)
    if found is None or not pauses.remove(transaction, identity):
        raise Refused(
            Reason.NOT_FOUND,
            f"there is no pause {identity}",
            next_action="look at what is paused: flowforge queue show",
        )
    _note(transaction, principal, found, "pause.delete")
    told = {
        "code": "position",
        "sentence": f"{what(found)} is no longer paused; it runs in its turn",
        "changes": "nothing is needed",
    }
    _tell(transaction, principal.organization, found, told, teller)
    return found


def what(paused: Pause) -> str:
    """What is paused, as the words of a sentence."""
    if paused.repository is None:
        return "your organization"
    return f"target {paused.target!r}" if paused.target else "its repository"


def resumed(paused: Pause) -> str:
    """What would change it."""
    target = f" --target {paused.target}" if paused.target else ""
    words = f"{paused.repository_name or '--all'}{target}"
    return f"it runs when a maintainer resumes it: flowforge queue resume {words}"


def sentence(paused: Pause) -> str:
    """Why its jobs wait."""
    by = f" by {paused.by}" if paused.by else ""
    since = f"{paused.created_at:%Y-%m-%d %H:%M} UTC"
    return f"{what(paused)} is paused since {since}{by}: {paused.reason}"


def _allow(principal: Principal) -> None:
    if not may(principal, Operation.CONFIGURE):
        raise Refused(
            Reason.NOT_ALLOWED,
            "this token may not pause or resume",
            next_action="use a token with the scope configure, or ask for the role maintainer",
        )


def _check(transaction: Transaction, door: Door, repository: UUID | None, target: str, reason: str) -> None:
    if not reason.strip():
        raise Refused(
            Reason.INVALID_REQUEST, "a pause needs a reason", next_action="say why, for those who wait"
        )
    if target and repository is None:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"target {target!r} needs its repository",
            next_action="name the repository too",
        )
    if target:
        door.check_ref(target)
    if repository is not None and table.repository(transaction, repository) is None:
        raise Refused(
            Reason.NOT_FOUND,
            f"there is no repository {str(repository)!r}",
            next_action="list yours: flowforge repo list",
        )


def _already(standing: Pause | None) -> Refused:
    """`standing` is None when it was resumed in this very moment."""
    said = sentence(standing) if standing else "this was paused a moment ago"
    return Refused(
        Reason.CONFLICT_OF_STATE,
        said,
        next_action="resume it first if the reason shall change: flowforge queue resume",
    )


def _note(transaction: Transaction, principal: Principal, about: Pause, action: str) -> None:
    details = {
        "repository": str(about.repository) if about.repository else None,
        "target": about.target,
        "reason": about.reason,
    }
    audit.write_audit(
        transaction,
        organization=principal.organization,
        action=action,
        resource="pause",
        resource_id=about.id,
        details=details,
    )


def _tell(
    transaction: Transaction, organization: UUID, about: Pause, said: Mapping[str, object], teller: Teller
) -> None:
    """Write it into the stories of those who wait. Either way others may run: a paused job holds up nobody behind it."""
    teller.freed(transaction)
    waiting = pauses.within(transaction, organization, about, TOLD)
    for told in groups.note(transaction, waiting, said) if waiting else []:
        teller.news(transaction, told.job, told.seq)
