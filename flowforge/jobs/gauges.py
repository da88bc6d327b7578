"""The gauges of the whole installation, counted when somebody looks and not more often than every few seconds."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flowforge.core.errors import FlowForgeError
from flowforge.core.job import PriorityClass
from flowforge.core.telemetry import Telemetry
from flowforge.store.database import Database
from flowforge.store.gauges import Gauges, gauges
from flowforge.store.scope import Scope

FRESH = 5.0  # seconds for which a count is good

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Counting:
    """Called before the metrics of a relay are shown. Threads may call it at once: one of them counts."""

    database: Database  # of role ff_system
    telemetry: Telemetry
    alive: float  # seconds since its last beat within which a worker counts
    clock: Callable[[], float] = time.monotonic
    _counted: float = -math.inf
    _one: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _has_budget: bool = False

    def __call__(self) -> None:
        with self._one:
            if self.clock() - self._counted >= FRESH:
                self._tell(self._count())
                self._counted = self.clock()

    def _count(self) -> Gauges | None:
        """None while the database is away."""
        try:
            with self.database.transaction(Scope.system(), read_only=True) as transaction:
                return gauges(transaction, self.alive)
        except FlowForgeError as error:
            log.debug("not counted: %s", error.sentence)
            return None

    def _tell(self, found: Gauges | None) -> None:
        """What is not known is no number: an old one, or 0, would look like good news."""
        gauge = self.telemetry.gauge
        for priority in PriorityClass:
            depth = math.nan if found is None else found.depth[priority]
            gauge("flowforge_queue_depth", depth, priority=priority.value)
        gauge("flowforge_jobs_active", math.nan if found is None else found.active)
        gauge("flowforge_workers_active", math.nan if found is None else found.workers)
        left = None if found is None else found.budget
        if left is not None or self._has_budget:  # without a cap there is nothing to show
            self._has_budget = True
            gauge("flowforge_budget_remaining_ratio", math.nan if left is None else left)
