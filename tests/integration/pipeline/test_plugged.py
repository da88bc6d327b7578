"""A plugin's stage: whatever a stranger's code does, the job goes on to a typed end."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from flowforge.core.errors import FlowForgeError, Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.hooks.contracts import Stage
from flowforge.pipeline.commands import PluginContext
from flowforge.pipeline.context import Work
from flowforge.pipeline.runner import Terms, run_pipeline
from flowforge.pipeline.table import BUILT_IN, stage_table
from flowforge.sandbox.contract import Sandbox
from tests.integration.pipeline.scene import Scene

MODULE = "stage_of_a_test"
Function = Callable[[StageSpec, PluginContext], Any]


@pytest.fixture
def module() -> Iterator[ModuleType]:
    made = sys.modules[MODULE] = ModuleType(MODULE)
    yield made
    del sys.modules[MODULE]


@pytest.fixture
def plugged(scene: Scene, module: ModuleType) -> Callable[..., StageResult]:
    """Run a function as a plugin's stage, with whatever its spec shall say."""
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    scene.do("clone")
    scene.do("rebase")
    stage = Stage(name="strange", load=f"{MODULE}:stage")
    scene.registry = replace(scene.registry, stages={"strange": stage})

    def do(function: Function, **spec: object) -> StageResult:
        module.stage = function  # type: ignore[attr-defined]  # it is a module made here
        return scene.do("strange", spec=spec)

    return do


Plugged = Callable[..., StageResult]


def good(spec: StageSpec, context: PluginContext) -> StageResult:
    context.log(f"at {context.head} of {context.branch} onto {context.target}\n")
    outputs = {"tree": context.tree, "level": spec.options.get("level")}
    return StageResult(stage="mine", result=Result.SUCCESS, sentence="fine", outputs=outputs)


def test_a_good_one_sees_where_the_job_is_and_answers(scene: Scene, plugged: Plugged) -> None:
    before = scene.work
    result = plugged(good, options={"level": 3})
    assert (result.stage, result.result, result.sentence) == ("strange", Result.SUCCESS, "fine")
    assert dict(result.outputs) == {"tree": before.tree, "level": 3}
    assert f"at {before.head} of topic onto main\n" in scene.log
    assert scene.work == before


def test_one_that_raises_has_failed_by_name(plugged: Plugged) -> None:
    def stage(_spec: StageSpec, _context: PluginContext) -> None:
        raise ValueError("no such thing")

    result = plugged(stage)
    assert (result.result, result.reason) == (Result.ERROR, Reason.PLUGIN_FAILED)
    assert result.sentence == "the plugin's stage 'strange' raised ValueError: no such thing"
    assert "author" in result.next_action


def test_one_that_leaves_the_process_has_failed_too(plugged: Plugged) -> None:
    result = plugged(lambda _spec, _context: sys.exit(3))
    assert (result.reason, "SystemExit" in result.sentence) == (Reason.PLUGIN_FAILED, True)


def test_what_it_refuses_in_the_houses_words_is_kept(plugged: Plugged) -> None:
    def stage(_spec: StageSpec, _context: PluginContext) -> None:
        raise Refused(Reason.VETOED, "the licence is wrong", next_action="change it")

    result = plugged(stage)
    assert (result.result, result.reason) == (Result.FAILURE, Reason.VETOED)
    assert (result.sentence, result.next_action) == ("the licence is wrong", "change it")


def test_one_that_hangs_is_given_up_and_can_do_nothing_more(scene: Scene, plugged: Plugged) -> None:
    go, late = threading.Event(), threading.Event()
    said: list[Reason] = []

    def stage(_spec: StageSpec, context: PluginContext) -> None:
        go.wait(20)
        for act in (lambda: context.log("late\n"), lambda: context.run("true", timeout=1)):
            try:
                act()
            except FlowForgeError as error:
                said.append(error.reason)
        late.set()

    result = plugged(stage, timeout=0.3)
    assert (result.result, result.reason) == (Result.TIMEOUT, Reason.TIMEOUT)
    assert "longer than its 0.3 s" in result.sentence
    go.set()
    assert late.wait(10)
    assert said == [Reason.CANCELLED, Reason.CANCELLED]
    assert "late" not in scene.log


def test_one_that_hangs_is_left_when_the_job_is_cancelled(scene: Scene, plugged: Plugged) -> None:
    scene.cancelled = lambda: True
    started = time.monotonic()
    result = plugged(lambda _spec, _context: time.sleep(5))
    assert (result.result, result.reason) == (Result.CANCELLATION, Reason.CANCELLED)
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "answered NoneType, not StageResult"),
        ({"result": "success"}, "answered dict, not StageResult"),
        (StageResult(stage="x", result="success"), "result is str"),  # type: ignore[arg-type]  # that is the point
        (StageResult(stage="x", result=Result.SUCCESS, reason="done"), "reason is str"),  # type: ignore[arg-type]
        (StageResult(stage="x", result=Result.SUCCESS, sentence=3), "sentence is int"),  # type: ignore[arg-type]
        (StageResult(stage="x", result=Result.SUCCESS, delay="1"), "delay is str"),  # type: ignore[arg-type]
        (StageResult(stage="x", result=Result.SUCCESS, outputs={"a": b"bytes"}), "no JSON"),
        (StageResult(stage="x", result=Result.SUCCESS, outputs={"a": float("nan")}), "no JSON"),
    ],
)
def test_an_answer_that_is_none_is_named(plugged: Plugged, answer: object, words: str) -> None:
    result = plugged(lambda _spec, _context: answer)
    assert (result.result, result.reason) == (Result.ERROR, Reason.PLUGIN_FAILED)
    assert words in result.sentence


def test_one_that_cannot_be_imported_is_named(scene: Scene, plugged: Plugged) -> None:
    scene.registry = replace(
        scene.registry, stages={"strange": Stage(name="strange", load="no_such_module:stage")}
    )
    result = scene.do("strange")
    assert (result.reason, "no_such_module" in result.sentence) == (Reason.PLUGIN_FAILED, True)
    scene.registry = replace(scene.registry, stages={"strange": Stage(name="strange", load="json:__name__")})
    assert "is no function" in scene.do("strange").sentence


def test_a_plugin_cannot_replace_a_built_in_stage(scene: Scene) -> None:
    scene.registry = replace(scene.registry, stages={"push": Stage(name="push", load=f"{MODULE}:stage")})
    assert stage_table(scene.registry)["push"] is BUILT_IN["push"]


def test_a_whole_pipeline_ends_typed_whatever_its_plugin_answers(scene: Scene, plugged: Plugged) -> None:
    plugged(lambda _spec, _context: object())
    pipeline = replace(scene.pipeline, stages=(StageSpec(id="s", uses="strange"),))
    table = stage_table(scene.registry)
    run = run_pipeline(pipeline, scene.work, (), table, scene.tools, Terms[Work](clock=time.monotonic))
    assert (run.ending.result, run.ending.reason) == (Result.ERROR, Reason.PLUGIN_FAILED)
    json.dumps([data for _kind, data in scene.told])


@pytest.mark.sandbox
def test_its_commands_run_in_the_sandbox_on_the_tree(scene: Scene, walls: Sandbox, plugged: Plugged) -> None:
    scene.sandbox = walls

    def stage(_spec: StageSpec, context: PluginContext) -> StageResult:
        status, said = context.run("cat c.txt; exit 3", timeout=10)
        return StageResult(stage="", result=Result.SUCCESS, outputs={"status": status, "said": said.decode()})

    result = plugged(stage)
    assert dict(result.outputs) == {"status": 3, "said": said_of(scene)}


def said_of(scene: Scene) -> str:
    return scene.file("c.txt")


@pytest.mark.sandbox
def test_a_limit_of_its_command_is_a_refusal_that_names_the_limit(
    scene: Scene, walls: Sandbox, plugged: Plugged
) -> None:
    scene.sandbox = walls
    result = plugged(lambda _spec, context: context.run("sleep 60", timeout=0.3))
    assert (result.result, result.reason) == (Result.TIMEOUT, Reason.TIMEOUT)
