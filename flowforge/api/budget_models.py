"""The shapes of money in the REST API; as in `models`, read by the server and by our own client.

Amounts are US dollars as text, so that no reader makes a float of them.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from flowforge.api.models import Asked, Incoming, JobCostOut, Outgoing

Money = Annotated[
    str,
    Field(
        pattern=r"^(0|[1-9][0-9]{0,7})(\.[0-9]{1,6})?$",
        description='US dollars as text, as "25.00": up to 8 digits, then up to 6 behind the point',
    ),
]
Whose = Literal["user", "organization", "installation"]
Period = Literal["daily", "weekly", "monthly"]
By = Literal["day", "repository", "model", "operation", "user"]


class BudgetIn(Incoming):
    """What a budget shall be."""

    amount_usd: Money = Field(description='US dollars as text, as "25.00"; "0": nothing may be spent')
    alert_percent: int = Field(
        default=80, ge=1, le=100, description="tell when so much of it is spent, once a period"
    )


class BudgetOut(Outgoing):
    """A budget as it stands in its current period. Periods are UTC: a day, a week from Monday, a month."""

    id: UUID
    whose: Whose
    user: UUID | None = Field(description="null: it is not a user's")
    email: str = Field(description='of the user; "" = it is not a user\'s')
    period: Period
    amount_usd: str
    spent_usd: str = Field(description="settled")
    reserved_usd: str = Field(description="set aside for calls that run")
    left_usd: str = Field(description="never below 0")
    alert_percent: int
    alerted_at: datetime | None = Field(description="when the threshold was told of in this period")
    exhausted_at: datetime | None = Field(description="when the first call was refused in this period")
    starts_at: datetime
    ends_at: datetime = Field(description="when it renews")
    set_by: str = Field(description="person | setting (model_monthly_usd)")


class BudgetList(Outgoing):
    budgets: list[BudgetOut]


class UsageQuery(Asked):
    by: By = "day"
    first: date | None = Field(default=None, alias="from", description="a day, UTC; this month's first")
    last: date | None = Field(default=None, alias="to", description="a day, UTC, included; today")


class UsageRow(Outgoing):
    """Calls that have something in common."""

    key: str = Field(description='a day, an id, a word; "" = calls that have none')
    name: str = Field(description="what people call it")
    calls: int
    cached: int = Field(description="of these, answered from our own store, for nothing")
    input_tokens: int = Field(description="neither written to the provider's cache nor read from it")
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    cost_usd: str


class UsageOut(Outgoing):
    by: By
    first: date = Field(description="day of the period, UTC")
    last: date = Field(description="day of the period, UTC, included")
    total: UsageRow
    rows: list[UsageRow] = Field(description="days in order, all else dearest first; at most 10000")
    more: bool = Field(description="there are more rows; the total counts them")


class CallOut(Outgoing):
    """One model call of a job."""

    at: datetime
    provider: str = Field(description='"" = the call left a reservation and no record')
    model: str
    operation: str = Field(description="resolve, repair, review")
    result: str
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    cost_usd: str = Field(description="as the budgets booked it")
    saved_usd: str = Field(description="what the stored answer cost when it was bought")
    milliseconds: int
    cached: bool = Field(description="answered from our own store")
    request_id: str = Field(description="the provider's")
    reservation: UUID | None


class ReceiptOut(Outgoing):
    """A job's model calls, oldest first, and their sum."""

    job: UUID
    total: JobCostOut
    calls: list[CallOut] = Field(description="at most 1000; the total counts all")
