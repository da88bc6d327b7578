"""`flowforge memory` against a real server."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from flowforge.cli import memory as memory_verbs
from flowforge.cli import repo as repo_verbs
from flowforge.cli.app import run_verb
from flowforge.core.access import Principal, Role
from flowforge.hooks.manager import discover, load_plugins
from flowforge.jobs.memory import StoredMemory
from flowforge.resolve.memory import Person
from flowforge.settings import Settings
from flowforge.wiring.keys import open_vault
from tests.conftest import TestDatabase
from tests.contract.test_memories import given, stored
from tests.integration.api.served import Run, Running, serving, signed_in, speaker
from tests.integration.jobs.world import World

pytestmark = pytest.mark.services


@pytest.fixture
def run(
    database: TestDatabase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    with serving(database, tmp_path) as running:
        signed_in(running, tmp_path, monkeypatch)
        assert run_verb(repo_verbs.app, "repo", ("add", "shop", "https://git.example.org/shop.git")) == 0
        remember(database, running, UUID(capsys.readouterr().out.strip()), tmp_path)
        yield speaker(memory_verbs.app, "memory", capsys)


def remember(database: TestDatabase, running: Running, repository: UUID, folder: Path) -> None:
    """Answers as a worker of this installation keeps them."""
    principal = Principal(organization=running.first.organization, user=running.first.user, role=Role.ADMIN)
    world = World(database=database, principal=principal, repository=repository)
    vault = open_vault(Settings(data_dir=folder), load_plugins(discover()))
    memory: StoredMemory = stored(world, vault=vault)
    ada = Person(user=str(running.first.user), name="Ada")
    many = [replace(given(path=f"src/{number}.py"), key=f"{number:02x}" * 32) for number in range(16, 28)]
    memory.keep(many)
    memory.keep([given("e", text=b"hers\n", path="docs/\x1b[31m.md", rung="person", by=ada)])


def test_a_life_with_the_verbs(run: Run) -> None:
    """One server for all of them: starting it takes longer than they do."""
    code, out, err = run("list", "shop")
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) == 14
    assert {"KEY", "PATH", "BY", "STATE", "USES", "USED"} == set(lines[0].split())
    assert "\x1b" not in out
    assert "agreed: Ada" in " ".join(out.split())
    code, out, _err = run("list", "shop", "--path", "src/1?.py", "--json", "--limit", "3")
    found = json.loads(out)
    assert [one["path"][:5] for one in found] == ["src/1"] * 3
    assert run("list", "shop", "--person", "nobody")[1].splitlines()[1:] == []
    assert run("list", "shop", "--before", "2020-01-01")[1].splitlines()[1:] == []
    shown_and_refused(run)
    forgotten(run, found[0]["key"])


def shown_and_refused(run: Run) -> None:
    code, out, err = run("show", "shop", "eee")
    assert code == 0, err
    assert out.splitlines()[-2:] == ["text", "  hers"]
    assert "state   agreed: Ada" in out
    assert json.loads(run("show", "shop", "eee", "--json")[1])["text"] == "hers\n"
    for words, expected in (
        (("show", "shop", "1"), "more than one key begins with '1'"),
        (("show", "shop", "f"), "no key begins with 'f'"),
        (("show", "shop", "f" * 64), "nothing is kept under"),
        (("show", "nowhere", "e"), "nowhere"),
        (("list", "shop", "--before", "soon"), "1 problem"),
        (("forget", "shop"), "not clear what to forget"),
        (("forget", "shop", "eee", "--all"), "not clear what to forget"),
        (("forget", "shop", "--all"), "would forget 13 answers of shop"),
        (("forget", "shop", "--path", "*.py"), "would forget 12 answers of shop"),
    ):
        code, out, err = run(*words)
        assert (code, out) == (2, ""), (words, err)
        assert expected in " ".join(err.split())
        assert "next: " in err
    assert len(run("list", "shop")[1].splitlines()) == 14


def forgotten(run: Run, key: str) -> None:
    assert run("forget", "shop", key)[::2] == (0, "shop forgot 1 answer\n")
    assert json.loads(run("forget", "shop", "--path", "src/2?.py", "--json")[1]) == {"forgotten": 8}
    assert run("forget", "shop", "--person", "Ada")[::2] == (0, "shop forgot 1 answer\n")
    assert run("forget", "shop", "--path", "*.rs")[::2] == (0, "shop forgot 0 answers\n")
    assert run("forget", "shop", "--all", "--yes")[::2] == (0, "shop forgot 3 answers\n")
    assert run("list", "shop")[1].splitlines()[1:] == []
