"""Run one verb: a typer app, resolved by the entry point, with one place for errors and exit codes."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

import typer

from flowforge.cli.exits import Exit, exit_of_error
from flowforge.cli.output import say, show_error
from flowforge.core.errors import FlowForgeError

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON on stdout.")]


def group(summary: str) -> typer.Typer:
    """A verb with verbs of its own, in the house's manner."""
    return typer.Typer(
        help=summary,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )


def single(function: Callable[..., object]) -> typer.Typer:
    """A verb without verbs of its own."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    app.command()(function)
    return app


def run_verb(app: typer.Typer, name: str, arguments: Sequence[str], parts: object = None) -> int:
    """Run it and return the exit code. `parts` is what `wiring` hands the verb; it reads it as `ctx.obj`."""
    try:
        command = typer.main.get_command(app)
        ended = command.main(
            args=list(arguments), prog_name=f"flowforge {name}".rstrip(), standalone_mode=False, obj=parts
        )
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 (the last door: every error becomes a number here)
        return _exit_of(error, name, as_json="--json" in arguments)
    return ended if isinstance(ended, int) else Exit.OK


def _exit_of(error: BaseException, name: str, *, as_json: bool) -> int:
    match error:
        case FlowForgeError():
            show_error(error, as_json=as_json)
            return exit_of_error(error)
        case typer.TyperException():
            return _usage(error, name)
        case typer.Abort() | KeyboardInterrupt():
            say("interrupted")
            return Exit.INTERRUPTED
        case SystemExit():
            return error.code if isinstance(error.code, int) else Exit.OK
    return _bug(error)


def _usage(error: typer.TyperException, name: str) -> int:
    message = error.format_message()
    if "\n" in message:  # a group without arguments: its help
        say(message)
        return Exit.USAGE
    say(f"error: {message}")
    say(f"next: {f'flowforge {name}'.rstrip()} --help")
    return Exit.USAGE


def _bug(error: BaseException) -> int:
    if os.environ.get("FLOWFORGE_DEBUG"):
        raise error
    say(f"error: FlowForge itself failed: {type(error).__name__}: {error}")
    say("reason: internal_error")
    say("next: run it again with FLOWFORGE_DEBUG=1 and report what it prints")
    return Exit.BROKEN
