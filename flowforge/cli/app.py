"""Run one verb: a typer app, resolved by the entry point, with one place for errors and exit codes."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

import typer

from flowforge.cli.exits import Exit, exit_of_error
from flowforge.cli.output import say, show_error
from flowforge.core.errors import FlowForgeError, Reason, Refused

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
        # Not command.main: it makes of ^C a number that nobody can tell from a verb's own.
        with command.make_context(f"flowforge {name}", list(arguments), obj=parts) as context:
            ended = command.invoke(context)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 (the last door: every error becomes a number here)
        return _exit_of(error, name, as_json="--json" in arguments)
    return ended if isinstance(ended, int) else Exit.OK


def answer_shell(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Let the library answer a shell that asks for completions; its question is in the environment."""
    try:
        command = typer.main.get_command(app)
        ended = command.main(args=list(arguments), prog_name="flowforge", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 (as in run_verb)
        return _exit_of(error, "", as_json=False)
    return ended if isinstance(ended, int) else Exit.OK


def _exit_of(error: BaseException, name: str, *, as_json: bool) -> int:
    match error:
        case FlowForgeError():
            show_error(error, as_json=as_json)
            return exit_of_error(error)
        case typer.TyperException():
            return _usage(error, name, as_json=as_json)
        case typer.Abort() | KeyboardInterrupt():
            show_error(_interrupted(), as_json=as_json)
            return Exit.INTERRUPTED
        case typer.Exit():
            return error.exit_code
        case SystemExit():
            return error.code if isinstance(error.code, int) else Exit.OK
    return _bug(error)


def _interrupted() -> Refused:
    return Refused(Reason.CANCELLED, "interrupted", next_action="run it again when you like")


def _usage(error: typer.TyperException, name: str, *, as_json: bool) -> int:
    message = error.format_message()
    if as_json:
        more = f"{f'flowforge {name}'.rstrip()} --help"
        show_error(Refused(Reason.INVALID_REQUEST, message, next_action=more), as_json=True)
        return Exit.USAGE
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
