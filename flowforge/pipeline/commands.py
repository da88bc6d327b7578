"""Running a stage's command: export, sandbox, exit status to result. The only place where files exist on disk."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.git.export import export_tree
from flowforge.pipeline.context import Tools, Work
from flowforge.sandbox.contract import Command, Finished, Why

_SHOWN = 100  # characters of a command that a sentence repeats
LIMITS = {  # what ended a command: result, reason, and the end of a sentence about it
    Why.TIMEOUT: (Result.TIMEOUT, Reason.TIMEOUT, "ran longer than its {timeout:g} s and was stopped"),
    Why.MEMORY_LIMIT: (Result.FAILURE, Reason.MEMORY_LIMIT, "needed more than its memory and was stopped"),
    Why.OUTPUT_LIMIT: (Result.FAILURE, Reason.OUTPUT_LIMIT, "wrote more output than is kept and was stopped"),
    Why.DISK_LIMIT: (Result.FAILURE, Reason.NO_SPACE, "filled the space it was given and was stopped"),
    Why.CANCELLED: (Result.CANCELLATION, Reason.CANCELLED, "was stopped because the job was cancelled"),
}


def run_on_tree(
    spec: StageSpec, tree: str, tools: Tools, also: Callable[[bytes], object] = lambda _text: None
) -> Finished:
    """Run the stage's command on a fresh export of `tree`; only its exit status and output cross back."""

    def take(text: bytes) -> None:
        tools.recorder.log(spec.id, text)
        also(text)

    with tempfile.TemporaryDirectory(prefix=f"{spec.uses}-", dir=tools.workspace) as private:
        folder = Path(private) / "tree"
        exported = export_tree(tools.mirror, tree, folder)
        for path in exported.inert:
            _say(spec, tools, f"{path} is a link that leaves the tree; it is a plain file here")
        command = Command(
            argv=("/bin/sh", "-c", spec.run),
            folder=folder,
            env={**tools.pipeline.env, **spec.env},
            timeout=spec.timeout,
            memory=spec.memory,
            cpu=spec.cpu,
            network=spec.network,
        )
        finished = tools.sandbox.run(command, take, tools.cancelled)
    for limit, why in finished.missing.items():
        _say(spec, tools, f"not limited on this host: {limit} ({why})")
    return finished


def _say(spec: StageSpec, tools: Tools, line: str) -> None:
    """A line of our own in the stage's log; a path in it may be in any encoding."""
    tools.recorder.log(spec.id, f"{line}\n".encode("utf-8", "surrogateescape"))


def nothing_to_run_on(spec: StageSpec) -> StageResult:
    """For a stage of `finally`, which also runs where the clone failed."""
    return StageResult(
        stage=spec.id,
        result=Result.SKIP,
        reason=Reason.SKIPPED,
        sentence="nothing was cloned, so there is no tree to run it on",
    )


def ended(spec: StageSpec, finished: Finished, failure: Reason) -> StageResult:
    """Turn how a command ended into the stage's result; `failure` names an exit status that is not 0."""
    shown = repr(spec.run if len(spec.run) <= _SHOWN else f"{spec.run[:_SHOWN]}…")
    if finished.why in LIMITS:
        result, reason, words = LIMITS[finished.why]
        mend = "raise the stage's limit if that was right, or mend the command"
        return StageResult(
            stage=spec.id,
            result=result,
            reason=reason,
            sentence=f"{shown} {words.format(timeout=spec.timeout)}",
            next_action="" if result is Result.CANCELLATION else mend,
            evidence=f"logs of {spec.id}",
        )
    if finished.status == 0:
        sentence = f"{shown} ended well in {finished.seconds:.1f} s"
        return StageResult(stage=spec.id, result=Result.SUCCESS, sentence=sentence)
    return StageResult(
        stage=spec.id,
        result=Result.FAILURE,
        reason=failure,
        sentence=f"{shown} ended with exit status {finished.status}",
        next_action="read its last lines in the log, mend the branch, then submit again",
        evidence=f"logs of {spec.id}",
    )


@dataclass(frozen=True, kw_only=True)
class PluginContext:
    """What a plugin's stage is handed: where the job has arrived, the log, and the sandbox.

    Once the stage was given up, `over` says so, and what still runs of it can reach nothing any more.
    """

    spec: StageSpec
    work: Work
    tools: Tools
    over: Callable[[], bool] = lambda: False

    @property
    def branch(self) -> str:
        return self.work.branch

    @property
    def target(self) -> str:
        return self.work.target

    @property
    def head(self) -> str:
        return self.work.head

    @property
    def tree(self) -> str:
        return self.work.tree

    def log(self, text: str) -> None:
        """Raises:
        Refused: the stage is over.
        """
        self._refuse_late()
        self.tools.recorder.log(self.spec.id, text.encode("utf-8", "surrogateescape"))

    def run(self, command: str, *, timeout: float) -> tuple[int, bytes]:
        """Run a shell command in the sandbox on an export of the tree; exit status and output.

        Raises:
            Refused: a limit ended it, and the reason names the limit; or the stage is over.
        """
        self._refuse_late()
        said: list[bytes] = []
        spec = replace(self.spec, run=command, timeout=min(timeout, self.spec.timeout))
        tools = replace(self.tools, cancelled=lambda: self.over() or self.tools.cancelled())
        finished = run_on_tree(spec, self.work.tree, tools, said.append)
        if finished.why is not Why.EXITED:
            result = ended(spec, finished, Reason.COMMAND_FAILED)
            raise Refused(result.reason, result.sentence, next_action=result.next_action)
        return finished.status, b"".join(said)

    def _refuse_late(self) -> None:
        if self.over():
            raise Refused(Reason.CANCELLED, f"stage {self.spec.id!r} is over; nothing more is done for it")
