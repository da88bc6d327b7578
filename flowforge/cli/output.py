"""How verbs speak: data on stdout, talk on stderr, errors of the house in three lines.

`NO_COLOR` and output that is no terminal switch colours off; then lines are 80 columns wide. rich is imported where
it draws something, not before.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from flowforge.core.errors import FlowForgeError

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 80  # columns where nobody knows better


def data(text: str) -> None:
    """Write what was asked for."""
    _write(_visible(text))


def data_json(value: object) -> None:
    """Write what was asked for as one JSON document, keys in their own order."""
    _write(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def data_line(value: object) -> None:
    """Write one JSON document on one line, for readers that take them as they come."""
    _write(json.dumps(value, ensure_ascii=True, default=str))


def _write(text: str) -> None:
    """A reader that went away (`| head`) has had enough: that is no error, and nothing more is written."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or the interpreter's last flush fails
        raise SystemExit(0) from None


def say(text: str) -> None:
    """Tell the person something; programs do not read it."""
    print(_visible(text), file=sys.stderr, flush=True)


def show_error(error: FlowForgeError, *, as_json: bool = False) -> None:
    """Sentence, reason, next action; with `as_json` the same as data, so that programs can match it."""
    if as_json:
        data_json({"error": describe(error)})
        return
    say(f"error: {error.sentence}")
    say(f"reason: {error.reason}")
    if error.next_action:
        say(f"next: {error.next_action}")


def describe(error: FlowForgeError) -> Mapping[str, str]:
    return {
        "reason": error.reason.value,
        "sentence": error.sentence,
        "next_action": error.next_action,
        "evidence": error.evidence,
    }


def coloured(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether colours may be used there; any value of NO_COLOR but the empty one switches them off."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def console(*, talk: bool = True) -> "Console":
    """A rich console on stderr (or stdout for data such as tables)."""
    from rich.console import Console

    stream = sys.stderr if talk else sys.stdout
    width = None if stream.isatty() else WIDTH
    return Console(
        file=stream,
        width=width,
        no_color=not coloured(stream, os.environ),
        highlight=False,
        markup=False,
        emoji=False,
    )


def table(columns: Mapping[str, str], rows: list[list[str]]) -> None:
    """Write rows as plain columns; `columns` maps a heading to "left" or "right"."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for heading, side in columns.items():
        drawn.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(_visible(cell) for cell in row))
    console(talk=False).print(drawn)


def _visible(text: str) -> str:
    """No control character of a stranger's text reaches a terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)
