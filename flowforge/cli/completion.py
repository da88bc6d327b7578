"""Shell completion: all verbs in one typer app, made only when a shell asks."""

from collections.abc import Mapping, Sequence

import typer

from flowforge.cli.app import answer_shell


def complete(verbs: Mapping[str, tuple[typer.Typer, str]], arguments: Sequence[str]) -> int:
    """Answer a shell's question, or install completion; verbs are given as (app, summary)."""
    whole = typer.Typer(
        name="flowforge", rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True
    )
    for name, (app, summary) in verbs.items():
        if len(app.registered_commands) == 1 and not app.registered_groups:
            callback = app.registered_commands[0].callback
            if callback is not None:
                whole.command(name=name, help=summary)(callback)
        else:
            whole.add_typer(app, name=name, help=summary)
    return answer_shell(whole, arguments)
