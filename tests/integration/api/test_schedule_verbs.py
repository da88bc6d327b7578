"""`flowforge schedule` against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from flowforge.cli import repo as repo_verbs
from flowforge.cli import schedule as schedule_verbs
from flowforge.cli.app import run_verb
from flowforge.git.names import plain_ref
from flowforge.jobs.due import Starter
from flowforge.jobs.submit import Door
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.api.served import Run, serving, signed_in, speaker

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
        url = "https://git.example.org/shop.git"
        assert run_verb(repo_verbs.app, "repo", ("add", "shop", url, "--default-branch", "main")) == 0
        capsys.readouterr()
        yield speaker(schedule_verbs.app, "schedule", capsys)


def what_is_wrong_is_refused(run: Run) -> None:
    for wrong, code, words_said in (
        (("--cron", "0 0 30 2 *"), 2, "is never due"),
        (("--cron", "* * * * * *"), 2, "at most once a minute"),
        (("--cron", "0 5 * * *", "--timezone", "Europe/Berln"), 2, "did you mean 'Europe/Berlin'"),
        (("--cron", "0 5 * * *", "--priority", "12"), 2, "priority"),
        ((), 2, "--cron"),
    ):
        found, out, err = run("add", "other", "shop", "feature", *wrong)
        assert (found, out) == (code, ""), err
        assert words_said in err
        assert "next: " in err
    code, out, err = run("add", "nightly", "shop", "feature", "--cron", "0 5 * * *", "--json")
    assert code == 2
    assert json.loads(out)["error"]["reason"] == "conflict_of_state"


def test_a_year_with_the_verbs(run: Run, database: TestDatabase) -> None:
    """One server for all of them: starting it takes longer than they do."""
    words = (
        "nightly",
        "shop",
        "feature",
        "--cron",
        "30 2 * * *",
        "--timezone",
        "Europe/Berlin",
        "--env",
        "A=hunter2",
    )
    code, out, err = run("add", *words)
    assert code == 0, err
    identity = UUID(out.strip())
    assert err.startswith("due next at 20")

    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert "nightly" in out
    assert max(map(len, out.splitlines())) <= 80
    assert [row["id"] for row in json.loads(run("list", "--json")[1])] == [str(identity)]
    assert len(json.loads(run("list", "--repository", "shop", "--json")[1])) == 1

    _, by_name, _ = run("show", "nightly")
    _, by_id, _ = run("show", str(identity))
    assert by_name == by_id
    assert "cron      30 2 * * * (Europe/Berlin)" in by_name
    assert "branch    feature onto the default branch" in by_name
    assert by_name.count("UTC") == 5
    assert "hunter2" not in by_name

    code, out, err = run("update", "nightly", "--cron", "0 5 * * 1-5", "--onto", "release", "--priority", "8")
    assert (code, err) == (0, "")
    assert "cron      0 5 * * 1-5 (Europe/Berlin)" in out
    assert "branch    feature onto release" in out
    changed = json.loads(run("update", "nightly", "--onto", "", "--json")[1])
    assert (changed["target"], changed["cron"], changed["priority"]) == ("", "0 5 * * 1-5", 8)
    assert run("update", "nightly", "--cron", "0 0 30 2 *")[0] == 2

    assert run("pause", "nightly") == (0, "", "nightly is paused\n")
    assert "paused" in run("list")[1]
    assert json.loads(run("pause", "nightly", "--json")[1])["is_active"] is False
    assert run("resume", "nightly")[2].startswith("nightly is due next at 20")

    with database.system.transaction(Scope.system()) as transaction:
        transaction.run("UPDATE repositories SET is_active = false")
        transaction.run("UPDATE schedules SET next_at = now()")
    Starter(database=database.system, door=Door(new_id=uuid4, check_ref=plain_ref))()
    _, shown, _ = run("show", "nightly")
    assert "reason    conflict_of_state" in shown
    assert "trouble   repository" in shown
    assert "conflict_of_state" in run("list")[1].replace("\n", "")
    assert json.loads(run("show", "nightly", "--json")[1])["last_error"]

    with database.system.transaction(Scope.system()) as transaction:
        transaction.run("UPDATE repositories SET is_active = true")
    what_is_wrong_is_refused(run)
    assert run("show", "nothing")[0] == 2
    assert "there is no schedule named 'nothing'" in run("remove", "nothing")[2]
    assert run("show", str(UUID(int=1)))[0] == 2
    assert run("remove", "nightly") == (0, "", "nightly is removed\n")
    assert json.loads(run("list", "--json")[1]) == []
