"""`flowforge calibrate --repository NAME`: a server counts the history of one of its repositories, as a job."""

import json as codec
import uuid
from typing import Annotated, Any
from uuid import UUID

import typer

from flowforge.api.calibration_models import CalibrateIn, CalibrationOut
from flowforge.cli.app import AsJson, run_verb, single
from flowforge.cli.client import Client
from flowforge.cli.exits import Exit
from flowforge.cli.folders import writable, written
from flowforge.cli.job import connect, find_repository
from flowforge.cli.output import console, data, data_json, say, table
from flowforge.cli.requests import invalid, shaped
from flowforge.cli.watch import exit_of, watch
from flowforge.core.job import State
from flowforge.resolve.counts import COST_OF_WRONG

WORD = "--repository"
_FOLLOWING = 60.0  # seconds that a server may be away while somebody watches
_SHOWN = ("rule", "kind", "cases", "right", "action")


def served(words: list[str]) -> int | None:
    """The exit code where a server is meant; None where a folder is, and the verb for that must be asked."""
    if not any(word == WORD or word.startswith(f"{WORD}=") for word in words):
        return None
    return int(run_verb(app, "calibrate", words))


def calibrate(
    repository: Annotated[str, typer.Option(WORD, metavar="NAME", help="Name or id of a repository.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Set the policy, if it costs no more than what is shipped.")
    ] = False,
    k: Annotated[
        float, typer.Option(help="What a wrong answer costs, in files handed back.")
    ] = COST_OF_WRONG,
    limit: Annotated[
        int, typer.Option(min=0, help="Stop after so many merges with conflicting files; 0: all.")
    ] = 0,
    before: Annotated[str, typer.Option(help="Only merges before this day: 2025-12-31.")] = "",
    out: Annotated[str, typer.Option(help="Write the page to this file: FILE.html.")] = "",
    policy: Annotated[str, typer.Option(help="Write the policy to this file.")] = "",
    key: Annotated[str, typer.Option(help="Idempotency key: the same one makes the same job.")] = "",
    newest: Annotated[
        bool, typer.Option("--newest", help="Show the newest result; calibrate nothing.")
    ] = False,
    timeout: Annotated[float | None, typer.Option(help="Stop waiting after so many seconds.")] = None,
    as_json: AsJson = False,
) -> int:
    """Have a server count in a repository's own history what each rule has earned; --apply sets the policy.

    Without --apply nothing is set. Exit code 1: nothing could be learnt; 8: still running after --timeout.
    """
    for name in (out, policy):
        writable(name)
    wish = {"apply": apply, "k": k, "limit": limit, **({"before": before} if before else {})}
    asked = shaped(CalibrateIn, wish)
    with connect(_FOLLOWING) as client:
        which = find_repository(client, repository)
        if not newest:
            ended = _asked(client, which, asked, key or uuid.uuid4().hex, timeout)
            if ended is not None:
                return ended
        found = client.calibration(which)
        if policy:
            written(policy, _policy_text(found))
            say(f"written: {policy}")
        if out:
            written(out, client.calibration_page(which))
            say(f"written: {out}")
    data_json(found.model_dump(mode="json")) if as_json else show(found)
    return Exit.OK


def _asked(
    client: Client, repository: UUID, wish: CalibrateIn, key: str, timeout: float | None
) -> int | None:
    """Ask for it and wait; the exit code where nothing was found, or not yet."""
    job = client.calibrate(repository, wish, key)
    say(f"job {job.id}")
    ended = watch(client, job.id, console(), timeout=timeout)
    if ended.state is State.SUCCESS:
        return None
    return int(exit_of(ended))


def show(found: CalibrationOut) -> None:
    """What was found, in at most 80 columns; the page says more."""
    say(found.sentence)
    rules: list[dict[str, Any]] = (found.report or {}).get("rules", [])
    columns = {"rule": "left", "files": "left", "cases": "right", "right": "right", "may": "left"}
    table(columns, [[str(rule[name]) for name in _SHOWN] for rule in rules])
    data("")
    data(f"cost of a file  own policy {found.cost.own:.2f}, as shipped {found.cost.shipped:.2f}, by hand 1")
    data(f"applied         {'yes' if found.applied else 'no'}")


def _policy_text(found: CalibrationOut) -> bytes:
    if found.report is None:
        raise invalid("the report of this calibration is not kept any more", "calibrate again")
    return (codec.dumps(found.report["policy"], indent=2, ensure_ascii=False) + "\n").encode()


app = single(calibrate)
