"""The shapes of a repository's calibrations in the REST API; as in `models`, read by the server and by our own client."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from flowforge.api.models import Incoming, Outgoing
from flowforge.resolve.counts import COST_OF_WRONG
from flowforge.resolve.learnt import MAX_K


class CalibrateIn(Incoming):
    """What to count, and whether to act by it."""

    apply: bool = Field(
        default=False,
        description="set the policy that follows, if it costs no more than what is shipped; false: report only",
    )
    k: float = Field(
        default=COST_OF_WRONG,
        gt=1,
        le=MAX_K,
        allow_inf_nan=False,
        description="what a wrong answer costs, in files handed back",
    )
    limit: int = Field(
        default=0, ge=0, le=1_000_000, description="stop after so many merges with conflicting files; 0: all"
    )
    before: Annotated[date, Field(strict=False)] | None = Field(
        default=None, description="only merges before this day, UTC"
    )


class CostOut(Outgoing):
    own: float = Field(description="of the repository's own policy, learnt from the earlier part")
    shipped: float = Field(description="of what is shipped")


class CalibrationOut(Outgoing):
    """What the newest calibration of a repository has found."""

    job: UUID
    sentence: str
    merges: int = Field(description="with conflicts")
    files: int = Field(description="with places that conflict")
    paths: int = Field(default=0, description="conflicts about a path as a whole")
    head: str = Field(description="commit of the default branch")
    rules: dict[str, int] = Field(description="how many may act, must be confirmed, are off")
    cost: CostOut = Field(
        description="a conflicting file or whole path, over the later part of the history; all by hand is 1"
    )
    asked_to_apply: bool
    applied: bool = Field(description="the policy was set then; the repository says what holds now")
    created_at: datetime
    completed_at: datetime
    report: dict[str, Any] | None = Field(
        description="the whole, as `flowforge calibrate --json` writes it; null: it is not kept any more"
    )
