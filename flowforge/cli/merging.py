"""`flowforge merge-file` and `flowforge merge-driver`: the rungs that ask nobody, for git itself and its tools."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from flowforge.cli.output import say
from flowforge.core.markers import Markers
from flowforge.git.mergefile import MergeAsked, ThreeFiles

NO_USAGE = 129  # what git says where it is called wrongly: smaller numbers count conflicts
Merge = Callable[[MergeAsked], int]

Every = Annotated[
    bool, typer.Option("--all", help="Take proposals too, which tests or a person should confirm.")
]
Memory = Annotated[
    bool, typer.Option("--memory/--no-memory", help="Take what was answered and confirmed before, too.")
]
Size = Annotated[int, typer.Option(min=1, max=1000, help="Characters of a conflict marker.")]


class _Counting(TyperCommand):
    """A command whose exit code is a number of conflicts, so that a wrong call has to say another."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        try:
            return super().make_context(*arguments, **more)
        except typer.TyperException as error:
            say(f"error: {error.format_message()}")
            raise typer.Exit(NO_USAGE) from error


def merge_file(
    ctx: typer.Context,
    current: Annotated[str, typer.Argument(help="Your file; the result is written into it.")],
    base: Annotated[str, typer.Argument(help="The file that both changes began with.")],
    other: Annotated[str, typer.Argument(help="The file whose change is merged into CURRENT.")],
    stdout: Annotated[
        bool, typer.Option("-p", "--stdout", help="Write the result to stdout, and no file.")
    ] = False,
    path: Annotated[
        str, typer.Option(help="The file's name in its repository, if CURRENT has another.")
    ] = "",
    marker_size: Size = 7,
    label: Annotated[
        list[str] | None,
        typer.Option("-L", "--label", help="Name of CURRENT at markers; again for BASE and OTHER."),
    ] = None,
    every: Every = False,
    memory: Memory = True,
) -> int:
    """Merge three files as git merge-file does, and answer of its conflicts what a rule is sure of.

    The exit code is the number of conflicts that are left, at most 127; 255: the files cannot be merged.
    """
    run: Merge = ctx.obj
    return run(
        MergeAsked(
            files=ThreeFiles(current=Path(current), base=Path(base), other=Path(other)),
            path=path or current,
            markers=_labelled(label or (), marker_size),
            every=every,
            stdout=stdout,
            memory=memory,
        )
    )


def merge_driver(
    ctx: typer.Context,
    base: Annotated[str, typer.Argument(help="%O")],
    current: Annotated[str, typer.Argument(help="%A: the result is written into it.")],
    other: Annotated[str, typer.Argument(help="%B")],
    marker_size: Annotated[int, typer.Argument(min=1, help="%L")],
    path: Annotated[str, typer.Argument(help="%P")],
    every: Every = False,
    memory: Memory = True,
) -> int:
    """Merge one file for git: git config merge.flowforge.driver 'flowforge merge-driver %O %A %B %L %P'.

    See flowforge help merge-driver for the line in .gitattributes that goes with it.
    """
    run: Merge = ctx.obj
    return run(
        MergeAsked(
            files=ThreeFiles(current=Path(current), base=Path(base), other=Path(other)),
            path=path,
            markers=Markers(size=marker_size),
            every=every,
            driver=True,
            memory=memory,
        )
    )


def _labelled(labels: Sequence[str], size: int) -> Markers:
    names = ("upstream", "base", "commit")
    return Markers(size=size, **dict(zip(names, labels, strict=False)))


def _command(function: Callable[..., object]) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    app.command(cls=_Counting)(function)
    return app


file_app = _command(merge_file)
driver_app = _command(merge_driver)
