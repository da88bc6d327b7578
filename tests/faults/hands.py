"""The hands of the machine's model: each does one step of a worker's work at a time.

A hand is one thread of a worker, taken apart: between any two of its steps anything may happen to its job, as if
the worker stood still there. It uses what a worker uses: the fenced recorder, the push protocol, real git.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from flowforge.artifacts.store import Artifacts
from flowforge.core.decision import AskedFile, Question, QuestionKind
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.job import Ending, Job, Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.git.push import PushOutcome, push
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.run import Outcome, Workbench
from flowforge.jobs.session import JobSession, Stop
from flowforge.jobs.undo import undoing_of
from flowforge.pipeline.context import Work
from flowforge.pipeline.undoing import UNDO, Undoing
from flowforge.store.database import Database
from flowforge.store.decisions import Asking
from flowforge.store.jobs import Moved
from flowforge.store.scope import Scope
from flowforge.vault.envelope import Vault
from tests.faults.yard import Stale, commit

T = TypeVar("T")
WORK, PUSH = "work", "push"  # the two stages
FILE = "a"  # that a question is about


class Keys:
    """Implements `KeyProvider`: what it wraps is no secret here."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return key

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped


VAULT = Vault(Keys())


class Phase(StrEnum):
    CLAIMED = "claimed"  # nothing is written yet
    WORKING = "working"  # the first stage has begun
    WORKED = "worked"  # it has ended; there is something to push
    INTENDED = "intended"  # the intent to push stands
    LOOKED = "looked"  # it has asked the remote, and knows what it said then
    PUSHED = "pushed"  # git has answered; nobody was told
    DONE = "done"  # the pipeline has stopped, and how is not written yet


@dataclass(kw_only=True, eq=False)
class Hand:
    """One thread of a worker. Every step raises `Broken(lease_lost)` where the job is another's."""

    owner: str
    mirror: Stale
    database: Database
    artifacts: Artifacts
    job: Job | None = None
    phase: Phase = Phase.CLAIMED
    work: Work | None = None
    outcome: PushOutcome | None = None
    ending: Ending | None = None
    delay: float | None = None
    asking: Asking | None = None
    said: str = ""  # of its last push
    meant_at: float = 0.0  # by its clock
    clock: Callable[[], float] = lambda: 0.0
    _recorder: FencedRecorder | None = None
    _session: JobSession | None = None

    @property
    def idle(self) -> bool:
        return self.job is None

    @property
    def mine(self) -> Job:
        assert self.job is not None
        return self.job

    @property
    def session(self) -> JobSession:
        assert self._session is not None
        return self._session

    @property
    def recorder(self) -> FencedRecorder:
        assert self._recorder is not None
        return self._recorder

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.mine.branch}"

    @property
    def undoes(self) -> bool:
        return self.mine.trigger == UNDO

    @property
    def knows(self) -> bool:
        """Whether its session says that the job is another's."""
        return self.session.why is Stop.LOST

    def take(self, job: Job) -> None:
        """A claimed job; this hand's clock knows no leases, so only the database can say that one is lost."""
        self.job, self.phase = job, Phase.CLAIMED
        self.work = self.outcome = self.ending = self.delay = self.asking = None
        self._session = JobSession(job=job.id, fence=job.fence, clock=self.clock)
        self._recorder = FencedRecorder(
            database=self.database, job=job, session=self._session, artifacts=self.artifacts, vault=VAULT
        )

    def drop(self) -> None:
        """As kill -9 does: nothing is written."""
        self.job = self._session = self._recorder = None

    # ------------------------------------------------------------------------------------------ steps, in order

    def begin(self) -> None:
        self.recorder.stage_started(StageSpec(id=UNDO if self.undoes else WORK, uses="run"))
        self.phase = Phase.WORKING

    def finish_work(self, tip: str, upstream: str, *, lost: bool) -> None:
        """Rebase: the same commit whenever the inputs are the same. What an earlier attempt proved stands, unless lost."""
        earlier = next((run for run in self.recorder.runs() if run.result.stage == WORK and run.ended), None)
        if earlier is not None and earlier.work is not None and not lost:
            work = Work.from_json(earlier.work)
        else:
            work = Work(
                branch=self.mine.branch, target="main", old_head=tip, upstream=upstream, merge_base=upstream
            )
        head = commit(f"{self.mine.id} of {work.old_head}", [work.upstream], self.mirror.path)
        self.work = replace(work, head=head)
        self.recorder.stage_finished(StageResult(stage=WORK, result=Result.SUCCESS), self.work)
        self.phase = Phase.WORKED

    def undoing(self) -> Undoing:
        with self.database.transaction(Scope.system(), read_only=True) as transaction:
            found = undoing_of(transaction, self.mine, lambda _name, _place: None)
        assert found is not None
        return found

    def seek(self, tip: str) -> None:
        """What an undo does before it means to push: see whether the ref is where the other job has left it."""
        undoing = self.undoing()
        meant = self.recorder.own_shas(self.ref)
        if undoing.wait > 0:
            self.fail(Temporary(Reason.BUSY, "a push may still be under way", delay=undoing.wait))
        elif tip in undoing.pushes:
            old = undoing.pushes[tip].old
            self.work = Work(branch=self.mine.branch, target="main", old_head=tip, head=old)
            self.phase = Phase.WORKED
        elif tip in {replaced.old for replaced in undoing.pushes.values()}:
            for sha in meant:
                self.recorder.push_settled(self.ref, sha, "already")
            reason = Reason.UNDONE if meant else Reason.UP_TO_DATE
            self.ending = Ending(result=Result.SUCCESS, reason=reason, sentence="it is where it was")
            self.phase = Phase.DONE
        else:
            self.fail(Refused(Reason.REMOTE_MOVED, "somebody has gone on"))

    def ask(self, kind: QuestionKind) -> None:
        """Stop for a person before there is an intent."""
        assert self.work is not None
        self.recorder.stage_started(StageSpec(id=PUSH, uses="push"))
        file = AskedFile(
            path=FILE,
            commit=self.work.head,
            kind="content",
            fingerprint=self.work.head,
            open=kind is QuestionKind.RESOLVE,
            result=b"a\n",
        )
        question = Question(kind=kind, sentence="is this right?", files=(file,), tree="t", again=WORK)
        result = StageResult(
            stage=PUSH,
            result=Result.FAILURE,
            reason=Reason.DECISION_NEEDED,
            sentence=question.sentence,
            question=question,
        )
        self.recorder.stage_finished(result, self.work)
        self.ending, self.asking = result.ending(), self.recorder.asking
        self.phase = Phase.DONE

    def intend(self) -> None:
        """Raises:
        Refused: cancelled; remote_moved.
        """
        assert self.work is not None
        if not self.undoes:
            self.recorder.stage_started(StageSpec(id=PUSH, uses="push"))
        self.meant_at = self.clock()
        there = self.recorder.push_intent(self.ref, self.work.old_head, self.work.head)
        self.phase = Phase.INTENDED
        if there and self.undoes:
            self.fail(Refused(Reason.REMOTE_MOVED, "it was undone, and somebody has brought it back"))
        elif there:
            self.ending, self.delay = told(PushOutcome(status="already", tip=there), Reason.PUSHED)
            self.phase = Phase.DONE

    def look(self) -> str:
        self.mirror.look(self.ref)
        self.phase = Phase.LOOKED
        return "known"

    def push(self, *, reply_lost: bool) -> str:
        """The push itself, however long after the look."""
        assert self.work is not None
        try:
            self.outcome = push(
                self.mirror,
                ref=self.mine.branch,
                old=self.work.old_head,
                new=self.work.head,
                own=self.own(),
                may_send=self.recorder.may_push,
            )
        except Temporary as error:
            self.fail(error)
            return "too late"
        finally:
            self.mirror.seen = []
        if reply_lost:
            self.outcome = PushOutcome(status="unknown", tip="")
        self.phase = Phase.PUSHED
        return self.outcome.status

    def own(self) -> frozenset[str]:
        """The commits that say that an earlier attempt has landed."""
        assert self.work is not None
        return frozenset({self.work.head}) if self.undoes else self.recorder.own_shas(self.ref)

    def settle(self) -> None:
        assert self.work is not None
        assert self.outcome is not None
        self.recorder.push_settled(self.ref, self.work.head, self.outcome.status)
        self.ending, self.delay = told(self.outcome, Reason.UNDONE if self.undoes else Reason.PUSHED)
        self.phase = Phase.DONE

    def fail(self, error: FlowForgeError) -> None:
        """The pipeline stops here with an error."""
        result = Result.CANCELLATION if error.reason is Reason.CANCELLED else Result.ERROR
        self.ending = Ending(result=result, reason=error.reason, sentence=error.sentence)
        self.delay = error.delay if isinstance(error, Temporary) else None
        self.phase = Phase.DONE

    def end(self) -> Moved | None:
        """Write how it ended, as a worker does; None where the job is another's. The hand is free then."""
        ending, session, job, asking = self.ending, self.session, self.mine, self.asking
        assert ending is not None

        def pipeline(_job: Job, recorder: FencedRecorder, _session: JobSession) -> Outcome:
            if job.fence % 2 == 0:  # a log is fenced too: where each hand said something, it alone would do
                recorder.log(PUSH, f"{job.fence}: {ending.sentence}\n".encode())
            return Outcome(ending=ending, hand_back=self.delay, asking=asking)

        bench = Workbench(database=self.database, artifacts=self.artifacts, run_pipeline=pipeline)
        try:
            return bench.run(job, session)
        finally:
            self.drop()

    def stop(self, why: Stop) -> None:
        """What the lease thread tells the session; the pipeline stops where it is."""
        self.session.stop(why)
        if why is not Stop.LOST and self.phase in {Phase.CLAIMED, Phase.WORKING, Phase.WORKED}:
            self.fail(Refused(Reason.CANCELLED, "its session was stopped"))


def told(outcome: PushOutcome, well: Reason) -> tuple[Ending, float | None]:
    """How the pipeline ends after a push, as the stages have it, and seconds after which it is asked again."""
    reasons = {
        "pushed": (Result.SUCCESS, well),
        "already": (Result.SUCCESS, well),
        "moved": (Result.FAILURE, Reason.REMOTE_MOVED),
        "rejected": (Result.FAILURE, Reason.PUSH_REJECTED),
        "unknown": (Result.ERROR, Reason.REPOSITORY_UNREACHABLE),
    }
    result, reason = reasons[outcome.status]
    delay = 3600.0 if outcome.status == "unknown" else None
    return Ending(result=result, reason=reason, sentence=f"the push: {outcome.status}"), delay


def refusal(doing: Callable[[], T]) -> tuple[T | None, Reason | None]:
    """What came of it: a value, or why it was refused."""
    try:
        return doing(), None
    except Refused as error:
        return None, error.reason


def lost(doing: Callable[[], object]) -> bool:
    """Do a step; True where it was refused because the job is another's."""
    try:
        doing()
    except Broken as error:
        if error.reason is not Reason.LEASE_LOST:
            raise
        return True
    return False
