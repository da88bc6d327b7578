"""`flowforge up`: the whole service on this machine, until ^C."""

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import typer

from flowforge.cli.app import single
from flowforge.cli.exits import Exit
from flowforge.cli.output import say


class Running(Protocol):
    """What was started."""

    url: str
    token_file: Path
    logs: Path

    def wait(self) -> str:
        """Block until ^C or SIGTERM ("" is returned), or until a process ends by itself (its name)."""
        ...


Start = Callable[[], AbstractContextManager[Running]]


def up(ctx: typer.Context) -> int:
    """Run the whole service on this machine: Postgres, Redis, API, relay and worker, until ^C."""
    start: Start = ctx.obj
    say("starting Postgres, Redis, the API, a relay and a worker ...")
    with start() as running:
        say(f"FlowForge answers at {running.url}")
        say(f"its operator's token is in {running.token_file}; logs are in {running.logs}")
        say("")
        say("in another terminal:")
        say(
            f"  export FLOWFORGE_URL={running.url} FLOWFORGE_TOKEN=$(cat {shlex.quote(str(running.token_file))})"
        )
        say("  flowforge repo add NAME URL")
        say("  flowforge job submit NAME BRANCH --onto main --watch")
        say("")
        say("^C stops it; nothing is lost.")
        fallen = running.wait()
        if fallen:
            say(f"error: the {fallen} process ended by itself; see {running.logs / (fallen + '.log')}")
            return Exit.BROKEN
        say("stopping: running jobs are handed back ...")
    return Exit.OK


app = single(up)
