"""`flowforge run`: one pipeline, here, without a service; every port in its one-process form."""

import codecs
import errno
import random
import secrets
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from flowforge.cli.folders import file_named, folder_named
from flowforge.cli.runner import Asked, Ended, Tell
from flowforge.core.conflict import Resolution, Unresolved
from flowforge.core.errors import Broken, Reason, Refused, Temporary
from flowforge.core.job import Result
from flowforge.core.masking import Mask
from flowforge.core.pipeline import Pipeline, StageResult, StageSpec
from flowforge.core.telemetry import Silent
from flowforge.core.verdict import Finding, Verdict
from flowforge.git.command import Door, Git
from flowforge.git.mirror import Mirror, check_ref, open_mirror
from flowforge.git.push import DEADLINE
from flowforge.git.replay import Committer
from flowforge.hooks.manager import Registry, discover, load_plugins
from flowforge.llm.in_process import LocalBooks, LocalRates
from flowforge.llm.limits import RateLimiter, read_rules
from flowforge.llm.ports import Asker
from flowforge.llm.service import Ports
from flowforge.pipeline import story
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.definition import Found, Given, find_definition, read_definition
from flowforge.pipeline.progress import changed_paths
from flowforge.pipeline.remembering import learn
from flowforge.pipeline.runner import Run, Terms, by_hand, run_pipeline
from flowforge.pipeline.table import stage_table
from flowforge.resolve.memory import Memory, Remembered
from flowforge.sandbox.pool import Pool
from flowforge.settings import Settings, read_settings
from flowforge.wiring.models import Services
from flowforge.wiring.policies import policy_in
from flowforge.wiring.remembered import FileMemory, answer_file, repository_at
from flowforge.wiring.sandbox import sandbox_for

_DECODER = codecs.getincrementaldecoder("utf-8")
HERE = UUID(int=0)  # the organization of a run without a service


@dataclass(kw_only=True)
class LocalRecorder:
    """A `Recorder` that tells everything at once and keeps what the job itself will ask for again."""

    tell: Tell
    backups: Path
    intents: list[tuple[str, str]] = field(default_factory=list)
    _texts: dict[str, codecs.IncrementalDecoder] = field(
        default_factory=dict
    )  # by stage: pieces cut characters

    def stage_started(self, spec: StageSpec) -> None:
        self.tell(*story.stage_started(spec))

    def stage_finished(self, result: StageResult, work: Work) -> None:  # noqa: ARG002 (no checkpoint here)
        self._say(result.stage, self._text(result.stage).decode(b"", final=True))
        self._texts.pop(result.stage, None)
        self.tell(*story.stage_finished(result))

    def log(self, stage: str, text: bytes) -> None:
        self._say(stage, self._text(stage).decode(text))

    def event(self, kind: str, data: Mapping[str, object]) -> None:
        self.tell(kind, data)

    def resolved(self, stage: str, resolutions: Sequence[Resolution], open_: Sequence[Unresolved]) -> None:
        self.tell(*story.resolved(stage, resolutions, open_))

    def validated(self, stage: str, verdicts: Sequence[Verdict]) -> None:
        self.tell(*story.validated(stage, verdicts))

    def scanned(self, findings: Sequence[Finding]) -> None:
        self.tell(*story.scanned(findings))

    def push_intent(self, ref: str, old: str, new: str, backup: str = "") -> str:  # noqa: ARG002 (told when kept)
        self.intents.append((ref, new))
        self.tell(*story.push_intent(ref, old, new))
        return ""

    def push_settled(self, ref: str, new: str, outcome: str) -> None:
        self.tell(*story.push_settled(ref, new, outcome))

    def may_push(self) -> float:
        """Nobody else has this job, and nobody waits for its end."""
        return DEADLINE

    def own_shas(self, ref: str) -> frozenset[str]:
        return frozenset(new for name, new in self.intents if name == ref)

    def backup(self, name: str, bundle: Path) -> str:
        """Keep the bundle where the run's end names it: the old tip can be had back from it."""
        place = self.backups / f"{name}-{int(time.time())}-{secrets.token_hex(4)}.bundle"
        try:
            self.backups.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.move(bundle, place)
        except OSError as error:
            with suppress(OSError):
                place.unlink()  # half a bundle is none
            raise _not_kept(self.backups, error) from error
        return str(place)

    def _text(self, stage: str) -> codecs.IncrementalDecoder:
        return self._texts.setdefault(stage, _DECODER("replace"))

    def _say(self, stage: str, text: str) -> None:
        if text:
            self.tell("log", {"stage": stage, "text": text})


def _not_kept(folder: Path, error: OSError) -> Broken:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return Broken(
        Reason.NO_SPACE if full else Reason.INFRASTRUCTURE,
        f"the branch's old tip could not be kept in {str(folder)!r}: {error.strerror}",
        next_action="make room there, or set data_dir to a folder of this user; nothing was pushed",
    )


def run_asked(asked: Asked, tell: Tell) -> Ended:
    """The runner that `flowforge run` is handed: settings from the environment, what was asked on top."""
    settings = read_settings(sandbox=asked.sandbox) if asked.sandbox else read_settings()
    try:
        with _ended_by_term():
            return run_here(asked, settings, tell)
    except Temporary as error:  # there is no queue here that would try again
        error.next_action = by_hand(error.next_action)
        raise


@contextmanager
def _ended_by_term() -> Iterator[None]:
    """SIGTERM as ^C: what the job has made is taken back before the process ends."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run_here(
    asked: Asked,
    settings: Settings,
    tell: Tell,
    cancelled: Callable[[], bool] = lambda: False,
    registry: Registry | None = None,
) -> Ended:
    """Run a pipeline on a branch and say how it ended; `tell` hears every event as it happens.

    Raises:
        FlowForgeError: nothing could be begun (no such repository, a definition with problems, no sandbox).
    """
    registry = registry or load_plugins(discover())
    root = settings.folder
    url = local_url(asked.repository)
    onto = check_ref(asked.onto) if asked.onto else ""
    branch = check_ref(asked.branch or checked_out(asked.repository))
    policy = policy_in(asked.policy, registry)
    door = Door(
        protocols=frozenset({*settings.git_protocols, *local_protocols(url)}),
        remote_deadline=settings.git_timeout,
        cancelled=cancelled,
    )
    with (
        open_mirror(root / "mirrors", url, door) as mirror,
        Pool() as pool,
        tempfile.TemporaryDirectory(prefix="flowforge-run-") as workspace,
        ExitStack() as undo,
    ):
        target = onto or mirror.default_branch()
        found = definition_for(asked, mirror, branch, target, registry)
        pipeline = found.pipeline if asked.push else without_push(found.pipeline)
        if any(stage.uses == "validate" for stage in pipeline.stages):
            pool.warm()  # while the branches are fetched
        services = Services(registry, settings, model_ports(settings.model_limits))
        models = undo.enter_context(services.job(Asker(organization=HERE), pipeline.limits, word))
        tools = Tools(
            mirror=mirror,
            sandbox=sandbox_for(
                pipeline, settings, lambda text: tell("log", {"stage": "sandbox", "text": text})
            ),
            pool=pool,
            registry=registry,
            recorder=LocalRecorder(tell=tell, backups=root / "backups"),
            committer=committer(settings),
            telemetry=Silent(),
            pipeline=pipeline,
            workspace=Path(workspace),
            policy=policy,
            memory=memory_of(
                asked.repository,
                settings,
                lambda text: tell("log", {"stage": "memory", "text": f"{text}\n"}),
                wanted=asked.memory,
            ),
            models=models,
            cancelled=cancelled,
            fetched=found.fetched,
        )
        return _walk(pipeline, Work(branch=branch, target=target), tools)


def _walk(pipeline: Pipeline, work: Work, tools: Tools) -> Ended:
    run: Run[Work] = run_pipeline(
        pipeline,
        work,
        (),
        stage_table(tools.registry),
        tools,
        Terms(clock=time.monotonic, event="cli", paths=lambda now: changed_paths(now, tools.mirror)),
    )
    learn(pipeline, run.work, run.results, tools.memory)
    report = next((result.outputs["text"] for result in run.results if "text" in result.outputs), "")
    return Ended(
        ending=run.ending,
        branch=run.work.branch,
        target=run.work.target,
        old_head=run.work.old_head,
        head=run.work.head,
        results=run.results,
        report=str(report),
        fetch=_keep(run, tools.mirror),
    )


def _keep(run: Run[Work], mirror: Mirror) -> str:
    """Name a finished result that nobody pushed in the mirror, and say how to fetch it from there.

    What a person must agree to first is theirs to look at, too.
    """
    work = run.work
    pushed = any(result.reason is Reason.PUSHED for result in run.results)
    whole = run.ending.result is Result.SUCCESS or run.ending.reason is Reason.DECISION_NEEDED
    if not whole or work.pending or pushed or work.head in {"", work.old_head}:
        return ""
    ref = result_ref(work.branch)
    mirror.git.run("update-ref", ref, work.head)
    return shlex.join(["git", "fetch", str(mirror.path), ref])


def result_ref(branch: str) -> str:
    """One flat name a branch: `a` and `a/b` may follow each other in a repository, not as refs beside each other."""
    unique = sha256(branch.encode()).hexdigest()[:8]
    return f"refs/flowforge-results/{branch.replace('/', '-')}-{unique}"


def definition_for(asked: Asked, mirror: Mirror, branch: str, target: str, registry: Registry) -> Found:
    """A file where one of that name stands here, else what `find_definition` finds."""
    file = file_named(asked.pipeline)
    if file is None:
        return find_definition(asked.pipeline, mirror, branch, target, registry)
    try:
        text = file.read_bytes()
    except OSError as error:
        raise Refused(
            Reason.PIPELINE_MISSING,
            f"{str(file)!r} could not be read: {error.strerror}",
            next_action="look at the file's owner and mode, or name another",
        ) from error
    return read_definition(Given(text=text, source=str(file)), mirror, registry)


def checked_out(repository: str) -> str:
    """The branch that a folder stands on.

    Raises:
        Refused: it is no folder with a repository, or its HEAD is detached.
    """
    folder = folder_named(repository)
    name = ""
    if folder is not None:
        git = Git(folder=folder / ".git" if (folder / ".git").exists() else folder, door=Door())
        name = git.try_run("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1, 128))[1].decode().strip()
    if not name:
        raise Refused(
            Reason.INVALID_REQUEST,
            f"no branch is checked out in {repository!r}",
            next_action="name the branch: flowforge run --branch NAME",
        )
    return name


def without_push(pipeline: Pipeline) -> Pipeline:
    """The same pipeline with nothing that reaches the remote, and nobody asked about what will not happen."""
    stages = [stage for stage in pipeline.stages if stage.uses != "push"]
    while stages and stages[-1].uses == "approve":
        stages.pop()
    return replace(pipeline, stages=tuple(stages))


def local_url(repository: str) -> str:
    """The url of what a person named: a url as it is, a folder as `file://`."""
    folder = folder_named(repository)
    if folder is not None:
        return folder.resolve().as_uri()
    if "://" in repository:
        return repository
    raise Refused(
        Reason.REPOSITORY_MISSING,
        f"there is no folder {repository[:200]!r} here, and it is no url",
        next_action="give a folder with a repository, or a url such as https://host/owner/name.git",
    )


def local_protocols(url: str) -> Sequence[str]:
    """A folder that its owner named may be read as a remote; nothing else opens this protocol."""
    return ("file",) if url.startswith("file://") else ()


def memory_of(
    repository: str,
    settings: Settings,
    say: Callable[[str], None],
    *,
    wanted: bool = True,
    frozen: bool = False,
) -> Memory:
    """What this user's runs of the repository remember; for as long as the process lives, where that is not wanted."""
    named = repository_at(repository) if wanted and settings.local_memory else ""
    if not named:
        return Remembered()
    return FileMemory(
        file=answer_file(say), repository=named, say=say, mask=Mask(settings.secrets()), frozen=frozen
    )


def committer(settings: Settings) -> Committer:
    return Committer(name=settings.committer_name, email=settings.committer_email, date=int(time.time()))


def model_ports(limits: Sequence[str], answers: int = 1000) -> Ports:
    """Of a process that asks for one person; it keeps that many of the last answers."""
    return Ports(
        books=LocalBooks(most=answers),
        limiter=RateLimiter(rules=read_rules(limits), take=LocalRates(time.monotonic).take),
        clock=time.monotonic,
        sleep=time.sleep,
        random=random.random,
    )


def word() -> str:
    return secrets.token_hex(8)
