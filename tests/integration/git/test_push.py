"""The push protocol against a real server: exact lease, lost replies, hooks, races."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.core.errors import FlowForgeError, Reason
from flowforge.git.command import RemoteOperation
from flowforge.git.mirror import Mirror
from flowforge.git.push import push
from tests.githttp import Fault, GitServer
from tests.gitrepo import Repository

Opened = Callable[..., Mirror]


class Scene:
    """A served repository with a branch, and a new commit for it that only the mirror has."""

    def __init__(self, server: GitServer, opened: Opened) -> None:
        self.repo: Repository = server.repository("team/app")
        start = self.repo.commit({"a": "1\n"}, branch="main")
        self.old = self.repo.commit({"a": "2\n"}, start, branch="topic")
        self.mirror = opened(server.url("team/app"))
        self.mirror.fetch("topic", "main")
        self.new = self.make(b"rebased")

    def make(self, message: bytes) -> str:
        tree, parent = self.repo.tree(self.old), self.repo.tip("main")
        who = "F <f@example.org> 1760000000 +0000"
        raw = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n".encode() + message
        with self.mirror.git.objects() as objects:
            return objects.write("commit", raw)

    def hook(self, text: str) -> None:
        place = self.repo.path / "hooks" / "pre-receive"
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n{text}\n")
        place.chmod(0o755)


@pytest.fixture
def scene(server: GitServer, opened: Opened) -> Scene:
    return Scene(server, opened)


def test_a_push_moves_the_ref_once_and_is_recorded(scene: Scene, recorded: list[RemoteOperation]) -> None:
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("pushed", scene.new)
    assert scene.repo.updates("topic")[-1] == (scene.old, scene.new)
    pushes = [(op.type, op.ref, op.sha, op.status) for op in recorded if op.type == "push"]
    assert pushes == [("push", "refs/heads/topic", scene.new, "ok")]


def test_a_second_attempt_finds_that_the_first_had_landed(scene: Scene) -> None:
    for expected in ("pushed", "already"):
        outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
        assert outcome.status == expected
    assert [new for _, new in scene.repo.updates("topic")].count(scene.new) == 1


def test_an_own_commit_of_an_earlier_attempt_counts_as_done(scene: Scene) -> None:
    other = scene.make(b"an earlier attempt")
    push(scene.mirror, ref="topic", old=scene.old, new=other, own={other})
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={other, scene.new})
    assert (outcome.status, outcome.tip) == ("already", other)


def test_a_commit_that_a_person_pushed_meanwhile_stands(scene: Scene) -> None:
    theirs = scene.repo.commit({"a": "3\n"}, scene.old, branch="topic")
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("moved", theirs)
    assert scene.repo.tip("topic") == theirs


def test_a_commit_that_lands_between_the_question_and_the_push_stands(
    scene: Scene, server: GitServer
) -> None:
    """The lease, not the question, is what protects it: ls-remote is answered from before the person's push."""
    honest = scene.mirror.ls_remote
    theirs = scene.repo.commit({"a": "3\n"}, scene.old)
    answers = iter([scene.old])

    class Late(Mirror):
        def ls_remote(self, ref: str) -> str:
            early = next(answers, "")
            scene.repo.point("topic", theirs)
            return early or honest(ref)

    late = Late(**{name: getattr(scene.mirror, name) for name in scene.mirror.__dataclass_fields__})
    outcome = push(late, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("moved", theirs)
    assert scene.repo.tip("topic") == theirs


def test_a_deleted_branch_has_moved(scene: Scene) -> None:
    scene.repo.git("update-ref", "-d", "refs/heads/topic")
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("moved", "")


def test_a_branch_is_created_only_where_there_is_none(scene: Scene) -> None:
    made = push(scene.mirror, ref="fresh", old="0" * 40, new=scene.new, own={scene.new})
    assert (made.status, scene.repo.tip("fresh")) == ("pushed", scene.new)
    again = push(scene.mirror, ref="main", old="", new=scene.new, own={scene.new})
    assert again.status == "moved"


def test_a_hook_that_says_no_is_quoted(scene: Scene) -> None:
    scene.hook("echo 'policy: no rebases on \033[31mFriday\033[0m'; exit 1")
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert outcome.status == "rejected"
    assert "policy: no rebases on Friday" in outcome.detail
    assert "\033" not in outcome.detail
    assert scene.repo.tip("topic") == scene.old


def test_a_hook_that_floods_is_capped(scene: Scene) -> None:
    scene.hook("i=0; while [ $i -lt 5000 ]; do echo 'no no no no no'; i=$((i+1)); done; exit 1")
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert outcome.status == "rejected"
    assert len(outcome.detail) <= 2000


def test_a_lost_reply_is_asked_again_and_found_landed(scene: Scene, server: GitServer) -> None:
    server.fault = Fault(on="/git-receive-pack", drop_reply=True)
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("pushed", scene.new)
    assert [new for _, new in scene.repo.updates("topic")].count(scene.new) == 1


def test_a_push_cut_by_its_deadline_is_unknown_until_it_is_learnt(scene: Scene, server: GitServer) -> None:
    server.fault = Fault(on="/git-receive-pack", delay=20, times=1)
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new}, deadline=1.0)
    assert outcome.status == "unknown"
    again = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert again.status in {"pushed", "already"}
    assert [new for _, new in scene.repo.updates("topic")].count(scene.new) == 1


@pytest.mark.parametrize(
    "on", ["git-receive-pack", "/git-receive-pack"]
)  # when asked for refs, and for the push
@pytest.mark.parametrize("status", [401, 403])
def test_a_host_that_refuses_the_credential_was_asked_for_nothing(
    scene: Scene, server: GitServer, on: str, status: int
) -> None:
    server.fault = Fault(on=on, status=status)
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("rejected", scene.old)
    assert outcome.error is not None
    assert outcome.error.reason is Reason.AUTHENTICATION_FAILED
    assert scene.repo.tip("topic") == scene.old


def test_a_host_that_answers_nothing_at_first_raises(scene: Scene, server: GitServer) -> None:
    server.fault = Fault(status=401)
    with pytest.raises(FlowForgeError) as caught:
        push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert caught.value.reason is Reason.AUTHENTICATION_FAILED


def test_a_server_that_takes_fast_forwards_only_has_refused_and_not_moved(scene: Scene) -> None:
    scene.repo.git("config", "receive.denyNonFastForwards", "true")
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("rejected", scene.old)
    assert "non-fast-forward" in outcome.detail


def test_a_hook_of_the_mirror_itself_never_runs(scene: Scene, tmp_path: Path) -> None:
    planted = scene.mirror.path / "hooks" / "pre-push"
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    planted.chmod(0o755)
    assert push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own=set()).status == "pushed"
    assert not (tmp_path / "ran").exists()
