"""A plugin's stage: a stranger's code, called so that whatever it does ends as a typed result of that one stage.

It runs in a thread of its own. A thread cannot be killed, so one that hangs past the stage's timeout, or a cancel,
is left behind without its context: from then on it can neither write to the log nor run a command.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from flowforge.core.errors import Broken, FlowForgeError, Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.hooks.contracts import Stage
from flowforge.hooks.manager import resolve_load
from flowforge.pipeline.apart import Apart
from flowforge.pipeline.commands import PluginContext
from flowforge.pipeline.context import Tools, Work

_SHAPE: Mapping[str, type | tuple[type, ...]] = {
    "result": Result,
    "reason": Reason,
    "sentence": str,
    "next_action": str,
    "evidence": str,
    "outputs": Mapping,
    "delay": (int, float),
}
_TELL = "tell the author of this plugin, or take the stage out of the pipeline"


def run_plugin(stage: Stage, spec: StageSpec, work: Work, tools: Tools) -> tuple[StageResult, Work]:
    """Call a plugin's stage with its narrow view; the work goes on as it was.

    Raises:
        Refused: timeout, cancelled, or what the plugin refused.
        Broken: plugin_failed: it cannot be imported, raised, or answered something that is no result.
        FlowForgeError: what the plugin's own use of the context raised.
    """
    function = resolve_load(stage.load)
    if not callable(function):
        raise _failed(stage, "is no function")
    over = threading.Event()
    context = PluginContext(spec=spec, work=work, tools=tools, over=over.is_set)
    call = Apart(run=lambda: function(spec, context))
    try:
        call.wait(f"stage {spec.id}", _watch(spec, tools))
    finally:
        over.set()
    if isinstance(call.error, FlowForgeError):
        raise call.error
    if call.error is not None:
        raise _failed(stage, f"raised {type(call.error).__name__}: {call.error}") from call.error
    return _checked(stage, spec, call.answer), work


def _watch(spec: StageSpec, tools: Tools) -> Callable[[], None]:
    """What ends the waiting: a cancel, or the stage's timeout from now on."""
    until = time.monotonic() + spec.timeout

    def check() -> None:
        if tools.cancelled():
            raise Refused(Reason.CANCELLED, f"stage {spec.id!r} was stopped because the job was cancelled")
        if time.monotonic() > until:
            raise Refused(
                Reason.TIMEOUT,
                f"stage {spec.id!r} ran longer than its {spec.timeout:g} s and was given up",
                next_action="raise the stage's timeout if that was right, or tell the plugin's author",
            )

    return check


def _checked(stage: Stage, spec: StageSpec, answer: object) -> StageResult:
    """The answer, if it is one that can be stored and read again."""
    if not isinstance(answer, StageResult):
        raise _failed(stage, f"answered {type(answer).__name__}, not StageResult")
    for name, kind in _SHAPE.items():
        value: object = getattr(answer, name)
        if not isinstance(value, kind):
            raise _failed(stage, f"answered a StageResult whose {name} is {type(value).__name__}")
    try:
        json.dumps(dict(answer.outputs), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise _failed(stage, f"answered outputs that are no JSON: {error}") from error
    return replace(answer, stage=spec.id)


def _failed(stage: Stage, what: str) -> Broken:
    return Broken(Reason.PLUGIN_FAILED, f"the plugin's stage {stage.name!r} {what}", next_action=_TELL)
