"""The driver's words in the house's words."""

import psycopg2
import pytest
from psycopg2 import errors as pg

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.store.errors import ILLEGAL_MOVE, STALE_FENCE, Duplicate, MissingReference, translate


class Raised(psycopg2.DatabaseError):
    """An error that a trigger raised; the driver knows no class for its code."""

    def __init__(self, code: str) -> None:
        super().__init__("a job that is queued cannot become success\nCONTEXT: a function")
        self.code = code

    @property
    def pgcode(self) -> str:
        return self.code


TABLE: dict[str, tuple[BaseException, type[FlowForgeError], Reason]] = {
    "a key twice": (pg.UniqueViolation(), Duplicate, Reason.CONFLICT_OF_STATE),
    "a reference to nothing": (pg.ForeignKeyViolation(), MissingReference, Reason.NOT_FOUND),
    "a check": (pg.CheckViolation(), Refused, Reason.INVALID_REQUEST),
    "a missing value": (pg.NotNullViolation(), Refused, Reason.INVALID_REQUEST),
    "a value of another kind": (pg.InvalidTextRepresentation(), Refused, Reason.INVALID_REQUEST),
    "a row policy": (pg.InsufficientPrivilege(), Refused, Reason.NOT_ALLOWED),
    "a full disk": (pg.DiskFull(), Temporary, Reason.NO_SPACE),
    "a deadlock": (pg.DeadlockDetected(), Temporary, Reason.SERVICE_UNAVAILABLE),
    "a lock": (pg.LockNotAvailable(), Temporary, Reason.SERVICE_UNAVAILABLE),
    "a timeout": (pg.QueryCanceled(), Temporary, Reason.SERVICE_UNAVAILABLE),
    "a failover": (pg.ReadOnlySqlTransaction(), Temporary, Reason.SERVICE_UNAVAILABLE),
    "a shutdown": (pg.AdminShutdown(), Temporary, Reason.SERVICE_UNAVAILABLE),
    "too many clients": (pg.TooManyConnections(), Temporary, Reason.SERVICE_UNAVAILABLE),
    "no connection": (psycopg2.OperationalError("refused"), Temporary, Reason.SERVICE_UNAVAILABLE),
    "a closed connection": (psycopg2.InterfaceError("closed"), Temporary, Reason.SERVICE_UNAVAILABLE),
    "an illegal move": (Raised(ILLEGAL_MOVE), Refused, Reason.CONFLICT_OF_STATE),
    "a stale fence": (Raised(STALE_FENCE), Broken, Reason.LEASE_LOST),
}


@pytest.mark.parametrize("case", list(TABLE))
def test_an_error_of_the_driver_becomes_one_of_the_house(case: str) -> None:
    error, kind, reason = TABLE[case]
    translated = translate(error)
    assert type(translated) is kind
    assert translated.reason is reason
    assert translated.sentence
    assert "\n" not in translated.sentence
    assert translated.next_action


@pytest.mark.parametrize(
    "bug", [pg.SyntaxError(), pg.UndefinedTable(), Raised("P0001"), KeyError("x"), ValueError()]
)
def test_a_bug_stays_a_bug(bug: BaseException) -> None:
    assert translate(bug) is None
