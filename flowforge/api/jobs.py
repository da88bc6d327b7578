"""Jobs: submit, list, look, wait, stop, run again."""

from collections.abc import Callable
from uuid import UUID

import falcon
from falcon.asgi import Request, Response

from flowforge.api.auth import principal_of
from flowforge.api.desk import Desk
from flowforge.api.live import Live
from flowforge.api.models import (
    ConflictList,
    JobDetail,
    JobIn,
    JobListQuery,
    JobOut,
    JobPage,
    JobQuery,
    RetryIn,
)
from flowforge.api.operation import Contract, operation
from flowforge.api.pages import LINK, link_next
from flowforge.api.requests import idempotency_key
from flowforge.api.shapes import conflict_out, job_detail, job_out
from flowforge.core.access import Operation
from flowforge.core.concurrency import Concurrency
from flowforge.core.job import Job, JobRequest
from flowforge.jobs import read
from flowforge.jobs.cancel import cancel
from flowforge.jobs.retry import retry
from flowforge.jobs.submit import Door, submit
from flowforge.jobs.why import Why, why
from flowforge.store import resolutions, usage
from flowforge.store.transaction import Transaction

WhyOf = Callable[[Transaction, Job], Why | None]

MOST_CONFLICTS = 1000
_KEY = {"Idempotency-Key": "the same key and request give the same job again"}
_LOCATION = {"Location": "address of the job"}


class Jobs:
    def __init__(self, *, desk: Desk, live: Live, door: Door, why: WhyOf = why) -> None:
        self._desk = desk
        self._live = live
        self._door = door
        self._why = why

    @operation(
        Contract(
            name="submit_job",
            tag="jobs",
            needs=Operation.SUBMIT,
            answers={202: JobOut},
            refuses=(404, 409),
            headers=_KEY,
            sends=_LOCATION,
        )
    )
    async def on_post(self, req: Request, resp: Response, json: JobIn) -> None:
        """Submit a job.

        The answer means that the job is stored and will end; where it is, the Location header says.
        """
        request = job_request(json, idempotency_key(req))
        principal = principal_of(req)
        job = await self._desk.write(req, lambda tx: submit(tx, principal, request, self._door))
        _accepted(resp, job)

    @operation(
        Contract(name="list_jobs", tag="jobs", needs=Operation.READ, answers={200: JobPage}, sends=LINK)
    )
    async def on_get(self, req: Request, resp: Response, query: JobListQuery) -> None:
        """List your organization's jobs, newest first."""
        page = await self._desk.read(
            req,
            lambda tx: read.page(
                tx,
                limit=query.limit,
                cursor=query.cursor or "",
                state=query.state,
                repository=query.repository,
                branch=query.branch,
            ),
        )
        if page.cursor:
            link_next(req, resp, page.cursor)
        resp.media = JobPage(jobs=[job_out(job) for job in page.jobs], next_cursor=page.cursor or None)

    @operation(
        Contract(name="show_job", tag="jobs", needs=Operation.READ, answers={200: JobDetail}, refuses=(404,))
    )
    async def on_get_one(self, req: Request, resp: Response, query: JobQuery, job: UUID) -> None:
        """Show a job; with `wait`, at its next change of state or when that many seconds are over."""

        async def look() -> Job:
            return await self._desk.read(req, lambda tx: read.get(tx, job))

        if query.wait:
            await self._live.changed(job, look, query.wait)
        resp.media = await self._desk.read(req, lambda tx: _detail(tx, job, self._why))

    @operation(
        Contract(
            name="delete_job", tag="jobs", needs=Operation.CONTROL, answers={200: JobOut}, refuses=(404, 409)
        )
    )
    async def on_delete_one(self, req: Request, resp: Response, job: UUID) -> None:
        """Cancel a job: the same as POST …/cancel. Nothing is erased."""
        resp.media = await self._cancel(req, job)

    @operation(
        Contract(
            name="cancel_job", tag="jobs", needs=Operation.CONTROL, answers={200: JobOut}, refuses=(404, 409)
        )
    )
    async def on_post_cancel(self, req: Request, resp: Response, job: UUID) -> None:
        """Cancel a job.

        What has no worker is cancelled at once; a running job shows `cancel_requested` until its worker has
        stopped. A push that is already under way is not stopped.
        """
        resp.media = await self._cancel(req, job)

    async def _cancel(self, req: Request, job: UUID) -> JobOut:
        principal = principal_of(req)
        return job_out(await self._desk.write(req, lambda tx: cancel(tx, principal, job, self._door.teller)))

    @operation(
        Contract(
            name="retry_job",
            tag="jobs",
            needs=Operation.CONTROL,
            answers={202: JobOut},
            refuses=(404, 409),
            headers=_KEY,
            sends=_LOCATION,
        )
    )
    async def on_post_retry(self, req: Request, resp: Response, json: RetryIn, job: UUID) -> None:
        """Run a finished job again, as a new job that names this one as its parent."""
        principal, key = principal_of(req), idempotency_key(req)
        child = await self._desk.write(
            req,
            lambda tx: retry(
                tx, principal, job, self._door, start=json.from_stage or "", idempotency_key=key
            ),
        )
        _accepted(resp, child)

    @operation(
        Contract(
            name="list_conflicts",
            tag="jobs",
            needs=Operation.READ,
            answers={200: ConflictList},
            refuses=(404,),
        )
    )
    async def on_get_conflicts(self, req: Request, resp: Response, job: UUID) -> None:
        """List a job's conflicts: which rung answered each, and why the others went to a person."""

        def look(tx: Transaction) -> ConflictList:
            read.get(tx, job)
            rows = resolutions.of_job(tx, job, MOST_CONFLICTS)
            return ConflictList(conflicts=[conflict_out(row) for row in rows])

        resp.media = await self._desk.read(req, look)


def _accepted(resp: Response, job: Job) -> None:
    resp.status = falcon.HTTP_202
    resp.location = f"/api/v1/jobs/{job.id}"
    resp.media = job_out(job)


def job_request(asked: JobIn, key: str) -> JobRequest:
    """What is asked for, in the house's words."""
    group = asked.concurrency
    values = {name: value for name, value in dict(asked).items() if name != "concurrency"}
    concurrency = Concurrency(group=group.group, policy=group.policy) if group else None
    return JobRequest(**values, idempotency_key=key, concurrency=concurrency)


def _detail(tx: Transaction, identity: UUID, why_of: WhyOf) -> JobDetail:
    job = read.get(tx, identity)
    return job_detail(job, read.stage_runs(tx, identity), why_of(tx, job), usage.total(tx, identity))
