"""The service form of the pipeline's Recorder: every write is one fenced transaction.

A write that changes no row means that the job is another worker's now: the session is stopped, and what runs in it
dies. While the database is away writes and reads are repeated for as long as the lease is good, so a restart of Postgres
costs time and no attempt. A write whose COMMIT nobody answered is looked for before it is made again (see `doubt`).

Whatever a person may read later (logs, events, sentences, outputs) goes through `mask` first.
"""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from flowforge.artifacts.store import Artifacts
from flowforge.core.concurrency import Concurrency
from flowforge.core.conflict import Resolution, Unresolved
from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.failpoint import failpoint
from flowforge.core.job import Ending, Job
from flowforge.core.masking import Mask, Stream
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.core.verdict import Finding, Verdict
from flowforge.git.push import DEADLINE
from flowforge.jobs import groups, measure, rows
from flowforge.jobs.doubt import AGAIN, happened
from flowforge.jobs.logs import LogWriter, Piece
from flowforge.jobs.pushing import Push, intend
from flowforge.jobs.questions import asking_of
from flowforge.jobs.session import JobSession, Stop
from flowforge.jobs.tell import SILENT, Teller
from flowforge.pipeline import story
from flowforge.pipeline.context import Work
from flowforge.pipeline.undoing import UNDO
from flowforge.store import events, stages
from flowforge.store import jobs as table
from flowforge.store.database import Database
from flowforge.store.decisions import Asking
from flowforge.store.errors import UnknownOutcome
from flowforge.store.scope import Actor, Scope
from flowforge.store.transaction import Transaction
from flowforge.vault.envelope import Vault

WORKER = Actor(kind="worker")

T = TypeVar("T")
Write = Callable[[Transaction], int | None]  # gives the number of the event, or None: the lease is lost


@dataclass(kw_only=True)
class FencedRecorder:
    """Implements `pipeline.context.Recorder` for one claimed job. Use as a context manager: it writes the log.

    `bundle` makes the checkpoint of a Work: a bundle that any worker can go on from, or None where nothing is new.
    """

    database: Database
    job: Job  # as it was claimed
    session: JobSession
    artifacts: Artifacts
    teller: Teller = SILENT
    bundle: Callable[[Work], Path | None] | None = None
    mask: Mask = field(
        default_factory=lambda: Mask(())
    )  # set before the first stage; open streams keep theirs
    sleep: Callable[[float], None] = time.sleep
    outputs: dict[str, object] = field(default_factory=dict)  # by stage; they end up in the job's row
    vault: Vault | None = None  # seals the texts of a question; without it nobody is asked
    patience: float = 259_200.0  # seconds within which a person must decide
    asking: Asking | None = None  # what the last stage asked
    _meant_at: float = -math.inf  # by the session's clock: when the last intent was about to be written
    _ordinals: dict[str, int] = field(default_factory=dict)
    _bundled: tuple[str, str] = ("", "")  # head of the last checkpoint, and its reference
    _log: LogWriter | None = None
    _streams: dict[str, Stream] = field(default_factory=dict)  # by stage: a secret may come in two pieces
    _one_piece: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _openings: list[Write] = field(
        default_factory=list
    )  # stages that have begun, to be written with what comes next
    _one_write: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __enter__(self) -> "FencedRecorder":  # noqa: PYI034 (final by use)
        self._log = LogWriter(write=self._write_log, patient=lambda: self.session.why is not Stop.LOST)
        self._log.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for stage in tuple(self._streams):
            self._end_stream(stage)
        if self._log is not None:
            self._log.__exit__(*error)

    # ---------------------------------------------------------------------------------- what the runner calls

    def stage_started(self, spec: StageSpec) -> None:
        """Note that a stage begins. That decides nothing, so it is written with whatever this job writes next, and
        alone only where nothing comes within a fifth of a second.

        Raises:
            Broken: lease_lost; or drained, when the worker is leaving: the job goes on elsewhere from here.
        """
        if self.session.why is Stop.LOST:
            raise self.session.lost()
        if self.session.leaving:
            self.session.stop(Stop.DRAINED)
            raise Broken(
                Reason.DRAINED, "the worker is leaving; the job is handed over before its next stage"
            )
        ordinal = self._ordinals.setdefault(spec.id, len(self._ordinals))
        told, begun = story.stage_started(spec), self.session.clock()

        def write(transaction: Transaction) -> int | None:
            ago = self.session.clock() - begun
            return stages.start(
                transaction, self.job.id, self.job.fence, stage=spec.id, ordinal=ordinal, story=told, ago=ago
            )

        with self._one_write:
            self._openings.append(write)
        if self._log is not None:
            self._log.along()

    def stage_finished(self, result: StageResult, work: Work) -> None:
        """Write the result and the checkpoint; from here on the stage need not run again."""
        self._end_stream(result.stage)
        self._flush()
        result = self._masked(result)
        if result.outputs:
            self.outputs[result.stage] = dict(result.outputs)
        row = rows.stage_row(result, work, self._checkpoint(result, work))
        if result.question is not None and self.vault is not None:
            self.asking = asking_of(result.question, row, self.job, self.vault, self.patience, self._hidden)
        told = story.stage_finished(result)
        self.fenced(lambda tx: stages.finish(tx, self.job.id, self.job.fence, row, told))
        self.teller.notify(
            "stage_finished",
            job_id=str(self.job.id),
            stage=result.stage,
            result=result.result.value,
            seconds=result.seconds,
        )

    # ------------------------------------------------------------------------------------ what the stages call

    def log(self, stage: str, text: bytes) -> None:
        with self._one_piece:
            self._add(stage, self._streams.setdefault(stage, Stream(self.mask)).feed(text))

    def event(self, kind: str, data: Mapping[str, object]) -> None:
        told = self._hidden(data)
        self.fenced(lambda tx: table.tell(tx, self.job.id, self.job.fence, kind, told))

    def resolved(self, stage: str, resolutions: Sequence[Resolution], open_: Sequence[Unresolved]) -> None:
        found = (
            *(rows.resolved_row(self.job, stage, resolution) for resolution in resolutions),
            *(rows.unresolved_row(self.job, stage, conflict) for conflict in open_),
        )
        new = [self._hidden(row) for row in found]
        kind, data = story.resolved(stage, resolutions, open_)
        told = self._hidden(data)

        def write(transaction: Transaction) -> int | None:
            seq = table.tell(transaction, self.job.id, self.job.fence, kind, told)
            if seq is not None:
                stages.add_resolutions(transaction, new)
            return seq

        self.fenced(write)
        measure.answered(self.teller.telemetry, resolutions, open_)
        for resolution in resolutions:
            for answer in resolution.given:
                path = resolution.conflict.path
                self.teller.notify("conflict_resolved", path=path, rung=answer.rung, rule=answer.rule)

    def validated(self, stage: str, verdicts: Sequence[Verdict]) -> None:
        self.event(*story.validated(stage, verdicts))

    def scanned(self, findings: Sequence[Finding]) -> None:
        kind, data = story.scanned(findings)
        self.outputs[kind] = self._hidden(data)
        self.event(kind, data)

    def push_intent(self, ref: str, old: str, new: str, backup: str = "") -> str:
        """Raises:
        Refused: cancelled, when the cancel had the job's row first and no push of this job may have landed;
            remote_moved, when one may have, and the ref has changed since.
        Broken: lease_lost.
        """
        wanted, there = Push(ref=ref, old=old, new=new, what=self._what, backup=backup), ""

        def write(transaction: Transaction) -> int | None:
            nonlocal there
            self._meant_at = self.session.clock()
            seq, there = intend(transaction, self.job, wanted)
            return seq

        self.fenced(write)
        failpoint(f"{self._what}.intended")
        return there

    def push_settled(self, ref: str, new: str, outcome: str) -> None:
        told = story.push_settled(ref, new, outcome)
        self.fenced(
            lambda tx: stages.settle(
                tx, self.job.id, self.job.fence, ref=ref, new=new, outcome=outcome, story=told
            )
        )
        failpoint(f"{self._what}.settled")

    def may_push(self) -> float:
        """Counted from before the intent was written: an undo counts from its row, and waits longer than the push.

        Raises:
            Broken: lease_lost, as far as this process can know.
        """
        if self.session.why is Stop.LOST:
            raise self.session.lost()
        return self._meant_at + DEADLINE - self.session.clock()

    def own_shas(self, ref: str) -> frozenset[str]:
        return self._read(lambda tx: stages.own_shas(tx, self.job.id, ref))

    def backup(self, name: str, bundle: Path) -> str:
        """Raises:
        Temporary: the artifact store has no room or cannot be reached.
        """
        kept = self.artifacts.put(f"jobs/{self.job.id}/{self.job.fence}/{name}.bundle", bundle)
        bundle.unlink(missing_ok=True)
        return kept.reference

    # --------------------------------------------------------------------------------------- what resuming needs

    def define(self, pipeline: str, source: str, asked: Concurrency | None = None, target: str = "") -> None:
        """Note the definition that this job runs, where it was read from, and which group it asks for.

        Raises:
            Refused: as `join`.
        """

        def note(transaction: Transaction) -> bool:
            return table.define(transaction, self.job.id, self.job.fence, pipeline, source)

        self._grouped(note, asked, target)

    def join(self, asked: Concurrency | None, target: str) -> None:
        """Bring the job into the group that its definition asks for, where the door could not tell.

        Raises:
            Refused: group_busy, when it went back into the queue or its group keeps it out; cancelled, when a newer
                job of the group takes its place.
        """
        if groups.differs(self.job, asked, target):
            self._grouped(lambda _transaction: True, asked, target)

    def _grouped(self, note: Callable[[Transaction], bool], asked: Concurrency | None, target: str) -> None:
        stops: list[Refused | None] = []

        def write(transaction: Transaction) -> int | None:
            groups.hold(transaction, self.job, asked, target)  # before any row, as those who submit do
            if table.lock_mine(transaction, self.job.id, self.job.fence) is None or not note(transaction):
                return None
            stops[:] = [groups.decide_late(transaction, self.job, target, asked, self.teller)]
            return 0

        self.fenced(write)
        if stops[0] is not None:  # only now, when what was decided is committed
            raise stops[0]

    def runs(self) -> tuple[rows.StageRun, ...]:
        """The last run of each stage in earlier attempts, in the order of the plan."""
        last = self._read(lambda tx: stages.last_runs(tx, self.job.id))
        found = tuple(rows.stage_run(row) for row in last)
        self._ordinals = {run.result.stage: run.ordinal for run in found}
        return found

    def stand_on(self, results: Sequence[StageResult]) -> None:
        """Take over the outputs of the stages that need not run again, and of no others."""
        self.outputs = {one.stage: dict(one.outputs) for one in results if one.outputs}

    def hidden_ending(self, ending: Ending) -> Ending:
        """The ending as it may be shown."""
        return replace(
            ending,
            sentence=self.mask.text(ending.sentence),
            next_action=self.mask.text(ending.next_action),
            evidence=self.mask.text(ending.evidence),
        )

    # ------------------------------------------------------------------------------------------------- inside

    @property
    def _what(self) -> str:
        """What the job does to the remote."""
        return UNDO if self.job.trigger == UNDO else "push"

    def _masked(self, result: StageResult) -> StageResult:
        return replace(
            result,
            sentence=self.mask.text(result.sentence),
            next_action=self.mask.text(result.next_action),
            evidence=self.mask.text(result.evidence),
            outputs=self._hidden(result.outputs),
        )

    def _hidden(self, data: Mapping[str, object]) -> dict[str, object]:
        return {self.mask.text(name): self.mask.value(value) for name, value in data.items()}

    def _add(self, stage: str, text: bytes) -> None:
        if self._log is not None:
            self._log.add(stage, text)

    def _end_stream(self, stage: str) -> None:
        """The stage says nothing more: what was kept back, because a secret might go on, is shown now."""
        with self._one_piece:
            stream = self._streams.pop(stage, None)
            if stream is not None:
                self._add(stage, stream.end())

    def _checkpoint(self, result: StageResult, work: Work) -> str:
        head, reference = self._bundled
        if not (result.ok or result.question) or not work.head or self.bundle is None:
            return ""
        if work.head == head:
            return reference
        made = self.bundle(work)
        if made is None:
            return ""
        self._bundled = (work.head, self.backup(f"after-{work.head[:16]}", made))
        return self._bundled[1]

    def _flush(self) -> None:
        if self._log is not None:
            self._log.flush()

    def _write_log(self, pieces: list[Piece]) -> None:
        if not pieces and not self._openings:
            return  # another write took them along

        def write(transaction: Transaction) -> int | None:
            seq: int | None = 0
            for piece in pieces:
                seq = events.append_log(transaction, self.job.id, self.job.fence, piece.stage, piece.text)
                if seq is None:
                    return None
            return seq

        self._once(write)

    def fenced(self, write: Write) -> None:
        self.patiently(lambda: self._once(write))

    def _read(self, read: Callable[[Transaction], T]) -> T:
        def once() -> T:
            with self.database.transaction(Scope.system(), actor=WORKER, read_only=True) as transaction:
                return read(transaction)

        return self.patiently(once)

    def patiently(self, doing: Callable[[], T]) -> T:
        """One transaction, repeated while the database is away and the lease is good."""
        while True:
            try:
                return doing()
            except Temporary:
                if self.session.why is Stop.LOST:
                    raise self.session.lost() from None
                self.sleep(AGAIN)

    def _once(self, write: Write) -> None:
        if self.session.why is Stop.LOST:
            raise self.session.lost()
        try:
            with self._one_write:
                seq = self._written(write)
                self._openings.clear()
        except Broken as error:
            if error.reason is Reason.LEASE_LOST:
                self.session.stop(Stop.LOST)
            raise
        if seq:
            self.teller.publish(self.job.id, seq)

    def _written(self, last: Write) -> int:
        """The stages that have begun, then `last`, in one transaction; the highest number that they were given."""
        seq = 0
        try:
            with self.database.transaction(Scope.system(), actor=WORKER) as transaction:
                numbers = [write(transaction) for write in (*self._openings, last)]
                if None in numbers:
                    raise self.session.lost()
                seq = max(number for number in numbers if number is not None)
        except UnknownOutcome:
            if not happened(self.database, self.session, seq, WORKER, self.sleep):
                raise
        return seq
