"""`flowforge demo`: a real service, two stories with real conflicts, and every claim checked before it is printed."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import typer
from rich.console import Console
from rich.text import Text

from flowforge.api.models import JobDetail, JobIn
from flowforge.cli.app import single
from flowforge.cli.client import Client
from flowforge.cli.exits import Exit
from flowforge.cli.output import console
from flowforge.cli.server import Server
from flowforge.cli.watch import watch

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Story:
    """One job to submit, and what it is meant to show."""

    title: str
    text: str  # what conflicts, and what should become of it
    job: JobIn


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something the demo says, looked up in the remote repository or the service, not taken from the job."""

    text: str
    held: bool
    found: str = ""  # what was found instead


class World(Protocol):
    """A running service with the demo's repository."""

    @property
    def server(self) -> Server: ...

    @property
    def stories(self) -> Sequence[Story]: ...

    def check(self, story: Story, job: JobDetail) -> Sequence[Claim]: ...

    def parting(self) -> Sequence[Claim]:
        """Claims about the whole run."""
        ...


Start = Callable[[Say], AbstractContextManager[World]]


def demo(ctx: typer.Context) -> int:
    """Start a whole service in a temporary folder, run two jobs, check every claim, leave nothing behind."""
    start: Start = ctx.obj
    out = console(talk=False)
    _say(out, "FlowForge keeps branches mergeable, and refuses when in doubt.", "bold")
    held = True
    with start(lambda text: _say(out, f"  {text}", "dim")) as world:
        with Client(world.server) as client:
            for number, story in enumerate(world.stories, start=1):
                held &= _tell(out, client, world, story, number)
        held &= _claims(out, world.parting())
    _say(out, "")
    if held:
        _say(out, "Every claim held. Next: flowforge init in your repository, then flowforge run.", "bold")
        return Exit.OK
    _say(out, "A claim did not hold; please report it with this output.", "bold red")
    return Exit.BROKEN


def _tell(out: Console, client: Client, world: World, story: Story, number: int) -> bool:
    _say(out, "")
    _say(out, f"{number}. {story.title}", "bold")
    _say(out, f"   {story.text}")
    job = client.submit(story.job, str(uuid.uuid4()))
    watch(client, job.id, out)
    return _claims(out, world.check(story, client.job(job.id)))


def _claims(out: Console, claims: Sequence[Claim]) -> bool:
    for claim in claims:
        mark, style = ("✓", "green") if claim.held else ("✗", "red")
        found = "" if claim.held or not claim.found else f" (found: {claim.found})"
        out.print(Text.assemble(("   " + mark + " ", style), f"{claim.text}{found}"), soft_wrap=False)
    return all(claim.held for claim in claims)


def _say(out: Console, text: str, style: str = "") -> None:
    out.print(Text(text, style=style))


app = single(demo)
