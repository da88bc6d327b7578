"""The commits that finished jobs left in the artifact storage are removed after their time, with the rows that name them.

After a stage they are what a retry goes on from, before a push what an undo puts back. Who dies in between leaves rows
that name nothing, which the next one deletes. A job that is retried or undone in just that moment does without: it
begins anew, or says that the commits are gone.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import FlowForgeError
from flowforge.core.failpoint import failpoint
from flowforge.store import bundles
from flowforge.store.bundles import NAMES, Over
from flowforge.store.database import Database
from flowforge.store.scope import Actor, Scope

RELAY = Actor(kind="relay")
MOST = 100  # jobs that one call looks at in a table

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class BundleKeeper:
    """The relay's chore: `remove`."""

    database: Database  # of role ff_system
    artifacts: Artifacts
    days: Callable[[str], int]  # that a table's rows are kept; 0 = for ever

    def remove(self) -> int:
        """Remove what has had its time, of at most `MOST` jobs a table; returns of how many, in the fuller table.

        Raises:
            Temporary: the database is away.
        """
        return max(self._of(table, self.days(table)) for table in NAMES)

    def _of(self, table: str, days: int) -> int:
        if not days:
            return 0
        with self.database.transaction(Scope.system(), actor=RELAY, read_only=True) as transaction:
            found = bundles.over(transaction, table, days, MOST)
        return sum([self._removed(table, one) for one in found])

    def _removed(self, table: str, one: Over) -> bool:
        try:
            for name in one.names:
                self.artifacts.delete(name)
        except FlowForgeError as error:
            log.warning("commits of job %s are still to be removed: %s", one.job, error.sentence)
            return False
        failpoint("bundles.removed")
        with self.database.transaction(Scope.system(), actor=RELAY) as transaction:
            bundles.drop(transaction, table, one.job)
        return True
