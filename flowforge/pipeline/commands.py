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

_LIMITS = {
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
            tools.recorder.log(
                spec.id, f"{path} is a link that leaves the tree; it is a plain file here\n".encode()
            )
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
        tools.recorder.log(spec.id, f"not limited on this host: {limit} ({why})\n".encode())
    return finished


def ended(spec: StageSpec, finished: Finished, failure: Reason) -> StageResult:
    """Turn how a command ended into the stage's result; `failure` names an exit status that is not 0."""
    if finished.why in _LIMITS:
        result, reason, words = _LIMITS[finished.why]
        return StageResult(
            stage=spec.id,
            result=result,
            reason=reason,
            sentence=f"{spec.run!r} {words.format(timeout=spec.timeout)}",
            next_action="raise the stage's limit if that was right, or mend the command",
            evidence=f"logs of {spec.id}",
        )
    if finished.status == 0:
        sentence = f"{spec.run!r} ended well in {finished.seconds:.1f} s"
        return StageResult(stage=spec.id, result=Result.SUCCESS, sentence=sentence)
    return StageResult(
        stage=spec.id,
        result=Result.FAILURE,
        reason=failure,
        sentence=f"{spec.run!r} ended with exit status {finished.status}",
        next_action="read its last lines in the log, mend the branch, then submit again",
        evidence=f"logs of {spec.id}",
    )


@dataclass(frozen=True, kw_only=True)
class PluginContext:
    """What a plugin's stage is handed: where the job has arrived, the log, and the sandbox."""

    spec: StageSpec
    work: Work
    tools: Tools

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
        self.tools.recorder.log(self.spec.id, text.encode())

    def run(self, command: str, *, timeout: float) -> tuple[int, bytes]:
        """Run a shell command in the sandbox on an export of the tree; exit status and output.

        Raises:
            Refused: a limit ended it; the reason names the limit.
        """
        said: list[bytes] = []
        spec = replace(self.spec, run=command, timeout=min(timeout, self.spec.timeout))
        finished = run_on_tree(spec, self.work.tree, self.tools, said.append)
        if finished.why is not Why.EXITED:
            result = ended(spec, finished, Reason.COMMAND_FAILED)
            raise Refused(result.reason, result.sentence, next_action=result.next_action)
        return finished.status, b"".join(said)
