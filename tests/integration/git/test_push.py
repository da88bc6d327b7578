"""The push protocol against a real server: exact lease, lost replies, hooks, races."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowforge.core.errors import Broken, FlowForgeError, Reason
from flowforge.git.command import RemoteOperation
from flowforge.git.mirror import Mirror
from flowforge.git.push import push, read_answer
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

    def hook(self, text: str, name: str = "pre-receive") -> None:
        place = self.repo.path / "hooks" / name
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


@dataclass(kw_only=True)
class PassedBy(Mirror):
    """A mirror of a branch to which somebody does something between our push and our question what became of it."""

    passes: Callable[[], object]
    asked: int = 0

    def ls_remote(self, ref: str) -> str:
        self.asked += 1
        if self.asked == 2:  # the first time is before the push
            self.passes()
        return super().ls_remote(ref)


def passed_by(scene: Scene, passes: Callable[[], object]) -> PassedBy:
    parts = {name: getattr(scene.mirror, name) for name in scene.mirror.__dataclass_fields__}
    return PassedBy(**parts, passes=passes)


@pytest.mark.parametrize("landed", [True, False])
def test_an_unanswered_push_is_in_doubt_where_somebody_has_pushed_since(
    scene: Scene, server: GitServer, landed: bool
) -> None:
    """Their commit may stand on ours or not: its id alone does not say which."""
    lost = Fault(on="/git-receive-pack", drop_reply=True)
    server.fault = lost if landed else Fault(on="/git-receive-pack", status=500)
    theirs = ""

    def person() -> None:
        nonlocal theirs
        server.fault = None
        theirs = scene.repo.commit({"a": "3\n"}, scene.repo.tip("topic"), branch="topic")

    mirror = passed_by(scene, person)
    outcome = push(mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("unknown", theirs)
    assert ((scene.old, scene.new) in scene.repo.updates("topic")) is landed
    assert scene.repo.tip("topic") == theirs
    again = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (again.status, again.tip) == ("moved", theirs)


def test_a_branch_that_was_put_back_after_an_unanswered_push_leaves_it_in_doubt(
    scene: Scene, server: GitServer
) -> None:
    """It looks as if nothing had come; the push had landed all the same."""
    server.fault = Fault(on="/git-receive-pack", drop_reply=True)
    mirror = passed_by(scene, lambda: scene.repo.point("topic", scene.old))
    outcome = push(mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("unknown", scene.old)


def test_what_curl_sends_again_by_itself_is_not_taken_for_somebody_elses(
    scene: Scene, server: GitServer
) -> None:
    """The second request is refused, as the ref is not where it was: the first one had moved it."""
    server.fault = Fault(on="/git-receive-pack", drop_reply=True, times=1)
    theirs = passed_by(scene, lambda: scene.repo.commit({"a": "3\n"}, scene.new, branch="topic"))
    outcome = push(theirs, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert outcome.status in {"pushed", "unknown"}  # not every curl sends again


@pytest.mark.parametrize(
    ("row", "found", "status"),
    [
        ("[rejected] (stale info)", "", "moved"),  # git compared before it sent anything
        ("[remote rejected] (atomic transaction failed)", "c" * 40, "unknown"),
        ("[remote rejected] (atomic transaction failed)", "b" * 40, "pushed"),
        ("[remote rejected] (failed to update ref)", "", "unknown"),
        ("[remote rejected] (pre-receive hook declined)", "", "rejected"),
        ("[remote rejected] (non-fast-forward)", "", "rejected"),
    ],
)
def test_what_git_says_of_a_ref_that_did_not_move(row: str, found: str, status: str) -> None:
    ref, new = "refs/heads/topic", "b" * 40
    words = f"error: cannot lock ref '{ref}': is at {found} but expected {'a' * 40}\n" if found else ""
    answer = read_answer(f"To http://h/x\n!\t{new}:{ref}\t{row}\nDone\n", words, ref, new)
    assert answer is not None
    assert answer.status == status


def test_over_a_transport_that_sends_once_what_a_server_found_is_certain() -> None:
    words = f"error: cannot lock ref 'refs/heads/topic': is at {'c' * 40} but expected {'a' * 40}\n"
    row = f"To h:x\n!\t{'b' * 40}:refs/heads/topic\t[remote rejected] (failed to update ref)\nDone\n"
    answer = read_answer(row, words, "refs/heads/topic", "b" * 40, once=True)
    assert answer is not None
    assert answer.status == "moved"


def test_a_server_that_finds_a_strange_commit_leaves_the_push_in_doubt(scene: Scene) -> None:
    """Whether a request that was sent twice had moved it before cannot be told from that commit."""
    theirs = scene.repo.commit({"a": "3\n"}, scene.old)
    scene.hook(f"git update-ref refs/heads/topic {theirs}", name="update")
    outcome = push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new})
    assert (outcome.status, outcome.tip) == ("unknown", theirs)
    assert scene.repo.tip("topic") == theirs


def sent(server: GitServer) -> int:
    return sum(one.method == "POST" and "git-receive-pack" in one.path for one in server.requests)


def test_a_push_whose_job_is_anothers_is_not_sent(scene: Scene, server: GitServer) -> None:
    """It is asked after the remote was: whatever time that took, the answer is as late as it can be."""

    def lost() -> float:
        assert any("git-upload-pack" in one.path for one in server.requests), "the remote was asked before"
        raise Broken(Reason.LEASE_LOST, "the job is another's")

    server.requests.clear()
    with pytest.raises(FlowForgeError) as caught:
        push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new}, may_send=lost)
    assert caught.value.reason is Reason.LEASE_LOST
    assert (sent(server), scene.repo.tip("topic")) == (0, scene.old)


def test_a_push_whose_time_is_over_is_not_sent(scene: Scene, server: GitServer) -> None:
    with pytest.raises(FlowForgeError) as caught:
        push(scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new}, may_send=lambda: 0.0)
    assert (caught.value.reason, caught.value.delay > 0) == (Reason.TIMEOUT, True)  # type: ignore[attr-defined]
    assert (sent(server), scene.repo.tip("topic")) == (0, scene.old)


def test_a_push_has_the_time_that_is_left_of_it(scene: Scene, server: GitServer) -> None:
    server.fault = Fault(on="/git-receive-pack", delay=60, times=1)
    outcome = push(
        scene.mirror, ref="topic", old=scene.old, new=scene.new, own={scene.new}, may_send=lambda: 1.0
    )
    assert outcome.status == "unknown"
    assert "1 seconds" in outcome.detail


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
