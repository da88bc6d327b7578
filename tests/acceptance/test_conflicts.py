"""A branch that conflicts in four ways: what can be answered is, what cannot goes to a person, and nothing is lost."""

import re
from pathlib import Path

from flowforge.api.models import ConflictOut, JobDetail
from tests.acceptance.house import House, Project, ending
from tests.acceptance.stories import BOTH_FEES, TESTS, Story, four_conflicts, pipeline
from tests.gitrepo import Repository, git

MARKERS = re.compile(rb"^<<<<<<< .*?^>>>>>>> [^\n]*\n", re.MULTILINE | re.DOTALL)


def conflicts(house: House, job: JobDetail) -> dict[str, ConflictOut]:
    with house.client as client:
        return {one.path: one for one in client.conflicts(job.id).conflicts}


def test_what_only_judgement_can_answer_goes_to_a_person_with_what_every_rung_said(house: House) -> None:
    project = house.project()
    story = four_conflicts(project.repository, pipeline())
    job = project.run()
    assert ending(job) == ("failed", "unresolved_conflicts")
    assert job.ending is not None
    assert "shop/fee.py" in job.ending.sentence
    assert "by hand" in job.ending.next_action
    found = conflicts(house, job)
    assert {path: (one.kind, one.method) for path, one in found.items()} == {
        "shop/cart.py": ("content", "structural"),
        "store/store.go": ("content", "structural"),
        "config/shop.json": ("add_add", "document"),
        "shop/fee.py": ("content", ""),
    }
    open_ = found["shop/fee.py"]
    assert (open_.resolved, open_.commit, open_.stage) == (False, story.own[2], "resolve")
    assert "shop/fee.py" in open_.sentence
    assert {hunk.rung for hunk in open_.hunks} == {"mechanical", "structural"}
    assert all(hunk.why for hunk in open_.hunks)
    assert project.pushes() == []
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert house.intents(job) == []


def test_a_good_answer_that_tests_confirm_is_pushed_whole_and_once(house: House, tmp_path: Path) -> None:
    project = house.project()
    command = f"python3 -m unittest -q && python3 -c '{CHECK}'"
    story = four_conflicts(project.repository, pipeline(model="both", test=command))
    clone = tmp_path / "clone.git"
    git(tmp_path, "clone", "-q", "--mirror", project.repository.url, str(clone))
    job = project.run()
    assert ending(job) == ("success", "pushed")
    assert {one.stage: one.result for one in job.stages} == dict.fromkeys(
        ("clone", "rebase", "resolve", "validate", "test", "push", "report"), "success"
    )
    answered = conflicts(house, job)["shop/fee.py"]
    assert (answered.method, answered.model) == ("model", "both")
    assert answered.hunks[0].account.dropped
    tip = project.repository.tip("refs/heads/topic")
    assert project.repository.tree(tip) == job.outputs["test"]["tree"] == job.outputs["push"]["tree"]
    assert_moved_once_as_meant(project, house, job, story)
    assert_authors_kept(project.repository, story, tip, job)
    assert_outside_bytes_are_gits(clone, project.repository, story, tip)


CHECK = "from shop.fee import fee; assert fee(10) == 30"


def assert_moved_once_as_meant(project: Project, house: House, job: JobDetail, story: Story) -> None:
    tip = project.repository.tip("refs/heads/topic")
    assert [(move.old, move.new) for move in project.pushes()] == [(story.branch, tip)]
    intents = [(one["ref"], one["old_sha"], one["new_sha"], one["outcome"]) for one in house.intents(job)]
    assert intents == [("refs/heads/topic", story.branch, tip, "pushed")]
    assert project.pushes("main") == []


def assert_authors_kept(repository: Repository, story: Story, tip: str, job: JobDetail) -> None:
    """Author, author date, encoding and message of every commit, byte for byte; the committer is the job's."""
    after = repository.git("rev-list", "--reverse", f"{story.main}..{tip}").decode().split()
    assert len(after) == len(story.own)
    parent = story.main
    for old, new in zip(story.own, after, strict=True):
        head, _, message = repository.git("cat-file", "commit", new).partition(b"\n\n")
        was, _, before = repository.git("cat-file", "commit", old).partition(b"\n\n")
        assert message == before
        assert header(head, b"author") == header(was, b"author")
        assert header(head, b"encoding") == header(was, b"encoding")
        seconds = int(job.created_at.timestamp())
        assert header(head, b"committer") == f"FlowForge <flowforge@localhost> {seconds} +0000".encode()
        assert header(head, b"parent") == parent.encode()
        parent = new


def header(head: bytes, name: bytes) -> bytes:
    found = [line for line in head.split(b"\n") if line.startswith(name + b" ")]
    return found[0].partition(b" ")[2] if found else b""


def assert_outside_bytes_are_gits(clone: Path, repository: Repository, story: Story, tip: str) -> None:
    """Git merges the same two tips by itself; every byte that it did not put between markers is in the result."""
    merged = git(
        clone,
        "-c",
        "merge.conflictStyle=diff3",
        "merge-tree",
        "--write-tree",
        story.main,
        story.branch,
        ok=(1,),
    )
    tree = merged.split(b"\n", 1)[0].decode()
    names = git(clone, "ls-tree", "-r", "-z", "--name-only", tree).decode().split("\0")[:-1]
    assert set(names) == set(repository.files(tip))
    conflicted = set()
    for name in names:
        ours = repository.git("cat-file", "blob", f"{tip}:{name}")
        theirs = git(clone, "cat-file", "blob", f"{tree}:{name}")
        pieces = MARKERS.split(theirs)
        assert re.fullmatch(b".*".join(map(re.escape, pieces)), ours, re.DOTALL), name
        if len(pieces) > 1:
            conflicted.add(name)
            assert b"<<<<<<<" not in ours
    assert conflicted == {"shop/cart.py", "store/store.go", "config/shop.json", "shop/fee.py"}
    assert b'TAIL = "new"\t\n' in repository.git("cat-file", "blob", f"{tip}:shop/cart.py")


def test_an_answer_that_tests_refute_is_not_pushed(house: House) -> None:
    project = house.project()
    story = four_conflicts(project.repository, pipeline(model="upstream", test=f"python3 -c '{CHECK}'"))
    job = project.run()
    assert ending(job) == ("failed", "tests_failed")
    assert "AssertionError" in house.log(job)
    assert project.repository.tip("refs/heads/topic") == story.branch
    assert project.pushes() == []


def test_a_dangerous_answer_is_refused_before_any_test(house: House) -> None:
    project = house.project()
    four_conflicts(project.repository, pipeline(model="bad:dangerous"))
    job = project.run()
    assert ending(job) == ("failed", "unresolved_conflicts")
    assert job.ending is not None
    assert "runs text as code, which no side has" in job.ending.sentence
    assert not {"validate", "test", "push"} & {one.stage for one in job.stages}
    said = next(hunk for hunk in conflicts(house, job)["shop/fee.py"].hunks if hunk.rung == "model")
    assert said.reason == "dangerous"
    assert said.account.findings == ["hunk 0 brings a call that runs text as code, which no side has"]
    assert said.account.prompt_version
    assert len(said.account.prompt_hash) == 64
    assert project.pushes() == []


def test_tests_of_both_sides_run_on_the_result(house: House) -> None:
    """The branch brings a test that only the union of both changes passes."""
    project = house.project()
    definition = pipeline(model="both")
    story = four_conflicts(project.repository, definition)
    files = {**project.repository.files(story.branch), "tests/test_shop.py": TESTS + BOTH_FEES}
    project.repository.commit(files, story.branch, branch="topic", message="Ask for both fees")
    job = project.run()
    assert ending(job) == ("success", "pushed")
    assert "Ran 3 tests" in house.log(job)
