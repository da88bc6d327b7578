"""The built-in stages by the name that `uses` gives them, with those of plugins beside them."""

from collections.abc import Mapping
from functools import partial

from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.hooks.contracts import Stage
from flowforge.hooks.manager import Registry, resolve_load
from flowforge.pipeline.commands import PluginContext
from flowforge.pipeline.context import RunStage, Tools, Work
from flowforge.pipeline.stages import clone, push, rebase, report, resolve, run, test, validate

BUILT_IN: Mapping[str, RunStage] = {
    "clone": clone.run,
    "rebase": rebase.run,
    "resolve": resolve.run,
    "validate": validate.run,
    "test": test.run,
    "push": push.run,
    "run": run.run,
    "report": report.run,
}


def stage_table(registry: Registry) -> Mapping[str, RunStage]:
    """Every stage that a pipeline may use here; a plugin cannot replace a built-in one."""
    added = {name: partial(_run_plugin, stage) for name, stage in registry.stages.items()}
    return {**added, **BUILT_IN}


def _run_plugin(stage: Stage, spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    """Call a plugin's stage with its narrow view; the work goes on as it was."""
    function = resolve_load(stage.load)
    assert callable(function)  # noqa: S101 (the contract suite holds plugins to it)
    result: StageResult = function(spec, PluginContext(spec=spec, work=work, tools=tools))
    return result, work
