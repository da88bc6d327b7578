"""`flowforge queue`: how long it is, why jobs wait, pause and resume."""

from typing import Annotated
from uuid import UUID

import typer

from flowforge.api.models import MAX_PAGE
from flowforge.api.queue_models import PauseIn, PauseOut, QueuedOut, QueueOut
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
        say(f"paused: {_what(made)}; resume it: flowforge queue resume {_words(repository, target)}")


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
    depth, served = found.depth, f"{found.slots} slots of {found.workers} workers"
    facts = {
        "queued": f"{depth.high} high, {depth.normal} normal, {depth.low} low",
        "oldest": f"since {found.oldest:%Y-%m-%d %H:%M:%S} UTC" if found.oldest else "",
        "running": f"{found.running} of {found.cap} that may run at a time; {served}",
        "waiting": f"{found.waiting} for a person's decision" if found.waiting else "",
    }
    return [
        *(line for name, value in facts.items() if value for line in folded(name, value)),
        *(line for one in found.pauses for line in folded("paused", f"{_what(one)}{_by(one)}: {one.reason}")),
        *(line for job in found.next for line in ("", *_next(job))),
    ]


def _next(job: QueuedOut) -> list[str]:
    return [
        f"{job.id}  priority {job.priority}",
        *folded("branch", f"{job.branch} onto {job.target or 'the default branch'}", indent=2),
        *waiting(job.why, job.estimated_start, indent=2),
    ]


def _what(paused: PauseOut) -> str:
    if paused.repository is None:
        return "your organization"
    return f"{f'target {paused.target} of ' if paused.target else ''}repository {paused.repository}"


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
    others = f"; {len(paused)} other pauses stand" if paused else "; nothing is"
    return f"exactly this is not paused{others}"
