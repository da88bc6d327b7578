"""Run a claimed job: hand it to the pipeline, and make the move that follows from how it stopped."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import FlowForgeError, Reason, Temporary
from flowforge.core.failpoint import failpoint
from flowforge.core.job import FINAL, Ending, Event, Job, Result, State, advance
from flowforge.core.pipeline import WAITED, from_error
from flowforge.jobs.doubt import AGAIN
from flowforge.jobs.ending import Facts, Next, bug, decide
from flowforge.jobs.questions import end_of
from flowforge.jobs.recorder import WORKER, FencedRecorder
from flowforge.jobs.session import JobSession, Stop
from flowforge.jobs.submit import REPORT
from flowforge.jobs.tell import SILENT, Teller
from flowforge.store import decisions, outbox, schedule
from flowforge.store import jobs as table
from flowforge.store.database import Database
from flowforge.store.decisions import Asking
from flowforge.store.jobs import Moved
from flowforge.store.scope import Scope
from flowforge.store.transaction import Transaction

log = logging.getLogger(__name__)

LOST = "job %s: the lease was lost; another worker goes on"
MOST_NAMED = 50  # files in an event


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the pipeline stopped."""

    ending: Ending
    hand_back: float | None = (
        None  # seconds after which another try may end otherwise; None = this is the end
    )
    outputs: Mapping[str, object] = field(default_factory=dict)  # beside what the stages reported
    asking: Asking | None = None  # it stopped for a person: what they are asked


class RunPipeline(Protocol):
    """What wiring makes of `pipeline.runner` and the edges of one worker.

    It must let `Broken(lease_lost)` and `Broken(drained)` from the recorder pass, and hand `session` to every door
    that starts processes.
    """

    def __call__(self, job: Job, recorder: FencedRecorder, session: JobSession) -> Outcome: ...


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """What running jobs needs, shared by all jobs of a worker."""

    database: Database  # of role ff_system
    artifacts: Artifacts
    run_pipeline: RunPipeline
    teller: Teller = SILENT
    sleep: Callable[[float], None] = time.sleep
    patience: float = 86_400.0  # seconds for which a job waits for a model that is away

    def run(self, job: Job, session: JobSession) -> Moved | None:
        """Run the claimed job to its next state; None when the lease was lost on the way."""
        recorder = FencedRecorder(
            database=self.database,
            job=job,
            session=session,
            artifacts=self.artifacts,
            teller=self.teller,
            sleep=self.sleep,
        )
        with recorder:
            outcome = self._outcome(job, recorder, session)
        if session.why is Stop.LOST:
            log.warning(LOST, job.id)
            return None
        failpoint("job.stopped")
        outcome = replace(outcome, ending=recorder.hidden_ending(outcome.ending))
        moved = self._settle(job, session, outcome, {**recorder.outputs, **outcome.outputs})
        failpoint("job.moved")
        return moved

    def _outcome(self, job: Job, recorder: FencedRecorder, session: JobSession) -> Outcome:
        """Every way in which a pipeline can stop, as a value."""
        try:
            return self.run_pipeline(job, recorder, session)
        except FlowForgeError as error:
            if error.reason is not Reason.LEASE_LOST:
                log.info("job %s stopped: %s", job.id, recorder.mask.text(error.sentence))
            delay = error.delay if isinstance(error, Temporary) else None
            return Outcome(ending=from_error("", error).ending(), hand_back=delay)
        except Exception as error:
            log.exception("job %s failed inside FlowForge", job.id)
            return Outcome(ending=bug(error))

    def _settle(
        self, job: Job, session: JobSession, outcome: Outcome, outputs: Mapping[str, object]
    ) -> Moved | None:
        """Make the move; repeated while the database is away and the lease is good."""
        while True:
            try:
                with self.database.transaction(Scope.system(), actor=WORKER) as transaction:
                    return self._move(transaction, job, session.why, outcome, outputs)
            except Temporary as error:
                if session.why is Stop.LOST:
                    log.warning(LOST, job.id)
                    return None
                log.warning("job %s has ended, but it cannot be written yet: %s", job.id, error.sentence)
                self.sleep(AGAIN)

    def _move(
        self,
        transaction: Transaction,
        job: Job,
        stop: Stop,
        outcome: Outcome,
        outputs: Mapping[str, object],
    ) -> Moved | None:
        mine = table.lock_mine(transaction, job.id, job.fence)
        if mine is None:
            log.warning(LOST, job.id)
            return None
        pushes = table.pushes(transaction, job.id)
        ended_well = outcome.ending.result in {Result.SUCCESS, Result.SKIP}
        then = decide(
            Facts(
                ending=outcome.ending,
                stop=stop,
                delay=outcome.hand_back or 0.0,
                attempts_left=mine.attempts < mine.max_attempts,
                waited=table.waited(transaction, job.id),
                patience=self.patience,
                cancel_requested=mine.cancel_requested,
                superseded_by=mine.superseded_by,
                pushed=pushes.pushed,
                unsettled=pushes.unsettled,
                may_ask=outcome.asking is not None,
                decided=None if ended_well else end_of(decisions.last(transaction, job.id)),
            )
        )
        if then is None:
            return None
        if then.event is Event.ASK and outcome.asking is not None:
            decisions.ask(transaction, mine, outcome.asking)
        return move(transaction, mine, then, self.teller, outputs)


def move(
    transaction: Transaction,
    job: Job,
    then: Next,
    teller: Teller = SILENT,
    outputs: Mapping[str, object] | None = None,
) -> Moved | None:
    """Write the move of a running job that this transaction has locked, and close its attempt."""
    after = advance(job.state, then.event)
    moved = _written(transaction, job, then, after, outputs or {})
    if moved is None:
        return None
    status = then.ending.result.value if after in FINAL else after.value
    schedule.close_execution(transaction, job, status, then.ending)
    if after in FINAL:
        outbox.put(transaction, job.organization, job.id, REPORT, {"state": after.value})
    teller.moved(transaction, moved)
    return moved


def _written(
    transaction: Transaction, job: Job, then: Next, after: State, outputs: Mapping[str, object]
) -> Moved | None:
    if then.event is Event.HAND_BACK:
        waits = then.give_back and then.ending.reason in WAITED - {Reason.BATCH_PENDING}
        return table.hand_back(
            transaction, job, then.ending, delay=then.delay, give_back=then.give_back, waits=waits
        )
    if then.event is Event.ASK:
        return _asked(transaction, job, then)
    return table.end(transaction, job, after, then.ending, outputs)


def _asked(transaction: Transaction, job: Job, then: Next) -> Moved | None:
    """Running -> waiting, with an event that names what is asked."""
    moved = table.ask(transaction, job, then.ending)
    row = decisions.last(transaction, job.id)
    if moved is None or row is None:
        return moved
    said = {
        "question": row["number"],
        "kind": row["kind"],
        "stage": row["stage"],
        "sentence": row["sentence"],
        "files": [file["path"] for file in row["files"]][:MOST_NAMED],
        "expires_at": row["expires_at"].isoformat(),
    }
    return replace(moved, seq=decisions.tell(transaction, job.id, "decision.asked", said))
