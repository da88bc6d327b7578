"""What a report tells, as one value. The caller fills it from a job's results; nothing here is looked up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from flowforge.core.account import NO_ACCOUNT, Account
from flowforge.core.job import Ending
from flowforge.core.verdict import Finding, Outcome


@dataclass(frozen=True, kw_only=True)
class CommitLine:
    """One commit of the branch and what became of it."""

    original: str  # full ids
    new: str  # "" where it was dropped
    disposition: (
        str  # replayed | unchanged | resolved | rewritten | kept_empty | dropped_merge | dropped_empty | ...
    )
    subject: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class HunkLine:
    """Who answered one hunk, and why."""

    rung: str
    why: str
    confirmed: bool = True
    approval: str = ""  # why a person must agree, "" = they need not
    account: Account = NO_ACCOUNT


@dataclass(frozen=True, kw_only=True)
class ResolvedFile:
    path: str
    hunks: tuple[HunkLine, ...]


@dataclass(frozen=True, kw_only=True)
class OpenFile:
    """A conflict that goes to a person."""

    path: str
    sentence: str
    tried: Mapping[str, str] = field(default_factory=dict)  # rung -> what it said
    accounts: Mapping[str, Account] = field(default_factory=dict)  # rung -> what is known of its answers


@dataclass(frozen=True, kw_only=True)
class RangeCounts:
    """`git range-diff` of the branch before and after, counted."""

    unchanged: int = 0
    changed: int = 0
    dropped: int = 0
    added: int = 0


@dataclass(frozen=True, kw_only=True)
class StageLine:
    name: str
    result: str  # success | failure | error | timeout | cancellation | skip
    sentence: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ModelCost:
    """Model calls of the job. `scripted`: the answers came from a script and no model was asked."""

    provider: str
    model: str
    calls: int
    cached: int
    usd: Decimal
    scripted: bool = False
    tokens: int = 0  # read and written, those of answers from store left out
    saved: Decimal = Decimal(0)  # what the answers from store would cost now, US dollars


@dataclass(frozen=True, kw_only=True)
class ReviewFinding:
    """What a model says of a place that the change introduced. Lines are 1-based and inclusive; texts are plain."""

    path: str
    start: int
    end: int
    level: str  # note | warning | error
    rule: str  # review/security | review/bug | review/quality
    message: str
    why: str = ""
    suggestion: str = ""


@dataclass(frozen=True, kw_only=True)
class Review:
    """Advice of a model on a change. It decides nothing, and says nothing about what it does not list."""

    stage: str
    model: str = ""  # "" = none was asked
    usd: str = "0"  # what its calls cost
    scripted: bool = False  # the answers came from a script
    files: int = 0  # that were looked at
    lines: int = 0  # introduced lines in them
    findings: tuple[ReviewFinding, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)  # findings, counted by why they were left out
    unseen: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # why -> paths that were not looked at
    stopped: str = ""  # why it ended before everything was looked at


@dataclass(frozen=True, kw_only=True)
class JobReport:
    """Everything a person may want to know when a job has ended. Empty parts are left out of the text."""

    branch: str
    target: str
    ending: Ending
    old_head: str = ""
    new_head: str = ""
    upstream: str = ""
    pushed: bool = False
    moves: tuple[str, ...] = ()  # what each push did, a sentence each; empty = the branch itself was moved
    commits: tuple[CommitLine, ...] = ()
    range_diff: RangeCounts | None = None
    resolved: tuple[ResolvedFile, ...] = ()
    unresolved: tuple[OpenFile, ...] = ()
    checks: Mapping[Outcome, int] = field(default_factory=dict)  # verdicts of validators, counted
    findings: tuple[Finding, ...] = ()
    tests: tuple[StageLine, ...] = ()
    untested: tuple[str, ...] = ()  # what no test looked at although tests ran, a sentence each
    stages: tuple[StageLine, ...] = ()
    reviews: tuple[Review, ...] = ()
    cost: ModelCost | None = None
    undo: str = ""  # the command that takes the push back
    notes: tuple[str, ...] = ()
