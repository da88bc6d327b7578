"""What a worker does with a claimed job: open its mirror, find its definition, go on from its checkpoint, run it."""

import logging
import random
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from flowforge.accounts.repositories import Login, get_repository, read_login
from flowforge.accounts.spending import StoredBooks
from flowforge.artifacts.store import Artifacts
from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.job import Ending, Job
from flowforge.core.masking import Mask
from flowforge.core.pipeline import Pipeline
from flowforge.core.plan import make_plan
from flowforge.core.telemetry import Telemetry
from flowforge.git.bundle import read_bundle, write_bundle
from flowforge.git.command import Credential, Door, RemoteOperation
from flowforge.git.mirror import Mirror, open_mirror
from flowforge.git.replay import Committer
from flowforge.hooks.manager import Registry
from flowforge.jobs.memory import StoredMemory
from flowforge.jobs.questions import asked_of, end_of, told_of
from flowforge.jobs.recorder import FencedRecorder
from flowforge.jobs.resume import Asked, Standing, resume
from flowforge.jobs.run import Outcome
from flowforge.jobs.session import JobSession
from flowforge.jobs.undo import undoing_of
from flowforge.llm.limits import RateLimiter, read_rules
from flowforge.llm.ports import Asker
from flowforge.llm.service import Ports
from flowforge.pipeline.calibrating import CALIBRATE, Wish
from flowforge.pipeline.calibrating import PIPELINE as CALIBRATE_PIPELINE
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.definition import Found, Given, find_definition, read_definition
from flowforge.pipeline.progress import changed_paths
from flowforge.pipeline.remembering import learn
from flowforge.pipeline.runner import Terms, run_pipeline
from flowforge.pipeline.table import stage_table
from flowforge.pipeline.undoing import PIPELINE as UNDO_PIPELINE
from flowforge.pipeline.undoing import UNDO, Undoing
from flowforge.queues.limits import make_limiter
from flowforge.sandbox.pool import Pool
from flowforge.settings import Settings
from flowforge.store import decisions, jobs
from flowforge.store.accounts import Repository
from flowforge.store.database import Database
from flowforge.store.ids import Ids
from flowforge.store.operations import add_operation
from flowforge.store.scope import Scope
from flowforge.store.transaction import Row
from flowforge.vault.envelope import Vault
from flowforge.wiring.history_job import StoredCalibration
from flowforge.wiring.models import Services
from flowforge.wiring.policies import policy_set
from flowforge.wiring.sandbox import sandbox_for
from flowforge.wiring.urls import repository_check

_log = logging.getLogger(__name__)
_CHECKPOINT = "refs/flowforge/head"
_OLD_HEAD = "refs/flowforge/old"
HOUR = 3600.0  # seconds
NO_REDIS = "redis://127.0.0.1:1/0"  # where nobody answers: each process counts for itself
_GONE = {Reason.NOT_FOUND, Reason.INFRASTRUCTURE, Reason.INTERNAL_ERROR}  # no such bundle, or a damaged one


@dataclass(frozen=True, kw_only=True)
class PipelineRunner:
    """Implements `jobs.run.RunPipeline` with the edges that all jobs of this worker share."""

    settings: Settings
    registry: Registry
    database: Database  # of role ff_system
    vault: Vault
    artifacts: Artifacts
    pool: Pool
    telemetry: Telemetry
    services: Services
    workspaces: Path

    def __call__(self, job: Job, recorder: FencedRecorder, session: JobSession) -> Outcome:
        repository, login = self._repository(job)
        recorder.mask = Mask((*self.settings.secrets(), *([login.secret] if login else [])))
        with (
            self._mirror(job, repository.url, login, session) as mirror,
            self._workspace(job) as workspace,
            ExitStack() as undo,
        ):
            recorder.bundle = lambda work: checkpoint(work, mirror, workspace)
            recorder.vault, recorder.patience = self.vault, self.settings.decision_hours * HOUR
            decided, undoing = self._decided(job)
            target = job.target or mirror.default_branch()
            found = self._definition(job, target, recorder, mirror)
            pipeline = replace(found.pipeline, env={**found.pipeline.env, **job.environment})
            standing, work = self._restored(
                Work(branch=job.branch, target=target),
                pipeline,
                asked_of(decided),
                recorder,
                mirror,
                workspace,
            )
            recorder.stand_on(standing.results)
            asker = replace(asker_of(job), cancelled=session.cancelled, waits=self._may_wait(job))
            models = undo.enter_context(self.services.job(asker, pipeline.limits, random_word))
            tools = Tools(
                mirror=mirror,
                sandbox=sandbox_for(
                    pipeline, self.settings, lambda text: recorder.log("sandbox", text.encode())
                ),
                pool=self.pool,
                registry=self.registry,
                recorder=recorder,
                committer=self._committer(job),
                telemetry=self.telemetry,
                pipeline=pipeline,
                workspace=workspace,
                policy=policy_set(repository.settings, self.registry),
                memory=StoredMemory(recorder=recorder, vault=self.vault),
                models=models,
                cancelled=session.cancelled,
                fetched=found.fetched,
                undo=undoing,
                calibrating=self._calibrating(job, repository.url, recorder, session),
                told=told_of(decided, self.vault),
            )
            ended = run_pipeline(
                pipeline,
                work,
                standing.results,
                stage_table(self.registry),
                tools,
                _terms(job, standing, mirror, end_of(decided[-1] if decided else None)),
            )
            learn(pipeline, ended.work, ended.results, tools.memory)
            for note in mirror.notes:
                recorder.event("mirror.noted", {"sentence": note})
        asking = recorder.asking if ended.asks else None
        return Outcome(ending=ended.ending, hand_back=ended.hand_back, asking=asking)

    def _repository(self, job: Job) -> tuple[Repository, Login | None]:
        with self.database.transaction(Scope.organization(job.organization), read_only=True) as tx:
            return get_repository(tx, job.repository), read_login(tx, job.repository, vault=self.vault)

    def _decided(self, job: Job) -> tuple[Sequence[Row], Undoing | None]:
        """What persons have said to this job, and what it takes back if it is an undo."""
        with self.database.transaction(Scope.organization(job.organization), read_only=True) as tx:
            return decisions.decided(tx, job.id), undoing_of(tx, job, self.artifacts.fetch)

    def _may_wait(self, job: Job) -> bool:
        """Whether an outage of the model may still hold the job up."""
        with self.database.transaction(Scope.organization(job.organization), read_only=True) as tx:
            return jobs.waited(tx, job.id) < self.settings.model_outage_hours * HOUR

    def _calibrating(
        self, job: Job, url: str, recorder: FencedRecorder, session: JobSession
    ) -> StoredCalibration | None:
        if job.trigger != CALIBRATE:
            return None
        return StoredCalibration(
            wish=Wish.read(job.environment),
            job=job,
            url=url,
            plugins=self.settings.plugins,
            recorder=recorder,
            artifacts=self.artifacts,
            vault=self.vault,
            cancelled=session.cancelled,
        )

    @contextmanager
    def _mirror(self, job: Job, url: str, login: Login | None, session: JobSession) -> Iterator[Mirror]:
        door = Door(
            protocols=frozenset(self.settings.git_protocols),
            remote_deadline=self.settings.git_timeout,
            cancelled=session.cancelled,
            record=lambda operation: self._record(job, operation),
            private=self.workspaces,  # swept after a worker that was killed, which the system's folder is not
        )
        credential = Credential(username=login.username, secret=login.secret) if login else None
        repository_check(self.settings)(url)  # the settings may have changed since it was added
        with open_mirror(self.settings.folder / "mirrors", url, door, credential) as mirror:
            yield mirror

    @contextmanager
    def _workspace(self, job: Job) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=f"{job.id}-", dir=self.workspaces) as folder:
            yield Path(folder)

    def _definition(self, job: Job, target: str, recorder: FencedRecorder, mirror: Mirror) -> Found:
        """What an earlier attempt read stands; the first one reads it and notes it on the job."""
        if job.trigger == CALIBRATE:
            source = CALIBRATE_PIPELINE.source
            return Found(given=Given(text=b"", source=source), pipeline=CALIBRATE_PIPELINE)
        if job.trigger == UNDO:
            return Found(given=Given(text=b"", source=UNDO_PIPELINE.source), pipeline=UNDO_PIPELINE)
        if job.pipeline:
            given = Given(text=job.pipeline.encode(), source=job.pipeline_source or "the request")
            known = read_definition(given, mirror, self.registry)
            recorder.join(known.pipeline.concurrency, target)
            return known
        found = find_definition(job.task, mirror, job.branch, target, self.registry)
        text = found.given.text.decode()
        recorder.define(text, found.given.source, found.pipeline.concurrency, target)
        return found

    def _restored(
        self,
        begin: Work,
        pipeline: Pipeline,
        asked: Asked | None,
        recorder: FencedRecorder,
        mirror: Mirror,
        workspace: Path,
    ) -> tuple[Standing, Work]:
        """Where to go on: after the last checkpoint, or anew where its bundle is gone or fits no more."""
        plan, runs = make_plan(pipeline), recorder.runs()
        standing = resume(plan, runs, asked=asked)
        if standing.work is not None:
            work = Work.from_json(standing.work)
            lost = self._restore(work, standing.checkpoint, mirror, workspace)
            if not lost:
                return standing, work
            recorder.event("checkpoint.lost", {"sentence": f"the job begins anew: {lost}"})
            standing = resume(plan, runs, restorable=False)
        return standing, begin

    def _restore(self, work: Work, checkpoint: str, mirror: Mirror, workspace: Path) -> str:
        """Bring the commits that only the earlier worker had; why that cannot be done for good, "" when it is done.

        Raises:
            FlowForgeError: for what may be otherwise in a moment, and for what a new beginning would meet too.
        """
        if not all(mirror.has(commit) for commit in (work.merge_base, work.upstream)):
            mirror.fetch(work.branch, work.target)
        bundle = workspace / "checkpoint.bundle"
        try:
            self.artifacts.fetch(checkpoint, bundle)
            read_bundle(mirror, bundle)
        except (Refused, Broken) as error:
            if error.reason not in _GONE:
                raise
            return error.sentence
        return ""

    def _committer(self, job: Job) -> Committer:
        """The date is the job's, so that a re-run makes the same commits."""
        return Committer(
            name=self.settings.committer_name,
            email=self.settings.committer_email,
            date=int(job.created_at.timestamp()),
        )

    def _record(self, job: Job, operation: RemoteOperation) -> None:
        """Note a remote command; a database that is away for it must not end what git has done."""
        try:
            with self.database.transaction(Scope.system()) as tx:
                add_operation(
                    tx,
                    organization=job.organization,
                    repository=job.repository,
                    job=job.id,
                    type_=operation.type,
                    url=operation.url,
                    branch=operation.ref.removeprefix("refs/heads/"),
                    sha=operation.sha,
                    status=operation.status,
                    duration_ms=operation.duration_ms,
                )
        except Temporary as error:
            _log.warning("git %s of job %s was not noted: %s", operation.type, job.id, error.sentence)


def asker_of(job: Job) -> Asker:
    return Asker(
        organization=job.organization,
        user=job.user,
        repository=job.repository,
        job=job.id,
        priority=job.priority,
    )


def model_ports(
    database: Database, ids: Ids, telemetry: Telemetry, vault: Vault, settings: Settings
) -> Ports:
    """The model service's ports, shared by all jobs of a worker: books in Postgres, rates in Redis.

    Raises:
        Broken: the setting `model_limits` holds no limit.
    """
    rates = make_limiter(settings.redis_url.get_secret_value() or NO_REDIS)
    return Ports(
        books=StoredBooks(database=database, ids=ids, vault=vault, days=settings.model_answer_days),
        limiter=RateLimiter(rules=read_rules(settings.model_limits), take=rates.take),
        clock=time.monotonic,
        sleep=time.sleep,
        random=random.random,
        telemetry=telemetry,
    )


def checkpoint(work: Work, mirror: Mirror, workspace: Path) -> Path | None:
    """A bundle of the commits that only this mirror has for sure; None before there are any."""
    if not work.head:
        return None
    path = workspace / "next.bundle"
    tips = {_CHECKPOINT: work.head, _OLD_HEAD: work.old_head}
    write_bundle(mirror, tips, [work.merge_base, work.upstream], path)
    return path


def random_word() -> str:
    return secrets.token_hex(8)


def _terms(job: Job, standing: Standing, mirror: Mirror, decided: Ending | None) -> Terms[Work]:
    return Terms(
        clock=time.monotonic,
        event=job.trigger,
        may_hand_back=job.attempts < job.max_attempts,
        may_wait=True,
        may_ask=True,
        decided=decided,
        tries=standing.tries,
        spent=standing.spent,
        paths=lambda work: changed_paths(work, mirror),
    )
