"""What changes a job's fate beyond stopping it: take its push back, decide on what it asks."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

import falcon
from falcon.asgi import Request, Response

from flowforge.api.auth import principal_of
from flowforge.api.control_models import AskedFileOut, DecisionIn, OutlookOut, QuestionOut, UndoQuery
from flowforge.api.desk import Desk
from flowforge.api.models import HunkOut, JobOut
from flowforge.api.operation import Contract, operation
from flowforge.api.requests import idempotency_key
from flowforge.api.shapes import job_out
from flowforge.core.access import Operation
from flowforge.core.decision import AskedFile, answers
from flowforge.jobs.decide import Decision, decide, last_question
from flowforge.jobs.questions import question_of
from flowforge.jobs.submit import Door
from flowforge.jobs.undo import undo
from flowforge.store.transaction import Row
from flowforge.vault.envelope import Vault


class Control:
    def __init__(self, *, desk: Desk, door: Door, vault: Vault) -> None:
        self._desk = desk
        self._door = door
        self._vault = vault

    @operation(
        Contract(
            name="undo_job",
            tag="jobs",
            needs=Operation.CONTROL,
            answers={202: JobOut},
            refuses=(404, 409),
            headers={"Idempotency-Key": "the same key and request give the same job again"},
            sends={"Location": "address of the job"},
        )
    )
    async def on_post_undo(self, req: Request, resp: Response, query: UndoQuery, job: UUID) -> None:
        """Take a finished job's push back, as a new job that names this one as its parent.

        The branch is put back to what it was before the push (a branch that the push made is deleted), if it still
        is exactly what was pushed; else the new job ends `remote_moved` and has changed nothing.
        """
        principal, key = principal_of(req), idempotency_key(req)
        child = await self._desk.write(
            req,
            lambda tx: undo(tx, principal, job, self._door, ref=query.ref or "", idempotency_key=key),
        )
        resp.status = falcon.HTTP_202
        resp.location = f"/api/v1/jobs/{child.id}"
        resp.media = job_out(child)

    @operation(
        Contract(
            name="show_question",
            tag="jobs",
            needs=Operation.READ,
            answers={200: QuestionOut},
            refuses=(404,),
        )
    )
    async def on_get_decision(self, req: Request, resp: Response, job: UUID) -> None:
        """Show the last question of a job with the texts of all sides, and what was decided on it."""
        row = await self._desk.read(req, lambda tx: last_question(tx, job))
        resp.media = question_out(row, self._vault)

    @operation(
        Contract(
            name="decide_job",
            tag="jobs",
            needs=Operation.CONTROL,
            answers={200: JobOut},
            refuses=(404, 409),
        )
    )
    async def on_post_decision(self, req: Request, resp: Response, json: DecisionIn, job: UUID) -> None:
        """Decide on a waiting job: approve, reject, or edit with the texts of files.

        An approved or edited job goes back to the queue and on from its checkpoint; what was edited is validated and
        tested as any other answer. A rejected one ends: at once, or where its pipeline has `finally` stages, when a
        worker has run these. The first decision counts.
        """
        principal = principal_of(req)
        said = Decision(verb=json.decision, files=json.files, number=json.question)
        decided = await self._desk.write(
            req, lambda tx: decide(tx, principal, job, said, self._vault, self._door.teller)
        )
        resp.media = job_out(decided)


def question_out(row: Row, vault: Vault) -> QuestionOut:
    """A row of `decisions` with its texts."""
    question = question_of(row, vault)
    same = (
        "number",
        "stage",
        "sentence",
        "tree",
        "asked_at",
        "expires_at",
        "decision",
        "decided_by",
        "decided_at",
    )
    shown: Mapping[str, Any] = {name: row[name] for name in same}
    return QuestionOut(
        **shown,
        kind=question.kind,
        files=[_file(file) for file in question.files],
        answers=list(answers(question)),
        who=question.who.name.lower(),
        outlook=OutlookOut.model_validate(asdict(question.outlook)) if question.outlook else None,
    )


def _file(file: AskedFile) -> AskedFileOut:
    same = ("path", "commit", "kind", "open", "protected", "sentence")
    shown: Mapping[str, Any] = {name: getattr(file, name) for name in same}
    return AskedFileOut(
        **shown,
        hunks=[HunkOut(rung=hunk.rung, rule=hunk.rule, why=hunk.why) for hunk in file.hunks],
        base=_text(file.base),
        upstream=_text(file.upstream),
        mine=_text(file.commit_text),
        result=_text(file.result),
    )


def _text(content: bytes | None) -> str | None:
    """Only text that comes back as it went out may be edited."""
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        return None
