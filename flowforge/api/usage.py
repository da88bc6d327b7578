"""What models were used for, as figures and as files, and the receipt of one job."""

import csv
import io
import json
from uuid import UUID

import falcon
from falcon.asgi import Request, Response

from flowforge.api.auth import principal_of
from flowforge.api.budget_models import CallOut, ReceiptOut, UsageOut, UsageQuery, UsageRow
from flowforge.api.desk import Desk
from flowforge.api.errors import Fault, Unreadable
from flowforge.api.operation import Contract, operation
from flowforge.api.shapes import job_cost, priced
from flowforge.core.access import Operation
from flowforge.jobs import read
from flowforge.store import usage
from flowforge.store.transaction import Transaction

MEDIA_CSV, MEDIA_LINES = "text/csv", "application/x-ndjson"
MOST_CALLS = 1000
_ACTS = tuple("=+-@\t\r")  # a spreadsheet would take a cell that begins so for a formula


class Usage:
    def __init__(self, *, desk: Desk) -> None:
        self._desk = desk

    @operation(
        Contract(
            name="show_usage",
            tag="budgets",
            needs=Operation.READ,
            answers={200: UsageOut},
            media={200: MEDIA_CSV},
        )
    )
    async def on_get(self, req: Request, resp: Response, query: UsageQuery) -> None:
        """Show what your organization's model calls were and cost, by day, repository, model, operation or user.

        JSON; with Accept: text/csv or application/x-ndjson the rows alone, as a file.
        """
        organization = principal_of(req).organization
        if query.first and query.last and query.first > query.last:
            raise Unreadable(
                "the period ends before it begins", [Fault(detail="is after `to`", parameter="from")]
            )
        found = await self._desk.read(
            req,
            lambda tx: usage.usage(tx, organization, query.by, first=query.first, last=query.last),
        )
        resp.append_header("Vary", "Accept")
        kind = req.client_prefers([falcon.MEDIA_JSON, MEDIA_CSV, MEDIA_LINES])
        rows = [_row(one) for one in found.groups]
        if kind in {MEDIA_CSV, MEDIA_LINES}:
            resp.content_type = kind
            resp.text = as_csv(rows) if kind == MEDIA_CSV else as_lines(rows)
            return
        resp.media = UsageOut(
            by=query.by,
            first=found.first,
            last=found.last,
            total=_row(found.total),
            rows=rows,
            more=found.more,
        )

    @operation(
        Contract(
            name="show_receipt", tag="jobs", needs=Operation.READ, answers={200: ReceiptOut}, refuses=(404,)
        )
    )
    async def on_get_job(self, req: Request, resp: Response, job: UUID) -> None:
        """Show a job's model calls with what each cost; their sum is what the budgets booked."""

        def look(tx: Transaction) -> ReceiptOut:
            read.get(tx, job)
            calls = [_call(one) for one in usage.receipts(tx, job, MOST_CALLS)]
            return ReceiptOut(job=job, total=job_cost(usage.total(tx, job)), calls=calls)

        resp.media = await self._desk.read(req, look)


def _row(one: usage.Used) -> UsageRow:
    return UsageRow(**priced(vars(one), "cost"))


def _call(one: usage.Receipt) -> CallOut:
    return CallOut(**priced(vars(one), "cost", "saved"))


def as_csv(rows: list[UsageRow]) -> str:
    """With a head, for spreadsheets: no cell is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(UsageRow.model_fields)
    for row in rows:
        writer.writerow(f"'{cell}" if str(cell).startswith(_ACTS) else cell for cell in dict(row).values())
    return out.getvalue()


def as_lines(rows: list[UsageRow]) -> str:
    return "".join(json.dumps(row.model_dump(mode="json"), ensure_ascii=False) + "\n" for row in rows)
