"""`flowforge schedule`: submit a job again and again, at times that a cron expression names."""

import os
from typing import Annotated, Any
from uuid import UUID

import typer

from flowforge.api.schedule_models import ScheduleDetail, ScheduleIn, ScheduleOut, SchedulePatch
from flowforge.cli.app import AsJson, group
from flowforge.cli.client import Client
from flowforge.cli.job import connect, find_repository
from flowforge.cli.output import data, data_json, say, table
from flowforge.cli.requests import invalid, listed, shaped, variables
from flowforge.core.job import DEFAULT_PRIORITY

app = group("Submit a job again and again: add, list, show, update, pause, resume, remove schedules.")

Which = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Name or id of a schedule.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What you will call it.")],
    repository: Annotated[str, typer.Argument(help="Name or id of a repository.")],
    branch: Annotated[str, typer.Argument(help="The branch to bring up to date.")],
    *,
    cron: Annotated[str, typer.Option(help="Minute, hour, day, month, weekday, as '0 5 * * 1-5'.")],
    timezone: Annotated[str, typer.Option(help="A name such as Europe/Berlin.")] = "UTC",
    onto: Annotated[str, typer.Option(help="The branch to rebase onto. Default: the repository's.")] = "",
    task: Annotated[str, typer.Option(help='A pipeline by name; "" is the repository\'s own.')] = "",
    priority: Annotated[int, typer.Option(help="0-3 low, 4-6 normal, 7-9 high.")] = DEFAULT_PRIORITY,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, or NAME to take yours.")] = None,
    json: AsJson = False,
) -> None:
    """Add a schedule; its id is written to stdout. Its jobs are submitted in your name."""
    with connect() as client:
        values = {
            "repository": find_repository(client, repository),
            "name": name,
            "branch": branch,
            "target": onto,
            "task": task,
            "cron": cron,
            "timezone": timezone,
            "priority": priority,
            "environment": variables(env or [], os.environ),
        }
        added = client.add_schedule(shaped(ScheduleIn, values))
    if json:
        data_json(added.model_dump(mode="json"))
        return
    data(str(added.id))
    say(f"due next at {_time(added)}")


@app.command("list")
def list_(
    *,
    repository: Annotated[str, typer.Option(help="Only those of this repository (name or id).")] = "",
    json: AsJson = False,
) -> None:
    """List schedules by name."""
    with connect() as client:
        chosen = str(find_repository(client, repository)) if repository else ""
        found = listed(lambda cursor: _page(client, chosen, cursor), 10_000)
    if json:
        data_json([schedule.model_dump(mode="json") for schedule in found])
        return
    columns = {"NAME": "left", "NEXT (UTC)": "left", "CRON": "left", "BRANCH": "left", "TROUBLE": "left"}
    table(columns, [[s.name, _time(s), s.cron, s.branch, s.last_reason] for s in found])


@app.command()
def show(schedule: Which, *, json: AsJson = False) -> None:
    """Show a schedule, its next times, and what became of the last."""
    with connect() as client:
        found = client.schedule(find_schedule(client, schedule))
    if json:
        data_json(found.model_dump(mode="json"))
    else:
        data("\n".join(_described(found)))


@app.command()
def update(
    schedule: Which,
    *,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    cron: Annotated[str | None, typer.Option(help="Other times; the next one is computed from now.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Another time zone.")] = None,
    branch: Annotated[str | None, typer.Option(help="Another branch.")] = None,
    onto: Annotated[str | None, typer.Option(help="What it is rebased onto.")] = None,
    task: Annotated[str | None, typer.Option(help="Another pipeline by name.")] = None,
    priority: Annotated[int | None, typer.Option(help="0-3 low, 4-6 normal, 7-9 high.")] = None,
    json: AsJson = False,
) -> None:
    """Change a schedule; what is not named stays. From now on it acts in your name."""
    given = {
        "name": name,
        "cron": cron,
        "timezone": timezone,
        "branch": branch,
        "target": onto,
        "task": task,
        "priority": priority,
    }
    values = {key: value for key, value in given.items() if value is not None}
    with connect() as client:
        changes = shaped(SchedulePatch, values)
        changed = client.change_schedule(find_schedule(client, schedule), changes)
    if json:
        data_json(changed.model_dump(mode="json"))
    else:
        data("\n".join(_described(changed)))


@app.command()
def pause(schedule: Which, *, json: AsJson = False) -> None:
    """Pause a schedule: it is not due until it is resumed, and what it misses is not made up for."""
    changed = _switch(schedule, active=False)
    data_json(changed.model_dump(mode="json")) if json else say(f"{changed.name} is paused")


@app.command()
def resume(schedule: Which, *, json: AsJson = False) -> None:
    """Resume a schedule. From now on it acts in your name."""
    changed = _switch(schedule, active=True)
    if json:
        data_json(changed.model_dump(mode="json"))
    else:
        say(f"{changed.name} is due next at {_time(changed)}")


@app.command()
def remove(schedule: Which, *, json: AsJson = False) -> None:
    """Remove a schedule; jobs that it has started go on."""
    with connect() as client:
        gone = client.remove_schedule(find_schedule(client, schedule))
    data_json(gone.model_dump(mode="json")) if json else say(f"{gone.name} is removed")


def find_schedule(client: Client, name: str) -> UUID:
    """An id as it is, or the id of the schedule of that name."""
    try:
        return UUID(name)
    except ValueError:
        found = client.schedules({"name": name}).schedules
    if not found:
        raise invalid(f"there is no schedule named {name!r}", "list yours: flowforge schedule list")
    return found[0].id


def _switch(schedule: str, *, active: bool) -> ScheduleDetail:
    with connect() as client:
        return client.change_schedule(find_schedule(client, schedule), SchedulePatch(is_active=active))


def _page(client: Client, repository: str, cursor: str | None) -> tuple[list[ScheduleOut], str | None]:
    page = client.schedules({"repository": repository} if repository else {}, cursor)
    return page.schedules, page.next_cursor


def _time(schedule: ScheduleOut) -> str:
    if schedule.next_at is None:
        return "never" if schedule.is_active else "paused"
    return f"{schedule.next_at:%Y-%m-%d %H:%M}"


def _described(schedule: ScheduleDetail) -> list[str]:
    facts: dict[str, Any] = {
        "schedule": schedule.name,
        "id": schedule.id,
        "cron": f"{schedule.cron} ({schedule.timezone})",
        "next": _time(schedule) + (" UTC" if schedule.next_at else ""),
        "branch": f"{schedule.branch} onto {schedule.target or 'the default branch'}",
        "task": schedule.task,
        "priority": schedule.priority,
        "variables": ", ".join(schedule.environment),
        "last time": f"{schedule.last_due_at:%Y-%m-%d %H:%M} UTC" if schedule.last_due_at else "",
        "last job": schedule.last_job,
        "reason": schedule.last_reason,
        "trouble": schedule.last_error,
    }
    lines = [f"{name:<9} {value}" for name, value in facts.items() if value not in ("", None)]
    later = [f"          {due:%Y-%m-%d %H:%M} UTC" for due in schedule.upcoming[1:]]
    return [*lines, *(["then", *later] if later else [])]
