"""Whole jobs over conflicts about paths: answered, checked, told, and never pushed without a yes or tests."""

from dataclasses import replace

import pytest

from flowforge.core.decision import QuestionKind
from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import OnFailure
from flowforge.pipeline.asking import approval
from flowforge.pipeline.context import Work
from tests.gitrepo import Content
from tests.integration.pipeline.scene import BASE, Scene

RUNGS = ["mechanical"]
CHECKS = ["outside", "markers", "syntax", "provenance"]
LONG = "".join(f"line {n}\n" for n in range(20))
Change = dict[str, Content | None]


def answered(scene: Scene, main: Change, topic: Change, *later: Change, base: dict[str, Content]) -> None:
    """Run a job as far as validate, over a conflict that has an answer."""
    scene.branches(main, topic, *later, base={**BASE, **base})
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("resolve", rungs=RUNGS)
    assert result.ok, result.sentence
    result = scene.do("validate", checks=CHECKS)
    assert result.ok, result.sentence


def paths(scene: Scene) -> list[str]:
    return scene.mirror.git.run("ls-tree", "-r", "--name-only", scene.work.head).decode().split()


def test_a_deleted_file_stays_deleted_and_later_commits_follow(scene: Scene) -> None:
    answered(
        scene,
        {"gone.txt": None},
        {"gone.txt": "a  b\n", "c.txt": "C\n"},
        {"c.txt": "C!\n"},
        base={"gone.txt": "a b\n"},
    )
    assert paths(scene) == ["a.py", "b.txt", "c.txt"]
    assert scene.file("c.txt") == "C!\n"
    (resolved,) = scene.work.resolved
    assert (resolved.whole, resolved.sha256, resolved.ranges, resolved.outside) == ("removed", "", (), "")
    assert (resolved.kind, scene.work.unconfirmed) == ("modify_delete", ("gone.txt",))
    (told,) = scene.data("files.validated")
    assert told["outcomes"]["pass"] == told["checks"] >= 1
    (row,) = scene.data("conflicts.resolved")[0]["resolved"]
    assert (row["whole"], row["hunks"][0]["rule"]) == ("removed", "deleted, else only whitespace")
    report = scene.do("report")
    assert report.ok
    assert "it stays deleted" in str(scene.told) + str(report.outputs)


def test_a_file_in_a_renamed_folder_is_checked_where_it_stands(scene: Scene) -> None:
    base: dict[str, Content] = {"d/a.txt": LONG, "d/b.txt": LONG.upper()}
    answered(
        scene,
        {"d/a.txt": None, "d/b.txt": None, "e/a.txt": LONG, "e/b.txt": LONG.upper()},
        {"d/new.py": "x = 1\n"},
        base=base,
    )
    assert [path for path in paths(scene) if "/" in path] == ["e/a.txt", "e/b.txt", "e/new.py"]
    (resolved,) = scene.work.resolved
    assert (resolved.path, resolved.whole, resolved.ranges) == ("e/new.py", "commit", ())
    assert resolved.sides == ("", "", "d/new.py")
    assert scene.work.unconfirmed == ("e/new.py",)


def test_a_mode_and_a_link_are_answered_in_one_commit(scene: Scene) -> None:
    answered(
        scene,
        {"run": ("100755", "#!/bin/sh\n"), "link": ("120000", "./b.txt")},
        {"run": "#!/bin/sh\n", "link": ("120000", "b.txt")},
        base={"link": ("120000", "c.txt")},
    )
    rows = scene.mirror.git.run("ls-tree", "-r", scene.work.head).decode().splitlines()
    assert {row.split("\t")[1]: row[:6] for row in rows if row[:6] != "100644"} == {
        "run": "100755",
        "link": "120000",
    }
    assert sorted(one.kind for one in scene.work.resolved) == ["mode", "symlink"]


def test_what_is_a_proposal_is_not_pushed_untested(scene: Scene) -> None:
    answered(scene, {"gone.txt": None}, {"gone.txt": "a  b\n"}, base={"gone.txt": "a b\n"})
    before = scene.repo.tip("topic")
    result = scene.do("push")
    assert (result.result, result.reason) != (Result.SUCCESS, Reason.PUSHED)
    assert "gone.txt" in result.sentence
    assert scene.repo.tip("topic") == before


def test_a_person_is_shown_the_answer_and_both_sides(scene: Scene) -> None:
    answered(scene, {"gone.txt": None}, {"gone.txt": "a  b\n"}, base={"gone.txt": "a b\n"})
    question = approval("may it go?", scene.work, scene.tools, ())
    (file,) = question.files
    assert (question.kind, file.kind) == (QuestionKind.APPROVE, "modify_delete")
    assert (file.base, file.upstream, file.commit_text, file.result) == (b"a b\n", None, b"a  b\n", None)
    assert [hunk.rung for hunk in file.hunks] == ["mechanical"]


@pytest.mark.parametrize("path", ["gone.txt"])
def test_what_no_rule_answers_goes_to_a_person_who_may_write_it(scene: Scene, path: str) -> None:
    scene.branches({path: None}, {path: "other\n"}, base={**BASE, path: "a b\n"})
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("resolve", rungs=RUNGS, spec={"on_failure": OnFailure.HAND_BACK})
    assert result.reason is Reason.UNRESOLVED_CONFLICTS
    assert f"upstream deleted '{path}' while the commit changed it" in result.sentence
    assert result.question is not None
    (file,) = result.question.files
    assert (file.open, file.result) == (True, b"other\n")
    assert any("more than whitespace" in hunk.why for hunk in file.hunks)


def test_a_protected_path_is_never_decided(scene: Scene) -> None:
    scene.branches(
        {".github/w.yml": None}, {".github/w.yml": "a  b\n"}, base={**BASE, ".github/w.yml": "a b\n"}
    )
    scene.with_resolve()
    scene.do("clone")
    scene.do("rebase")
    result = scene.do("resolve", rungs=RUNGS)
    assert "protected path" in result.sentence
    assert scene.work.resolved == ()


def test_a_checkpoint_keeps_what_was_answered(scene: Scene) -> None:
    answered(scene, {"gone.txt": None}, {"gone.txt": "a  b\n"}, base={"gone.txt": "a b\n"})
    again = Work.from_json(scene.work.to_json())
    assert again == scene.work
    old = scene.work.to_json()
    for row in old["resolved"]:  # type: ignore[attr-defined]  # a list of mappings
        for name in ("whole", "stands_at", "sides", "kind"):
            row.pop(name)
    (resolved,) = Work.from_json(old).resolved
    assert resolved == replace(again.resolved[0], whole="", kind="content", sides=("", "", ""))
