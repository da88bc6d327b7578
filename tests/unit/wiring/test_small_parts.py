"""The sandbox of a pipeline that needs none, the upgrade without a database, and a child's life line."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, Reason, Refused
from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.sandbox.contract import Command
from flowforge.sandbox.local import LocalSandbox
from flowforge.settings import Settings
from flowforge.wiring import upgrade
from flowforge.wiring.sandbox import NoCommands, Unrun, WhenNeeded, make_sandbox, sandbox_for, tool_folders

CHILD = """
import signal, sys, time
from flowforge.wiring.child import hold_life_line
def told(number, frame):
    print("told", number, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, told)
hold_life_line()
print("ready", flush=True)
time.sleep(30)
"""


def pipeline(*stages: StageSpec, last: tuple[StageSpec, ...] = ()) -> Pipeline:
    return Pipeline(name="n", version=1, stages=stages, last=last)


def test_a_pipeline_without_commands_needs_no_sandbox_and_is_given_none() -> None:
    plain = pipeline(StageSpec(id="clone", uses="clone"), last=(StageSpec(id="r", uses="report"),))
    made = sandbox_for(plain, Settings(sandbox="bubblewrap"), lambda _text: None)
    assert isinstance(made, NoCommands)
    assert (made.name, made.missing()) == ("not needed", {})
    with pytest.raises(Broken) as broken:
        made.run(Command(argv=("true",), folder=Path("/")), lambda _text: None, lambda: False)
    assert broken.value.reason is Reason.SANDBOX_UNAVAILABLE


@pytest.mark.parametrize(
    "needy",
    [
        pipeline(StageSpec(id="t", uses="test", run="true")),
        pipeline(StageSpec(id="p", uses="a-plugins")),
        pipeline(last=(StageSpec(id="r", uses="run", run="true"),)),
    ],
)
def test_a_command_or_a_plugin_anywhere_gets_the_sandbox_of_the_settings(needy: Pipeline) -> None:
    warned: list[str] = []
    made = sandbox_for(needy, Settings(sandbox="none"), warned.append)
    assert not isinstance(made, NoCommands)
    assert all(text.endswith("\n") for text in warned)


@pytest.mark.parametrize("options", [{}, {"rungs": ["lockfile"]}])
def test_the_rung_lockfile_looks_for_a_sandbox_only_when_it_needs_one(options: Mapping[str, object]) -> None:
    resolving = pipeline(StageSpec(id="r", uses="resolve", options=options))
    made = sandbox_for(resolving, Settings(sandbox="none"), lambda _text: None)
    assert isinstance(made, WhenNeeded)
    said: list[bytes] = []
    finished = made.run(Command(argv=("echo", "here"), folder=Path("/tmp")), said.append, lambda: False)
    assert (finished.status, b"".join(said)) == (0, b"here\n")
    assert made.missing()


def test_without_the_rung_lockfile_resolving_needs_no_sandbox() -> None:
    resolving = pipeline(StageSpec(id="r", uses="resolve", options={"rungs": ["document"]}))
    assert isinstance(sandbox_for(resolving, Settings(), lambda _text: None), NoCommands)


def test_a_sandbox_that_cannot_be_made_is_told_when_it_is_needed() -> None:
    resolving = pipeline(StageSpec(id="r", uses="resolve"))
    made = sandbox_for(resolving, Settings(sandbox_tools=("/nowhere",)), lambda _text: None)
    with pytest.raises(Refused, match="sandbox_tools: '/nowhere' has no folder `bin`") as refused:
        made.run(Command(argv=("true",), folder=Path("/tmp")), lambda _text: None, lambda: False)
    assert refused.value.reason is Reason.CONFIGURATION


def test_the_operators_tools_are_seen_after_our_own(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert tool_folders(Settings(sandbox_tools=(str(tmp_path),)))[-1] == tmp_path
    with pytest.raises(Refused, match="no absolute path"):
        tool_folders(Settings(sandbox_tools=("bin",)))


@pytest.mark.parametrize("granted", [True, False])
def test_the_hosts_network_is_the_operators_to_grant(granted: bool) -> None:
    try:
        made = make_sandbox(Settings(sandbox_host_network=granted), lambda _text: None)
    except Refused as error:
        pytest.skip(error.sentence)
    assert isinstance(made, LocalSandbox)
    assert made.host_network is granted


def test_a_simulation_says_what_a_run_would_do() -> None:
    with pytest.raises(Refused, match="a simulation runs none") as refused:
        Unrun().run(Command(argv=("true",), folder=Path("/")), lambda _text: None, lambda: False)
    assert refused.value.reason is Reason.SKIPPED
    assert Unrun().missing() == {}


def test_an_upgrade_without_a_database_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWFORGE_DATABASE_URL", raising=False)
    monkeypatch.setenv("FLOWFORGE_CONFIG", os.devnull)
    with pytest.raises((Broken, Refused)) as error:
        upgrade.run()
    assert error.value.reason is Reason.CONFIGURATION
    assert "FLOWFORGE_DATABASE_URL" in error.value.next_action


def test_a_child_is_told_to_stop_when_its_life_line_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.stdin.write("words that mean nothing\n")
        child.stdin.flush()
        assert child.poll() is None
        child.stdin.close()
        assert child.stdout.readline() == "told 15\n"
        assert child.wait(10) == 0
