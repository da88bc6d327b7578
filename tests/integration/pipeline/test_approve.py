"""approve, with real git: what it asks, whose yes it takes, and when nobody need be asked."""

from dataclasses import replace

import pytest

from flowforge.core.access import Role
from flowforge.core.decision import Question, RefMove, Told, Verb, answers
from flowforge.core.errors import FlowForgeError, Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import StageResult, StageSpec, from_error
from flowforge.pipeline.table import stage_table
from tests.integration.pipeline.scene import Scene


def spec(uses: str, id_: str = "", **options: object) -> StageSpec:
    return StageSpec(id=id_ or uses, uses=uses, options=options)


@pytest.fixture
def rebased(scene: Scene) -> Scene:
    """A branch of one commit on the tip of main, validated."""
    scene.branches({"c.txt": "main\n"}, {"b.txt": "topic\n"})
    for stage in ("clone", "rebase", "validate"):
        assert scene.do(stage).ok
    return scene


def with_after(scene: Scene, *after: StageSpec) -> None:
    """Let these stages follow the approval in the pipeline."""
    scene.pipeline = replace(scene.pipeline, stages=(*scene.pipeline.stages, spec("approve"), *after))


def approve(scene: Scene, **options: object) -> StageResult:
    """The stage that stands in the pipeline already."""
    try:
        return stage_table(scene.registry)["approve"](spec("approve", **options), scene.work, scene.tools)[0]
    except FlowForgeError as error:
        return from_error("approve", error)


def asked(scene: Scene, **options: object) -> Question:
    result = approve(scene, **options)
    assert (result.result, result.reason) == (Result.FAILURE, Reason.DECISION_NEEDED)
    assert result.question is not None
    return result.question


def test_the_question_says_what_would_be_pushed(rebased: Scene) -> None:
    with_after(rebased, spec("push"), spec("push", "copy", to="new-branch", branch="copy"))
    question = asked(rebased)
    work, outlook = rebased.work, question.outlook
    assert question.sentence == "a person must approve this before it is pushed to topic and copy"
    assert (question.tree, question.files) == (work.tree, ())
    assert answers(question) == (Verb.APPROVE, Verb.REJECT)
    assert (question.who, question.within, question.last) == (Role.USER, None, False)
    assert outlook is not None
    assert (outlook.head, outlook.upstream, outlook.target, outlook.commits) == (
        work.head,
        rebased.repo.tip("main"),
        "main",
        1,
    )
    assert outlook.moves == (
        RefMove(ref="refs/heads/topic", old=work.old_head, new=work.head),
        RefMove(ref="refs/heads/copy", old="", new=work.head),
    )
    assert (outlook.changed, outlook.changed_count) == (("b.txt",), 1)
    assert [(check.stage, check.result) for check in outlook.checks] == [("validate", "success")]


def test_the_words_and_terms_of_the_file_are_those_of_the_question(rebased: Scene) -> None:
    with_after(rebased, spec("push"))
    question = asked(rebased, message="Release freeze: is this urgent?", who="maintainer", within="2h")
    assert question.sentence == "Release freeze: is this urgent?"
    assert (question.who, question.within) == (Role.MAINTAINER, 7200.0)


@pytest.mark.parametrize(
    ("after", "words"),
    [((spec("run", "deploy"),), "before stage 'deploy' runs"), ((), "before the job ends")],
)
def test_it_names_what_waits(rebased: Scene, after: tuple[StageSpec, ...], words: str) -> None:
    with_after(rebased, *after)
    assert words in asked(rebased).sentence


def test_a_yes_is_for_one_stage_and_one_tree(rebased: Scene) -> None:
    with_after(rebased, spec("push"))
    tree = rebased.work.tree
    for agreed in ({("approve", "e" * 40)}, {("other", tree)}):
        rebased.told_by_persons = Told(agreed=frozenset(agreed), approved=frozenset({tree}))
        asked(rebased)
    rebased.told_by_persons = Told(agreed=frozenset({("approve", tree)}))
    result = approve(rebased)
    assert (result.result, result.sentence) == (Result.SUCCESS, "a person approved it")


def test_what_was_approved_is_not_asked_again_by_the_push(rebased: Scene) -> None:
    """The person saw the resolved files: one yes for one tree."""
    rebased.work = replace(rebased.work, approve=("b.txt",))
    rebased.told_by_persons = Told(
        agreed=frozenset({("approve", rebased.work.tree)}), approved=frozenset({rebased.work.tree})
    )
    assert approve(rebased).ok
    assert rebased.do("push").reason is Reason.PUSHED


def test_nobody_is_asked_about_a_push_that_has_nothing_to_push(scene: Scene) -> None:
    scene.branches({}, {"b.txt": "topic\n"})
    scene.repo.git("update-ref", "refs/heads/main", scene.repo.tip("topic~1"))
    for stage in ("clone", "rebase", "validate"):
        scene.do(stage)
    with_after(scene, spec("push"))
    result = approve(scene)
    assert (result.result, result.sentence) == (Result.SKIP, "nothing would be pushed, so nobody is asked")


def test_what_another_stage_does_is_asked_about_even_if_nothing_is_pushed(scene: Scene) -> None:
    scene.branches({}, {"b.txt": "topic\n"})
    scene.repo.git("update-ref", "refs/heads/main", scene.repo.tip("topic~1"))
    for stage in ("clone", "rebase", "validate"):
        scene.do(stage)
    with_after(scene, spec("push"), spec("run", "deploy"))
    asked(scene)


def test_half_a_branch_is_nothing_to_approve(scene: Scene) -> None:
    scene.branches({"c.txt": "main\n"}, {"c.txt": "topic\n"})
    scene.with_resolve()
    for stage in ("clone", "rebase"):
        scene.do(stage)
    assert approve(scene).reason is Reason.UNRESOLVED_CONFLICTS
