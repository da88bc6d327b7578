"""A model over a repository's history: how much it may cost, what it did cost, and why it stopped."""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from flowforge.core.errors import Reason, Refused
from flowforge.report.facts import ModelCost

SPEND = "1.00"  # US dollars, where nobody names another sum
_MOST = Decimal(10_000)


def dollars(text: str) -> Decimal:
    """The sum that a person gives for all calls together.

    Raises:
        Refused: invalid_request, where it is none above 0.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 < amount <= _MOST:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"--spend {text[:40]!r} is no sum of US dollars above 0 and up to {_MOST}",
            next_action="write it as 2.50, or leave out --model",
        )
    return amount


def spent(cost: ModelCost | None, stopped: str) -> Mapping[str, Any] | None:
    """As JSON; None where no model was to be asked."""
    if cost is None and not stopped:
        return None
    return {
        "provider": cost.provider if cost else "",
        "model": cost.model if cost else "",
        "calls": cost.calls if cost else 0,
        "cached": cost.cached if cost else 0,
        "cost_usd": str(cost.usd if cost else Decimal(0)),
        "scripted": bool(cost and cost.scripted),
        "stopped": stopped or None,
    }


def told(cost: ModelCost | None, stopped: str) -> Iterator[str]:
    if cost is not None:
        scripted = ", answers by script" if cost.scripted else ""
        yield f"model: {cost.calls} calls of {cost.model} ({cost.provider}{scripted}), ${cost.usd}"
    if stopped:
        yield f"stopped early, and counted only what was asked in full: {stopped}"
