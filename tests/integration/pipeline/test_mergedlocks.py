"""Lockfiles that git merges as text, written anew all the same: with stand-ins for tools, and every way back to git's text."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from flowforge.core.decision import AskedHunk, GivenText, Told, fingerprint
from flowforge.core.errors import Reason, Temporary
from flowforge.core.pipeline import Network, Pipeline, StageResult, StageSpec
from flowforge.git.replay import replay
from flowforge.pipeline.context import Tools, Work
from flowforge.pipeline.mergedlocks import watch_of
from flowforge.resolve.counts import Action
from flowforge.resolve.policy import Policy
from flowforge.sandbox.contract import Sandbox
from tests.gitrepo import Content
from tests.integration.pipeline.lockscene import LISTS, as_text
from tests.integration.pipeline.scene import COMMITTER, Scene

LOCK, MANIFEST = "package-lock.json", "package.json"
OLD = ("k", "l", "m", "n", "o", "p")
Files = dict[str, Content]


def lock(*names: str, **raised: str) -> str:
    """Packages in this order; `m="2.0.0"` is another version than 1.0.0."""
    rows = {f"node_modules/{name}": {"version": raised.get(name, "1.0.0")} for name in names}
    return json.dumps({"lockfileVersion": 3, "packages": rows}, indent=1) + "\n"


def manifest(*names: str) -> str:
    return json.dumps({"name": "app", "dependencies": dict.fromkeys(names, "*")}, indent=1) + "\n"


def side(*names: str, folder: str = "") -> Files:
    return {f"{folder}{LOCK}": lock(*names), f"{folder}{MANIFEST}": manifest(*names)}


START, UPSTREAM, COMMIT = side(*OLD), side("a", *OLD), side(*OLD, "z")
MERGED = lock("a", *OLD, "z")  # as git does it
ANEW = lock("z", "a", *OLD)  # as the stand-in does


def writes(text: str) -> str:
    return f"cat > {LOCK} <<'END'\n{text}END\n"


@pytest.fixture
def walled(scene: Scene, walls: Sandbox) -> Scene:
    scene.sandbox = walls
    return scene


def begun(scene: Scene, command: str, path: str = LOCK, **more: object) -> StageResult:
    """Clone and rebase, in a pipeline that goes on with a resolve stage; what rebase said."""
    options = {"rungs": ["lockfile", "document"], "regenerate": {path: command}, **more}
    stages = [StageSpec(id=uses, uses=uses) for uses in ("clone", "rebase")]
    resolve = StageSpec(id="resolve", uses="resolve", options=options)
    scene.pipeline = Pipeline(name="test", version=1, stages=(*stages, resolve))
    scene.do("clone")
    return scene.do("rebase")


def resolved(scene: Scene, **spec: Any) -> StageResult:
    return scene.do("resolve", spec=spec, **dict(scene.pipeline.stages[2].options))


def written(scene: Scene, command: str, path: str = LOCK, **more: object) -> StageResult:
    begun(scene, command, path, **more)
    return resolved(scene)


def said(why: str, path: str = LOCK) -> str:
    return f"git merged {path!r} as text, and it was not written anew: {why}"


def test_a_lockfile_that_git_merged_is_written_from_upstreams_and_the_merged_manifest(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    rebased = begun(walled, f"cat {LOCK} {MANIFEST}; {writes(ANEW)}")
    assert rebased.ok
    assert "both changed package-lock.json, which is to be written anew" in rebased.sentence
    result = resolved(walled)
    assert result.ok, result.sentence
    assert walled.file(LOCK) == ANEW
    assert walled.log.count(lock("a", *OLD)) == 1
    assert json.loads(walled.file(MANIFEST))["dependencies"] == dict.fromkeys(("a", *OLD, "z"), "*")
    (done,) = walled.work.resolved
    assert (done.path, done.rungs, done.whole) == (LOCK, ("lockfile",), "text")
    assert (walled.work.unconfirmed, walled.work.notes, walled.work.pending) == ((LOCK,), (), ())
    assert result.sentence == f"resolved {LOCK} by lockfile; tests must confirm {LOCK}"
    (step,) = walled.work.steps
    assert step["disposition"] == "rewritten"
    assert done.why[0].endswith(
        "each as one of the sides has it; git had merged it as text, without a conflict"
    )


def test_what_the_tool_writes_just_as_git_merged_it_needs_nobodys_word(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    result = written(walled, writes(MERGED))
    assert result.ok, result.sentence
    assert (walled.work.resolved, walled.work.unconfirmed) == ((), ())
    assert walled.work.head == as_text(walled)
    note = f"git merged {LOCK!r} as text, and the tool that writes it wrote the same from the merged manifest"
    assert walled.work.notes == (note,)
    assert result.sentence == f"left as git merged it: {LOCK}"
    assert walled.data("resolved") == []


FAILS = [
    ("echo 'npm error ENOTCACHED' >&2; exit 1", "ended with exit status 1: npm error ENOTCACHED"),
    ("no-such-tool lock", "'no-such-tool' is not installed where commands run"),
    ("kill -9 $$", "ended with exit status 137"),
    (f": > {LOCK}", "what : wrote: 'package-lock.json' does not parse"),
    (f"rm {LOCK}", "left no file at 'package-lock.json'"),
    ("true", "lacks z, which the merged manifest names"),
    (writes(lock("a", "z")), "lacks k, l, m and 3 more, which the merged manifest names"),
]


@pytest.mark.parametrize(("command", "why"), FAILS)
def test_where_the_tool_does_not_serve_gits_text_stands_and_it_is_told(
    walled: Scene, command: str, why: str
) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    result = written(walled, command)
    assert result.ok, result.sentence
    assert walled.file(LOCK) == MERGED
    assert walled.work.head == as_text(walled)
    (note,) = walled.work.notes
    assert note.startswith(said(""))
    assert why in note
    assert result.sentence == f"left as git merged it: {LOCK}"
    assert note in walled.log
    assert "failed:" not in note
    assert (walled.work.resolved, walled.work.unconfirmed, walled.data("resolved")) == ((), (), [])
    assert list((walled.folder / "workspace").iterdir()) == []


def test_a_tool_that_hangs_is_stopped_and_not_tried_again_for_a_later_commit(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, side(*OLD, "y", "z"), side(*OLD, "x", "y", "z"), base=START)
    begun(walled, "sleep 60")
    result = resolved(walled, timeout=1.0)
    assert result.ok, result.sentence
    assert walled.log.count("--- sleep 60") == 1
    assert walled.work.notes == (said("'sleep 60' ran longer than its 1 s and was stopped"),)
    assert walled.work.head == as_text(walled)


def test_a_tool_that_is_missing_is_looked_for_once(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, side(*OLD, "y", "z"), base=START)
    assert written(walled, "no-such-tool").ok
    assert walled.log.count("--- no-such-tool") == 1
    assert walled.log.count("is not installed where commands run") == 2  # each commit is told of
    assert len(walled.work.notes) == 1


def test_a_tool_that_failed_for_one_commit_is_asked_for_the_next(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, side(*OLD, "y", "z"), base=START)
    last = lock("y", "z", "a", *OLD)
    assert written(walled, f"grep -q '\"y\"' {MANIFEST} || exit 3; {writes(last)}").ok
    assert walled.file(LOCK) == last
    assert [step["disposition"] for step in walled.work.steps] == ["replayed", "rewritten"]
    (note,) = walled.work.notes
    assert "ended with exit status 3" in note


def test_a_cancel_ends_the_tool_and_the_stage(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    walled.cancelled = lambda: "begun" in walled.log
    assert written(walled, "echo begun; sleep 60").reason is Reason.CANCELLED


def test_an_outage_lets_the_job_wait_instead_of_passing_the_lockfile_by(
    walled: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    begun(walled, "true")

    def out(*_given: object) -> None:
        raise Temporary(Reason.SERVICE_UNAVAILABLE, "no place for a command now")

    monkeypatch.setattr(type(walled.sandbox), "run", out)
    result = resolved(walled)
    assert (result.reason, result.delay > 0) == (Reason.SERVICE_UNAVAILABLE, True)
    assert walled.work.pending


def test_a_network_that_is_not_granted_is_told(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    begun(walled, writes(ANEW))
    assert resolved(walled, network=Network.FULL).ok
    (note,) = walled.work.notes
    assert "does not grant" in note


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"never": [LOCK]}, "the pipeline leaves it to a person (`never`)"),
        ({"protect": [LOCK]}, "the pipeline protects it (`protect`)"),
    ],
)
def test_a_lockfile_that_the_pipeline_keeps_for_a_person_is_not_written(
    walled: Scene, more: Mapping[str, object], why: str
) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    assert written(walled, "echo ran", **more).ok
    assert "ran\n" not in walled.log
    assert walled.work.notes == (said(why),)
    assert walled.file(LOCK) == MERGED


def test_one_that_must_be_asked_for_waits_for_a_person_once_it_is_written(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    assert written(walled, writes(ANEW), ask=[LOCK]).ok
    assert walled.work.approve == (LOCK,)


def test_one_that_must_be_asked_for_and_stays_as_git_merged_it_is_nobodys_question(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    assert written(walled, writes(MERGED), ask=[LOCK]).ok
    assert walled.work.approve == ()


@pytest.mark.parametrize(("action", "unconfirmed"), [(Action.ACT, ()), (Action.CONFIRM, (LOCK,))])
def test_a_policy_says_whether_it_must_be_confirmed(
    walled: Scene, monkeypatch: pytest.MonkeyPatch, action: Action, unconfirmed: tuple[str, ...]
) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    with_policy(monkeypatch, action)
    assert written(walled, writes(ANEW)).ok
    assert (walled.file(LOCK), walled.work.unconfirmed) == (ANEW, unconfirmed)


def test_a_rung_that_is_switched_off_leaves_gits_text(walled: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    with_policy(monkeypatch, Action.OFF)
    assert written(walled, writes(ANEW)).ok
    assert walled.file(LOCK) == MERGED
    assert walled.work.notes == (
        said("an answer by packages of the sides was found but is switched off here"),
    )


def with_policy(monkeypatch: pytest.MonkeyPatch, action: Action) -> None:
    plain = Scene.tools.fget
    assert plain is not None

    def tools(scene: Scene) -> Tools:
        made: Tools = plain(scene)
        return replace(made, policy=Policy(actions={"lockfile": action}))

    monkeypatch.setattr(Scene, "tools", property(tools))


def elsewhere(rungs: list[str], when: str, *between: str) -> tuple[StageSpec, ...]:
    options: dict[str, object] = {"rungs": rungs, "regenerate": {LOCK: "echo ran"}}
    names = ("clone", "rebase", *between)
    resolve = StageSpec(id="resolve", uses="resolve", options=options, when=when)
    return (*(StageSpec(id=uses, uses=uses) for uses in names), resolve)


@pytest.mark.parametrize(
    "stages",
    [
        elsewhere(["mechanical", "document"], ""),
        elsewhere(["lockfile"], "branch == 'other'"),
        elsewhere(["lockfile"], "", "validate"),
        elsewhere(["lockfile"], "")[:2],
    ],
    ids=["without the rung", "under a condition", "with a stage between", "without the stage"],
)
def test_a_pipeline_that_would_not_go_on_with_the_rung_stops_for_nothing(
    scene: Scene, stages: tuple[StageSpec, ...]
) -> None:
    scene.branches(UPSTREAM, COMMIT, base=START)
    scene.pipeline = Pipeline(name="test", version=1, stages=stages)
    scene.do("clone")
    assert scene.do("rebase").sentence == "replayed 1 commit onto main"
    assert (scene.work.pending, scene.work.notes, scene.file(LOCK)) == ((), (), MERGED)


def test_no_tool_is_run_for_a_file_that_none_is_known_for(walled: Scene) -> None:
    text = "".join(f"{number}\n" for number in range(20))
    base: Files = {"list.txt": text, "x.lock": text}
    walled.branches(dict.fromkeys(base, f"a\n{text}"), dict.fromkeys(base, f"{text}z\n"), base=base)
    assert begun(walled, "echo ran").sentence == "replayed 1 commit onto main"
    assert walled.work.pending == ()


def test_a_list_that_was_compiled_with_options_of_its_own_is_told_of(walled: Scene) -> None:
    def compiled(*pins: str) -> str:
        head = "# This file is autogenerated by pip-compile\n#    pip-compile --index-url=x r.in\n"
        return head + "".join(f"{pin}==1.0\n" for pin in pins)

    walled.branches(
        {"r.txt": compiled("a", *OLD)}, {"r.txt": compiled(*OLD, "z")}, base={"r.txt": compiled(*OLD)}
    )
    assert written(walled, "echo ran").ok
    (note,) = walled.work.notes
    assert "compiled with options of its own" in note
    assert walled.file("r.txt") == compiled("a", *OLD, "z")


def test_each_commit_that_touches_it_is_written_anew_and_those_between_are_replayed(walled: Scene) -> None:
    """The stand-in writes all that the manifest names, as npm lays it out, with a newer `m`."""
    walled.branches(UPSTREAM, COMMIT, {"readme": "x\n"}, side(*OLD, "y", "z"), base=START)
    result = written(walled, LISTS)
    assert result.ok, result.sentence
    dispositions = [step["disposition"] for step in walled.work.steps]
    assert dispositions == ["rewritten", "replayed", "rewritten"]
    assert [one.commit for one in walled.work.resolved] == [
        walled.work.steps[0]["original"],
        walled.work.steps[2]["original"],
    ]
    assert walled.file(LOCK) == lock("a", *OLD, "y", "z", m="1.0.9")
    assert walled.file(LOCK, f"{walled.work.head}~2") == lock("a", *OLD, "z", m="1.0.8")


def test_what_one_commit_left_to_be_confirmed_is_still_to_be_where_the_tool_agrees_with_git_later(
    walled: Scene,
) -> None:
    walled.branches(UPSTREAM, COMMIT, side(*OLD, "y", "z"), base=START)
    assert written(walled, LISTS.replace("1.0.$#", "1.0.1")).ok
    assert [step["disposition"] for step in walled.work.steps] == ["rewritten", "replayed"]
    assert walled.file(LOCK) == lock("a", *OLD, "y", "z", m="1.0.1")
    assert walled.work.unconfirmed == (LOCK,)


def test_a_commit_of_the_lockfile_alone_keeps_what_it_raised(walled: Scene) -> None:
    """The stand-in keeps what is locked; from upstream's lockfile the raise would be lost, so it begins with the commit's."""
    add = 'sed -i \'s#"packages": {#&"node_modules/a": {"version": "1.0.0"},#\''
    walled.branches(UPSTREAM, {LOCK: lock(*OLD, p="2.0.0")}, base=START)
    result = written(walled, f"grep -q node_modules/a {LOCK} || {add} {LOCK}")
    assert result.ok, result.sentence
    assert json.loads(walled.file(LOCK)) == json.loads(lock("a", *OLD, p="2.0.0"))
    assert "and the commit's lockfile" in walled.work.resolved[0].why[0]


def test_a_commit_of_which_the_tool_leaves_nothing_is_dropped(walled: Scene) -> None:
    """It only laid the file out, and the tool does not."""
    up, laid_out = lock(*OLD, k="3.0.0", p="3.0.0"), lock(*OLD).replace("\n", "\n\n", 1)
    walled.branches({LOCK: up}, {LOCK: laid_out}, base=START)
    result = written(walled, "true")
    assert result.ok, result.sentence
    assert walled.file(LOCK) == up
    (step,) = walled.work.steps
    assert (step["disposition"], step["new"]) == ("dropped_empty", "")


@pytest.mark.parametrize("mover", ["upstream", "the commit"])
def test_in_a_folder_that_one_side_moved_it_is_written_where_it_stands_now(walled: Scene, mover: str) -> None:
    def moved(names: tuple[str, ...]) -> dict[str, Content | None]:
        gone: dict[str, Content | None] = dict.fromkeys(side(*OLD, folder="old/"))
        return {**gone, "old/readme": None, "new/readme": "r\n", **side(*names, folder="new/")}

    base: Files = {**side(*OLD, folder="old/"), "old/readme": "r\n"}
    main: Mapping[str, Content | None] = side("a", *OLD, folder="old/")
    topic: Mapping[str, Content | None] = side(*OLD, "z", folder="old/")
    if mover == "upstream":
        main = moved(("a", *OLD))
    else:
        topic = moved((*OLD, "z"))
    walled.branches(main, topic, base=base)
    result = written(walled, f"pwd; {writes(ANEW)}", path="*-lock.json")
    assert result.ok, result.sentence
    assert walled.file(f"new/{LOCK}") == ANEW
    assert "/workspace/new\n" in walled.log
    names = walled.mirror.git.run("ls-tree", "-r", "--name-only", walled.work.head).decode().split()
    assert sorted(names) == [f"new/{LOCK}", f"new/{MANIFEST}", "new/readme"]


def test_a_lockfile_in_conflict_whose_folder_was_moved_is_written_too(walled: Scene) -> None:
    base: Files = side(*OLD, folder="old/")
    gone: dict[str, Content | None] = dict.fromkeys(base)
    main = {**gone, **side(*OLD, "y", folder="new/")}
    walled.branches(main, side(*OLD, "z", folder="old/"), base=base)
    both = lock(*OLD, "y", "z")
    result = written(walled, writes(both), path="*-lock.json")
    assert result.ok, result.outputs
    assert walled.file(f"new/{LOCK}") == both


def test_it_waits_for_a_manifest_in_conflict_and_is_made_from_its_answer(walled: Scene) -> None:
    main = {LOCK: lock("a", *OLD), MANIFEST: manifest("a", *OLD, "y")}
    walled.branches(main, {LOCK: lock(*OLD, "z"), MANIFEST: manifest(*OLD, "z")}, base=START)
    begun(walled, f"cat {MANIFEST}; {writes(ANEW)}")
    stop = replay(
        walled.mirror, walled.work.pending, walled.work.head, COMMITTER, watch=watch_of(walled.pipeline)
    )
    assert stop.stopped is not None
    assert [one.path for one in stop.stopped.conflicts] == [MANIFEST]
    result = resolved(walled)
    assert result.ok, result.outputs
    assert {one.path for one in walled.work.resolved} == {LOCK, MANIFEST}
    assert json.loads(walled.file(MANIFEST))["dependencies"] == dict.fromkeys(("a", *OLD, "y", "z"), "*")
    assert walled.file(LOCK) == ANEW


def test_while_a_person_must_answer_something_else_no_tool_is_run(walled: Scene) -> None:
    base: Files = {**START, "b.txt": "b\n"}
    walled.branches({**UPSTREAM, "b.txt": "up\n"}, {**COMMIT, "b.txt": "own\n"}, base=base)
    result = written(walled, "echo ran")
    assert result.reason is Reason.UNRESOLVED_CONFLICTS
    assert [row["path"] for row in rows(result)] == ["b.txt"]
    assert ("ran\n" in walled.log, walled.work.notes) == (False, ())


def rows(result: StageResult) -> list[dict[str, object]]:
    found: Any = result.outputs["unresolved"]
    return list(found)


def test_what_a_person_wrote_for_it_or_saw_of_it_stands(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    begun(walled, "echo ran")
    stop = replay(
        walled.mirror, walled.work.pending, walled.work.head, COMMITTER, watch=watch_of(walled.pipeline)
    )
    assert stop.stopped is not None
    key = fingerprint(stop.stopped.held[0])
    seen = GivenText(
        text=ANEW.encode(), by_person=False, hunks=(AskedHunk(rung="lockfile", rule="r", why="w"),)
    )
    walled.told_by_persons = Told(texts={key: seen})
    assert resolved(walled).ok
    assert walled.file(LOCK) == ANEW
    assert [one.rungs for one in walled.work.resolved] == [("lockfile",)]
    assert "ran\n" not in walled.log


def test_a_job_goes_on_from_its_checkpoint_to_the_same_commits(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, side(*OLD, "y", "z"), base=START)
    begun(walled, writes(lock("y", "z", "a", *OLD)))
    checkpoint = walled.work
    assert resolved(walled).ok
    once = walled.work
    walled.work = Work.from_json(json.loads(json.dumps(checkpoint.to_json())))
    assert resolved(walled).ok
    assert (walled.work.head, walled.work.steps) == (once.head, once.steps)


def test_what_is_rebased_already_is_not_written_again(walled: Scene) -> None:
    walled.branches(UPSTREAM, COMMIT, base=START)
    assert written(walled, writes(ANEW)).ok
    head = walled.work.head
    again = replay(walled.mirror, (head,), walled.work.upstream, COMMITTER, watch=watch_of(walled.pipeline))
    assert (again.head, again.stopped) == (head, None)


def test_the_validator_looks_at_what_stays_as_git_merged_it(walled: Scene) -> None:
    """Upstream took out what the package that the commit added needs."""
    needy = lock(*OLD, "z").replace(
        '"node_modules/z": {\n', '"node_modules/z": {\n   "dependencies": {"k": "*"},\n'
    )
    walled.branches(side(*OLD[1:]), {LOCK: needy, MANIFEST: manifest(*OLD, "z")}, base=START)
    assert written(walled, "exit 1").ok
    assert walled.work.notes
    result = walled.do("validate")
    assert result.reason is Reason.VALIDATION_FAILED
    assert "z 1.0.0 needs k, which is not here" in result.sentence


def test_what_the_tool_wrote_in_its_place_passes(walled: Scene) -> None:
    needy = lock(*OLD, "z").replace(
        '"node_modules/z": {\n', '"node_modules/z": {\n   "dependencies": {"k": "*"},\n'
    )
    walled.branches(side(*OLD[1:]), {LOCK: needy, MANIFEST: manifest(*OLD, "z")}, base=START)
    assert written(walled, writes(needy)).ok
    assert walled.file(LOCK) == needy
    result = walled.do("validate")
    assert result.ok, result.sentence
