"""The rung lockfile on real conflicts, with stand-ins for tools: what is taken, and every way in which it goes wrong."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import Network, StageResult
from flowforge.sandbox.contract import Sandbox
from tests.gitrepo import Content
from tests.integration.pipeline.scene import Scene

LOCK, MANIFEST = "package-lock.json", "package.json"


def lock(**packages: str) -> str:
    rows = {f"node_modules/{name}": {"version": version} for name, version in packages.items()}
    return json.dumps({"lockfileVersion": 3, "packages": rows}, indent=1) + "\n"


def manifest(*names: str) -> str:
    return json.dumps({"name": "app", "dependencies": dict.fromkeys(names, "*")}, indent=1) + "\n"


def side(**packages: str) -> dict[str, Content | None]:
    return {LOCK: lock(**packages), MANIFEST: manifest(*packages)}


START: dict[str, Content] = {LOCK: lock(a="1.0.0"), MANIFEST: manifest("a")}
UPSTREAM, COMMIT = side(a="1.0.0", b="1.0.0"), side(a="1.0.0", c="1.0.0")
BOTH = lock(a="1.0.0", b="1.0.0", c="1.0.0")
ADD_B = 'sed -i \'s#"packages": {#&"node_modules/b": {"version": "1.0.0"},#\''
PRINT_BOTH = f"cat > {LOCK} <<'END'\n{BOTH}END\n"


def conflicting(
    scene: Scene,
    main: Mapping[str, Content | None] = UPSTREAM,
    topic: Mapping[str, Content | None] = COMMIT,
    base: Mapping[str, Content] = START,
) -> None:
    """Both sides added a package; the manifest's conflict is answered by the rung document."""
    scene.branches(main, topic, base=base)
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    assert scene.work.pending


@pytest.fixture
def walled(scene: Scene, walls: Sandbox) -> Scene:
    scene.sandbox = walls
    return scene


def regenerate(scene: Scene, command: str, path: str = LOCK, **more: object) -> StageResult:
    options = {"rungs": ["lockfile", "document"], "regenerate": {path: command}, **more}
    return scene.do("resolve", **options)


def why(result: StageResult, path: str = LOCK) -> str:
    rows: Any = result.outputs["unresolved"]
    (row,) = [row for row in rows if row["path"] == path]
    return str(row["tried"]["lockfile"])


def test_the_tool_works_on_upstreams_lockfile_and_the_merged_manifest(walled: Scene) -> None:
    conflicting(walled)
    said = f"cp {LOCK} seen.lock; cp {MANIFEST} seen.json; cat seen.lock seen.json; {PRINT_BOTH}"
    result = regenerate(walled, said)
    assert result.ok, result.sentence
    assert walled.file(LOCK) == BOTH
    assert lock(a="1.0.0", b="1.0.0") in walled.log
    assert json.loads(walled.file(MANIFEST))["dependencies"] == {"a": "*", "b": "*", "c": "*"}
    resolved = {one.path: one for one in walled.work.resolved}
    assert resolved[LOCK].rungs == ("lockfile",)
    assert resolved[LOCK].why == (
        "cp wrote it anew from the merged manifest: 3 packages, each as one of the sides has it",
    )


def test_only_the_lockfile_is_taken_of_all_that_the_tool_wrote(walled: Scene) -> None:
    conflicting(walled, base={**START, "a.py": "1\n"})
    result = regenerate(
        walled, f"echo 2 > a.py; echo x > new; rm -f {MANIFEST}; mkdir node_modules; {PRINT_BOTH}"
    )
    assert result.ok, result.sentence
    assert walled.file("a.py") == "1\n"
    names = walled.mirror.git.run("ls-tree", "-r", "--name-only", walled.work.head).decode().split()
    assert sorted(names) == sorted(["a.py", LOCK, MANIFEST])
    assert LOCK in walled.work.unconfirmed  # it was made from a manifest that is not the merged one


def test_what_no_side_had_is_a_proposal(walled: Scene) -> None:
    conflicting(walled)
    more = lock(a="1.0.0", b="1.0.0", c="1.0.0", d="1.0.0")
    assert regenerate(walled, f"printf '%s' '{more}' > {LOCK}").ok
    assert LOCK in walled.work.unconfirmed


def test_it_runs_in_the_folder_of_the_lockfile(walled: Scene) -> None:
    def below(files: Mapping[str, Content | None]) -> dict[str, Content | None]:
        return {f"web app/{path}": text for path, text in files.items()}

    conflicting(
        walled, below(UPSTREAM), below(COMMIT), {f"web app/{path}": text for path, text in START.items()}
    )
    result = regenerate(walled, f"pwd; {PRINT_BOTH}")
    assert result.ok, result.sentence
    assert walled.file(f"web app/{LOCK}") == BOTH
    assert "/workspace/web app\n" in walled.log


FAILS = [
    ("echo 'fatal error: no such index' >&2; exit 3", "exit status 3: fatal error: no such index"),
    ("no-such-tool lock", "'no-such-tool' is not installed where commands run"),
    ("kill -9 $$", "exit status 137"),
    (f": > {LOCK}", "does not parse"),
    (f"echo '{{}}' > {LOCK}", "holds neither packages nor dependencies"),
    (f"echo '<<<<<<< x' > {LOCK}", "holds conflict markers"),
    (f"rm {LOCK}", "left no file at 'package-lock.json'"),
    (f"ln -sf /etc/passwd {LOCK}", "left no file"),
    (f"rm {LOCK}; mkfifo {LOCK}", "left no file"),
    (f"rm {LOCK}; mkdir {LOCK}", "left no file"),
    ("true", "lacks c, which the merged manifest names"),
    (f'echo \'{{"lockfileVersion": 3, "packages": {{}}}}\' > {LOCK}', "holds no package"),
    (f"head -c 40000000 /dev/zero > {LOCK}", "more than 33554432 bytes"),
    ("head -c 20000000 /dev/zero", "wrote more output than is kept"),
]


@pytest.mark.parametrize(("command", "sentence"), FAILS)
def test_what_goes_wrong_is_told_and_handed_to_a_person(walled: Scene, command: str, sentence: str) -> None:
    conflicting(walled)
    before = walled.work.head
    result = regenerate(walled, command)
    assert (result.result, result.reason) == (Result.FAILURE, Reason.UNRESOLVED_CONFLICTS)
    assert sentence in why(result)
    assert "'package-lock.json' is written by a tool, and it could not be written anew: " in result.sentence
    assert "failed:" not in result.sentence
    assert walled.work.head == before
    assert list((walled.folder / "workspace").iterdir()) == []


def test_a_tool_that_hangs_is_stopped_with_the_stage(walled: Scene) -> None:
    conflicting(walled)
    options = {"rungs": ["lockfile", "document"], "regenerate": {LOCK: "sleep 60"}}
    result = walled.do("resolve", spec={"timeout": 1.0}, **options)
    assert "ran longer than its 1 s" in why(result)


def test_a_cancel_ends_the_tool_and_the_stage(walled: Scene) -> None:
    conflicting(walled)
    walled.cancelled = lambda: "begun" in walled.log
    result = regenerate(walled, "echo begun; sleep 60")
    assert result.reason is Reason.CANCELLED


def test_a_folder_that_the_tool_turned_into_a_link_is_not_followed(walled: Scene, tmp_path: Path) -> None:
    base: dict[str, Content] = {f"web/{path}": text for path, text in START.items()}
    up, commit = ({f"web/{path}": text for path, text in files.items()} for files in (UPSTREAM, COMMIT))
    conflicting(walled, up, commit, base)
    (tmp_path / LOCK).write_text(BOTH)
    result = regenerate(walled, f"cd .. && rm -r web && ln -s {tmp_path} web")
    assert "left no file" in why(result, f"web/{LOCK}")


def test_a_lockfile_whose_manifest_has_no_answer_waits_for_it(walled: Scene) -> None:
    one = {LOCK: lock(a="2.0.0"), MANIFEST: '{"dependencies": {"a": "2"}}\n'}
    other = {LOCK: lock(a="3.0.0"), MANIFEST: '{"dependencies": {"a": "3"}}\n'}
    conflicting(walled, one, other)
    result = regenerate(walled, "echo ran")
    assert "from which 'package-lock.json' is made, has no answer yet" in why(result)
    assert "ran\n" not in walled.log


def test_a_lockfile_without_its_manifest_is_a_persons(walled: Scene) -> None:
    base: dict[str, Content] = {LOCK: lock(a="1.0.0"), "x": "x"}
    conflicting(walled, {LOCK: lock(a="1.0.0", b="1.0.0")}, {LOCK: lock(a="1.0.0", c="1.0.0")}, base)
    assert "there is no package.json" in why(regenerate(walled, "echo ran"))


def test_without_the_rung_a_lockfile_is_protected_as_ever(walled: Scene) -> None:
    conflicting(walled)
    result = walled.do("resolve", rungs=["mechanical", "document", "structural"])
    assert "protected path" in result.sentence
    assert "ran" not in walled.log


@pytest.mark.parametrize("more", [{"never": [LOCK]}, {"protect": [LOCK]}])
def test_a_lockfile_that_the_pipeline_keeps_for_a_person_is_not_written(
    walled: Scene, more: Mapping[str, object]
) -> None:
    conflicting(walled)
    result = regenerate(walled, "echo ran", **more)
    assert result.reason is Reason.UNRESOLVED_CONFLICTS
    assert "ran\n" not in walled.log


def test_no_other_rung_is_asked_about_a_lockfile_even_where_nothing_is_protected(walled: Scene) -> None:
    conflicting(walled)
    result = regenerate(walled, "exit 1", protect=[])
    rows: Any = result.outputs["unresolved"]
    (row,) = rows
    assert set(row["tried"]) == {"lockfile"}


def test_a_lockfile_that_attributes_call_binary_is_written_anew_too(walled: Scene) -> None:
    base: dict[str, Content] = {**START, ".gitattributes": f"{LOCK} -merge\n"}
    conflicting(walled, base=base)
    result = regenerate(walled, PRINT_BOTH)
    assert result.ok, result.sentence
    assert walled.file(LOCK) == BOTH


def test_two_lockfiles_of_one_commit_are_each_written_from_the_same_merged_tree(walled: Scene) -> None:
    def two(files: Mapping[str, Content | None]) -> dict[str, Content]:
        return {
            **{f"x/{p}": t for p, t in files.items() if t},
            **{f"y/{p}": t for p, t in files.items() if t},
        }

    conflicting(walled, two(UPSTREAM), two(COMMIT), two(START))
    result = regenerate(walled, f"grep -c '<<<<' ../*/{LOCK}; {PRINT_BOTH}")
    assert result.ok, result.sentence
    assert walled.file(f"x/{LOCK}") == walled.file(f"y/{LOCK}") == BOTH
    assert f"../x/{LOCK}:1" not in walled.log
    assert f"../y/{LOCK}:1" not in walled.log


def test_the_tool_has_no_network_and_no_variable_takes_its_reins_off(walled: Scene) -> None:
    conflicting(walled)
    walled.pipeline = replace(walled.pipeline, env={"npm_config_ignore_scripts": "false", "OWN": "yes"})
    command = (
        'echo "scripts=$npm_config_ignore_scripts offline=$npm_config_offline own=$OWN"; '
        f"{sys.executable} -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 2)' "
        f"|| python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 2)' || echo cut; {PRINT_BOTH}"
    )
    assert regenerate(walled, command).ok
    assert "scripts=true offline=true own=yes" in walled.log
    assert "cut\n" in walled.log


def test_a_network_that_the_sandbox_does_not_grant_is_told(walled: Scene) -> None:
    conflicting(walled)
    options = {"rungs": ["lockfile", "document"], "regenerate": {LOCK: PRINT_BOTH}}
    result = walled.do("resolve", spec={"network": Network.FULL}, **options)
    assert "does not grant" in why(result)


def test_what_the_commit_raised_in_its_lockfile_alone_is_kept_by_beginning_with_that(walled: Scene) -> None:
    """The stand-in adds `b` to whatever lockfile it finds, as a tool that keeps what is locked does."""
    bump = {LOCK: lock(a="1.5.0")}
    conflicting(walled, UPSTREAM, bump)
    result = regenerate(walled, f"grep -q node_modules/b {LOCK} || {ADD_B} {LOCK}")
    assert result.ok, result.outputs
    assert json.loads(walled.file(LOCK)) == json.loads(lock(b="1.0.0", a="1.5.0"))
    assert walled.log.count("--- ") == 2
    (done,) = [one for one in walled.work.resolved if one.path == LOCK]
    assert "from the merged manifest and the commit's lockfile" in done.why[0]


def test_a_second_commit_begins_with_what_the_first_was_given(walled: Scene) -> None:
    third = side(a="1.0.0", c="1.0.0", d="1.0.0")
    walled.branches(UPSTREAM, COMMIT, third, base=START)
    walled.with_resolve()
    walled.do("clone")
    walled.do("rebase")
    all_four = lock(a="1.0.0", b="1.0.0", c="1.0.0", d="1.0.0")
    command = f"if grep -q '\"d\"' {MANIFEST}; then printf '%s' '{all_four}' > {LOCK}; else {PRINT_BOTH}fi"
    result = regenerate(walled, command)
    assert result.ok, result.sentence
    assert walled.file(LOCK) == all_four
    assert walled.work.pending == ()
