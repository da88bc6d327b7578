"""`flowforge replay`: what the rungs would have made of a repository's own conflicts, beside what people made of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import typer

from flowforge.cli.app import AsJson, single
from flowforge.cli.asked_model import SPEND, dollars, spent, told
from flowforge.cli.output import data, data_line, say, table
from flowforge.core.conflict import Kind
from flowforge.core.errors import Reason, Refused
from flowforge.report.facts import ModelCost
from flowforge.resolve.difference import Difference
from flowforge.resolve.kinds import FileKind
from flowforge.resolve.replay import (
    COSTS,
    Outcome,
    Row,
    Tally,
    by_rule,
    by_rung,
    differences,
    tally,
    times,
)

OTHERWISE = "otherwise"  # what people did, where they took nobody's state of the path as it was
ANSWERED = (Outcome.RESOLVED, Outcome.PROPOSED)


@dataclass(frozen=True, kw_only=True)
class Question:
    repository: str
    limit: int = 0  # merges with conflicting files to look at; 0 = all
    seed: int | None = None  # None: newest first
    before: int | None = None  # epoch seconds
    after: int | None = None
    paths: tuple[str, ...] = ()  # gitignore-style; empty = all
    policy: str = ""  # a file that `calibrate` wrote; "" = as shipped
    spend: Decimal | None = None  # US dollars that a model may cost in all; None: none is asked


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """How many merges were made again, and how many of them had a file or a whole path to judge."""

    merges: int
    conflicting: int
    lacking: int = 0  # merges of which the repository, a partial clone, lacks something
    model: ModelCost | None = None  # what a model was asked for; None: none was
    stopped: str = ""  # why the model, and so the replay, was asked no more


Tell = Callable[[Row, bytes | None], None]
Replayer = Callable[[Question, Tell], Replayed]


def replay(
    ctx: typer.Context,
    repository: Annotated[str, typer.Argument(help="A folder with a git repository.")] = ".",
    limit: Annotated[
        int, typer.Option(min=0, help="Stop after so many merges with conflicting files; 0: all.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Take merges in this random order, not newest first.")
    ] = None,
    before: Annotated[str, typer.Option(help="Only merges before this day: 2025-12-31.")] = "",
    after: Annotated[str, typer.Option(help="Only merges of this day and later.")] = "",
    paths: Annotated[list[str] | None, typer.Option(help="Only paths that match; again for more.")] = None,
    model: Annotated[
        bool, typer.Option("--model/--no-model", help="Ask the configured model too; this costs money.")
    ] = False,
    spend: Annotated[str, typer.Option(help="US dollars that the model may cost in all.")] = SPEND,
    policy: Annotated[str, typer.Option(help="Judge by this policy file, as calibrate writes it.")] = "",
    out: Annotated[str, typer.Option(help="Write every answer to FOLDER/MERGE/PATH.")] = "",
    as_json: AsJson = False,
) -> int:
    """Make a repository's merges again and compare the rungs' answers with what people committed.

    Nothing is written into the repository, no command of it runs, and no network is needed but for --model.
    """
    replayer: Replayer = ctx.obj
    question = Question(
        repository=repository,
        limit=limit,
        seed=seed,
        before=day(before, "--before"),
        after=day(after, "--after"),
        paths=tuple(paths or ()),
        policy=policy,
        spend=dollars(spend) if model else None,
    )
    folder = Path(out) if out else None
    rows: list[Row] = []

    def tell(row: Row, text: bytes | None) -> None:
        rows.append(row)
        if folder is not None and text is not None:
            write_answer(folder, row, text)
        if as_json:
            data_line(described(row))
        elif len(rows) % 100 == 0:
            say(f"{len(rows)} conflicting files and paths")

    found = replayer(question, tell)
    if as_json:
        data_line({"summary": summary(rows, found)})
    else:
        show(rows, found)
    return 0


def described(row: Row) -> Mapping[str, Any]:
    """One line of JSON."""
    return {
        "merge": row.merge,
        "path": row.path,
        "language": row.language,
        "kind": row.kind.value,
        "conflicts": row.conflicts,
        "outcome": row.outcome.value,
        "rung": "+".join(row.rungs),
        "rules": list(row.rules),
        "reason": row.reason,
        "ms": round(row.ms, 2),
        "equal": row.equal.value if row.equal else None,
        "human_took_side": row.human_took_side or None,
        "parses": row.parses,
        "difference": row.difference.value if row.difference else None,
        "conflict_kind": row.conflict.value,
        "whole": row.whole or None,
        "stands_at": row.stands_at or None,
    }


def summary(every: Sequence[Row], found: Replayed) -> Mapping[str, Any]:
    """All counts are of files with places, but for those of `paths`."""
    rows, paths = apart(every)
    took = times(rows)
    return {
        "merges": found.merges,
        "conflicting": found.conflicting,
        "lacking": found.lacking,
        "files": len(rows),
        "paths": _paths_summary(paths),
        "acted": tallied(tally(rows)),
        "with_proposals": tallied(tally(rows, ANSWERED)),
        "kinds": {
            kind.value: {"acted": tallied(tally(some)), "with_proposals": tallied(tally(some, ANSWERED))}
            for kind in sorted({row.kind for row in rows})
            if (some := [row for row in rows if row.kind is kind])
        },
        "rungs": {rung: tallied(counted) for rung, counted in by_rung(rows).items()},
        "differences": differences(row.difference for row in rows),
        "ms": {"median": round(took.median, 2), "p99": round(took.p99, 2), "worst": round(took.worst, 2)},
        "model": spent(found.model, found.stopped),
    }


def apart(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Files with places, and paths as a whole."""
    groups: tuple[list[Row], list[Row]] = ([], [])
    for row in rows:
        groups[row.kind is FileKind.PATH].append(row)
    return groups


def _paths_summary(rows: Sequence[Row]) -> Mapping[str, Any]:
    """Conflicts about a path as a whole: `files` counts paths here."""
    return {
        "paths": len(rows),
        "merges": len({row.merge for row in rows}),
        "acted": tallied(tally(rows)),
        "with_proposals": tallied(tally(rows, ANSWERED)),
        "kinds": {
            kind.value: {
                "acted": tallied(tally(some)),
                "with_proposals": tallied(tally(some, ANSWERED)),
                "people": dict(sorted(Counter(row.human_took_side or OTHERWISE for row in some).items())),
            }
            for kind, some in _by_conflict(rows).items()
        },
        "rules": {rule: tallied(counted) for rule, counted in by_rule(rows).items()},
        "differences": differences(row.difference for row in rows),
    }


def _by_conflict(rows: Sequence[Row]) -> Mapping[Kind, Sequence[Row]]:
    kinds = sorted({row.conflict for row in rows})
    return {kind: [row for row in rows if row.conflict is kind] for kind in kinds}


def tallied(counted: Tally) -> Mapping[str, Any]:
    precision = counted.precision
    return {
        "files": counted.cases,
        "answered": counted.answered,
        "equal": counted.right,
        "coverage": round(counted.coverage, 4),
        "precision": None if precision is None else round(precision, 4),
        "cost": {str(k): round(counted.cost(k), 4) for k in COSTS},
    }


def show(every: Sequence[Row], found: Replayed) -> None:
    """Tables of at most 80 columns: by kind of file, and by rung; the same for paths as a whole."""
    rows, paths = apart(every)
    and_ = f", {len(paths)} whole paths" if paths else ""
    say(f"{found.merges} merges, {found.conflicting} with conflicts to judge, {len(rows)} files{and_}")
    if found.lacking:
        say(f"{found.lacking} merges were left out: a partial clone lacks what they need")
    if rows:
        _show_files(rows)
    if paths:
        _show_paths(paths)
    if every:
        took = times(rows or paths)
        say(_LEGEND)
        say(f"a file took {took.median:.1f} ms (median), {took.p99:.0f} ms (99 of 100)")
    for sentence in told(found.model, found.stopped):
        say(sentence)


def _show_files(rows: Sequence[Row]) -> None:
    sides = {name: "left" if name == "files of kind" else "right" for name in _HEADS}
    kinds = sorted({row.kind for row in rows})
    body = [_line(kind.value, [row for row in rows if row.kind is kind]) for kind in kinds]
    table(sides, [*body, _line("all", rows)])
    data("")
    heads = {"answered by": "left", "files": "right", "equal": "right", "precision": "right"}
    table(heads, [[rung, *_counted(counted)] for rung, counted in by_rung(rows).items()])
    classes = differences(row.difference for row in rows)
    if classes:
        data("")
        table({"different because": "left", "files ": "right"}, differing(classes))


def _show_paths(rows: Sequence[Row]) -> None:
    data("")
    names = ("whole paths", *_HEADS[1:])
    sides = {name: "left" if name == "whole paths" else "right" for name in names}
    body = [_line(kind.value.replace("_", " "), some) for kind, some in _by_conflict(rows).items()]
    table(sides, [*body, _line("all", rows)])
    answered = by_rule(rows)
    if answered:
        data("")
        heads = {"answered by": "left", "paths": "right", "equal": "right", "precision": "right"}
        table(heads, [[rule, *_counted(counted)] for rule, counted in answered.items()])
    classes = differences(row.difference for row in rows)
    if classes:
        data("")
        table({"different because": "left", "paths ": "right"}, differing(classes))


_LEGEND = """\
acted: would be kept without asking
answered: with proposals too, which tests or a person must confirm
equal: to what people committed, but for whitespace and order of lines;
  another answer may be right too
cost: a file handed back counts 1, a different answer 10; all by hand is 1
whole paths: conflicts without places (deleted, renamed, a link), by kind;
  equal leaves at each of the conflict's paths what people left there"""
_HEADS = ("files of kind", "files", "acted", "equal", "cost", "answered", "equal ", "cost ")


def _line(name: str, rows: Sequence[Row]) -> list[str]:
    acted, answered = tally(rows), tally(rows, ANSWERED)
    cells = [name, str(len(rows))]
    for counted in (acted, answered):
        cells += [_share(counted.coverage), _share(counted.precision), f"{counted.cost(10):.2f}"]
    return cells


def differing(classes: Mapping[str, int]) -> list[list[str]]:
    """Rows of a table: how answers differ, in words, and how many do."""
    return [[Difference(name).words, str(number)] for name, number in classes.items()]


def _counted(counted: Tally) -> list[str]:
    return [str(counted.answered), str(counted.right), _share(counted.precision)]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.0f} %"


def write_answer(folder: Path, row: Row, text: bytes) -> None:
    """Write an answer below `folder`, where it stands; a path that would leave it is left out.

    Raises:
        Refused: invalid_request, where the folder cannot be written.
    """
    stands_at = PurePosixPath(row.stands_at)
    parts = stands_at.parts
    if not parts or ".." in parts or stands_at.is_absolute():
        return
    place = folder.joinpath(row.merge, *parts)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text)
    except OSError as error:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"{str(folder)!r} cannot be written: {error.strerror}",
            next_action="give another folder to --out",
        ) from error


def day(text: str, option: str) -> int | None:
    """Epoch seconds of the day's begin; None where none was named.

    Raises:
        Refused: invalid_request.
    """
    if not text:
        return None
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise Refused(
            Reason.INVALID_REQUEST, f"{option} {text[:40]!r} is no day", next_action="write it as 2025-12-31"
        ) from error


app = single(replay)
