"""`flowforge pipeline`: check definitions, print their JSON Schema, show what would run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flowforge.cli.app import AsJson, group
from flowforge.cli.exits import Exit
from flowforge.cli.output import data, data_json, say
from flowforge.core.errors import Reason, Refused
from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.core.plan import make_plan
from flowforge.hooks.manager import discover, load_plugins
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.describe import as_json
from flowforge.pipeline.document import MAX_BYTES
from flowforge.pipeline.load import FILE, Loaded, load_pipeline, load_shipped, shipped_definitions
from flowforge.pipeline.problems import Problem
from flowforge.pipeline.schema import json_schema

_EMPTY: tuple[object, ...] = ("", [], {}, None)

app = group("Check, print and show pipeline definitions.")

Files = Annotated[list[str] | None, typer.Argument(help=f"Files to check; - is stdin. Default: {FILE}")]
Which = Annotated[str, typer.Argument(help=f"A shipped pipeline's name, or a file. Default: {FILE}")]


@app.command()
def validate(files: Files = None, *, json: AsJson = False) -> None:
    """Check definitions; every problem is one line: path:line:column: CODE message."""
    catalog = _catalog()
    loaded = {name: _load(name, catalog) for name in files or [FILE]}
    problems = [problem for one in loaded.values() for problem in one.problems]
    if json:
        data_json({"valid": not problems, "problems": [problem_as_json(p) for p in problems]})
    else:
        _tell(loaded, problems)
    if problems:
        raise typer.Exit(Exit.USAGE)


@app.command()
def schema() -> None:
    """Print the JSON Schema (draft-07) of definitions, for editors."""
    data_json(json_schema())


@app.command()
def show(which: Which = FILE, *, json: AsJson = False) -> None:
    """Show what a definition would run, with all it extends, its matrices and defaults."""
    catalog = _catalog()
    shipped = which in shipped_definitions()
    pipeline = (load_shipped(which, catalog=catalog) if shipped else _load(which, catalog)).required()
    if json:
        data_json(as_json(pipeline))
    else:
        data("\n".join(_drawn(pipeline)))


def problem_as_json(problem: Problem) -> dict[str, object]:
    return {
        "path": problem.mark.path,
        "line": problem.mark.line,
        "column": problem.mark.column,
        "code": problem.code,
        "message": problem.message,
        "suggestion": problem.suggestion,
    }


def _catalog() -> Catalog:
    return Catalog.of(load_plugins(discover()))


def _tell(loaded: dict[str, Loaded], problems: list[Problem]) -> None:
    for problem in problems:
        data(str(problem))
    good = [name for name, one in loaded.items() if one.pipeline is not None]
    for name in good:
        say(f"{name}: valid")
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        say(f"{count}; flowforge explain {problems[0].code} tells more")


def _load(name: str, catalog: Catalog) -> Loaded:
    if name == "-":
        data_ = sys.stdin.buffer.read(MAX_BYTES + 1)
        return load_pipeline(data_, "stdin", catalog=catalog, read=_Root(Path.cwd()).read)
    path = Path(name)
    return load_pipeline(_bytes(path), name, catalog=catalog, read=_Root(root_of(path)).read)


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else "no usable path"
        raise Refused(
            Reason.PIPELINE_MISSING,
            f"{str(path)!r} could not be read: {said}",
            next_action=f"name a file, or one of {', '.join(shipped_definitions())}; flowforge init writes one",
        ) from error


def root_of(path: Path) -> Path:
    """The root of the repository the file lies in, else its folder."""
    folder = path.resolve().parent
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


class _Root:
    """Reads files below one folder, for `extends`; a link that leads out of it is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def read(self, name: str) -> bytes | None:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder) or not path.is_file():
            return None
        return _bytes(path)


def _drawn(pipeline: Pipeline) -> list[str]:
    plan, limits = make_plan(pipeline), pipeline.limits
    money = f"{limits.model_usd} USD and {limits.model_calls} calls for models"
    return [
        f"{pipeline.name} (version {pipeline.version}, from {pipeline.source})",
        f"at most {limits.wall:g} s, {limits.attempts} attempts, {money}",
        *(line for stage in plan.stages for line in _stage(stage)),
        *(["finally:"] if plan.last else []),
        *(line for stage in plan.last for line in _stage(stage)),
    ]


def _stage(stage: StageSpec) -> list[str]:
    told = [f"- {stage.id}" + (f" (uses {stage.uses})" if stage.uses != stage.id else "")]
    told += [f"    run: {stage.run}"] if stage.run else []
    told += [f"    {name}: {_short(value)}" for name, value in stage.options.items() if value not in _EMPTY]
    told += [f"    when: {stage.when}"] if stage.when else []
    return told


def _short(value: object) -> str:
    """A list or mapping in one line, as a person would write it in YAML."""
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={_short(one)}" for key, one in value.items() if one not in _EMPTY)
    return str(value)
