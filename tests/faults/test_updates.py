"""Which updates belong to which jobs, where a ref moves away and back, and where several jobs mean the same."""

from pathlib import Path

import pytest

from tests.faults.updates import Meant, Pair, left_behind, not_once, pair, pushed, unmatched
from tests.githttp import KEEP, KEPT, PUSHER
from tests.gitrepo import Repository

REF = "refs/heads/topic"
A, B, C, D = "a" * 40, "b" * 40, "c" * 40, "d" * 40


def job(name: str, *pairs: Pair, landed: bool = False, gone: bool = False) -> Meant:
    state = "cancelled" if gone else "success"
    return Meant(job=name, state=state, pairs=frozenset(pairs), landed=landed, gone=gone)


PUSH, UNDO, AGAIN = (
    job("push", (A, B), landed=True),
    job("undo", (B, A), landed=True),
    job("again", (A, B), landed=True),
)

FINE = {
    "nothing was meant, nothing moved": ([], []),
    "meant, and not come to": ([], [job("one", (A, B))]),
    "there": ([(A, B)], [PUSH]),
    "there and back": ([(A, B), (B, A)], [PUSH, UNDO]),
    "there, back, and there again": ([(A, B), (A, B), (B, A)], [PUSH, UNDO, AGAIN]),
    "undone twice": ([(A, B), (A, B), (B, A), (B, A)], [PUSH, UNDO, AGAIN, job("undo2", (B, A))]),
    "one of two that meant the same": ([(A, B)], [job("one", (A, B)), job("two", (A, B))]),
    "one of the two that a job meant": ([(A, B)], [job("one", (A, B), (A, C), landed=True)]),
    "who could have made either makes way": (
        [(A, B), (A, C)],
        [job("one", (A, B), (A, C), landed=True), job("two", (A, B))],
    ),
    "made and deleted": ([("", B), (B, "")], [job("one", ("", B)), job("undo", (B, ""))]),
}
WRONG = {
    "without an intent": ([(A, B)], [], "without an intent"),
    "to what was meant, from elsewhere": ([(C, B)], [job("one", (A, B))], "without an intent"),
    "from what was meant, to elsewhere": ([(A, C)], [job("one", (A, B))], "without an intent"),
    "the same twice": ([(A, B), (A, B)], [PUSH], "twice"),
    "twice by two intents": ([(A, B), (B, C)], [job("one", (A, B), (B, C))], "twice"),
    "there again and nobody meant that": ([(A, B), (A, B), (B, A)], [PUSH, UNDO], "twice"),
    "thrice for two": ([(A, B)] * 3, [job("one", (A, B)), job("two", (A, B))], "twice"),
    "told and not done": ([], [PUSH], "no update is left"),
    "told by two and done once": ([(A, B), (B, A)], [PUSH, UNDO, AGAIN], "no update is left"),
    "back, told and not done": ([(A, B)], [PUSH, UNDO], "no update is left"),
}


@pytest.mark.parametrize("name", FINE)
def test_each_update_has_a_job_of_its_own(name: str) -> None:
    found, meant = FINE[name]
    for order in (meant, meant[::-1]):  # who is asked first decides nothing
        assert list(not_once(REF, found, order)) == []
        assert list(left_behind(REF, found, order)) == []


@pytest.mark.parametrize("name", WRONG)
def test_an_update_that_nobody_had_to_give_is_heard(name: str) -> None:
    found, meant, words = WRONG[name]
    for order in (meant, meant[::-1]):
        (told,) = not_once(REF, found, order)
        assert words in told


def test_a_cancelled_job_is_blamed_for_what_nobody_else_can_have_done() -> None:
    gone = job("gone", (A, B), gone=True)
    assert list(left_behind(REF, [(A, B)], [gone])) == [
        f"cancelled job gone moved {REF} aaaaaaaaaa..bbbbbbbbbb"
    ]
    assert list(left_behind(REF, [(A, B)], [gone, PUSH])) == []  # the other one has
    assert len(list(left_behind(REF, [(A, B), (A, B), (B, A)], [gone, PUSH, UNDO]))) == 1
    assert list(left_behind(REF, [(A, B), (A, B), (B, A)], [gone, PUSH, UNDO, AGAIN])) == []
    assert list(left_behind(REF, [(C, D)], [gone])) == []  # that is not its


def test_as_many_as_can_get_one() -> None:
    one, two, both = frozenset({(A, B)}), frozenset({(B, C)}), frozenset({(A, B), (B, C)})
    assert unmatched([both, one], [one, two]) == []
    assert unmatched([both, both, one], [one, two]) == [2]
    assert unmatched([one], []) == [0]


@pytest.fixture
def served(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "served.git")
    hook = made.path / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(KEEP)
    hook.chmod(0o755)
    return made


def test_what_came_over_http_is_known_after_its_branch_was_deleted(served: Repository) -> None:
    """A server throws the reflog of a deleted branch away."""
    start = served.commit({"a": "1\n"}, branch="main")
    other = served.commit({"a": "2\n"}, start)
    host(served, f"{start}:refs/heads/topic")
    host(served, f"+{other}:refs/heads/topic")
    host(served, ":refs/heads/topic")
    host(served, f"{start}:refs/heads/topic")
    assert pushed(served.path) == {
        REF: sorted([("", start), ("", start), (start, other), (other, "")]),
    }


def test_what_a_person_did_is_theirs_and_the_reflog_alone_is_enough(served: Repository) -> None:
    start = served.commit({"a": "1\n"}, branch="main")
    other = served.commit({"a": "2\n"}, start, branch="topic")
    host(served, f"+{start}:refs/heads/topic")
    host(served, f"{other}:refs/heads/topic", by="ada@example.org")
    (served.path / KEPT).unlink()
    assert pushed(served.path) == {REF: [(other, start)]}


def test_no_commit_is_written_in_two_ways() -> None:
    assert pair("0" * 40, A) == pair("", A) == ("", A)
    assert pair(A, "0" * 64) == (A, "")


def host(repository: Repository, what: str, by: str = PUSHER) -> None:
    """Push as the host does for whoever comes over http."""
    repository.git("push", "--quiet", str(repository.path), what, GIT_COMMITTER_EMAIL=by)
