"""push on real remotes: one ref, once, from what was seen to what was proven, and never anything else."""

from dataclasses import replace
from pathlib import Path

import pytest

from flowforge.core.errors import Reason, Refused, Temporary
from flowforge.core.job import Result
from flowforge.core.pipeline import from_error
from flowforge.git.bundle import read_bundle
from flowforge.git.push import PushOutcome
from flowforge.hooks.contracts import PushPlan
from flowforge.pipeline.stages.push import Destination, told
from tests.gitrepo import git
from tests.integration.pipeline.scene import Scene


@pytest.fixture
def ready(scene: Scene) -> Scene:
    """A branch rebased and validated."""
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    for stage in ("clone", "rebase", "validate"):
        assert scene.do(stage).ok
    return scene


def proven(scene: Scene) -> Scene:
    scene.work = replace(scene.work, tested_tree=scene.work.tree)
    return scene


def reject(scene: Scene, words: str) -> None:
    hook = scene.repo.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho {words} >&2\nexit 1\n")
    hook.chmod(0o755)


def test_the_branch_moves_once_and_its_old_tip_is_kept(ready: Scene, tmp_path: Path) -> None:
    old, head = ready.work.old_head, ready.work.head
    result = ready.do("push")
    assert (result.result, result.reason) == (Result.SUCCESS, Reason.PUSHED)
    assert result.sentence == f"topic moved from {old[:10]} to {head[:10]} (validated, not tested)"
    assert dict(result.outputs) == {
        "ref": "refs/heads/topic",
        "old": old,
        "new": head,
        "tree": ready.work.tree,
    }
    assert ready.repo.updates("topic")[-1] == (old, head)
    assert ready.recorder.intents == [("refs/heads/topic", head)]
    assert [data["outcome"] for data in ready.data("push.settled")] == ["pushed"]
    (bundle,) = (tmp_path / "backups").iterdir()
    assert bundle.name.startswith("before-push-")
    git(ready.repo.path, "fetch", "-q", str(bundle), "refs/heads/topic:refs/heads/restored")
    assert ready.repo.tip("restored") == old
    assert read_bundle(ready.mirror, bundle) == {"refs/heads/topic": old}


def test_a_tested_tree_is_said_to_be(ready: Scene) -> None:
    assert proven(ready).do("push", require="tested").sentence.endswith("(tested)")


def test_what_the_target_fast_forwards_to_stands_on_its_tip(ready: Scene) -> None:
    old, before = ready.repo.tip("main"), ready.repo.tip("topic")
    result = proven(ready).do("push", to="target")
    assert result.reason is Reason.PUSHED
    assert result.sentence.startswith(f"main moved from {old[:10]} to ")
    assert ready.repo.tip("main") == ready.work.head
    assert ready.repo.tip("main~1") == old
    assert ready.repo.tip("topic") == before


def test_the_target_needs_tests_unless_the_pipeline_says_otherwise(ready: Scene) -> None:
    assert ready.do("push", to="target").reason is Reason.NOT_TESTED
    assert ready.do("push", to="target", require="validated").reason is Reason.PUSHED


def test_a_branch_that_was_never_rebased_is_not_pushed_over_the_target(scene: Scene) -> None:
    """The lease would hold; the target's own commits would be gone."""
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    scene.do("clone")
    old = scene.repo.tip("main")
    result = proven(scene).do("push", to="target")
    assert result.reason is Reason.PIPELINE_INVALID
    assert "does not stand on main's tip" in result.sentence
    assert scene.repo.tip("main") == old
    assert scene.recorder.intents == []


@pytest.mark.parametrize(("given", "name"), [("", "flowforge/topic"), ("up/to-date", "up/to-date")])
def test_a_new_branch_is_made_and_nothing_else_moves(ready: Scene, given: str, name: str) -> None:
    before = ready.repo.tip("topic")
    result = ready.do("push", to="new-branch", branch=given)
    head = ready.work.head
    assert result.sentence == f"{name} was made at {head[:10]} (validated, not tested)"
    assert ready.repo.tip(name) == head
    assert ready.repo.tip("topic") == before
    assert not (ready.folder / "backups").exists()


def test_a_new_branch_that_is_there_already_is_left_alone_and_said_to_be(ready: Scene) -> None:
    taken = ready.repo.tip("main~1")
    ready.repo.point("taken", taken)
    result = ready.do("push", to="new-branch", branch="taken")
    assert result.reason is Reason.REMOTE_MOVED
    assert result.sentence == f"taken is there already, at {taken[:10]}; nothing was pushed"
    assert ready.repo.tip("taken") == taken


def test_a_new_branch_with_a_name_that_is_none_is_refused(ready: Scene) -> None:
    assert ready.do("push", to="new-branch", branch="a..b").reason is Reason.INVALID_REF


def test_what_was_not_validated_is_not_pushed(scene: Scene) -> None:
    (tip,) = scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("push")
    assert (result.result, result.reason) == (Result.FAILURE, Reason.NOT_VALIDATED)
    assert scene.repo.tip("topic") == tip


def test_a_tree_that_changed_after_its_test_is_not_the_tested_tree(ready: Scene) -> None:
    ready.work = replace(ready.work, tested_tree="0" * 40)
    assert ready.do("push", require="tested").reason is Reason.NOT_TESTED


def test_proposals_need_a_test_and_paths_to_approve_a_person(ready: Scene) -> None:
    ready.work = replace(ready.work, unconfirmed=("a.py",))
    result = ready.do("push")
    assert result.reason is Reason.DECISION_NEEDED
    assert "a.py are proposals" in result.sentence
    proven(ready)
    ready.work = replace(ready.work, approve=("a.py",))
    result = ready.do("push")
    assert result.reason is Reason.DECISION_NEEDED
    assert "person to approve" in result.sentence
    ready.work = replace(ready.work, approve=())
    assert ready.do("push").reason is Reason.PUSHED


@pytest.mark.parametrize("to", ["head", "target", "new-branch"])
def test_half_a_branch_is_pushed_nowhere(scene: Scene, to: str) -> None:
    """Before the first conflict its head is the target's tip, which would count as already there."""
    scene.branches({"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.do("clone")
    scene.do("rebase")
    assert scene.work.head == scene.work.upstream
    result = scene.do("push", to=to)
    assert (result.result, result.reason) == (Result.FAILURE, Reason.UNRESOLVED_CONFLICTS)
    assert "1 commit left" in result.sentence


def test_nothing_to_push_is_a_success_that_asks_nobody(scene: Scene) -> None:
    start = scene.repo.commit({"a": "1\n"}, branch="main")
    scene.repo.commit({"a": "2\n"}, start, branch="topic")
    for stage in ("clone", "rebase"):
        scene.do(stage)
    result = scene.do("push")
    assert (result.result, result.reason) == (Result.SUCCESS, Reason.UP_TO_DATE)
    assert result.sentence == "topic is already where it should be; nothing was pushed"
    assert scene.recorder.intents == []


def test_a_plugin_may_veto_and_sees_exactly_what_would_be_pushed(ready: Scene) -> None:
    plans: list[PushPlan] = []

    def veto(plan: PushPlan) -> str:
        plans.append(plan)
        return "not on a Friday"

    ready.registry = replace(ready.registry, gate=veto)
    result = ready.do("push")
    assert (result.reason, result.sentence) == (Reason.VETOED, "not on a Friday")
    assert ready.recorder.intents == []
    (plan,) = plans
    work = ready.work
    assert (plan.ref, plan.old, plan.new) == ("refs/heads/topic", work.old_head, work.head)
    assert (plan.tree, plan.commits, plan.repository) == (work.tree, 1, ready.repo.url)


def test_a_hook_of_the_remote_that_rejects_is_quoted(ready: Scene) -> None:
    reject(ready, "no commits on release day")
    result = ready.do("push")
    assert (result.result, result.reason) == (Result.FAILURE, Reason.PUSH_REJECTED)
    assert "no commits on release day" in result.sentence
    assert ready.repo.tip("topic") == ready.work.old_head
    assert [data["outcome"] for data in ready.data("push.settled")] == ["rejected"]


def test_a_branch_that_moved_meanwhile_keeps_its_new_commits(ready: Scene) -> None:
    newer = ready.repo.commit({"z": "z\n"}, ready.work.old_head, branch="topic", message="newer")
    result = ready.do("push")
    assert (result.result, result.reason) == (Result.FAILURE, Reason.REMOTE_MOVED)
    assert result.sentence == f"topic moved to {newer[:10]} while this job ran; nothing was pushed"
    assert ready.repo.tip("topic") == newer


def test_a_branch_that_is_gone_is_not_made_again(ready: Scene) -> None:
    ready.repo.git("update-ref", "-d", "refs/heads/topic")
    result = ready.do("push")
    assert result.reason is Reason.REMOTE_MOVED
    assert "was moved or removed" in result.sentence
    assert ready.repo.git("for-each-ref", "refs/heads/topic") == b""


def test_a_push_that_an_earlier_attempt_made_counts_and_is_not_repeated(ready: Scene) -> None:
    for _ in range(2):
        result = ready.do("push")
        assert result.reason is Reason.PUSHED
    assert len(ready.repo.updates("topic")) == 2  # its making, and one push
    assert [data["outcome"] for data in ready.data("push.settled")] == ["pushed", "already"]


def test_what_an_earlier_attempt_pushed_is_told_as_it_is(ready: Scene) -> None:
    """It may be another commit than this attempt made: the remote's word counts, and no tree is claimed for it."""
    earlier = ready.repo.commit({"other": "1\n"}, ready.repo.tip("main"), message="earlier attempt")
    ready.repo.point("topic", earlier)
    ready.recorder.intents.append(("refs/heads/topic", earlier))
    result = ready.do("push")
    assert result.reason is Reason.PUSHED
    assert result.sentence.endswith(f"to {earlier[:10]} (by an earlier attempt of this job)")
    assert result.outputs["new"] == earlier
    assert "tree" not in result.outputs
    assert ready.repo.tip("topic") == earlier


def test_the_intent_is_written_before_the_remote_is_asked_and_a_cancel_there_stops_all(ready: Scene) -> None:
    def too_late(ref: str, old: str, new: str, backup: str = "") -> None:
        raise Refused(Reason.CANCELLED, "the job was cancelled before it pushed")

    before = ready.repo.tip("topic")
    ready.recorder.push_intent = too_late  # type: ignore[method-assign]
    result = ready.do("push")
    assert (result.result, result.reason) == (Result.CANCELLATION, Reason.CANCELLED)
    assert ready.repo.tip("topic") == before


def test_an_outcome_that_nobody_knows_is_asked_again_later(ready: Scene) -> None:
    destination = Destination(ref="refs/heads/topic", old="a" * 40, require="validated")
    with pytest.raises(Temporary) as unknown:
        told("push", destination, ready.work, PushOutcome(status="unknown", tip=""))
    result = from_error("push", unknown.value)
    assert result.delay == 10
    assert result.reason is Reason.REPOSITORY_UNREACHABLE
