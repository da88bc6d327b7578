"""`flowforge init`: write a proposal for `.flowforge.yml`, never over one that is there."""

import errno
import shlex
from pathlib import Path
from typing import Annotated

import typer

from flowforge.cli.app import single
from flowforge.cli.folders import folder_named
from flowforge.cli.output import data, say
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused
from flowforge.pipeline.load import FILE
from flowforge.pipeline.proposal import detect, propose


def init(
    folder: Annotated[str, typer.Argument(help="The root of a repository.")] = ".",
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it, write nothing.")] = False,
) -> None:
    """Propose a .flowforge.yml from what lies in the folder; nothing of it is run."""
    root = folder_named(folder)
    if root is None:
        raise Refused(
            Reason.NOT_FOUND,
            f"there is no folder {folder[:200]!r}",
            next_action="name the root of a repository: flowforge init FOLDER",
        )
    found = detect(root)
    text = propose(found)
    if stdout:
        data(text.rstrip("\n"))
        return
    path = root / FILE
    write_new(path, text)
    for one in found:
        say(f"{one.language}: {one.command} ({one.because})")
    if not found:
        say("no test command was recognised; the file says where one goes")
    say(f"wrote {path}")
    if not (root / ".git").exists():
        say(f"note: {folder} is not the root of a repository, where FlowForge looks for the file")
    name = shlex.quote(str(path))
    say(f"next: flowforge pipeline validate {name}")
    say(f"next: flowforge simulate {shlex.quote(folder)} --pipeline {name}")


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all.

    Raises:
        Refused: something of that name is there (a link too), or nothing may be written there.
        Broken: no_space.
    """
    made = False
    try:
        with path.open("x", encoding="utf-8") as file:
            made = True
            file.write(text)
    except OSError as error:
        if made:
            path.unlink(missing_ok=True)
        raise _refusal(path, error) from error


def _refusal(path: Path, error: OSError) -> FlowForgeError:
    if isinstance(error, FileExistsError):
        return Refused(
            Reason.CONFLICT_OF_STATE,
            f"{str(path)!r} is there already, and is never overwritten",
            next_action="look at the proposal with: flowforge init --stdout",
        )
    said = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Broken(
            Reason.NO_SPACE,
            f"{str(path)!r} could not be written: {said}",
            next_action="make room on the disk",
        )
    return Refused(
        Reason.NOT_ALLOWED,
        f"{str(path)!r} could not be written: {said}",
        next_action="look at the folder's owner and mode, or use --stdout",
    )


app = single(init)
