"""report after each kind of end: the facts are right, and no failure sounds like a success."""

from dataclasses import replace
from decimal import Decimal

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec
from flowforge.git.rangediff import RangeDiff
from flowforge.pipeline.stages import report
from flowforge.pipeline.stages.report import count_pairs, make_report
from flowforge.report.facts import ModelCost, RangeCounts
from tests.integration.pipeline.scene import Proposes, Scene, python


def reported(scene: Scene) -> str:
    result = scene.do("report")
    assert result.ok
    assert set(result.outputs) == {"text", "markdown"}
    return str(result.outputs["text"])


def rebased(scene: Scene) -> Scene:
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    for stage in ("clone", "rebase", "validate"):
        assert scene.do(stage).ok
    return scene


def test_a_push_is_told_with_both_tips(scene: Scene) -> None:
    rebased(scene).do("push")
    text = reported(scene)
    assert text.startswith("Done: topic moved from ")
    assert f"Pushed: topic moved from {scene.work.old_head[:10]} to {scene.work.head[:10]}" in text
    assert "1 commit unchanged" in text
    assert "not tested" in text


def test_a_push_to_the_target_is_not_told_as_a_move_of_the_branch(scene: Scene) -> None:
    rebased(scene)
    scene.work = replace(scene.work, tested_tree=scene.work.tree)
    scene.do("push", to="target")
    text = reported(scene)
    assert f"Pushed: main moved from {scene.work.upstream[:10]} to {scene.work.head[:10]}" in text
    assert f"{scene.work.old_head[:10]} became" not in text


def test_a_result_that_nobody_pushed_is_named(scene: Scene) -> None:
    text = reported(rebased(scene))
    assert f"Not pushed. The result is {scene.work.head[:10]}." in text


def test_a_conflict_for_a_person_names_the_file_and_what_was_tried(scene: Scene) -> None:
    scene.branches({"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.with_resolve()
    for stage in ("clone", "rebase"):
        scene.do(stage)
    scene.do("resolve", rungs=["mechanical"])
    text = reported(scene)
    assert text.startswith("Not done: ")
    assert "Conflicts for a person\n" in text
    assert "b.txt" in text
    assert "The result is" not in text
    assert "The branch was not changed." in text


def test_a_job_that_never_cloned_has_a_report_too(scene: Scene) -> None:
    scene.repo.commit({"a": "1\n"}, branch="main")
    scene.do("clone")
    text = reported(scene)
    assert "The branch was not changed." in text
    assert "The result is" not in text


@pytest.mark.parametrize("reason", [Reason.TESTS_FAILED, Reason.VALIDATION_FAILED])
def test_a_failure_after_the_rebase_does_not_begin_like_a_success(scene: Scene, reason: Reason) -> None:
    rebased(scene)
    scene.pipeline = replace(
        scene.pipeline, stages=(*scene.pipeline.stages, StageSpec(id="test", uses="test"))
    )
    failed = StageResult(
        stage="test", result=Result.FAILURE, reason=reason, sentence="it failed", next_action="mend"
    )
    scene.done = (*scene.done, failed)
    text = reported(scene)
    assert text.startswith("Not done: it failed")
    assert "Pushed" not in text.replace("Not pushed", "")
    assert "mend" in text


def test_proposals_are_told_as_such_until_a_test_confirms_them(scene: Scene) -> None:
    scene.branches({"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.with_resolve()
    scene.models = Proposes(text=b"both\n")
    for stage in ("clone", "rebase"):
        scene.do(stage)
    assert scene.do("resolve", rungs=["model"]).ok
    facts = make_report(scene.work, scene.pipeline, scene.done, None)
    assert [hunk.confirmed for file in facts.resolved for hunk in file.hunks] == [False]
    assert facts.untested == ("the result was not tested",)
    proven = replace(scene.work, tested_tree=scene.work.tree)
    facts = make_report(proven, scene.pipeline, scene.done, None)
    assert [hunk.confirmed for file in facts.resolved for hunk in file.hunks] == [True]
    assert facts.untested == ()


def test_a_resolved_commit_counts_as_changed_and_the_others_as_they_were(scene: Scene) -> None:
    scene.branches(
        {"a.py": python("os", "re")}, {"c.txt": "C\n"}, {"c.txt": "C\n", "a.py": python("os", "sys")}
    )
    scene.with_resolve()
    for stage in ("clone", "rebase"):
        scene.do(stage)
    assert scene.do("resolve", rungs=["structural"]).ok
    assert "1 commit unchanged, 1 changed" in reported(scene)


def test_a_range_diff_that_cannot_be_had_leaves_the_rest_of_the_report(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_words: object) -> RangeDiff:
        raise Refused(Reason.OUTPUT_LIMIT, "too much to compare")

    rebased(scene)
    monkeypatch.setattr(report, "range_diff", broken)
    text = reported(scene)
    assert "The result is" in text
    assert "Compared" not in text
    assert "no range-diff: too much to compare\n" in scene.log


def test_what_the_model_cost_is_told(scene: Scene) -> None:
    class Paid(Proposes):
        def cost(self, operation: str = "") -> ModelCost:
            return ModelCost(provider="acme", model="m1", calls=2, cached=0, usd=Decimal("0.25"))

    rebased(scene)
    scene.models = Paid(text=b"")
    assert "2 calls to acme (m1): $0.2500" in reported(scene)


def test_steps_of_a_newer_version_are_read_as_far_as_they_are_known(scene: Scene) -> None:
    rebased(scene)
    (step,) = scene.work.steps
    work = replace(scene.work, steps=({**step, "signed": "yes"},))
    facts = make_report(work, scene.pipeline, scene.done, None)
    assert facts.commits[0].subject == "topic 1"


def test_pairs_are_counted_by_the_replay() -> None:
    steps = [{"new": "a"}, {"new": "b"}, {"new": ""}]
    assert count_pairs(steps, {"a", "x"}) == RangeCounts(unchanged=1, changed=1, dropped=1)
    assert count_pairs([], set()) == RangeCounts()


def test_nothing_is_written_twice(scene: Scene) -> None:
    """The report is kept with the stage's outputs; no event repeats it."""
    rebased(scene)
    text = reported(scene)
    assert text not in repr([data for kind, data in scene.told if kind != "stage.finished"])
