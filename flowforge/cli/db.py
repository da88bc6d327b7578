"""`flowforge db`: the database's own chores."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from flowforge.cli.app import AsJson, group
from flowforge.cli.exits import Exit
from flowforge.cli.output import data, data_json, say
from flowforge.store.chores import Chore
from flowforge.store.maintenance import Maintained
from flowforge.store.vacuum import Health, Hint

app = group("The database's own chores.")

_WORDS = {
    "made": "partitions made",
    "dropped": "partitions dropped",
    "events": "events forgotten",
    "chunks": "pieces of logs forgotten",
    "operations": "git commands forgotten",
    "stages": "stages forgotten",
    "answers": "answers to conflicts forgotten",
    "pushes": "pushes forgotten",
    "calls": "model calls forgotten",
    "memories": "answers that nobody used forgotten",
    "reservations": "settled reservations forgotten",
    "texts": "finished jobs whose texts were erased",
    "erased": "sealed texts of resolutions erased",
    "forgotten": "delivered letters forgotten",
    "expired": "reservations of money booked",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `db maintain` did, or would do, and how the tables stand."""

    dry_run: bool
    done: Maintained
    health: Health
    hints: tuple[Hint, ...]
    before: Chore | None  # the last run before this one, of the relay or by hand


@app.command()
def upgrade(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Apply the migrations that are missing, and make the three roles."""
    applied = ctx.obj.upgrade()
    if as_json:
        data_json({"applied": list(applied)})
    elif applied:
        data("\n".join(f"applied {name}" for name in applied))
    else:
        data("the database is up to date")


@app.command()
def maintain(
    ctx: typer.Context,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Make partitions ahead, drop and forget what is too old, and say how the tables stand.

    The relay does the same every hour. The exit code is 3 when a step could not be done.
    """
    report: Report = ctx.obj.maintain(dry_run=dry_run)
    if as_json:
        data_json(_as_json(report))
    else:
        data("\n".join(_told(report)))
        for trouble in report.done.trouble:
            say(f"not done: {trouble}")
        if report.before is not None:
            say(f"the run before this one began at {report.before.began_at:%Y-%m-%d %H:%M} UTC")
    return Exit.BROKEN if report.done.trouble else Exit.OK


def _told(report: Report) -> list[str]:
    did = {name: getattr(report.done, name) for name in _WORDS}
    lines = [f"{_count(value):>8}  {_WORDS[name]}{_names(value)}" for name, value in did.items() if value]
    if not lines:
        lines = ["nothing is due" if report.dry_run else "nothing was due"]
    elif report.dry_run:
        lines = ["this would be done:", *lines]
    if report.hints:
        lines += ["the server's own housekeeping:"]
    for hint in report.hints:
        lines += [f"  {hint.table or 'server'}: {hint.sentence}", f"    do: {hint.next_action}"]
    return lines


def _count(value: Any) -> int:
    return len(value) if isinstance(value, tuple) else value


def _names(value: object) -> str:
    return f": {', '.join(value)}" if isinstance(value, tuple) else ""


def _as_json(report: Report) -> dict[str, object]:
    before = report.before
    return {
        "dry_run": report.dry_run,
        "done": vars(report.done),
        "hints": [vars(hint) for hint in report.hints],
        "autovacuum": report.health.autovacuum,
        "tables": [
            {**vars(table), "dead_share": round(table.dead_share, 4)} for table in report.health.tables
        ],
        "partitions": [vars(partition) for partition in report.health.partitions],
        "before": before and vars(before),
    }
