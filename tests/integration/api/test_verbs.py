"""`flowforge job` and `flowforge repo` against a real server."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from flowforge.cli import job as job_verbs
from flowforge.cli import repo as repo_verbs
from flowforge.cli.app import run_verb
from flowforge.core.errors import Reason
from flowforge.core.job import Ending, Result, State
from flowforge.jobs.claim import claim
from flowforge.store import events as story
from flowforge.store import jobs as table
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.api.served import Running, serving, signed_in

pytestmark = pytest.mark.services


@dataclass(frozen=True, kw_only=True)
class Shell:
    """Runs verbs as the entry point does, and gives what they wrote."""

    running: Running
    database: TestDatabase
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        app = {"job": job_verbs.app, "repo": repo_verbs.app}[words[0]]
        code = run_verb(app, words[0], words[1:])
        written = self.capture.readouterr()
        return code, written.out, written.err

    def good(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert code == 0, err
        return out

    def submit(self, branch: str = "feature") -> UUID:
        return UUID(self.good("job", "submit", "shop", branch).strip())

    def work(self, job: UUID, log: bytes = b"") -> int:
        """As a worker: claim the job and write to its log; gives the fence."""
        running = claim(self.database.system, job, "w1")
        assert running is not None
        if log:
            with self.database.system.transaction(Scope.system()) as tx:
                story.append_log(tx, job, running.fence, "test", log)
        return running.fence

    def end(self, job: UUID, state: State, result: Result, reason: Reason) -> None:
        with self.database.system.transaction(Scope.system()) as tx:
            held = table.lock(tx, job)
            assert held is not None
            ending = Ending(result=result, reason=reason, sentence=f"it ended: {reason}", next_action="go on")
            assert table.end(tx, held, state, ending) is not None


@pytest.fixture
def shell(
    database: TestDatabase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shell]:
    with serving(database, tmp_path) as running:
        signed_in(running, tmp_path, monkeypatch)
        made = Shell(running=running, database=database, capture=capsys)
        made.good("repo", "add", "shop", "https://git.example.org/shop.git", "--default-branch", "main")
        yield made


def test_a_day_with_the_verbs(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """One server for the short ones: starting it takes longer than all of them."""
    job = shell.submit()
    shown = shell.good("job", "show", str(job))
    assert "state     queued" in shown
    assert "no worker is alive" in shown
    as_json = json.loads(shell.good("job", "show", str(job), "--json"))
    assert (as_json["id"], as_json["state"], as_json["target"]) == (str(job), "queued", "main")
    listing = shell.good("job", "list", "--repository", "shop", "--state", "queued")
    assert str(job) in listing
    assert max(map(len, listing.splitlines())) <= 80
    assert [row["id"] for row in json.loads(shell.good("job", "list", "--json"))] == [str(job)]
    assert shell.good("job", "list", "--branch", "nothing").splitlines()[1:] == []

    assert shell.run("job", "watch", str(job), "--timeout", "0.3")[0] == 8
    code, _, err = shell.run("job", "cancel", str(job))
    assert (code, err) == (0, f"job {job} is cancelled\n")
    child = UUID(shell.good("job", "retry", str(job)).strip())
    assert json.loads(shell.good("job", "show", str(child), "--json"))["parent_job"] == str(job)

    monkeypatch.setenv("SHOP_TOKEN", "hunter2")
    shell.good("repo", "update", "shop", "--secret-from", "SHOP_TOKEN", "--username", "bot")
    text = shell.good("repo", "show", "shop")
    assert "login   stored" in text
    assert "hunter2" not in text
    code, _, err = shell.run("repo", "add", "shop", "https://git.example.org/other.git")
    assert code == 2
    assert "there is a repository named 'shop' already" in err
    assert "next: " in err
    assert shell.run("repo", "remove", "shop")[0] == 0
    assert "shop" not in shell.good("repo", "list")
    assert "shop" in shell.good("repo", "list", "--all")
    assert shell.run("job", "submit", "shop", "b")[0] == 2
    assert shell.run("job", "submit", "nowhere", "b")[0] == 2
    assert shell.run("job", "show", "no-id")[0] == 2
    assert shell.run("job", "show", str(UUID(int=1)))[0] == 2

    monkeypatch.setenv("FLOWFORGE_TOKEN", "ff_nobodynobody")
    code, out, err = shell.run("job", "list", "--json")
    assert code == 4
    assert json.loads(out)["error"]["reason"] == "not_signed_in"
    assert "nobodynobody" not in out + err


def test_a_repository_is_handed_its_policy_and_loses_it_again(shell: Shell, tmp_path: Path) -> None:
    golden = Path(__file__).parents[2] / "golden" / "policy" / "policy.json"
    assert "policy  as shipped" in shell.good("repo", "show", "shop")
    assert "policy  its own" in shell.good("repo", "update", "shop", "--policy", str(golden))
    assert "policy  as shipped" in shell.good("repo", "update", "shop", "--forget-policy")
    (tmp_path / "bad.json").write_text("{}")
    code, _, err = shell.run("repo", "update", "shop", "--policy", str(tmp_path / "bad.json"))
    assert (code, "reason: policy_invalid" in err) == (2, True)
    code, _, err = shell.run("repo", "update", "shop", "--policy", str(tmp_path / "absent.json"))
    assert (code, "there is no policy file" in err) == (2, True)


@pytest.mark.parametrize(
    ("state", "result", "reason", "code"),
    [
        (State.SUCCESS, Result.SUCCESS, Reason.PUSHED, 0),
        (State.FAILED, Result.FAILURE, Reason.TESTS_FAILED, 1),
        (State.FAILED, Result.FAILURE, Reason.UNRESOLVED_CONFLICTS, 5),
    ],
)
def test_watching_ends_with_the_job_and_says_how(
    shell: Shell, state: State, result: Result, reason: Reason, code: int
) -> None:
    job = shell.submit()

    def happen() -> None:
        time.sleep(0.3)
        shell.work(job)
        shell.end(job, state, result, reason)

    worker = threading.Thread(target=happen)
    worker.start()
    ended, out, err = shell.run("job", "watch", str(job))
    worker.join()
    assert ended == code, err
    assert "running" in err
    assert f"it ended: {reason}" in err
    assert "next: go on" in err
    assert out == ""


def test_a_log_is_followed_until_the_job_has_ended(shell: Shell) -> None:
    job = shell.submit()
    shell.work(job, "grün\n".encode() * 3)
    first = shell.good("job", "logs", str(job))
    assert first == "grün\n" * 3

    def happen() -> None:
        time.sleep(0.5)
        with shell.database.system.transaction(Scope.system()) as tx:
            held = table.lock(tx, job)
            assert held is not None
            story.append_log(tx, job, held.fence, "test", b"last\n")
        shell.end(job, State.SUCCESS, Result.SUCCESS, Reason.DONE)

    worker = threading.Thread(target=happen)
    worker.start()
    followed = shell.good("job", "logs", "-f", str(job))
    worker.join()
    assert followed == "grün\n" * 3 + "last\n"


def test_a_server_that_is_away_is_said_with_what_to_do(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_URL", "http://127.0.0.1:9")
    code, _, err = shell.run("job", "list")
    assert code == 3
    assert "no answer from http://127.0.0.1:9" in err
    assert "FLOWFORGE_URL" in err
