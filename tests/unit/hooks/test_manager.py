import types
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from flowforge.core.errors import Broken
from flowforge.hooks.contracts import Language, PushPlan
from flowforge.hooks.manager import load_plugins, resolve_load
from flowforge.hooks.specs import hookimpl

PLAN = PushPlan(repository="r", ref="refs/heads/x", old="0" * 40, new="1" * 40, tree="2" * 40, commits=1)


@dataclass
class Point:
    """An entry point that is not installed."""

    name: str
    load: Callable[[], object]
    value: str = "somewhere:plugin"


def plugin(**hooks: Callable[..., object]) -> types.ModuleType:
    module = types.ModuleType("a_plugin")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    return module


def registering(*ids: str) -> types.ModuleType:
    return plugin(register_languages=lambda: [Language(id=i, globs=(f"*.{i}",)) for i in ids])


def explode() -> object:
    raise ImportError("no module named 'left_pad'")


def test_what_plugins_register_is_found_by_id() -> None:
    registry = load_plugins(
        [Point("one", lambda: registering("py")), Point("two", lambda: registering("go"))]
    )
    assert set(registry.languages) == {"py", "go"}
    assert registry.plugins == ("one", "two")
    assert registry.failed == ()


def test_a_plugin_that_does_not_import_is_named_and_skipped() -> None:
    registry = load_plugins([Point("bad", explode), Point("good", lambda: registering("py"))])
    assert set(registry.languages) == {"py"}
    (failed,) = registry.failed
    assert (failed.name, failed.where) == ("bad", "somewhere:plugin")
    assert "left_pad" in failed.sentence


def leave() -> object:
    raise SystemExit(0)


def test_a_plugin_that_ends_the_program_is_a_plugin_that_failed() -> None:
    """Wherever its code is called: a `sys.exit` there must not end FlowForge without a word."""
    bad = plugin(register_languages=leave, before_push=lambda plan: leave())
    registry = load_plugins([Point("gone", leave), Point("bad", lambda: bad)])
    assert [(failed.name, "SystemExit" in failed.sentence) for failed in registry.failed] == [
        ("gone", True),
        ("bad", True),
    ]
    assert "SystemExit" in (registry.gate(PLAN) or "")


def test_a_plugin_for_another_api_is_refused_with_both_numbers() -> None:
    module = registering("py")
    module.PLUGIN_API = 99  # type: ignore[attr-defined]
    (failed,) = load_plugins([Point("old", lambda: module)]).failed
    assert "needs plugin API 99" in failed.sentence


def test_an_unknown_hook_is_refused_by_name() -> None:
    (failed,) = load_plugins([Point("typo", lambda: plugin(register_langauges=lambda: ()))]).failed
    assert "register_langauges" in failed.sentence


def test_a_registering_hook_that_raises_spoils_nobody_else() -> None:
    bad = plugin(register_languages=lambda: 1 / 0)
    registry = load_plugins([Point("bad", lambda: bad), Point("good", lambda: registering("py"))])
    assert set(registry.languages) == {"py"}
    assert registry.failed[0].name == "bad"
    assert "ZeroDivisionError" in registry.failed[0].sentence


@pytest.mark.parametrize("returned", [[42], None])
def test_what_is_no_descriptor_is_refused(returned: object) -> None:
    registry = load_plugins([Point("bad", lambda: plugin(register_languages=lambda: returned))])
    assert registry.languages == {}
    assert len(registry.failed) == 1


def test_the_second_descriptor_with_an_id_is_refused_and_named() -> None:
    registry = load_plugins(
        [Point("one", lambda: registering("py")), Point("two", lambda: registering("py"))]
    )
    assert len(registry.languages) == 1
    assert "'py' is registered already" in registry.failed[0].sentence


def test_the_first_veto_wins_and_a_gate_that_raises_stays_shut() -> None:
    silent = plugin(before_push=lambda plan: None)
    veto = plugin(before_push=lambda plan: f"{plan.ref} is frozen")
    broken = plugin(before_push=lambda plan: 1 / 0)
    assert load_plugins([Point("silent", lambda: silent)]).gate(PLAN) is None
    assert load_plugins([Point("v", lambda: veto)]).gate(PLAN) == "refs/heads/x is frozen"
    assert "ZeroDivisionError" in (load_plugins([Point("b", lambda: broken)]).gate(PLAN) or "")


def test_a_notification_that_raises_changes_nothing_for_the_others() -> None:
    heard: list[str] = []
    bad = plugin(stage_finished=lambda stage: 1 / 0)
    good = plugin(stage_finished=lambda stage, result: heard.append(f"{stage} {result}"))
    registry = load_plugins([Point("good", lambda: good), Point("bad", lambda: bad)])
    failed = registry.notify("stage_finished", job_id="1", stage="test", result="success", seconds=1.0)
    assert heard == ["test success"]
    assert [failure.name for failure in failed] == ["bad"]


def test_a_descriptor_names_its_code_and_a_wrong_name_says_so() -> None:
    assert resolve_load("json:loads") is __import__("json").loads
    with pytest.raises(Broken, match="no_such_module"):
        resolve_load("no_such_module:x")
    with pytest.raises(Broken, match="no_such_name"):
        resolve_load("json:no_such_name")
