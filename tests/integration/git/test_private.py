"""Where a credential lies while git asks for it: in the folder that is swept after a killed worker."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flowforge.git.command import Credential, Door
from flowforge.git.mirror import open_mirror
from tests.githttp import GitServer

BOT = Credential(username="bot", secret="canary-of-the-bot")


def test_a_credential_lies_in_the_private_folder_and_only_while_it_is_needed(
    server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = server.repository("team/app")
    start = repo.commit({"a": "1\n"}, branch="main")
    repo.commit({"a": "2\n"}, start, branch="topic")
    server.users["bot"] = BOT.secret
    private, elsewhere = tmp_path / "private", tmp_path / "elsewhere"
    private.mkdir()
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    seen: list[int] = []
    allows: Callable[[str], bool] = server.allows

    def looking(authorization: str) -> bool:
        files = [path for path in private.rglob("*") if path.is_file()]
        seen.extend(path.stat().st_mode & 0o777 for path in files)
        assert list(elsewhere.iterdir()) == []
        return allows(authorization)

    monkeypatch.setattr(server, "allows", looking)
    door = Door(protocols=frozenset({"http"}), private=private)
    with open_mirror(tmp_path / "mirrors", server.url("team/app"), door, BOT) as mirror:
        mirror.fetch("topic", "main")
    assert set(seen) == {0o600}
    assert list(private.iterdir()) == []
