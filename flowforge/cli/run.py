"""`flowforge run`: one pipeline, here, shown as it runs."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from flowforge.cli.app import AsJson, single
from flowforge.cli.exits import exit_of_ending
from flowforge.cli.live import Happening, Screen
from flowforge.cli.output import console, data, data_json, say
from flowforge.cli.runner import Asked, Ended, Runner
from flowforge.core.job import Result

_STATES = {Result.SUCCESS: "success", Result.SKIP: "success", Result.CANCELLATION: "cancelled"}


def run(
    ctx: typer.Context,
    repository: Annotated[str, typer.Argument(help="A folder with a git repository, or a url.")] = ".",
    branch: Annotated[str, typer.Option(help="The branch to bring up to date.")] = "",
    onto: Annotated[
        str, typer.Option(help="The branch to rebase onto; the default branch if left out.")
    ] = "",
    pipeline: Annotated[str, typer.Option(help="A file or a shipped definition.")] = "",
    push: Annotated[bool, typer.Option(help="Push the result where the pipeline says so.")] = True,
    sandbox: Annotated[str, typer.Option(help="auto, bubblewrap or none.")] = "",
    policy: Annotated[str, typer.Option(help="What rules may do here: a file that calibrate wrote.")] = "",
    memory: Annotated[bool, typer.Option(help="Remember confirmed answers: flowforge help memory.")] = True,
    as_json: AsJson = False,
) -> int:
    """Run one pipeline here, without a service: rebase, resolve, validate, test, push."""
    runner: Runner = ctx.obj
    asked = Asked(
        repository=repository,
        branch=branch,
        onto=onto,
        pipeline=pipeline,
        push=push,
        sandbox=sandbox,
        policy=policy,
        memory=memory,
    )
    ended = _shown(runner, asked) if not as_json else runner(asked, lambda _kind, _data: None)
    if as_json:
        data_json(_described(ended))
    elif ended.report:
        data(ended.report.rstrip("\n"))
    if ended.fetch and not as_json:
        say(f"nothing was pushed; the result is yours with: {ended.fetch}")
    return exit_of_ending(ended.ending)


def _shown(runner: Runner, asked: Asked) -> Ended:
    """Run it with the live view on standard error; the commands' own output goes above it."""
    title = f"{asked.branch or 'the current branch'} onto {asked.onto or 'the default branch'}"
    with Screen(console(), title, now=time.monotonic) as screen:

        def tell(kind: str, told: Mapping[str, Any]) -> None:
            if kind == "log":
                screen.log(str(told["text"]))
            else:
                screen.show(Happening(kind=kind, data=told, at=time.monotonic()))

        tell("job.claim", {"to": "running"})
        ended = runner(asked, tell)
        tell("job.end", _move(ended))
    return ended


def _move(ended: Ended) -> Mapping[str, Any]:
    ending = ended.ending
    return {
        "to": _STATES.get(ending.result, "failed"),
        "result": ending.result.value,
        "reason": ending.reason.value,
        "sentence": ending.sentence,
    }


def _described(ended: Ended) -> Mapping[str, Any]:
    ending = ended.ending
    return {
        "result": ending.result.value,
        "reason": ending.reason.value,
        "sentence": ending.sentence,
        "next_action": ending.next_action,
        "branch": ended.branch,
        "target": ended.target,
        "old_head": ended.old_head,
        "head": ended.head,
        "stages": [
            {
                "stage": one.stage,
                "result": one.result.value,
                "reason": one.reason.value,
                "sentence": one.sentence,
                "seconds": round(one.seconds, 3),
                "outputs": {} if one.outputs.get("text") == ended.report else dict(one.outputs),
            }
            for one in ended.results
        ],
        "report": ended.report,
    }


app = single(run)
