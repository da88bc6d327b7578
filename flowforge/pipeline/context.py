"""What a stage receives and what it hands on.

A stage is a function ``run(spec, work, tools) -> (StageResult, Work)``. `Work` is a small JSON-safe value: what
is true after a stage, by commit and tree id; it is stored with the stage's row, and with the bundle of the same
moment it is the checkpoint from which any worker can go on. `Tools` are the edges a stage may use; what has two
forms (a service with Postgres, or one process without) is a Protocol here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

from flowforge.core.conflict import Abstain, Candidate, Conflict, Resolution, Unresolved
from flowforge.core.decision import NOBODY, Told
from flowforge.core.pipeline import Pipeline, StageResult, StageSpec
from flowforge.core.telemetry import Telemetry
from flowforge.core.verdict import Finding, Verdict
from flowforge.git.mirror import Mirror, Tips
from flowforge.git.replay import Committer
from flowforge.hooks.manager import Registry
from flowforge.pipeline.calibrating import Calibrating
from flowforge.pipeline.options import ModelOptions, ReviewOptions
from flowforge.pipeline.undoing import Undoing
from flowforge.report.facts import ModelCost
from flowforge.resolve.answer import Look
from flowforge.resolve.memory import Memory
from flowforge.resolve.policy import Policy
from flowforge.resolve.prompt import Facts
from flowforge.resolve.remerge import Place, Replayed
from flowforge.resolve.remerge import Verdict as SecondVerdict
from flowforge.review.change import Change
from flowforge.review.findings import Sifted
from flowforge.review.split import Portion
from flowforge.sandbox.contract import Sandbox
from flowforge.sandbox.pool import Pool


@dataclass(frozen=True, kw_only=True)
class ResolvedPath:
    """One path that FlowForge answered, for reports and for the validators' line ranges."""

    path: str
    commit: str  # original commit id
    rungs: tuple[str, ...]  # one per hunk; one where the whole path is answered
    why: tuple[str, ...]  # one sentence per hunk
    outside: str  # hash of the bytes outside the hunks; "" where the whole path is answered
    sha256: str  # of the whole result; "" where nothing stands there
    ranges: tuple[tuple[int, int], ...] = ()  # 1-based lines of the result that the answers fill
    conflict: str = ""  # fingerprint of the conflict that was answered
    marks: tuple[str, ...] = ()  # of the answers, by which memory knows them
    whole: str = ""  # what a whole answer put there: upstream | commit | base | text | removed
    stands_at: str = ""  # the path of the result, where it is another; a rename's new name
    sides: tuple[str, str, str] = ("", "", "")  # paths of base, upstream and commit, where they have another
    kind: str = "content"
    approvals: tuple[str, ...] = ()  # one per hunk: why a person must agree, "" = they need not
    accounts: tuple[Mapping[str, Any], ...] = ()  # one per hunk: `Account.to_json`


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is true between two stages. Commit and tree ids are full hex; "" = not known yet."""

    branch: str
    target: str
    old_head: str = ""  # the branch's tip when the job cloned; the lease of the push
    upstream: str = ""  # the target's tip when the job cloned
    merge_base: str = ""
    head: str = ""  # where the job has arrived
    tree: str = ""  # tree of `head`
    pending: tuple[str, ...] = ()  # commits still to replay after a conflict, the conflicting one first
    steps: tuple[
        Mapping[str, str], ...
    ] = ()  # original, new, disposition, subject, note: one per commit of the branch
    resolved: tuple[ResolvedPath, ...] = ()
    validated_tree: str = ""
    tested_tree: str = ""
    unconfirmed: tuple[str, ...] = ()  # paths whose answers tests or a person must confirm
    approve: tuple[str, ...] = ()  # paths that a person must approve, whatever the tests say
    notes: tuple[str, ...] = ()  # sentences for the report

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Work":
        """Rebuild from `to_json`, ignoring fields that a newer version may have added."""
        known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        for name in ("pending", "steps", "unconfirmed", "approve", "notes"):
            known[name] = tuple(known.get(name, ()))
        known["resolved"] = tuple(_resolved_path(row) for row in known.get("resolved", ()))
        return cls(**known)


def _resolved_path(row: Mapping[str, Any]) -> ResolvedPath:
    values = {f.name: row[f.name] for f in fields(ResolvedPath) if f.name in row}
    for name in ("rungs", "why", "sides"):
        values[name] = tuple(values.get(name, ("", "", "")))
    for name in ("marks", "approvals", "accounts"):
        values[name] = tuple(values.get(name, ()))
    values["ranges"] = tuple((start, end) for start, end in values.get("ranges", ()))
    return ResolvedPath(**values)


class Recorder(Protocol):
    """Where a job's progress is written. Every write of the service form is fenced.

    Any method may raise `Broken` with reason `lease_lost`: the caller stops at once and writes nothing more.
    """

    def stage_started(self, spec: StageSpec) -> None: ...

    def stage_finished(self, result: StageResult, work: Work) -> None: ...

    def log(self, stage: str, text: bytes) -> None:
        """Take output as it appears; never blocks for long."""
        ...

    def event(self, kind: str, data: Mapping[str, object]) -> None: ...

    def resolved(
        self, stage: str, resolutions: Sequence[Resolution], open_: Sequence[Unresolved]
    ) -> None: ...

    def validated(self, stage: str, verdicts: Sequence[Verdict]) -> None: ...

    def scanned(self, findings: Sequence[Finding]) -> None: ...

    def push_intent(self, ref: str, old: str, new: str, backup: str = "") -> str:
        """Make it durable that this push may happen; orders it against cancel.

        `backup` is the reference of the bundle that holds `old`, for whoever undoes the push.

        Returns:
            the commit that an earlier attempt of this job has brought to the ref, "" where the push may go on: a
            job moves a ref once.

        Raises:
            Refused: with reason `cancelled`, when the job was cancelled first; `remote_moved`, when an earlier
                attempt may have pushed and the ref has changed since.
        """
        ...

    def push_settled(self, ref: str, new: str, outcome: str) -> None: ...

    def may_push(self) -> float:
        """Seconds that are left, since its intent, of the push that was meant last; asked right before it is sent."""
        ...

    def own_shas(self, ref: str) -> frozenset[str]:
        """New commit ids of every intent this job ever wrote for `ref`, earlier attempts included."""
        ...

    def backup(self, name: str, bundle: Path) -> str:
        """Keep a bundle (checkpoint, tip before a push) beyond this worker; returns its reference."""
        ...


class ModelRung(Protocol):
    """The model as a rung of the ladder, made for the conflicts of one commit."""

    def __call__(self, conflict: Conflict, facts: Facts) -> Candidate | Abstain: ...


class SecondLook(Protocol):
    """The model as one who looks afresh at resolved conflicts."""

    def __call__(
        self, replayed: Replayed, places: Sequence[Place]
    ) -> Mapping[tuple[str, int], SecondVerdict] | str:
        """A verdict on each place by path and hunk, or why there is none, in a few words."""
        ...


class Reviewer(Protocol):
    """The model as one who looks at a change."""

    @property
    def model(self) -> str:
        """Its name, for reports."""
        ...

    def __call__(self, change: Change, portion: Portion, seconds: float) -> Sifted | str:
        """Findings about one portion, or why there is no usable answer; what it raises, no later one would do better."""
        ...


class Models(Protocol):
    """Where a job's model rung comes from, and who looks at its result."""

    @property
    def provider(self) -> str:
        """Id of the provider, for reports; those that answer from a script say so in it."""
        ...

    def rung(self, options: ModelOptions, look: Look) -> ModelRung:
        """`look` says what is wrong with the file that an answer makes."""
        ...

    def second_look(self, options: ModelOptions) -> SecondLook:
        """One who looks afresh at what the rung answered."""
        ...

    def reviewer(self, options: ReviewOptions, line: str) -> Reviewer:
        """One whose calls count under a line of the job's money, too; `line` names it.

        Raises:
            Broken: there is no such provider.
        """
        ...

    def cost(self, operation: str = "") -> ModelCost | None:
        """What the job's calls (of one operation) came to so far; None where none was made."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The edges of one job."""

    mirror: Mirror
    sandbox: Sandbox
    pool: Pool
    registry: Registry
    recorder: Recorder
    committer: Committer
    telemetry: Telemetry
    pipeline: Pipeline
    workspace: Path  # a private folder of this job; emptied when it ends
    policy: Policy
    memory: Memory
    fetched: Tips | None = None  # the tips, where the definition was read from the target a moment ago
    models: Models | None = None  # None: no model is configured, and the rung says so
    undo: Undoing | None = None  # what an undo job takes back
    calibrating: Calibrating | None = None  # what a calibration job is made of
    told: Told = NOBODY  # what persons have decided in this job
    cancelled: Callable[[], bool] = lambda: False
    done: tuple[StageResult, ...] = ()  # results of the stages before the one that is handed these tools

    def having(self, done: tuple[StageResult, ...]) -> "Tools":
        return replace(self, done=done)


class RunStage(Protocol):
    def __call__(self, spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]: ...
