"""Whether a write under a fence happened although nobody answered its COMMIT.

Each such write tells an event or a piece of log, and knew the number of it before it was committed. Under this fence
nobody else writes pieces, or events of kinds that do not begin with `job.`; so where that number is taken by one, the
write has happened, and where it is not, it never will: the job's row, which every write locks, is locked first.
"""

from collections.abc import Callable

from flowforge.core.errors import Temporary
from flowforge.jobs.session import JobSession, Stop
from flowforge.store import events
from flowforge.store import jobs as table
from flowforge.store.database import Database
from flowforge.store.scope import Actor, Scope

AGAIN = 0.5  # seconds between two tries, to ask or to write, while the database is away


def happened(
    database: Database, session: JobSession, seq: int, actor: Actor, sleep: Callable[[float], None]
) -> bool:
    """Ask until the database answers; False too for a write without a number (0), which may be made twice.

    Raises:
        Broken: lease_lost, while nobody answered or by who took the job over; what was written then is that one's.
    """
    while seq:
        try:
            with database.transaction(Scope.system(), actor=actor) as transaction:
                if table.lock_mine(transaction, session.job, session.fence) is None:
                    raise session.lost()
                return events.stands(transaction, session.job, seq)
        except Temporary:
            if session.why is Stop.LOST:
                raise session.lost() from None
            sleep(AGAIN)
    return False
