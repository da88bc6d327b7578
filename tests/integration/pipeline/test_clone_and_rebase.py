"""clone and rebase on real repositories: what they bring, what they refuse, and in which words."""

import subprocess
from dataclasses import replace

import pytest

from flowforge.core.errors import Reason
from flowforge.core.job import Result
from flowforge.core.pipeline import StageSpec
from flowforge.pipeline.context import Work
from flowforge.pipeline.stages import clone
from tests.integration.pipeline.scene import BASE, Scene, python


def test_clone_says_where_both_branches_are_and_where_they_part(scene: Scene) -> None:
    (tip,) = scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    result = scene.do("clone")
    assert result.ok
    assert result.sentence == f"topic is at {tip[:10]}, main at {scene.repo.tip('main')[:10]}"
    work = scene.work
    assert (work.old_head, work.head, work.upstream) == (tip, tip, scene.repo.tip("main"))
    assert work.merge_base == scene.repo.tip("main~1")
    assert work.tree == scene.repo.tree(tip)


def test_tips_that_were_fetched_for_the_definition_are_not_fetched_again(scene: Scene) -> None:
    scene.branches({}, {"c.txt": "C\n"})
    tips = scene.mirror.fetch("topic", "main")
    scene.repo.git("update-ref", "-d", "refs/heads/topic")
    spec = StageSpec(id="clone", uses="clone")
    result, work = clone.run(spec, scene.work, replace(scene.tools, fetched=tips))
    assert result.ok
    assert work.head == tips.branch


def test_a_branch_is_not_its_own_target(scene: Scene) -> None:
    scene.branches({}, {"c.txt": "C\n"})
    scene.work = Work(branch="main", target="main")
    result = scene.do("clone")
    assert (result.result, result.reason) == (Result.ERROR, Reason.BRANCH_IS_TARGET)
    assert "'main'" in result.sentence
    assert result.next_action


def test_unrelated_histories_are_never_joined(scene: Scene) -> None:
    scene.branches({}, {"c.txt": "C\n"})
    scene.repo.commit({"other.txt": "o\n"}, branch="topic", message="from nowhere")
    result = scene.do("clone")
    assert result.reason is Reason.UNRELATED_HISTORIES
    assert "share no commit" in result.sentence
    assert scene.work.head == ""


@pytest.mark.parametrize(("branch", "target", "reason"), [
    ("absent", "main", Reason.BRANCH_MISSING),
    ("topic", "absent", Reason.TARGET_MISSING),
    ("-x", "main", Reason.INVALID_REF),
])  # fmt: skip
def test_what_is_not_there_or_no_name_is_refused(
    scene: Scene, branch: str, target: str, reason: Reason
) -> None:
    scene.branches({}, {"c.txt": "C\n"})
    scene.work = Work(branch=branch, target=target)
    assert scene.do("clone").reason is reason


def test_hostile_content_ends_the_job_before_anything_is_done_with_it(scene: Scene) -> None:
    modules = '[submodule "x"]\n\tpath = ../x\n\turl = https://example.org/x\n'
    scene.branches({}, {".gitmodules": modules, "below/.gitmodules": modules})
    result = scene.do("clone")
    assert (result.result, result.reason, result.evidence) == (Result.FAILURE, Reason.HOSTILE_CONTENT, "scan")
    assert ".gitmodules" in result.sentence
    assert "and 1 more" in result.sentence
    (scanned,) = scene.data("repository.scanned")
    assert scanned["count"] == 2


def test_content_that_git_itself_refuses_is_hostile_too(scene: Scene) -> None:
    scene.branches({}, {".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n'})
    result = scene.do("clone")
    assert (result.result, result.reason) == (Result.FAILURE, Reason.HOSTILE_CONTENT)
    assert result.next_action


def test_secrets_only_warn_and_are_not_repeated(scene: Scene) -> None:
    secret = "AKIA" + "IOSFODNN7" + "Q3XAMPL"
    scene.branches({}, {"settings.py": f'KEY = "{secret}"\n'})
    assert scene.do("clone").ok
    (scanned,) = scene.data("repository.scanned")
    assert [(one["level"], one["path"]) for one in scanned["findings"]] == [("warning", "settings.py")]
    assert secret not in repr(scene.told)


def test_a_branch_on_the_targets_tip_is_left_as_it_is(scene: Scene) -> None:
    start = scene.repo.commit(BASE, branch="main")
    tip = scene.repo.commit({**BASE, "c.txt": "C\n"}, start, branch="topic")
    scene.do("clone")
    result = scene.do("rebase")
    assert (result.result, result.reason) == (Result.SUCCESS, Reason.UP_TO_DATE)
    assert (scene.work.head, scene.work.steps) == (tip, ())


def test_a_clean_rebase_counts_in_words_that_fit(scene: Scene) -> None:
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    scene.do("clone")
    assert scene.do("rebase").sentence == "replayed 1 commit onto main"
    assert (
        scene.repo.tip("main") == scene.mirror.git.run("rev-parse", f"{scene.work.head}~1").decode().strip()
    )
    assert scene.file("b.txt") == "1\n2\n4\n"
    assert scene.work.tree == scene.mirror.tree_of(scene.work.head)


def test_merges_are_flattened_and_told(scene: Scene) -> None:
    (first,) = scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    start = scene.repo.tip("main~1")
    side = scene.repo.commit({**BASE, "d.txt": "d\n"}, start, message="side")
    both = {**BASE, "c.txt": "C\n", "d.txt": "d\n"}
    scene.repo.commit(both, first, side, branch="topic", message="merge side")
    scene.do("clone")
    result = scene.do("rebase")
    assert result.sentence == "replayed 2 commits onto main; flattened 1 merge commit, as git rebase does"
    assert sorted(step["disposition"] for step in scene.work.steps) == [
        "dropped_merge",
        "replayed",
        "replayed",
    ]
    assert scene.file("d.txt") == "d\n"


@pytest.mark.parametrize(("empty", "kept"), [("drop", 1), ("keep", 2)])
def test_an_empty_commit_is_dropped_or_kept_as_the_pipeline_says(scene: Scene, empty: str, kept: int) -> None:
    scene.branches({"b.txt": "1\n2\n4\n"}, {}, {"c.txt": "C\n"})
    scene.do("clone")
    result = scene.do("rebase", empty=empty)
    assert f"replayed {kept} commit" in result.sentence
    assert ("dropped 1 commit with nothing left" in result.sentence) is (empty == "drop")
    assert ("kept 1 empty commit" in result.sentence) is (empty == "keep")
    assert scene.repo.git("rev-list", "--count", "main..topic").strip() == b"2"
    count = scene.mirror.git.run("rev-list", "--count", f"{scene.work.upstream}..{scene.work.head}")
    assert int(count) == kept


def test_what_the_target_has_already_is_left_out(scene: Scene) -> None:
    scene.branches({"c.txt": "C\n"}, {"c.txt": "C\n"}, {"b.txt": "1\n2\n4\n"})
    scene.do("clone")
    assert "left out 1 commit that the target already has" in scene.do("rebase").sentence


def test_a_branch_with_nothing_of_its_own_left_becomes_the_target(scene: Scene) -> None:
    scene.branches({"c.txt": "C\n"}, {"c.txt": "C\n"})
    scene.do("clone")
    assert scene.do("rebase").ok
    assert scene.work.head == scene.repo.tip("main")


def test_a_conflict_ends_here_where_nothing_could_resolve_it(scene: Scene) -> None:
    (tip,) = scene.branches({"b.txt": "1\nmain\n3\n"}, {"b.txt": "1\ntopic\n3\n"})
    scene.do("clone")
    result = scene.do("rebase")
    assert (result.result, result.reason) == (Result.FAILURE, Reason.UNRESOLVED_CONFLICTS)
    assert result.sentence == f"commit {tip[:10]} (topic 1) conflicts with main in b.txt"
    assert scene.work.pending == (tip,)
    assert scene.work.head == scene.repo.tip("main")


def test_a_conflict_is_only_told_where_a_resolve_stage_follows(scene: Scene) -> None:
    scene.branches({"a.py": python("os", "re")}, {"a.py": python("os", "sys")})
    scene.with_resolve()
    scene.do("clone")
    result = scene.do("rebase")
    assert result.result is Result.SUCCESS
    assert "conflicts with main in a.py" in result.sentence
    assert scene.work.pending


def test_a_pipeline_that_fixes_its_base_refuses_a_job_with_another(scene: Scene) -> None:
    scene.branches({}, {"c.txt": "C\n"})
    scene.do("clone")
    assert scene.do("rebase", onto="main").ok
    result = scene.do("rebase", onto="release")
    assert result.reason is Reason.PIPELINE_INVALID
    assert "'release'" in result.sentence
    assert "'main'" in result.sentence


def test_the_same_job_makes_the_same_commits(scene: Scene) -> None:
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"}, {"c.txt": "D\n"})
    heads = []
    for _ in range(2):
        scene.do("clone")
        scene.do("rebase")
        heads.append(scene.work.head)
    assert heads[0] == heads[1]


def test_nothing_of_the_remote_moves(scene: Scene) -> None:
    scene.branches({"b.txt": "1\n2\n4\n"}, {"c.txt": "C\n"})
    before = scene.repo.git("for-each-ref")
    scene.do("clone")
    scene.do("rebase")
    assert scene.repo.git("for-each-ref") == before
    argv = ["git", "-C", str(scene.repo.path), "fsck"]
    assert subprocess.run(argv, check=False, capture_output=True).returncode == 0
