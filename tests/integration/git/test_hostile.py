"""Repositories that attack whoever fetches them: refused with a type, or fetched and told; nothing runs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.core.errors import FlowForgeError, Reason
from flowforge.core.verdict import Level
from flowforge.git.export import export_tree
from flowforge.git.mirror import Mirror
from flowforge.git.replay import Committer, commits_to_replay, replay
from flowforge.git.scan import scan
from tests.githttp import GitServer
from tests.gitrepo import Content, Repository

Opened = Callable[..., Mirror]


@pytest.fixture
def served(server: GitServer) -> Repository:
    repo = server.repository("team/app")
    repo.commit({"a": "1\n"}, branch="main")
    return repo


def raw_commit(repo: Repository, name: bytes, mode: bytes, oid: str) -> str:
    """A commit on main whose tree holds one more entry, which git's own tools would not make."""
    blob = repo.tip("main:a")
    rows = {b"a": (b"100644", blob), name: (mode, oid)}
    body = b"".join(m + b" " + n + b"\0" + bytes.fromhex(o) for n, (m, o) in sorted(rows.items()))
    tree = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=body).decode().strip()
    return repo.git("commit-tree", tree, "-p", repo.tip("main"), "-m", "evil").decode().strip()


@pytest.mark.parametrize("name", [b".git", b".GIT", b"..", b".", b"a/b", b"git~1", b".git\xe2\x80\x8c"])
def test_a_tree_that_git_fsck_refuses_is_hostile_content(
    served: Repository, server: GitServer, opened: Opened, name: bytes
) -> None:
    blob = served.git("hash-object", "-w", "--stdin", stdin=b"x\n").decode().strip()
    served.point("topic", raw_commit(served, name, b"100644", blob))
    with pytest.raises(FlowForgeError) as caught:
        opened(server.url("team/app")).fetch("topic", "main")
    assert caught.value.reason is Reason.HOSTILE_CONTENT
    assert "fsck" in caught.value.next_action


@pytest.mark.parametrize(
    "text",
    [
        '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n',
        '[submodule "x"]\n\tpath = -x\n\turl = https://example.org/x\n',
        '[submodule "../x"]\n\tpath = x\n\turl = https://example.org/x\n',
        '[submodule "x"]\n\tpath = x\n\turl = "https://example.org\\n/x"\n',
    ],
)
def test_a_gitmodules_that_attacks_is_hostile_content(
    served: Repository, server: GitServer, opened: Opened, text: str
) -> None:
    served.commit({"a": "1\n", ".gitmodules": text}, served.tip("main"), branch="topic")
    with pytest.raises(FlowForgeError) as caught:
        opened(server.url("team/app")).fetch("topic", "main")
    assert caught.value.reason is Reason.HOSTILE_CONTENT


RUNNERS: dict[str, Content] = {
    ".gitattributes": "* filter=evil diff=evil merge=evil\n",
    ".gitconfig": '[filter "evil"]\n\tsmudge = touch RAN\n[merge "evil"]\n\tdriver = touch RAN\n',
    ".lfsconfig": "[lfs]\n\turl = http://127.0.0.1:1/\n",
    "hooks/post-checkout": ("100755", "#!/bin/sh\ntouch RAN\n"),
    ".githooks/pre-push": ("100755", "#!/bin/sh\ntouch RAN\n"),
    "HEAD": "ref: refs/heads/main\n",
    "config": "[core]\n\tbare = true\n\tfsmonitor = touch RAN\n",
    "objects/x": "",
    "refs/x": "",
}


def test_nothing_that_a_tree_holds_is_run_or_read_as_configuration(
    served: Repository, server: GitServer, opened: Opened, committer: Committer, tmp_path: Path
) -> None:
    files = {
        path: tuple(str(part).replace("RAN", f"{tmp_path}/ran") for part in content)
        if isinstance(content, tuple)
        else str(content).replace("RAN", f"{tmp_path}/ran")
        for path, content in RUNNERS.items()
    }
    start = served.commit({**files, "a": "1\n2\n3\n4\n5\n"}, served.tip("main"))  # type: ignore[arg-type]
    target = served.commit({**files, "a": "up\n2\n3\n4\n5\n"}, start, branch="main")  # type: ignore[arg-type]
    head = served.commit({**files, "a": "1\n2\n3\n4\ndown\n"}, start, branch="topic")  # type: ignore[arg-type]
    mirror = opened(server.url("team/app"))
    mirror.fetch("topic", "main")
    done = replay(mirror, commits_to_replay(mirror, start, head, target), target, committer)
    assert done.stopped is None
    export_tree(mirror, done.tree, tmp_path / "out")
    scan(mirror, target, done.head)
    assert not (tmp_path / "ran").exists()
    assert mirror.read_file(done.head, "a") == b"up\n2\n3\n4\ndown\n"


def test_criss_cross_histories_are_replayed(
    served: Repository, server: GitServer, opened: Opened, committer: Committer, tmp_path: Path
) -> None:
    text = [f"{n}\n" for n in range(30)]

    def file(**lines: str) -> dict[str, Content]:
        rows = [lines.get(f"l{n}", line) for n, line in enumerate(text)]
        return {"a": "".join(rows)}

    start = served.commit(file())
    left = served.commit(file(l3="L\n"), start)
    right = served.commit(file(l20="R\n"), start)
    one = served.commit(file(l3="L\n", l20="R\n"), left, right)
    two = served.commit(file(l3="L\n", l20="R\n"), right, left)
    target = served.commit(file(l3="L\n", l20="R\n", l10="up\n"), one, branch="main")
    head = served.commit(file(l3="L\n", l20="R\n", l28="down\n"), two, branch="topic")
    mirror = opened(server.url("team/app"))
    mirror.fetch("topic", "main")
    base = mirror.merge_base(head, target)
    done = replay(mirror, commits_to_replay(mirror, base, head, target), target, committer)
    assert done.tree == served.tree(served.rebase(tmp_path / "w", head, target))


def test_ten_thousand_refs_cost_nothing(served: Repository, server: GitServer, opened: Opened) -> None:
    tip = served.tip("main")
    served.git(
        "update-ref",
        "--stdin",
        stdin=b"".join(b"create refs/heads/b%d %s\n" % (n, tip.encode()) for n in range(10_000)),
    )
    served.commit({"a": "2\n"}, tip, branch="topic")
    mirror = opened(server.url("team/app"))
    assert mirror.fetch("topic", "main").target == tip
    assert len(mirror.git.run("for-each-ref").splitlines()) == 2


def test_a_branch_full_of_surprises_is_told(served: Repository, server: GitServer, opened: Opened) -> None:
    start = served.tip("main")
    head = served.commit(
        {"a": "1\n", "out": ("120000", "/etc/passwd"), "A": "2\n", "sub": ("160000", "1" * 40)},
        start,
        branch="topic",
    )
    mirror = opened(server.url("team/app"))
    mirror.fetch("topic", "main")
    found = {(finding.rule, finding.path): finding.level for finding in scan(mirror, start, head)}
    assert found["link", "out"] is Level.WARNING
    assert found["submodule", "sub"] is Level.NOTE
