"""`flowforge calibrate`: what each rule has earned in a repository's own history."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from flowforge.cli.app import AsJson, single
from flowforge.cli.asked_model import SPEND, dollars, spent
from flowforge.cli.calibration import Calibrated, Line, Question, sentences, share
from flowforge.cli.calibration_page import page
from flowforge.cli.folders import writable, written
from flowforge.cli.output import data, data_json, say, table
from flowforge.cli.replay import day, tallied
from flowforge.core.errors import Reason, Refused
from flowforge.resolve.calibrate import Figures
from flowforge.resolve.counts import COST_OF_WRONG
from flowforge.resolve.learnt import MAX_K, write_policy
from flowforge.resolve.learnt import as_json as policy_json
from flowforge.resolve.replay import COSTS, Tally

Calibrator = Callable[[Question, Callable[[int], None]], Calibrated]
_EVERY = 100  # files between two words to the person who waits


def calibrate(
    ctx: typer.Context,
    repository: Annotated[str, typer.Argument(help="A folder with a git repository.")] = ".",
    before: Annotated[str, typer.Option(help="Only merges before this day: 2025-12-31.")] = "",
    out: Annotated[str, typer.Option(help="Write a page to this file: FILE.html.")] = "",
    policy: Annotated[str, typer.Option(help="Write the policy to this file.")] = "",
    k: Annotated[
        float, typer.Option(help="What a wrong answer costs, in files handed back.", show_default=True)
    ] = COST_OF_WRONG,
    limit: Annotated[
        int, typer.Option(min=0, help="Stop after so many merges with conflicting files; 0: all.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(help="Take merges in this random order, not newest first.")
    ] = None,
    model: Annotated[
        bool, typer.Option("--model/--no-model", help="Ask the configured model too; this costs money.")
    ] = False,
    spend: Annotated[str, typer.Option(help="US dollars that the model may cost in all.")] = SPEND,
    as_json: AsJson = False,
) -> int:
    """Count in a repository's own history how often each rule is right, and what it may do from now on.

    Nothing is written into the repository, no command of it runs, and no network is needed but for --model. A service calibrates
    one of its repositories with --repository NAME, and tells its options with --repository NAME --help.
    """
    calibrator: Calibrator = ctx.obj
    question = Question(
        repository=repository,
        limit=limit,
        seed=seed,
        before=day(before, "--before"),
        k=_cost(k),
        spend=dollars(spend) if model else None,
    )
    for name in (out, policy):
        writable(name)
    found = calibrator(question, _Progress(quiet=as_json))
    if policy:
        written(policy, write_policy(found.learnt).encode())
    if out:
        written(out, page(found).encode())
    if as_json:
        data_json(described(found))
    else:
        show(found)
    for what, name in (("the policy", policy), ("the page", out)):
        if name and not as_json:
            say(f"{what} is in {name}")
    return 0


@dataclass(kw_only=True)
class _Progress:
    quiet: bool
    told: int = 0

    def __call__(self, files: int) -> None:
        if not self.quiet and files // _EVERY > self.told // _EVERY:
            say(f"{files} conflicting files")
        self.told = files


def _cost(k: float) -> float:
    if 1 < k <= MAX_K:
        return k
    raise Refused(
        Reason.INVALID_REQUEST,
        f"--k {k:g} is no cost: a wrong answer costs more than 1 and at most {MAX_K} files handed back",
        next_action="leave it out for 10",
    )


def described(found: Calibrated) -> Mapping[str, Any]:
    """The whole as JSON."""
    return {
        "repository": found.name,
        "made_again": dict(found.made_again),
        "pull_requests_left_out": dict(found.left),
        "lacking": found.lacking,
        "later": {
            "since": found.learnt.held_out.since if found.learnt.held_out else None,
            "files": found.parts.files,
            "paths": found.parts.paths,
            "seen_before": found.parts.seen,
            "shipped": _figures(found.shipped),
            "own": _figures(found.own),
        },
        "rules": [
            {
                "rule": line.rule.rule,
                "kind": line.rule.kind.value,
                "action": line.rule.action.value,
                "right": line.rule.count.right,
                "cases": line.rule.count.cases,
                "later": {"right": line.later.right, "cases": line.later.cases},
            }
            for line in found.lines
        ],
        "model": spent(found.model, found.stopped),
        "policy": policy_json(found.learnt),
    }


def _figures(found: Figures) -> Mapping[str, Any]:
    return {
        "acted": tallied(found.acted),
        "with_proposals": tallied(found.answered),
        "kinds": {
            kind.value: {"acted": tallied(acted), "with_proposals": tallied(answered)}
            for kind, (acted, answered) in found.kinds.items()
        },
        "curve": [[round(point.coverage, 4), round(point.risk, 4)] for point in found.curve],
    }


def show(found: Calibrated) -> None:
    """Tables of at most 80 columns: what each rule has earned, and what that is worth."""
    for sentence in sentences(found):
        say(sentence)
    if not found.lines:
        say("no rule has answered anything that could be judged, so all stays as shipped")
        return
    sides = {name: "left" if name in {"rule", "files", "may"} else "right" for name in _HEADS}
    table(sides, [_row(line) for line in found.lines])
    if not found.parts.later:
        return
    data("")
    heads = {"later part": "left", "acted": "right", "equal": "right"}
    heads |= {f"cost({k})": "right" for k in COSTS}
    table(heads, [_costs("as shipped", found.shipped.acted), _costs("own policy", found.own.acted)])
    if found.parts.paths:
        heads = {
            "whole paths": "left",
            **{head: side for head, side in heads.items() if head != "later part"},
        }
        table(heads, [_costs("as shipped", found.shipped.paths), _costs("own policy", found.own.paths)])
    say(_LEGEND)


_HEADS = ("rule", "files", "cases", "right", "share", "may", "later")
_LEGEND = """\
cases: places that a rule answered; right: equal to what people committed, but
  for whitespace and order of lines. later: the same since that day
may: act by itself, confirm (tests or a person must), or off; by all history
later part: by a policy learnt from the time before it, as a check; a file
  handed back costs 1, a different answer k; all by hand is 1
path: conflicts about a path as a whole (deleted, renamed, a link), of any file"""


def _row(line: Line) -> list[str]:
    count, later = line.rule.count, line.later
    return [
        line.rule.rule,
        line.rule.kind.value,
        str(count.cases),
        str(count.right),
        share(count.right, count.cases),
        line.rule.action.value,
        f"{later.right}/{later.cases}" if later.cases else "-",
    ]


def _costs(name: str, counted: Tally) -> list[str]:
    acted = f"{counted.answered}/{counted.cases}"
    return [name, acted, share(counted.right, counted.answered), *(f"{counted.cost(k):.2f}" for k in COSTS)]


app = single(calibrate)
