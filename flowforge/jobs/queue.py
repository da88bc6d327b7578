"""The queue of an organization as one value: how long it is, what serves it, what is paused, who comes next and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flowforge.core.job import Job
from flowforge.jobs.why import ALIVE, CAP, Why, whys
from flowforge.store import pauses
from flowforge.store import queue as table
from flowforge.store.pauses import Pause
from flowforge.store.queue import Overview
from flowforge.store.transaction import Transaction


@dataclass(frozen=True, kw_only=True)
class Queue:
    overview: Overview
    pauses: tuple[Pause, ...]  # the widest first
    following: tuple[Job, ...]  # queued, in the order of their turns
    whys: Mapping[UUID, Why]  # by job
    names: Mapping[UUID, str]  # of the repositories of those jobs


def look(
    transaction: Transaction, organization: UUID, *, limit: int, alive: float = ALIVE, cap: int = CAP
) -> Queue:
    """The queue as it is now, with the next `limit` jobs."""
    following = table.following(transaction, organization, limit)
    return Queue(
        overview=table.overview(transaction, organization, alive=alive, cap=cap),
        pauses=tuple(pauses.all_of(transaction)),
        following=tuple(following),
        whys=whys(transaction, following, alive=alive, cap=cap),
        names=table.names(transaction, {job.repository for job in following}),
    )
