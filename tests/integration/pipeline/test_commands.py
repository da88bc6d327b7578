"""test and run: commands on an export of the tree, in the sandbox, and what their ends are called."""

from dataclasses import replace

import pytest

from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import Pipeline, StageSpec
from flowforge.core.plan import make_plan
from flowforge.sandbox.contract import Sandbox
from tests.integration.pipeline.scene import Scene

pytestmark = pytest.mark.sandbox


@pytest.fixture
def rebased(scene: Scene, walls: Sandbox) -> Scene:
    scene.sandbox = walls
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    scene.do("clone")
    assert scene.do("rebase").ok
    return scene


def test_a_test_that_passes_proves_the_tree(rebased: Scene) -> None:
    result = rebased.do("test", spec={"run": "cat c.txt b.txt; pwd"})
    assert result.ok
    assert result.outputs["tree"] == rebased.work.tree
    assert rebased.work.tested_tree == rebased.work.tree
    assert "C\n1\n2\n4\n/workspace\n" in rebased.log
    assert result.sentence.startswith("'cat c.txt b.txt; pwd' ended well in ")


def test_a_test_that_fails_proves_nothing_and_says_with_which_status(rebased: Scene) -> None:
    rebased.work = replace(rebased.work, tested_tree=rebased.work.tree)
    result = rebased.do("test", spec={"run": "exit 7"})
    assert (result.result, result.reason) == (Result.FAILURE, Reason.TESTS_FAILED)
    assert "exit status 7" in result.sentence
    assert result.evidence == "logs of test"
    assert rebased.work.tested_tree == ""


def test_a_run_stage_that_fails_is_no_failed_test(rebased: Scene) -> None:
    result = rebased.do("run", spec={"run": "exit 1"})
    assert (result.result, result.reason) == (Result.FAILURE, Reason.COMMAND_FAILED)
    assert rebased.do("run", spec={"run": "true"}).ok
    assert rebased.work.tested_tree == ""


def test_a_command_out_of_time_is_stopped_and_is_a_timeout(rebased: Scene) -> None:
    result = rebased.do("test", spec={"run": "sleep 60", "timeout": 0.5})
    assert (result.result, result.reason) == (Result.TIMEOUT, Reason.TIMEOUT)
    assert "longer than its 0.5 s" in result.sentence


def test_a_command_that_says_too_much_is_stopped(rebased: Scene) -> None:
    result = rebased.do("run", spec={"run": "yes | head -c 80000000"})
    assert (result.result, result.reason) == (Result.FAILURE, Reason.OUTPUT_LIMIT)
    assert "more output" in result.sentence


def test_a_cancel_stops_the_command_and_gives_no_advice_on_limits(rebased: Scene) -> None:
    rebased.cancelled = lambda: True
    result = rebased.do("run", spec={"run": "sleep 60"})
    assert (result.result, result.reason, result.next_action) == (
        Result.CANCELLATION,
        Reason.CANCELLED,
        "",
    )


def test_a_long_script_is_quoted_short(rebased: Scene) -> None:
    result = rebased.do("run", spec={"run": "true\n" * 200})
    assert result.ok
    assert len(result.sentence) < 200
    assert "…" in result.sentence


def test_only_the_pipelines_environment_is_there(rebased: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTS_SECRET", "canary-of-the-host")
    rebased.pipeline = replace(rebased.pipeline, env={"OF_ALL": "1", "BOTH": "pipeline"})
    rebased.do("run", spec={"run": "env | sort", "env": {"OF_STAGE": "2", "BOTH": "stage"}})
    lines = set(rebased.log.splitlines())
    assert {"OF_ALL=1", "OF_STAGE=2", "BOTH=stage"} <= lines
    assert "canary" not in rebased.log


def test_the_values_of_a_matrix_reach_each_of_its_stages(rebased: Scene) -> None:
    stage = StageSpec(id="test", uses="test", run='echo "on $MATRIX_VERSION"', matrix={"version": ("3", "4")})
    for cell in make_plan(Pipeline(name="m", version=1, stages=(stage,))).stages:
        rebased.do("test", spec={"id": cell.id, "run": cell.run, "env": cell.env})
    assert [result.stage for result in rebased.done[-2:]] == ["test (version=3)", "test (version=4)"]
    assert "on 3\n" in rebased.log
    assert "on 4\n" in rebased.log


def test_the_tree_has_no_git_folder_and_is_gone_afterwards(rebased: Scene) -> None:
    result = rebased.do("run", spec={"run": "ls -a; touch written; test ! -e .git"})
    assert result.ok
    assert ".git" not in rebased.log.split()
    assert list((rebased.folder / "workspace").iterdir()) == []
    rebased.do("run", spec={"run": "test ! -e written"})
    assert rebased.done[-1].ok


def test_a_link_that_leaves_the_tree_is_a_file_and_is_said_to_be(scene: Scene, walls: Sandbox) -> None:
    """Its name is in no encoding: that must not end the stage."""
    scene.sandbox = walls
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    scene.branches({"b.txt": "1\n2\n4\n"}, {name: ("120000", "/etc/passwd")})
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("run", spec={"run": "cat caf*; echo"})
    assert result.ok, result.sentence
    assert "is a link that leaves the tree; it is a plain file here" in scene.log
    assert "/etc/passwd\n" in scene.log
    assert "root:" not in scene.log


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exit 1", Reason.BASE_ALREADY_RED),
        ("grep -q c c.txt", Reason.TESTS_FAILED),
    ],
)
def test_the_target_is_blamed_only_where_it_fails_too(rebased: Scene, command: str, reason: Reason) -> None:
    result = rebased.do("test", spec={"run": command, "compare_base": True})
    assert (result.result, result.reason) == (Result.FAILURE, reason)
    assert "the same command on main itself" in rebased.log
    assert ("on main itself too" in result.sentence) is (reason is Reason.BASE_ALREADY_RED)


def test_a_limit_that_stops_the_comparison_blames_nobody(rebased: Scene) -> None:
    """The branch fails at once, the target is slow: nothing is known of it."""
    command = "if grep -q C c.txt; then exit 1; else sleep 60; fi"
    result = rebased.do("test", spec={"run": command, "compare_base": True, "timeout": 1.0})
    assert result.reason is Reason.TESTS_FAILED


def test_a_timeout_is_not_compared_with_the_target(rebased: Scene) -> None:
    rebased.do("test", spec={"run": "sleep 60", "compare_base": True, "timeout": 0.3})
    assert "on main itself" not in rebased.log


def test_half_a_branch_is_not_tested(scene: Scene, walls: Sandbox) -> None:
    scene.sandbox = walls
    scene.branches({"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("test", spec={"run": "true"})
    assert result.reason is Reason.UNRESOLVED_CONFLICTS
    assert scene.work.tested_tree == ""


def test_a_last_command_is_skipped_where_nothing_was_cloned(scene: Scene, walls: Sandbox) -> None:
    scene.sandbox = walls
    result = scene.do("run", spec={"run": "true"})
    assert (result.result, result.reason) == (Result.SKIP, Reason.SKIPPED)


def test_a_pipeline_without_commands_never_asks_for_a_sandbox(scene: Scene) -> None:
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    for stage in ("clone", "rebase", "validate"):
        assert scene.do(stage).ok
    assert scene.do("run", spec={"run": "true"}).reason is Reason.SANDBOX_UNAVAILABLE
