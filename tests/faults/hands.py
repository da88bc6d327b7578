"""The parts of the machine's model: a remote that is quickly made, a bell that forgets, and hands that do one step.

A hand is one thread of a worker, taken apart: between any two of its steps anything may happen to its job, as if
the worker stood still there. It uses what a worker uses: the fenced recorder, the push protocol, real git.
"""

import hashlib
import shutil
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused, Temporary
from flowforge.core.job import Ending, Job, PriorityClass, Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.git.command import Door
from flowforge.git.mirror import Mirror, open_mirror
from flowforge.git.push import PushOutcome, push
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.run import Outcome, Workbench
from flowforge.jobs.session import JobSession, Stop
from flowforge.pipeline.context import Work
from flowforge.store.database import Database
from flowforge.store.jobs import Moved
from tests.githttp import PUSHER
from tests.gitrepo import git

T = TypeVar("T")
CONFIG = f"""[core]
	repositoryformatversion = 0
	bare = true
	logAllRefUpdates = always
[user]
	name = host
	email = {PUSHER}
[receive]
	autogc = false
"""
NO = "#!/bin/sh\necho closed >&2\nexit 1\n"
WORK, PUSH = "work", "push"  # the two stages


# ------------------------------------------------------------------------------------------------------ the remote


def loose(kind: str, body: bytes, *stores: Path) -> str:
    """Write an object into these repositories; its id."""
    data = f"{kind} {len(body)}\0".encode() + body
    oid = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    for store in stores:
        place = store / "objects" / oid[:2] / oid[2:]
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(zlib.compress(data, 1))
    return oid


def commit(what: str, parents: Sequence[str], *stores: Path) -> str:
    """A commit with a tree of its own: a file that says `what`."""
    blob = loose("blob", what.encode(), *stores)
    tree = loose("tree", b"100644 a\0" + bytes.fromhex(blob), *stores)
    who = "Ada <ada@example.org> 1700000000 +0000"
    lines = [f"tree {tree}", *(f"parent {one}" for one in parents), f"author {who}", f"committer {who}"]
    return loose("commit", "\n".join([*lines, "", what, ""]).encode(), *stores)


@dataclass(kw_only=True)
class Remote:
    """A bare repository as a host has it: every update of a ref is in its reflog, with who made it."""

    path: Path
    made: int = 0

    def __post_init__(self) -> None:
        for folder in ("objects/info", "objects/pack", "refs/heads", "hooks"):
            (self.path / folder).mkdir(parents=True)
        (self.path / "HEAD").write_text("ref: refs/heads/main\n")
        (self.path / "config").write_text(CONFIG)

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def tip(self, branch: str) -> str:
        return (self.path / "refs" / "heads" / branch).read_text().strip()

    def person_pushes(self, branch: str, *parents: str) -> str:
        """A person's new commit, on nothing or on what they had seen."""
        self.made += 1
        sha = commit(f"person {self.made}", parents, self.path)
        git(self.path, "update-ref", f"refs/heads/{branch}", sha)
        return sha

    def close(self, *, closed: bool) -> None:
        """Let a hook refuse every push, or none."""
        hook = self.path / "hooks" / "pre-receive"
        if closed:
            hook.write_text(NO)
            hook.chmod(0o755)
        else:
            hook.unlink(missing_ok=True)

    @property
    def closed(self) -> bool:
        return (self.path / "hooks" / "pre-receive").exists()


@dataclass(kw_only=True)
class Stale(Mirror):
    """A mirror whose answer about the remote is as old as the last `look`."""

    seen: list[str] = field(default_factory=list)

    def look(self, ref: str) -> None:
        self.seen = [super().ls_remote(ref)]

    def ls_remote(self, ref: str) -> str:
        return self.seen.pop() if self.seen else super().ls_remote(ref)


@dataclass(kw_only=True)
class Bell:
    """Implements `jobs.relay.Bell` without a server: rings lie here until heard, and may be lost or come twice."""

    rings: list[UUID] = field(default_factory=list)
    deaf: bool = False

    def ring_all(self, jobs: Sequence[tuple[UUID, PriorityClass]]) -> tuple[UUID, ...]:
        if self.deaf:
            return tuple(job for job, _ in jobs)
        self.rings += [job for job, _ in jobs]
        return ()

    def waiting(self) -> int:
        return len(self.rings)


# -------------------------------------------------------------------------------------------------------- the hands


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

    def take(self, job: Job) -> None:
        """A claimed job; this hand's clock stands still, so only the database can say that a lease is lost."""
        self.job, self.phase = job, Phase.CLAIMED
        self.work = self.outcome = self.ending = self.delay = None
        self._session = JobSession(job=job.id, fence=job.fence, clock=lambda: 0.0)
        self._recorder = FencedRecorder(
            database=self.database, job=job, session=self._session, artifacts=self.artifacts
        )

    def drop(self) -> None:
        """As kill -9 does: nothing is written."""
        self.job = self._session = self._recorder = None

    # ------------------------------------------------------------------------------------------ steps, in order

    def begin(self) -> None:
        self.recorder.stage_started(StageSpec(id=WORK, uses="run"))
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

    def intend(self) -> None:
        """Raises:
        Refused: cancelled.
        """
        assert self.work is not None
        self.recorder.stage_started(StageSpec(id=PUSH, uses="push"))
        there = self.recorder.push_intent(self.ref, self.work.old_head, self.work.head)
        self.phase = Phase.INTENDED
        if there:
            self.ending, self.delay = told(PushOutcome(status="already", tip=there))
            self.phase = Phase.DONE

    def look(self) -> str:
        self.mirror.look(self.ref)
        self.phase = Phase.LOOKED
        return "known"

    def push(self, *, reply_lost: bool) -> str:
        """The push itself, however long after the look; it asks nobody whether the lease is still good."""
        assert self.work is not None
        own = self.recorder.own_shas(self.ref)
        self.outcome = push(
            self.mirror, ref=self.mine.branch, old=self.work.old_head, new=self.work.head, own=own
        )
        self.mirror.seen = []
        if reply_lost:
            self.outcome = PushOutcome(status="unknown", tip="")
        self.phase = Phase.PUSHED
        return self.outcome.status

    def settle(self) -> None:
        assert self.work is not None
        assert self.outcome is not None
        self.recorder.push_settled(self.ref, self.work.head, self.outcome.status)
        self.ending, self.delay = told(self.outcome)
        self.phase = Phase.DONE

    def fail(self, error: FlowForgeError) -> None:
        """The pipeline stops here with an error."""
        result = Result.CANCELLATION if error.reason is Reason.CANCELLED else Result.ERROR
        self.ending = Ending(result=result, reason=error.reason, sentence=error.sentence)
        self.delay = error.delay if isinstance(error, Temporary) else None
        self.phase = Phase.DONE

    def end(self) -> Moved | None:
        """Write how it ended, as a worker does; None where the job is another's. The hand is free then."""
        ending, session, job = self.ending, self.session, self.mine
        assert ending is not None

        def pipeline(_job: Job, recorder: FencedRecorder, _session: JobSession) -> Outcome:
            if job.fence % 2 == 0:  # a log is fenced too: where each hand said something, it alone would do
                recorder.log(PUSH, f"{job.fence}: {ending.sentence}\n".encode())
            return Outcome(ending=ending, hand_back=self.delay)

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


def told(outcome: PushOutcome) -> tuple[Ending, float | None]:
    """How the pipeline ends after a push, as the push stage has it, and seconds after which it is asked again."""
    reasons = {
        "pushed": (Result.SUCCESS, Reason.PUSHED),
        "already": (Result.SUCCESS, Reason.PUSHED),
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


@dataclass(kw_only=True)
class Yard:
    """The folder of one run of the machine: its remote, and a mirror for each worker."""

    folder: Path
    undo: ExitStack = field(default_factory=ExitStack)
    remote: Remote = field(init=False)

    def __post_init__(self) -> None:
        self.remote = Remote(path=self.folder / "remote.git")

    def mirror(self, worker: str) -> Stale:
        door = Door(protocols=frozenset({"file"}), record=lambda _operation: None, cancelled=lambda: False)
        opened = self.undo.enter_context(open_mirror(self.folder / worker, self.remote.url, door))
        alternates = opened.path / "objects" / "info" / "alternates"
        alternates.write_text(f"{self.remote.path / 'objects'}\n")  # what a fetch would have brought
        return Stale(
            path=opened.path, url=opened.url, git=opened.git, credential=None, lock=opened.lock, notes=[]
        )

    def close(self) -> None:
        self.undo.close()
        shutil.rmtree(self.folder, ignore_errors=True)
