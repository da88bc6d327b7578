"""Exit codes: which number a shell gets for which end. Public; see `flowforge help cli`."""

from enum import IntEnum

from flowforge.core.errors import Broken, FlowForgeError, Reason, Temporary
from flowforge.core.job import Ending, Result


class Exit(IntEnum):
    OK = 0
    FAILED = 1  # the job failed: the change is why
    USAGE = 2  # the request is why
    BROKEN = 3  # FlowForge, its machine or its settings are why
    NOT_SIGNED_IN = 4
    DECISION = 5  # a person must decide
    BUDGET = 6
    SUPERSEDED = 7  # nothing is wrong with it: a newer job of its group took its place
    PENDING = 8  # not ended yet
    INTERRUPTED = 130


_REQUEST = frozenset(
    {
        Reason.INVALID_REF,
        Reason.INVALID_URL,
        Reason.INVALID_REQUEST,
        Reason.INVALID_SCHEDULE,
        Reason.NEVER_DUE,
        Reason.UNKNOWN_TIMEZONE,
        Reason.PIPELINE_INVALID,
        Reason.PIPELINE_MISSING,
        Reason.POLICY_INVALID,
        Reason.NOT_FOUND,
        Reason.NOT_ALLOWED,
        Reason.CONFLICT_OF_STATE,
        Reason.GROUP_BUSY,
        Reason.TOO_LARGE,
        Reason.REPOSITORY_UNREACHABLE,
        Reason.REPOSITORY_MISSING,
        Reason.REPOSITORY_EMPTY,
        Reason.REPOSITORY_SHALLOW,
        Reason.TOO_FEW_MERGES,
        Reason.REPOSITORY_DAMAGED,
        Reason.AUTHENTICATION_FAILED,
        Reason.BRANCH_MISSING,
        Reason.TARGET_MISSING,
        Reason.BRANCH_IS_TARGET,
        Reason.UNRELATED_HISTORIES,
    }
)
_PERSON = frozenset({Reason.UNRESOLVED_CONFLICTS, Reason.DECISION_NEEDED, Reason.DECISION_EXPIRED})
# Refused or not, it is this machine that has to be mended.
_MACHINE = frozenset(
    {Reason.SANDBOX_UNAVAILABLE, Reason.CONFIGURATION, Reason.NO_SPACE, Reason.PLUGIN_FAILED}
)
_SPECIAL = {
    Reason.NOT_SIGNED_IN: Exit.NOT_SIGNED_IN,
    Reason.BUDGET_EXHAUSTED: Exit.BUDGET,
    Reason.CANCELLED: Exit.INTERRUPTED,
    Reason.SUPERSEDED: Exit.SUPERSEDED,
}


def exit_of_reason(reason: Reason) -> Exit | None:
    """The code that follows from the reason alone, if one does."""
    if reason in _SPECIAL:
        return _SPECIAL[reason]
    if reason in _REQUEST:
        return Exit.USAGE
    return Exit.DECISION if reason in _PERSON else None


def exit_of_error(error: FlowForgeError) -> Exit:
    """The code of an error that ended a command."""
    known = exit_of_reason(error.reason)
    if known is not None:
        return known
    ours = isinstance(error, Broken | Temporary) or error.reason in _MACHINE
    return Exit.BROKEN if ours else Exit.FAILED


def exit_of_ending(ending: Ending) -> Exit:
    """The code of a job that has ended."""
    if ending.result in {Result.SUCCESS, Result.SKIP}:
        return Exit.OK
    known = exit_of_reason(ending.reason)
    if known is not None:
        return known
    return Exit.BROKEN if ending.result is Result.ERROR else Exit.FAILED
