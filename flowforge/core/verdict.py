"""What validators say, and how many sayings become one decision."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Outcome(StrEnum):
    """PASS and SKIP let a change through; FAIL blames the change, ERROR the check itself."""

    PASS = "pass"  # noqa: S105 (no password)
    FAIL = "fail"
    ERROR = "error"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing a validator found, at lines `start`..`end` (1-based, inclusive) of the result."""

    rule: str
    level: Level
    message: str
    path: str
    start: int = 1
    end: int = 1
    introduced: bool = True  # on a line that neither side had before; only these can fail a change


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One validator's word on one file."""

    validator: str
    path: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    sentence: str = ""  # why it is an ERROR or SKIP


def judge(validator: str, path: str, findings: Iterable[Finding]) -> Verdict:
    """Findings to a verdict: an error on an introduced line fails, everything else is only told."""
    found = tuple(findings)
    fails = any(finding.level is Level.ERROR and finding.introduced for finding in found)
    return Verdict(
        validator=validator, path=path, outcome=Outcome.FAIL if fails else Outcome.PASS, findings=found
    )


_WORST = (Outcome.ERROR, Outcome.FAIL, Outcome.PASS, Outcome.SKIP)


def fold(verdicts: Iterable[Verdict]) -> Outcome:
    """The worst outcome decides: a check that could not run is never a pass. No verdicts is SKIP."""
    outcomes = {verdict.outcome for verdict in verdicts}
    return next((outcome for outcome in _WORST if outcome in outcomes), Outcome.SKIP)
