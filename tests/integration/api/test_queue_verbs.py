"""`flowforge queue`, and groups from the terminal, against a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge.cli import job as job_verbs
from flowforge.cli import queue as queue_verbs
from flowforge.cli import repo as repo_verbs
from flowforge.cli.app import run_verb
from tests.conftest import TestDatabase
from tests.integration.api.served import serving, signed_in

pytestmark = pytest.mark.services

VERBS = {"job": job_verbs.app, "repo": repo_verbs.app, "queue": queue_verbs.app}


class Shell:
    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture

    def run(self, *words: str) -> tuple[int, str, str]:
        code = run_verb(VERBS[words[0]], words[0], words[1:])
        written = self.capture.readouterr()
        return code, written.out, written.err

    def good(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert code == 0, err
        return out

    def refused(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert (code, out) == (2, "")
        assert "\nnext: " in err
        return err


@pytest.fixture
def shell(
    database: TestDatabase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shell]:
    with serving(database, tmp_path) as running:
        signed_in(running, tmp_path, monkeypatch)
        made = Shell(capsys)
        made.good("repo", "add", "shop", "https://git.example.org/shop.git", "--default-branch", "main")
        yield made


def test_a_day_with_the_queue(shell: Shell) -> None:
    """One server for all of it: starting it takes longer than the rest."""
    assert shell.good("queue", "show").splitlines() == [
        "queued    nothing",
        "running   0 of 50 that may run at a time; no worker is alive",
    ]
    job = shell.good("job", "submit", "shop", "feature", "--priority", "8").strip()
    code, out, err = shell.run("queue", "pause", "shop", "--target", "main", "--reason", "release week " * 12)
    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "paused: target main of repository shop",
        "next: flowforge queue resume shop --target main, when it may go on",
    ]

    shown = shell.good("queue", "show")
    assert "queued    1 job: 1 high, 0 normal, 0 low" in shown
    assert "paused    target main of repository shop, since " in shown
    assert "  branch    feature onto main of shop\n" in shown
    assert job in shown
    assert "waits     paused: target 'main' is paused since" in shown
    detail = shell.good("job", "show", job)
    assert "waits     paused: target 'main' is paused since" in detail
    assert "resumes it: flowforge queue resume shop" in detail
    assert max(map(len, (shown + detail).splitlines())) <= 80
    as_json = json.loads(shell.good("queue", "show", "--json"))
    assert [one["why"]["code"] for one in as_json["next"]] == ["paused"]

    err = shell.refused("queue", "pause", "shop", "--target", "main", "--reason", "again")
    assert "is paused since" in err
    assert "exactly this is not paused; other things are: 1" in shell.refused("queue", "resume", "shop")
    shell.good("queue", "resume", "shop", "--target", "main")
    assert "exactly this is not paused; nothing is" in shell.refused("queue", "resume", "--all")
    assert "waits     no_worker: no worker is alive" in shell.good("job", "show", job)

    check = shell.good("job", "submit", "shop", "other", "--task", "validate-only").strip()
    assert f"\n{check}  priority 5  validate-only\n" in shell.good("queue", "show")
    assert shell.good("queue", "show", "--limit", "1").splitlines()[-2:] == [
        "",
        "and 1 more job: flowforge queue show --limit 2",
    ]
    assert "more job" not in shell.good("queue", "show")

    ended = json.loads(shell.good("queue", "pause", "--all", "--reason", "all", "--json"))
    assert ended["repository"] is None
    assert json.loads(shell.good("queue", "resume", "--all", "--json")) == ended

    for words in (
        ("pause", "--reason", "x"),
        ("pause", "shop", "--all", "--reason", "x"),
        ("pause", "shop", "--reason", ""),
        ("pause", "nobody", "--reason", "x"),
        ("pause", "--all", "--target", "main", "--reason", "x"),
        ("resume",),
    ):
        shell.refused("queue", *words)
    assert shell.run("queue", "pause", "shop")[0] == 2  # no reason
    assert json.loads(shell.good("queue", "show", "--json"))["pauses"] == []


def test_a_day_with_groups(shell: Shell) -> None:
    def submit(branch: str, *words: str) -> str:
        return shell.good("job", "submit", "shop", branch, "--group", "deploy-{target}", *words).strip()

    first, second = submit("a", "--policy", "supersede"), submit("b", "--policy", "supersede")
    old = shell.good("job", "show", first)
    assert "state     superseded" in old
    assert f"replaced  by {second}" in old
    code, _, said = shell.run("job", "watch", first)
    assert code == 7  # neither failed nor interrupted
    assert f"flowforge job watch {second}" in said
    assert "group     deploy-[main] (supersede)" in shell.good("job", "show", second)
    err = shell.refused("job", "submit", "shop", "c", "--group", "deploy-{target}", "--policy", "reject")
    assert second in err
    assert "reason: group_busy" in err
    third = submit("d")  # queue is the default
    assert "waits     group_busy:" in shell.good("job", "show", third)
    child = shell.good("job", "retry", first).strip()  # asks for the same group in the same way
    assert "group     deploy-[main] (supersede)" in shell.good("job", "show", child)
    assert "state     superseded" in shell.good("job", "show", third)
    for words in (
        ("--group", "{brnch}"),
        ("--policy", "skip"),
        ("--priority", "urgent"),
        ("--priority", "11"),
    ):
        assert shell.run("job", "submit", "shop", "e", *words)[0] == 2
    assert len(json.loads(shell.good("job", "list", "--json"))) == 4
