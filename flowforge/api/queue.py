"""The queue: how long it is, who comes next and why they wait; pause and resume."""

from uuid import UUID

import falcon
from falcon.asgi import Request, Response

from flowforge.api.auth import principal_of
from flowforge.api.desk import Desk
from flowforge.api.models import NoQuery
from flowforge.api.operation import Contract, operation
from flowforge.api.queue_models import (
    Depth,
    PauseIn,
    PauseList,
    PauseOut,
    QueuedOut,
    QueueOut,
    QueueQuery,
)
from flowforge.api.shapes import concurrency_out, why_out
from flowforge.core.access import Operation
from flowforge.core.job import Job
from flowforge.jobs.pause import pause, resume
from flowforge.jobs.queue import Queue, look
from flowforge.jobs.submit import Door
from flowforge.jobs.why import Why
from flowforge.store import pauses
from flowforge.store.pauses import Pause


class Queues:
    def __init__(self, *, desk: Desk, door: Door, alive: float, cap: int) -> None:
        self._desk = desk
        self._door = door
        self._alive = alive
        self._cap = cap

    @operation(Contract(name="show_queue", tag="queue", needs=Operation.READ, answers={200: QueueOut}))
    async def on_get(self, req: Request, resp: Response, query: QueueQuery) -> None:
        """Show your organization's queue: depth, what serves it, what is paused, the next jobs and why they wait."""
        organization = principal_of(req).organization
        found = await self._desk.read(
            req, lambda tx: look(tx, organization, limit=query.limit, alive=self._alive, cap=self._cap)
        )
        resp.media = queue_out(found)

    @operation(Contract(name="list_pauses", tag="queue", needs=Operation.READ, answers={200: PauseList}))
    async def on_get_pauses(self, req: Request, resp: Response, query: NoQuery) -> None:
        """List what is paused, the widest first."""
        found = await self._desk.read(req, pauses.all_of)
        resp.media = PauseList(pauses=[pause_out(one) for one in found])

    @operation(
        Contract(
            name="pause", tag="queue", needs=Operation.CONFIGURE, answers={201: PauseOut}, refuses=(404, 409)
        )
    )
    async def on_post_pauses(self, req: Request, resp: Response, json: PauseIn) -> None:
        """Pause the organization, a repository, or one target of it: its queued jobs wait, what runs goes on."""
        principal = principal_of(req)
        made = await self._desk.write(
            req,
            lambda tx: pause(
                tx, principal, self._door, repository=json.repository, target=json.target, reason=json.reason
            ),
        )
        resp.status = falcon.HTTP_201
        resp.media = pause_out(made)

    @operation(
        Contract(
            name="resume", tag="queue", needs=Operation.CONFIGURE, answers={200: PauseOut}, refuses=(404,)
        )
    )
    async def on_delete_pause(self, req: Request, resp: Response, pause: UUID) -> None:
        """End a pause: its jobs run in their turn, unless another pause covers them."""
        principal = principal_of(req)
        ended = await self._desk.write(req, lambda tx: resume(tx, principal, pause, self._door.teller))
        resp.media = pause_out(ended)


def pause_out(found: Pause) -> PauseOut:
    return PauseOut(**vars(found))


def queue_out(found: Queue) -> QueueOut:
    counted = found.overview
    return QueueOut(
        depth=Depth(high=counted.high, normal=counted.normal, low=counted.low),
        oldest=counted.oldest,
        running=counted.running,
        waiting=counted.waiting,
        cap=counted.cap,
        slots=counted.slots,
        workers=counted.workers,
        pauses=[pause_out(one) for one in found.pauses],
        next=[
            queued_out(job, found.names.get(job.repository, ""), found.whys.get(job.id))
            for job in found.following
        ],
    )


def queued_out(job: Job, repository_name: str, why: Why | None) -> QueuedOut:
    same = ("id", "repository", "branch", "target", "task", "priority", "queued_at")
    return QueuedOut(
        **{name: getattr(job, name) for name in same},
        repository_name=repository_name,
        concurrency=concurrency_out(job),
        why=why_out(why),
        estimated_start=why.estimated_start if why else None,
    )
