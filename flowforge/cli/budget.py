"""`flowforge budget`: what models may cost, what they did cost; set and lift budgets."""

import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

import typer

from flowforge.api.budget_models import BudgetIn, BudgetOut, UsageOut, UsageRow
from flowforge.cli.app import AsJson, group
from flowforge.cli.client import Client
from flowforge.cli.job import connect
from flowforge.cli.output import data, data_json, say, table
from flowforge.cli.requests import invalid, shaped
from flowforge.core.errors import Reason, Refused
from flowforge.core.spend import dollars

app = group("What models may cost: show and set budgets, see what was used.")

USUAL_ALERT = 80
_CENTS = Decimal("0.01")
_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,7})(\.[0-9]{1,6})?")


class Period(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class By(StrEnum):
    DAY = "day"
    REPOSITORY = "repository"
    MODEL = "model"
    OPERATION = "operation"
    USER = "user"


Every = Annotated[Period, typer.Option(help="UTC: a day, a week from Monday, a month.")]
User = Annotated[str, typer.Option(metavar="EMAIL", help="What this user's jobs may cost.")]
Installation = Annotated[bool, typer.Option("--installation", help="What all organizations may together.")]


@app.command()
def show(*, json: AsJson = False) -> None:
    """Show budgets with what is spent, reserved and left in their current period."""
    with connect() as client:
        found = client.budgets().budgets
    if json:
        data_json([one.model_dump(mode="json") for one in found])
        return
    if not found:
        say("no budget is set: each job may spend what its pipeline's limits.model_usd says")
        say("next: flowforge budget set 50 --period monthly; more: flowforge help budgets")
        return
    columns = {
        "WHOSE": "left",
        "PERIOD": "left",
        "AMOUNT": "right",
        "SPENT": "right",
        "RESERVED": "right",
        "LEFT": "right",
        "RENEWS": "left",
    }
    table(columns, [_line(one) for one in found])
    for one in found:
        if one.exhausted_at or one.alerted_at:
            say(f"{_whose(one)}, {one.period}: {_told(one)}")


@app.command("set")
def set_(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="US dollars, as 25 or 25.50; 0: nothing.")],
    *,
    period: Every = Period.MONTHLY,
    user: User = "",
    installation: Installation = False,
    alert: Annotated[
        int | None,
        typer.Option(min=1, max=100, metavar="PERCENT", help="Tell when so much is spent. Default: 80."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Set what models may cost in each period: for your organization, a user, or the installation."""
    if _AMOUNT.fullmatch(amount) is None:
        raise invalid(
            f"{amount[:40]!r} is no amount of US dollars",
            "write it as 25 or 25.50: up to 8 digits, then up to 6 behind the point",
        )
    path = _path(user, installation=installation, period=period)
    with connect() as client:
        percent = alert if alert is not None else _alert_of(client, path)
        wanted = shaped(BudgetIn, {"amount_usd": amount, "alert_percent": percent})
        stands = client.set_budget(path, wanted)
    if json:
        data_json(stands.model_dump(mode="json"))
    else:
        say(f"{_whose(stands)}, {stands.period}: ${stands.amount_usd}, of which ${stands.left_usd} are left")


@app.command()
def remove(
    *,
    period: Every = Period.MONTHLY,
    user: User = "",
    installation: Installation = False,
    json: AsJson = False,
) -> None:
    """Lift a budget. Set anew within its period, it counts what was spent already."""
    path = _path(user, installation=installation, period=period)
    with connect() as client:
        gone = client.remove_budget(path)
    if json:
        data_json(gone.model_dump(mode="json"))
    else:
        say(f"{_whose(gone)}, {gone.period}: no budget any more; it was ${gone.amount_usd}")


@app.command()
def usage(
    *,
    by: Annotated[By, typer.Option(help="What the rows are.")] = By.DAY,
    first: Annotated[
        str, typer.Option("--from", metavar="DAY", help="As 2026-03-01; this month's first.")
    ] = "",
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Included; today without it.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV on stdout.")] = False,
    json: AsJson = False,
) -> None:
    """Show your organization's model calls, tokens and cost in a period."""
    days = {"from": _day("--from", first), "to": _day("--to", last)}
    asked: dict[str, str | int | list[str]] = {"by": by.value, **{k: v for k, v in days.items() if v}}
    with connect() as client:
        if csv:
            data(client.usage_table(asked).rstrip())
            return
        found = client.usage(asked)
    if json:
        data_json(found.model_dump(mode="json"))
    else:
        _show_usage(found)


def _show_usage(found: UsageOut) -> None:
    period = f"{found.first} to {found.last}"
    if not found.total.calls:
        say(f"no model was asked from {period}")
        return
    columns = {
        found.by.upper(): "left",
        "CALLS": "right",
        "CACHED": "right",
        "TOKENS IN": "right",
        "TOKENS OUT": "right",
        "COST": "right",
    }
    table(columns, [_used(row.name or "-", row) for row in found.rows] + [_used("all", found.total)])
    say(f"{period}, UTC; US dollars{'; more rows are not shown' if found.more else ''}")


def _used(name: str, row: UsageRow) -> list[str]:
    read = row.input_tokens + row.cache_write_tokens + row.cache_read_tokens
    return [
        name,
        str(row.calls),
        str(row.cached),
        f"{read:,}",
        f"{row.output_tokens:,}",
        _rounded(row.cost_usd),
    ]


def _path(user: str, *, installation: bool, period: Period) -> str:
    """Which budget, as its address ends."""
    if user and installation:
        raise invalid("--user and --installation are two budgets", "name one of them")
    if installation:
        return f"installation/{period.value}"
    return f"users/{quote(user, safe='')}/{period.value}" if user else f"organization/{period.value}"


def _alert_of(client: Client, path: str) -> int:
    """The threshold that stands is kept."""
    try:
        return client.budget(path).alert_percent
    except Refused as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        return USUAL_ALERT


def _day(name: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise invalid(f"{name} is {text[:40]!r}, which is no day", "write it as 2026-12-31") from None


def _whose(one: BudgetOut) -> str:
    return {"user": one.email, "organization": "your organization"}.get(one.whose, "the installation")


def _line(one: BudgetOut) -> list[str]:
    amounts = (one.amount_usd, one.spent_usd, one.reserved_usd, one.left_usd)
    return [_whose(one), one.period, *map(_rounded, amounts), f"{one.ends_at:%Y-%m-%d}"]


def _rounded(amount: str) -> str:
    """Cents from a dollar on, hundredths of them below; `--json` has all of it."""
    digits = _CENTS if Decimal(amount) >= 1 else _CENTS / 100
    return dollars(Decimal(amount).quantize(digits))


def _told(one: BudgetOut) -> str:
    if one.exhausted_at:
        return f"a call did not fit since {one.exhausted_at:%Y-%m-%d %H:%M} UTC"
    return f"{one.alert_percent} % were reached at {one.alerted_at:%Y-%m-%d %H:%M} UTC"
