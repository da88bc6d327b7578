"""`flowforge queue`: how long it is, why jobs wait, pause and resume."""

from typing import Annotated
from uuid import UUID

import typer

from flowforge.api.models import MAX_PAGE
from flowforge.api.queue_models import Depth, PauseIn, PauseOut, QueuedOut, QueueOut
from flowforge.cli.app import AsJson, group
from flowforge.cli.client import Client
from flowforge.cli.job import connect, find_repository
from flowforge.cli.output import data, data_json, say
from flowforge.cli.requests import invalid, shaped
from flowforge.cli.waiting import folded, waiting

app = group("See the queue and why jobs wait; pause it and resume it.")

Where = Annotated[
    str, typer.Argument(metavar="[REPOSITORY]", help="Name or id of a repository. Or --all, for everything.")
]
Target = Annotated[str, typer.Option(help="Only jobs onto this branch of the repository.")]
All = Annotated[bool, typer.Option("--all", help="All of your organization.")]


@app.command()
def show(
    *,
    limit: Annotated[int, typer.Option(min=0, max=MAX_PAGE, help="How many of the next jobs.")] = 5,
    json: AsJson = False,
) -> None:
    """Show how long the queue is, what is paused, and who comes next and why they wait."""
    with connect() as client:
        found = client.queue(limit)
    if json:
        data_json(found.model_dump(mode="json"))
    else:
        data("\n".join(described(found)))


@app.command()
def pause(
    repository: Where = "",
    *,
    reason: Annotated[str, typer.Option(help="Why; shown on every job that waits.")],
    target: Target = "",
    everything: All = False,
    json: AsJson = False,
) -> None:
    """Let no queued job start: of a repository, of one target of it, or of all; what runs goes on."""
    _one_of(repository, everything=everything)
    with connect() as client:
        values = {"repository": _id(client, repository), "target": target, "reason": reason}
        made = client.pause(shaped(PauseIn, values))
    if json:
        data_json(made.model_dump(mode="json"))
    else:
        say(f"paused: {_what(made)}")
        say(f"next: flowforge queue resume {_words(repository, target)}, when it may go on")


@app.command()
def resume(
    repository: Where = "",
    *,
    target: Target = "",
    everything: All = False,
    json: AsJson = False,
) -> None:
    """End a pause. Jobs that another pause covers go on waiting."""
    _one_of(repository, everything=everything)
    with connect() as client:
        wanted = (_id(client, repository), target)
        paused = client.pauses().pauses
        found = next((one for one in paused if (one.repository, one.target) == wanted), None)
        if found is None:
            raise invalid(_nothing_paused(paused), "look at what is: flowforge queue show")
        ended = client.resume(found.id)
    if json:
        data_json(ended.model_dump(mode="json"))
    else:
        say(f"resumed: {_what(ended)}")


def described(found: QueueOut) -> list[str]:
    facts = {
        "queued": _depth(found.depth),
        "oldest": f"since {found.oldest:%Y-%m-%d %H:%M:%S} UTC" if found.oldest else "",
        "running": f"{found.running} of {found.cap} that may run at a time; {_served(found)}",
        "waiting": f"{found.waiting} for a person's decision" if found.waiting else "",
    }
    return [
        *(line for name, value in facts.items() if value for line in folded(name, value)),
        *(line for one in found.pauses for line in folded("paused", f"{_what(one)}{_by(one)}: {one.reason}")),
        *(line for job in found.next for line in ("", *_next(job))),
        *_left(found),
    ]


def _depth(depth: Depth) -> str:
    every = depth.high + depth.normal + depth.low
    if not every:
        return "nothing"
    return f"{_counted(every, 'job')}: {depth.high} high, {depth.normal} normal, {depth.low} low"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _served(found: QueueOut) -> str:
    if not found.workers:
        return "no worker is alive"
    return f"{_counted(found.slots, 'slot')} of {_counted(found.workers, 'worker')}"


def _left(found: QueueOut) -> list[str]:
    """How many are not shown, and how to see more of them."""
    shown = len(found.next)
    left = found.depth.high + found.depth.normal + found.depth.low - shown
    if not shown or left <= 0:
        return []
    more = f": flowforge queue show --limit {min(MAX_PAGE, shown + left)}" if shown < MAX_PAGE else ""
    return ["", f"and {_counted(left, 'more job')}{more}"]


def _next(job: QueuedOut) -> list[str]:
    return [
        f"{job.id}  priority {job.priority}{f'  {job.task}' if job.task else ''}",
        *folded("branch", _branch(job), indent=2),
        *waiting(job.why, job.estimated_start, indent=2),
    ]


def _branch(job: QueuedOut) -> str:
    return f"{job.branch} onto {job.target or 'the default branch'} of {job.repository_name}"


def _what(paused: PauseOut) -> str:
    if paused.repository is None:
        return "your organization"
    return f"{f'target {paused.target} of ' if paused.target else ''}repository {paused.repository_name}"


def _by(paused: PauseOut) -> str:
    return f", since {paused.created_at:%Y-%m-%d %H:%M} UTC{f' by {paused.by}' if paused.by else ''}"


def _words(repository: str, target: str) -> str:
    return f"{repository or '--all'}{f' --target {target}' if target else ''}"


def _one_of(repository: str, *, everything: bool) -> None:
    """Everything is paused by intent only, never because a name was forgotten."""
    if bool(repository) == everything:
        raise invalid(
            "name a repository, or say --all"
            if not repository
            else f"{repository!r} and --all are two things",
            "flowforge queue pause REPOSITORY --reason TEXT, or with --all for your organization",
        )


def _id(client: Client, repository: str) -> UUID | None:
    return find_repository(client, repository) if repository else None


def _nothing_paused(paused: list[PauseOut]) -> str:
    return f"exactly this is not paused; {f'other things are: {len(paused)}' if paused else 'nothing is'}"
