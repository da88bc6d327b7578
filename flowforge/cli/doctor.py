"""`flowforge doctor`: one line a check, and a fix for each problem."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import typer

from flowforge.cli.app import AsJson, single
from flowforge.cli.exits import Exit
from flowforge.cli.output import data, data_json, say


class Health(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, with less than one may expect
    PROBLEM = "problem"  # something does not work


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What one check found; `fix` is one thing to do, "" where all is well."""

    name: str
    health: Health
    found: str
    fix: str = ""


Examine = Callable[[], Sequence[Diagnosis]]


def doctor(ctx: typer.Context, as_json: AsJson = False) -> int:
    """Check this machine and its settings; every problem comes with its fix."""
    examine: Examine = ctx.obj
    told = examine()
    healthy = all(one.health is not Health.PROBLEM for one in told)
    if as_json:
        data_json({"healthy": healthy, "checks": [asdict(one) for one in told]})
    else:
        _show(told)
    return Exit.OK if healthy else Exit.BROKEN


def _show(told: Sequence[Diagnosis]) -> None:
    width = max(len(one.name) for one in told)
    for one in told:
        word = "OK" if one.health is Health.OK else one.health.value
        data(f"{word.ljust(7)}  {one.name.ljust(width)}  {one.found}")
        if one.fix:
            data(f"{' ' * 9}{' ' * width}  fix: {one.fix}")
    count = sum(one.health is Health.PROBLEM for one in told)
    warned = sum(one.health is Health.WARNING for one in told)
    say(
        f"{len(told)} checks: {count or 'no'} problem{'s' * (count != 1)}, {warned} warning{'s' * (warned != 1)}"
    )


app = single(doctor)
