"""Schedules: add, list, look, change, pause, resume, remove."""

from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

import falcon
from falcon.asgi import Request, Response

from flowforge.api.auth import principal_of
from flowforge.api.desk import Desk
from flowforge.api.operation import Contract, operation
from flowforge.api.pages import LINK, link_next, read_cursor, write_cursor
from flowforge.api.schedule_models import (
    ScheduleDetail,
    ScheduleIn,
    ScheduleList,
    ScheduleListQuery,
    ScheduleOut,
    SchedulePatch,
)
from flowforge.core.access import Operation
from flowforge.core.errors import Refused
from flowforge.jobs import cron, schedules
from flowforge.jobs.schedules import Changes, Wanted
from flowforge.jobs.submit import Door
from flowforge.store import schedules as table
from flowforge.store.schedules import Schedule

UPCOMING = 5  # times that are shown of one schedule


class Schedules:
    def __init__(self, *, desk: Desk, door: Door) -> None:
        self._desk = desk
        self._door = door

    @operation(
        Contract(
            name="add_schedule",
            tag="schedules",
            needs=Operation.CONFIGURE,
            answers={201: ScheduleDetail},
            refuses=(404, 409),
            sends={"Location": "address of the schedule"},
        )
    )
    async def on_post(self, req: Request, resp: Response, json: ScheduleIn) -> None:
        """Add a schedule. Its jobs are submitted in your name."""
        principal, wanted = principal_of(req), Wanted(**dict(json))
        added = await self._desk.write(req, lambda tx: schedules.add(tx, principal, wanted, self._door))
        resp.status = falcon.HTTP_201
        resp.location = f"/api/v1/schedules/{added.id}"
        resp.media = schedule_detail(added)

    @operation(
        Contract(
            name="list_schedules",
            tag="schedules",
            needs=Operation.READ,
            answers={200: ScheduleList},
            sends=LINK,
        )
    )
    async def on_get(self, req: Request, resp: Response, query: ScheduleListQuery) -> None:
        """List your organization's schedules by name, those of a repository, or the one of a name."""
        found = await self._desk.read(
            req,
            lambda tx: table.page(
                tx,
                limit=query.limit + 1,  # one more says whether there is a next page
                after=read_cursor(query.cursor) if query.cursor else "",
                repository=query.repository,
                name=query.name,
            ),
        )
        shown = found[: query.limit]
        cursor = write_cursor(shown[-1].name) if len(found) > query.limit else None
        if cursor:
            link_next(req, resp, cursor)
        resp.media = ScheduleList(schedules=[schedule_out(one) for one in shown], next_cursor=cursor)

    @operation(
        Contract(
            name="show_schedule",
            tag="schedules",
            needs=Operation.READ,
            answers={200: ScheduleDetail},
            refuses=(404,),
        )
    )
    async def on_get_one(self, req: Request, resp: Response, schedule: UUID) -> None:
        """Show a schedule, its next times, and what became of the last."""
        resp.media = schedule_detail(await self._desk.read(req, lambda tx: schedules.get(tx, schedule)))

    @operation(
        Contract(
            name="change_schedule",
            tag="schedules",
            needs=Operation.CONFIGURE,
            answers={200: ScheduleDetail},
            refuses=(404, 409),
        )
    )
    async def on_patch_one(self, req: Request, resp: Response, json: SchedulePatch, schedule: UUID) -> None:
        """Change, pause or resume a schedule. From now on it acts in your name."""
        principal, changes = principal_of(req), Changes(**dict(json))
        changed = await self._desk.write(
            req, lambda tx: schedules.change(tx, principal, schedule, changes, self._door)
        )
        resp.media = schedule_detail(changed)

    @operation(
        Contract(
            name="remove_schedule",
            tag="schedules",
            needs=Operation.CONFIGURE,
            answers={200: ScheduleOut},
            refuses=(404,),
        )
    )
    async def on_delete_one(self, req: Request, resp: Response, schedule: UUID) -> None:
        """Remove a schedule. Jobs that it has started go on."""
        resp.media = schedule_out(await self._desk.write(req, lambda tx: schedules.remove(tx, schedule)))


def schedule_out(schedule: Schedule) -> ScheduleOut:
    """A schedule as lists show it."""
    return ScheduleOut(**_shown(schedule))


def schedule_detail(schedule: Schedule) -> ScheduleDetail:
    """A schedule as it is shown alone. Its times follow from its row, not from anybody's clock."""
    return ScheduleDetail(**_shown(schedule), upcoming=_upcoming(schedule))


def _shown(schedule: Schedule) -> dict[str, Any]:
    return {**vars(schedule), "user": schedule.user_id, "environment": sorted(schedule.environment)}


def _upcoming(schedule: Schedule) -> list[datetime]:
    if schedule.next_at is None:
        return []
    try:
        later = cron.upcoming(schedule.cron, schedule.timezone, schedule.next_at, UPCOMING - 1)
    except Refused:  # a zone that this machine does not know: the schedule itself will say so
        later = ()
    return list(chain((schedule.next_at,), later))
