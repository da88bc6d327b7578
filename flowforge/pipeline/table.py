"""The built-in stages by the name that `uses` gives them, with those of plugins beside them."""

from collections.abc import Mapping
from functools import partial

from flowforge.hooks.manager import Registry
from flowforge.pipeline.context import RunStage
from flowforge.pipeline.plugged import run_plugin
from flowforge.pipeline.stages import (
    approve,
    calibrate,
    clone,
    push,
    rebase,
    report,
    resolve,
    review,
    run,
    test,
    undo,
    validate,
)

BUILT_IN: Mapping[str, RunStage] = {
    "clone": clone.run,
    "rebase": rebase.run,
    "resolve": resolve.run,
    "validate": validate.run,
    "test": test.run,
    "review": review.run,
    "approve": approve.run,
    "push": push.run,
    "run": run.run,
    "report": report.run,
    "calibrate": calibrate.run,  # as undo: only a job of its own has it
    "undo": undo.run,  # in no definition: only a job that undoes another has it
}


def stage_table(registry: Registry) -> Mapping[str, RunStage]:
    """Every stage that a pipeline may use here; a plugin cannot replace a built-in one."""
    added = {name: partial(run_plugin, stage) for name, stage in registry.stages.items()}
    return {**added, **BUILT_IN}
