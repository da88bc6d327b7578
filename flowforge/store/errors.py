"""What the database says, in the house's words. Anything not listed is a bug and keeps its traceback."""

from collections.abc import Callable
from typing import TypeVar

import psycopg2
from psycopg2 import errors as pg

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary

T = TypeVar("T")

ILLEGAL_MOVE, STALE_FENCE = "FF001", "FF002"  # raised by our own triggers, see standing.py


class Duplicate(Refused):
    """A row with this key exists already; `constraint` names the rule, so that a caller can say which."""

    constraint: str = ""


class MissingReference(Refused):
    """A row points to another that is not there, or belongs to another organization."""

    constraint: str = ""


class UnknownOutcome(Temporary):
    """The answer to COMMIT was lost: it may have happened. Ask before doing it again."""


class NotPrepared(Temporary):
    """A connection has lost its prepared statements, and its process does without from now on. Nothing was changed."""


def once_more(work: Callable[[], T]) -> T:
    """Run `work`, which is a whole transaction, and again at once where it found its statements not prepared."""
    try:
        return work()
    except NotPrepared:
        return work()


def unavailable(sentence: str, delay: float = 2.0) -> Temporary:
    return Temporary(
        Reason.SERVICE_UNAVAILABLE,
        sentence,
        delay=delay,
        next_action="wait a moment; if it stays so, check that PostgreSQL runs: flowforge doctor",
    )


def translate(error: BaseException) -> FlowForgeError | None:
    """The house's error for a driver's error; None for what is a bug (or no driver's error at all)."""
    code = getattr(error, "pgcode", None) or ""
    for kinds, build in _KINDS:
        if isinstance(error, kinds):
            return build(error)
    if code == ILLEGAL_MOVE:
        return Refused(Reason.CONFLICT_OF_STATE, _message(error), next_action="look at the job first")
    if code == STALE_FENCE:
        return Broken(Reason.LEASE_LOST, _message(error), next_action="stop: another worker has the job")
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
        return unavailable(f"PostgreSQL does not answer: {_message(error)}")
    return None


def _duplicate(error: BaseException) -> FlowForgeError:
    found = Duplicate(
        Reason.CONFLICT_OF_STATE,
        f"a row with this key exists already ({_constraint(error)})",
        next_action="use another name, or change the one that exists",
    )
    found.constraint = _constraint(error)
    return found


def _missing(error: BaseException) -> FlowForgeError:
    found = MissingReference(
        Reason.NOT_FOUND,
        f"what this refers to does not exist ({_constraint(error)})",
        next_action="check the id",
    )
    found.constraint = _constraint(error)
    return found


def _invalid(error: BaseException) -> FlowForgeError:
    rule = _constraint(error) or _message(error)
    return Refused(
        Reason.INVALID_REQUEST, f"a value is not possible here: {rule}", next_action="check the values"
    )


def _not_allowed(error: BaseException) -> FlowForgeError:
    return Refused(
        Reason.NOT_ALLOWED,
        f"the database's rules forbid it: {_message(error)}",
        next_action="check the scope",
    )


def _no_space(error: BaseException) -> FlowForgeError:
    return Temporary(
        Reason.NO_SPACE,
        f"PostgreSQL has no room left: {_message(error)}",
        delay=60.0,
        next_action="free space on the database's disk",
    )


def _in_the_way(error: BaseException) -> FlowForgeError:
    return unavailable(f"the database gave up: {_message(error)}", delay=1.0)


_KINDS: tuple[tuple[tuple[type[BaseException], ...], Callable[[BaseException], FlowForgeError]], ...] = (
    ((pg.UniqueViolation,), _duplicate),
    ((pg.ForeignKeyViolation,), _missing),
    ((pg.CheckViolation, pg.NotNullViolation, pg.DataError), _invalid),
    ((pg.InsufficientPrivilege,), _not_allowed),
    ((pg.DiskFull,), _no_space),
    (
        (
            pg.SerializationFailure,
            pg.DeadlockDetected,
            pg.LockNotAvailable,
            pg.QueryCanceled,
            pg.ReadOnlySqlTransaction,  # a failover: this is no longer the primary
            pg.TooManyConnections,
        ),
        _in_the_way,
    ),
)


def _constraint(error: BaseException) -> str:
    return getattr(getattr(error, "diag", None), "constraint_name", None) or ""


def _message(error: BaseException) -> str:
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    text = primary or str(error) or type(error).__name__
    return str(text).strip().splitlines()[0]
