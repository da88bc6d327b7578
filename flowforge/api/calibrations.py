"""Calibrations of a repository: ask for one, read the newest, as JSON and as a page."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import falcon
from falcon.asgi import Request, Response

from flowforge.api.auth import principal_of
from flowforge.api.calibration_models import CalibrateIn, CalibrationOut
from flowforge.api.desk import Desk
from flowforge.api.models import JobOut
from flowforge.api.operation import Contract, operation
from flowforge.api.requests import idempotency_key
from flowforge.api.shapes import job_out
from flowforge.artifacts.store import Artifacts
from flowforge.core.access import Operation
from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.jobs.calibrate import calibrate, newest
from flowforge.jobs.submit import Door
from flowforge.pipeline.calibrating import Wish

_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
_LARGEST = 32 << 20  # bytes of a report
_GONE = {Reason.NOT_FOUND, Reason.INTERNAL_ERROR, Reason.TOO_LARGE}


class Calibrations:
    def __init__(self, *, desk: Desk, door: Door, artifacts: Artifacts | None) -> None:
        self._desk = desk
        self._door = door
        self._artifacts = artifacts

    @operation(
        Contract(
            name="calibrate_repository",
            tag="repositories",
            needs=Operation.CONFIGURE,
            answers={202: JobOut},
            refuses=(404, 409),
            headers={"Idempotency-Key": "the same key and request give the same job again"},
            sends={"Location": "address of the job"},
        )
    )
    async def on_post(self, req: Request, resp: Response, json: CalibrateIn, repository: UUID) -> None:
        """Count in a repository's own history what each rule has earned, as a job of low priority.

        With `apply` the job sets the policy that follows, unless it would have cost more than what is shipped over the
        later part of the history. The job ends `too_few_merges`, `repository_empty` or `repository_shallow` where
        nothing can be learnt.
        """
        principal, key = principal_of(req), idempotency_key(req)
        before = "" if json.before is None else json.before.isoformat()
        wish = Wish(apply=json.apply, k=json.k, limit=json.limit, before=before)
        job = await self._desk.write(
            req, lambda tx: calibrate(tx, principal, repository, wish, self._door, idempotency_key=key)
        )
        resp.status = falcon.HTTP_202
        resp.location = f"/api/v1/jobs/{job.id}"
        resp.media = job_out(job)

    @operation(
        Contract(
            name="show_calibration",
            tag="repositories",
            needs=Operation.READ,
            answers={200: CalibrationOut},
            refuses=(404,),
        )
    )
    async def on_get(self, req: Request, resp: Response, repository: UUID) -> None:
        """Show what the newest calibration has found."""
        found = await self._desk.read(req, lambda tx: newest(tx, repository))
        text = await self._text(found.outputs, "report")
        resp.media = CalibrationOut(
            **{**found.outputs, "report": None if text is None else json.loads(text)},
            job=found.job,
            created_at=found.created_at,
            completed_at=found.completed_at,
        )

    @operation(
        Contract(
            name="read_calibration_page",
            tag="repositories",
            needs=Operation.READ,
            answers={200: None},
            media={200: "text/html"},
            refuses=(404,),
        )
    )
    async def on_get_page(self, req: Request, resp: Response, repository: UUID) -> None:
        """What the newest calibration has found, as a page for people: no script, nothing from another host."""
        found = await self._desk.read(req, lambda tx: newest(tx, repository))
        text = await self._text(found.outputs, "page")
        if text is None:
            raise Refused(
                Reason.NOT_FOUND,
                "the page of this calibration is not kept any more",
                next_action="calibrate again: flowforge calibrate --repository REPOSITORY",
            )
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", _POLICY)
        resp.data = text

    async def _text(self, outputs: Mapping[str, Any], name: str) -> bytes | None:
        """None where it is not kept, or not as it was written."""
        artifacts, reference = self._artifacts, outputs.get(name)
        if artifacts is None or not isinstance(reference, str):
            return None
        try:
            return await self._desk.call(lambda: artifacts.get(reference, _LARGEST))
        except FlowForgeError as error:
            if error.reason in _GONE:
                return None
            raise
