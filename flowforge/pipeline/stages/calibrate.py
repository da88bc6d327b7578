"""calibrate: count in the repository's own history what each rule has earned, and set its policy where that is wished.

Nothing is written to the remote. The history is that of the default branch, as the mirror has it.
"""

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.pipeline.calibrating import FEWEST, Measured
from flowforge.pipeline.context import Tools, Work


def run(spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    calibrating = tools.calibrating
    if calibrating is None:
        raise Refused(
            Reason.PIPELINE_INVALID,
            "this job calibrates nothing",
            next_action="ask for a calibration: flowforge calibrate --repository REPOSITORY",
        )
    if (tools.mirror.path / "shallow").exists():
        raise _shallow(work.target)
    tip = tools.mirror.fetch_all([work.target])[work.target]

    def tell(files: int) -> None:
        tools.recorder.log(spec.id, f"{files} conflicting files\n".encode())

    measured = calibrating.measure(tools.mirror, work.target, tip, tools.workspace, tell)
    if measured.merges < FEWEST:
        raise _too_few(measured.merges, work.target)
    kept = calibrating.keep(measured)
    applied = calibrating.wish.apply and measured.better
    if applied:
        calibrating.apply(measured.policy)
    said = told(measured, asked=calibrating.wish.apply)
    outputs = {
        "sentence": said,
        "merges": measured.merges,
        "files": measured.files,
        "paths": measured.paths,
        "head": measured.head,
        "rules": dict(measured.actions),
        "cost": {"own": measured.own, "shipped": measured.shipped},
        "asked_to_apply": calibrating.wish.apply,
        "applied": applied,
        **kept,
    }
    result = StageResult(
        stage=spec.id, result=Result.SUCCESS, reason=Reason.DONE, sentence=said, outputs=outputs
    )
    return result, work


def told(measured: Measured, *, asked: bool) -> str:
    """What was found and done, as one sentence."""
    counts = ", ".join(f"{number} {action}" for action, number in sorted(measured.actions.items()))
    paths = f" and {measured.paths} whole paths" if measured.paths else ""
    found = f"{measured.merges} merges with conflicts in {measured.files} files{paths} were counted; rules: {counts or 'none'}"
    if not asked:
        return f"{found}; nothing was set"
    if measured.better:
        return f"{found}; they act by this policy from now on"
    return (
        f"{found}; the policy was not set: over the later part of the history it costs {measured.own:.2f} a file, "
        f"and what is shipped {measured.shipped:.2f}"
    )


def _shallow(branch: str) -> Refused:
    return Refused(
        Reason.REPOSITORY_SHALLOW,
        f"the history of {branch!r} is cut off, so its merges cannot be made again; nothing was set",
        next_action="offer the full history at the repository's address",
    )


def _too_few(merges: int, branch: str) -> Refused:
    found = f"only {merges} merges" if merges > 1 else "only one merge" if merges else "no merge"
    return Refused(
        Reason.TOO_FEW_MERGES,
        f"{found} of {branch!r} had conflicts to judge, and what fewer than {FEWEST} say is chance; nothing was set",
        next_action="what is shipped stands; calibrate again when there is more history",
    )
