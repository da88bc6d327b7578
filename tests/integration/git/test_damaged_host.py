"""A git host whose own copy of a repository is damaged is named as the cause, and the mirror here is not blamed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.core.errors import Reason, Refused
from flowforge.git.mirror import Mirror
from tests.githttp import GitServer
from tests.gitrepo import Repository

Opened = Callable[..., Mirror]


def object_file(repo: Repository, name: str) -> Path:
    oid = repo.tip(name)
    found = repo.path / "objects" / oid[:2] / oid[2:]
    found.chmod(0o644)
    return found


@pytest.mark.parametrize("harm", ["emptied", "gone", "garbage"])
def test_what_the_host_cannot_read_is_the_hosts_to_repair(
    server: GitServer, opened: Opened, tmp_path: Path, harm: str
) -> None:
    repo = server.repository("team/app")
    start = repo.commit({"a": "1\n"}, branch="main")
    repo.commit({"a": "1\n", "b": "2\n"}, start, branch="topic")
    harmed = object_file(repo, "main:a")
    if harm == "gone":
        harmed.unlink()
    else:
        harmed.write_bytes(b"" if harm == "emptied" else b"garbage")
    mirror = opened(server.url("team/app"))
    with pytest.raises(Refused) as caught:
        mirror.fetch("topic", "main")
    assert caught.value.reason is Reason.REPOSITORY_DAMAGED
    assert "git fsck" in caught.value.next_action
    assert not (mirror.path.parent / "damaged").exists()
    assert mirror.notes == []
