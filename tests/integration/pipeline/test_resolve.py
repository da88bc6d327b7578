"""resolve on real conflicts: one rung, several commits, and every way in which a person comes in."""

import threading
from dataclasses import replace

import pytest

from flowforge.core.conflict import Abstain, Candidate, Conflict
from flowforge.core.decision import GivenText, Told
from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import OnFailure
from flowforge.resolve.prompt import Facts
from tests.integration.pipeline.scene import Proposes, Scene, python

RUNGS = ["mechanical", "document", "structural"]


def conflicting(scene: Scene, main: dict[str, str], *topic: dict[str, str], **options: object) -> list[str]:
    """A branch that has been cloned and rebased as far as its first conflict."""
    made = scene.branches(main, *topic)
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase", **options)
    assert scene.work.pending
    return made


def test_nothing_conflicts_nothing_is_done(scene: Scene) -> None:
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("resolve")
    assert (result.result, result.reason) == (Result.SKIP, Reason.SKIPPED)


def test_both_sides_imports_come_together_and_are_explained(scene: Scene) -> None:
    (commit,) = conflicting(scene, {"a.py": python("os", "re")}, {"a.py": python("os", "sys")})
    result = scene.do("resolve", rungs=RUNGS)
    assert result.ok
    assert result.sentence.startswith("resolved a.py by structural")
    text = scene.file("a.py")
    assert "import re\n" in text
    assert "import sys\n" in text
    (resolved,) = scene.work.resolved
    assert (resolved.path, resolved.commit, resolved.rungs) == ("a.py", commit, ("structural",))
    assert resolved.why[0]
    assert resolved.ranges
    assert scene.work.pending == ()
    (told,) = scene.data("conflicts.resolved")
    assert [row["path"] for row in told["resolved"]] == ["a.py"]


def test_several_commits_in_a_row_conflict_and_each_is_answered(scene: Scene) -> None:
    made = conflicting(
        scene,
        {"a.py": python("os", "re")},
        {"a.py": python("os", "sys")},
        {"a.py": python("os", "sys"), "c.txt": "C\n"},
        {"a.py": python("os", "sys", "time"), "c.txt": "C\n"},
    )
    result = scene.do("resolve", rungs=RUNGS)
    assert result.ok, result.sentence
    assert [step["original"] for step in scene.work.steps] == made
    assert scene.work.steps[0]["disposition"] == "resolved"
    text = scene.file("a.py")
    assert all(f"import {name}\n" in text for name in ("os", "re", "sys", "time"))
    assert scene.file("c.txt") == "C\n"
    assert len(scene.data("conflicts.resolved")) >= 1


def test_a_conflict_without_a_sure_answer_goes_to_a_person_whole(scene: Scene) -> None:
    (commit,) = conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    before = scene.work.head
    result = scene.do("resolve", rungs=RUNGS)
    assert (result.result, result.reason) == (Result.FAILURE, Reason.UNRESOLVED_CONFLICTS)
    assert result.sentence.startswith(f"commit {commit[:10]}: 'b.txt' was changed on both sides")
    (row,) = result.outputs["unresolved"]  # type: ignore[misc]  # a list by contract
    assert (row["path"], row["kind"]) == ("b.txt", "content")
    assert set(RUNGS) & set(row["tried"])
    assert scene.work.head == before
    assert scene.work.pending == (commit,)
    assert scene.work.resolved == ()


def test_one_open_file_keeps_the_answer_of_its_neighbour_from_being_used(scene: Scene) -> None:
    conflicting(
        scene,
        {"a.py": python("os", "re"), "b.txt": "1\nmain\n3\n"},
        {"a.py": python("os", "sys"), "b.txt": "1\ntopic\n3\n"},
    )
    result = scene.do("resolve", rungs=RUNGS)
    assert result.reason is Reason.UNRESOLVED_CONFLICTS
    (told,) = scene.data("conflicts.resolved")
    assert [row["path"] for row in told["resolved"]] == ["a.py"]
    assert [row["path"] for row in told["unresolved"]] == ["b.txt"]
    assert scene.work.resolved == ()


def test_commits_before_the_open_one_stand_when_the_job_is_handed_back(scene: Scene) -> None:
    made = conflicting(
        scene,
        {"a.py": python("os", "re"), "b.txt": "1\nmain\n3\n"},
        {"a.py": python("os", "sys")},
        {"a.py": python("os", "sys"), "b.txt": "1\ntopic\n3\n"},
        {"a.py": python("os", "sys"), "b.txt": "1\ntopic\n3\n", "c.txt": "C\n"},
    )
    result = scene.do("resolve", rungs=RUNGS)
    assert f"commit {made[1][:10]}" in result.sentence
    assert scene.work.pending == tuple(made[1:])
    assert [step["disposition"] for step in scene.work.steps] == ["resolved"]


def test_a_path_that_is_never_touched_goes_to_a_person(scene: Scene) -> None:
    conflicting(scene, {"a.py": python("os", "re")}, {"a.py": python("os", "sys")})
    result = scene.do("resolve", rungs=RUNGS, never=["*.py"])
    assert "resolve: never" in result.sentence


def test_a_protected_path_goes_to_a_person_unless_the_pipeline_opens_it(scene: Scene) -> None:
    conflicting(scene, {"a.py": python("os", "re")}, {"a.py": python("os", "sys")})
    assert "protected" in scene.do("resolve", rungs=RUNGS, protect=["a.py"]).sentence
    assert scene.do("resolve", rungs=RUNGS, protect=[]).ok


def test_a_path_of_ask_is_answered_and_waits_for_approval(scene: Scene) -> None:
    conflicting(scene, {"a.py": python("os", "re")}, {"a.py": python("os", "sys")})
    assert scene.do("resolve", rungs=RUNGS, ask=["*.py"]).ok
    assert scene.work.approve == ("a.py",)


def test_a_proposal_waits_for_tests_and_is_said_to(scene: Scene) -> None:
    conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.models = Proposes(text=b"both\n")
    result = scene.do("resolve", rungs=[*RUNGS, "model"])
    assert result.ok, result.sentence
    assert scene.work.unconfirmed == ("b.txt",)
    assert result.sentence.endswith("tests must confirm b.txt")
    assert scene.file("b.txt") == "1\nboth\n3\n"


def test_a_named_path_falls_back_to_a_side_and_waits_for_tests(scene: Scene) -> None:
    conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    result = scene.do("resolve", rungs=RUNGS, fallback={"upstream": ["*.txt"]})
    assert result.ok, result.sentence
    assert result.sentence == "resolved b.txt by fallback; tests must confirm b.txt"
    assert scene.work.unconfirmed == ("b.txt",)
    assert scene.work.notes[0].startswith("FALLBACK: nobody and nothing decided one place of b.txt")
    scene.do("validate")
    pushed = scene.do("push")
    assert (pushed.ok, "no test has confirmed them" in pushed.sentence) == (False, True)
    assert "FALLBACK" in str(scene.do("report").outputs["text"])


@pytest.mark.parametrize(
    "options",
    [
        {"fallback": {"upstream": ["docs/**"]}},
        {"fallback": {"upstream": ["*.txt"], "hand_back": ["b.txt"]}},
        {"fallback": {"upstream": ["*.txt"]}, "never": ["b.*"]},
        {"fallback": {"upstream": ["*.txt"]}, "ask": ["b.*"]},
        {"fallback": {"upstream": ["*.txt"]}, "protect": ["b.*"]},
    ],
)
def test_a_fallback_decides_nothing_where_a_person_does(scene: Scene, options: dict[str, object]) -> None:
    conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    assert scene.do("resolve", rungs=RUNGS, **options).reason is Reason.UNRESOLVED_CONFLICTS


def test_a_model_that_is_not_configured_is_named_among_what_was_tried(scene: Scene) -> None:
    conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    result = scene.do("resolve", rungs=[*RUNGS, "model"])
    (row,) = result.outputs["unresolved"]  # type: ignore[misc]  # a list by contract
    assert row["tried"]["model"] == "no model is configured"


def test_what_the_model_is_told_comes_from_the_commit_and_the_target(scene: Scene) -> None:
    conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.models = asked = Proposes(text=b"both\n")
    scene.do("resolve", rungs=["model"])
    (facts,) = asked.facts
    assert facts.message.startswith("topic 1")
    assert "+topic" in facts.diff
    assert [line.partition(" ")[2] for line in facts.upstream_commits] == ["main moves on"]
    assert facts.paths == ("b.txt",)
    (place,) = facts.places  # of a text in no language: the lines beside the hunk
    assert place.parts == ("1\n", 0, "3\n")
    assert asked.made == 1


def test_a_cancel_in_the_middle_keeps_the_work_as_it_was(scene: Scene) -> None:
    conflicting(scene, {"a.py": python("os", "re")}, {"a.py": python("os", "sys")})
    before = scene.work
    scene.cancelled = lambda: True
    result = scene.do("resolve", rungs=RUNGS)
    assert (result.result, result.reason) == (Result.CANCELLATION, Reason.CANCELLED)
    assert scene.work == before


def test_a_cancel_between_two_commits_is_seen_before_the_second(scene: Scene) -> None:
    conflicting(
        scene,
        {"b.txt": "1\nmain\n3\n", "c.txt": "main\n"},
        {"b.txt": "1\ntopic\n3\n"},
        {"b.txt": "1\ntopic\n3\n", "c.txt": "topic\n"},
    )
    scene.models = asked = Proposes(text=b"both\n")
    scene.cancelled = lambda: asked.made > 0
    result = scene.do("resolve", rungs=["model"])
    assert result.reason is Reason.CANCELLED
    assert asked.made == 1


@pytest.mark.parametrize(("empty", "kept"), [("keep", 2), ("drop", 1)])
def test_going_on_treats_empty_commits_as_the_rebase_did(scene: Scene, empty: str, kept: int) -> None:
    changed = {"a.py": python("os", "sys")}
    conflicting(scene, {"a.py": python("os", "re")}, changed, changed, empty=empty)
    assert scene.do("resolve", rungs=RUNGS).ok
    count = scene.mirror.git.run("rev-list", "--count", f"{scene.work.upstream}..{scene.work.head}")
    assert int(count) == kept


def test_what_was_proven_of_an_earlier_tree_is_forgotten(scene: Scene) -> None:
    conflicting(scene, {"a.py": python("os", "re")}, {"a.py": python("os", "sys")})
    scene.work = replace(scene.work, validated_tree=scene.work.tree, tested_tree=scene.work.tree)
    scene.do("resolve", rungs=RUNGS)
    assert (scene.work.validated_tree, scene.work.tested_tree) == ("", "")


def test_a_deleted_file_that_was_changed_is_no_text_conflict(scene: Scene) -> None:
    scene.branches({"c.txt": None}, {"c.txt": "changed\n"})
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("resolve", rungs=RUNGS)
    assert result.reason is Reason.UNRESOLVED_CONFLICTS
    (row,) = result.outputs["unresolved"]  # type: ignore[misc]  # a list by contract
    assert row["kind"] == "modify_delete"


def test_a_cancel_does_not_wait_for_a_model_that_hangs(scene: Scene) -> None:
    conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    asked, released = threading.Event(), threading.Event()

    class Hangs(Proposes):
        def _answer(self, conflict: Conflict, facts: Facts) -> Candidate | Abstain:
            asked.set()
            released.wait(60)
            return super()._answer(conflict, facts)

    scene.models = Hangs(text=b"x\n")
    scene.cancelled = asked.is_set
    before = scene.work
    try:
        result = scene.do("resolve", rungs=["model"])
    finally:
        released.set()
    assert (result.result, result.reason) == (Result.CANCELLATION, Reason.CANCELLED)
    assert "while a model was asked" in result.sentence
    assert scene.work == before


def test_a_stage_that_hands_back_says_what_a_person_must_write(scene: Scene) -> None:
    (commit,) = conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    result = scene.do("resolve", spec={"on_failure": OnFailure.HAND_BACK}, rungs=RUNGS)
    assert result.reason is Reason.UNRESOLVED_CONFLICTS
    assert result.question is not None
    (file,) = result.question.files
    assert (file.path, file.commit, file.open) == ("b.txt", commit, True)
    assert (file.base, file.upstream, file.commit_text) == (b"1\n2\n3\n", b"1\nmain\n3\n", b"1\ntopic\n3\n")
    told = Told(texts={file.fingerprint: GivenText(text=b"1\nmine\n3\n", by_person=True)})
    scene.told_by_persons = told
    again = scene.do("resolve", spec={"id": "again"}, rungs=RUNGS)
    assert again.ok, again.sentence
    assert scene.file("b.txt") == "1\nmine\n3\n"
    assert scene.work.resolved[-1].rungs == ("person",)
    assert scene.work.unconfirmed == ()


def test_a_stage_that_stops_asks_nobody(scene: Scene) -> None:
    conflicting(scene, {"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    assert scene.do("resolve", rungs=RUNGS).question is None
