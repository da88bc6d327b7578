"""`flowforge simulate`: what a run would do with each branch, for nothing."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from flowforge.cli.app import AsJson, single
from flowforge.cli.exits import Exit
from flowforge.cli.output import WIDTH, data, data_json, say, table
from flowforge.pipeline.forecast import CommitForecast, FileForecast, Forecast, State

_LIMIT = 20
_SHORT = 10  # digits of a commit id


@dataclass(frozen=True, kw_only=True)
class Question:
    repository: str
    branches: tuple[str, ...] = ()  # none: all that have something to rebase
    onto: str = ""  # "" = the repository's default branch
    pipeline: str = ""  # as in `runner.Asked`
    policy: str = ""  # likewise
    limit: int = _LIMIT


@dataclass(frozen=True, kw_only=True)
class Simulation:
    target: str
    target_tip: str
    forecasts: tuple[Forecast, ...]
    left_out: int = 0  # branches beyond the limit
    unusable: tuple[str, ...] = ()  # branches whose names FlowForge refuses


Simulator = Callable[[Question, Callable[[str], None]], Simulation]


def simulate(
    ctx: typer.Context,
    repository: Annotated[str, typer.Argument(help="A folder with a git repository, or a url.")] = ".",
    branch: Annotated[
        list[str] | None, typer.Option(help="A branch to look at; again for more. Default: all ahead.")
    ] = None,
    onto: Annotated[
        str, typer.Option(help="The branch to rebase onto; the default branch if left out.")
    ] = "",
    pipeline: Annotated[str, typer.Option(help="A file or a shipped definition.")] = "",
    policy: Annotated[str, typer.Option(help="What rules may do here: a file that calibrate wrote.")] = "",
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="Look at so many branches, newest first.")
    ] = _LIMIT,
    as_json: AsJson = False,
) -> int:
    """Say what a run would do: no command runs, no model is asked, nothing is pushed."""
    simulator: Simulator = ctx.obj
    question = Question(
        repository=repository,
        branches=tuple(branch or ()),
        onto=onto,
        pipeline=pipeline,
        policy=policy,
        limit=limit,
    )
    found = simulator(question, lambda text: None if as_json else say(f"looking at {text}"))
    if as_json:
        data_json(described(found))
    else:
        show(found)
    needed = any(one.state is State.PERSON for one in found.forecasts)
    return Exit.DECISION if needed else Exit.OK


def described(found: Simulation) -> Mapping[str, Any]:
    return {
        "target": found.target,
        "target_tip": found.target_tip,
        "branches": [{**asdict(one), "rungs": one.rungs} for one in found.forecasts],
        "left_out": found.left_out,
        "unusable": list(found.unusable),
    }


def show(found: Simulation) -> None:
    """A table of all branches, then what there is to say about each."""
    if found.forecasts:
        sides = {
            "branch": "left",
            "outcome": "left",
            "commits": "right",
            "conflicts": "right",
            "answered by": "left",
            "valid": "left",
        }
        table(sides, [_row(one) for one in found.forecasts])
    else:
        say(f"no branch has commits that {found.target} lacks")
    for one in found.forecasts:
        lines = list(_story(one))
        if lines:
            data("\n".join(["", *_said(f"{one.branch} onto {one.target}", 0), *lines]))
    if found.left_out:
        say(f"{found.left_out} older branches were left out; --limit looks at more")
    for name in found.unusable:
        say(f"left out: FlowForge takes no branch named {name!r}")


def _row(one: Forecast) -> list[str]:
    valid = {True: "yes", False: "no", None: "-"}[one.valid]
    conflicts = sum(len(commit.files) for commit in one.conflicts)
    return [
        one.branch,
        one.state.value,
        str(one.commits),
        str(conflicts),
        ", ".join(one.rungs) or "-",
        valid,
    ]


def _story(one: Forecast) -> Iterator[str]:
    for commit in one.conflicts:
        yield from _commit(commit)
    if one.unseen:
        ids = ", ".join(commit[:_SHORT] for commit in one.unseen)
        yield from _said(f"not looked at, since they change what is open above: {ids}", 2)
    yield from (line for sentence in _others(one) for line in _said(f"a person: {sentence}", 2))
    yield from (line for note in one.notes for line in _said(note, 2))
    if one.conflicts or one.valid is False:
        yield from _said(f"validation: {one.validation}", 2)


def _others(one: Forecast) -> list[str]:
    """What a person must do beside the conflicts, which stand with their files."""
    told = {file.person for commit in one.conflicts for file in commit.files}
    return [sentence for sentence in one.person if sentence not in told and sentence != one.validation]


def _commit(commit: CommitForecast) -> Iterator[str]:
    alone = " (looked at without the open commits above)" if commit.by_itself else ""
    yield from _said(f"commit {commit.commit[:_SHORT]} {commit.subject}{alone}", 2)
    for file in commit.files:
        yield from _file(file)


def _file(file: FileForecast) -> Iterator[str]:
    yield from _said(f"{file.path}: {file.kind}", 4)
    for hunk in file.hunks:
        sure = "" if hunk.confirmed else " (a proposal: tests must confirm it)"
        where = f"line {hunk.line}" if hunk.line else "as a whole"
        yield from _said(f"{where}: {hunk.rung}/{hunk.rule}: {hunk.why}{sure}", 6)
    if file.person:
        yield from _said(f"a person: {file.person}", 6)
    for rung, sentence in file.tried.items():
        yield from _said(f"{rung}: {sentence}", 8)


def _said(text: str, indent: int) -> list[str]:
    """The text in lines of at most 80 columns, the later ones two columns deeper."""
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2)) or [
        ""
    ]


app = single(simulate)
