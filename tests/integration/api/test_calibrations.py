"""The routes of a repository's calibrations against a real Postgres, and `flowforge calibrate --repository`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from flowforge.api.calibration_models import CalibrateIn
from flowforge.artifacts.store import Artifacts
from flowforge.cli import earning
from flowforge.cli import repo as repo_verbs
from flowforge.cli.app import run_verb
from flowforge.core.access import Role
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.api.conftest import Api
from tests.integration.api.served import Run, serving, signed_in, speaker
from tests.integration.api.test_jobs import refusal

pytestmark = pytest.mark.services

REPORT: dict[str, Any] = {
    "rules": [
        {
            "rule": "structural/words apart",
            "kind": "source",
            "action": "act",
            "right": 9,
            "cases": 9,
            "later": {},
        }
    ],
    "policy": {"format": "flowforge-policy", "version": 1},
}
OUTPUTS: dict[str, Any] = {
    "sentence": "12 merges were counted; nothing was set",
    "merges": 12,
    "files": 20,
    "head": "a" * 40,
    "rules": {"act": 1},
    "cost": {"own": 0.5, "shipped": 0.75},
    "asked_to_apply": False,
    "applied": False,
}
ENDED = """
UPDATE jobs SET state = 'running', attempts = 1, fence = 1, owner = 'w', lease_until = now() WHERE id = %(job)s;
UPDATE jobs SET state = 'success', result = 'success', reason = 'done', outputs = %(outputs)s WHERE id = %(job)s
"""


@pytest.fixture
def maintainer(api: Api) -> Api:
    return api.acting(Role.MAINTAINER)


def path(api: Api, end: str = "") -> str:
    return f"/api/v1/repositories/{api.world.repository}/calibrate{end}"


def test_a_calibration_is_a_job_of_its_own_and_the_same_by_its_key(maintainer: Api) -> None:
    body = {"apply": True, "k": 5.0, "limit": 100, "before": "2026-01-31"}
    answer = maintainer.ask("POST", path(maintainer), json=body, headers={"Idempotency-Key": "one"})
    assert answer.status_code == 202, answer.text
    job = answer.json
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["task"], job["trigger"], job["target"]) == ("calibrate", "calibrate", "main")
    again = maintainer.ask("POST", path(maintainer), json=body, headers={"Idempotency-Key": "one"})
    assert again.json["id"] == job["id"]
    other = maintainer.ask("POST", path(maintainer), json={}, headers={"Idempotency-Key": "one"})
    assert refusal(other) == (422, "invalid_request")
    assert refusal(maintainer.ask("POST", path(maintainer), json={})) == (409, "conflict_of_state")
    cancelled = maintainer.ask("POST", f"/api/v1/jobs/{job['id']}/cancel")
    assert cancelled.json["state"] == "cancelled"
    assert maintainer.ask("POST", path(maintainer), json={}).status_code == 202


@pytest.mark.parametrize(
    "body",
    [{"k": 1}, {"k": 1001}, {"limit": -1}, {"before": "soon"}, {"apply": "yes"}, {"more": 1}],
)
def test_what_cannot_be_asked_is_refused(maintainer: Api, body: dict[str, object]) -> None:
    assert refusal(maintainer.ask("POST", path(maintainer), json=body)) == (422, "invalid_request")


def test_only_who_may_configure_may_ask_and_others_find_nothing(api: Api) -> None:
    user = api.acting(Role.USER)
    assert refusal(user.ask("POST", path(api), json={})) == (403, "not_allowed")
    other = api.elsewhere().acting(Role.MAINTAINER)
    for method, end in (("POST", ""), ("GET", ""), ("GET", "/page")):
        body = {} if method == "POST" else None
        assert refusal(other.ask(method, path(api, end), json=body)) == (404, "not_found")
        unknown = path(api, end).replace(str(api.world.repository), str(uuid4()))
        assert refusal(api.acting(Role.MAINTAINER).ask(method, unknown, json=body)) == (404, "not_found")


def test_a_repository_that_is_switched_off_is_not_calibrated(maintainer: Api) -> None:
    maintainer.world.run("UPDATE repositories SET is_active = false")
    assert refusal(maintainer.ask("POST", path(maintainer), json={})) == (409, "conflict_of_state")
    assert refusal(maintainer.get(path(maintainer))) == (404, "not_found")


def calibrated(api: Api, **outputs: object) -> str:
    """A job that has found something."""
    job = str(api.ask("POST", path(api), json={}).json["id"])
    api.world.run(ENDED, job=UUID(job), outputs={"calibrate": {**OUTPUTS, **outputs}})
    return job


def test_the_newest_that_has_found_something_is_shown(maintainer: Api) -> None:
    assert refusal(maintainer.get(path(maintainer))) == (404, "not_found")
    calibrated(maintainer, merges=11)
    job = calibrated(maintainer)
    maintainer.ask("POST", path(maintainer), json={})  # which has found nothing yet
    shown = maintainer.acting(Role.VIEWER).get(path(maintainer)).json
    assert (shown["job"], shown["merges"], shown["cost"]) == (job, 12, {"own": 0.5, "shipped": 0.75})
    assert shown["report"] is None
    assert refusal(maintainer.get(path(maintainer, "/page"))) == (404, "not_found")


@pytest.fixture
def run(
    database: TestDatabase,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Run]:
    """A service whose newest calibration has a report and a page."""
    with serving(database, tmp_path) as running:
        signed_in(running, tmp_path, monkeypatch)
        assert run_verb(repo_verbs.app, "repo", ("add", "shop", "https://git.example.org/shop.git")) == 0
        repository = UUID(capsys.readouterr().out.strip())
        artifacts = Artifacts(tmp_path / "artifacts")
        kept = {
            "report": artifacts.put("calibrations/x/report.json", json.dumps(REPORT).encode()).reference,
            "page": artifacts.put("calibrations/x/page.html", b"<!doctype html><title>x</title>").reference,
        }
        with running.client() as client:
            job = client.calibrate(repository, CalibrateIn(), "k")
        with database.system.transaction(Scope.system()) as tx:
            tx.run(ENDED, job=job.id, outputs={"calibrate": {**OUTPUTS, **kept}})
        yield speaker(earning.app, "calibrate", capsys)


def test_the_verb_shows_writes_and_waits(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--repository", "shop", "--newest")
    assert code == 0, err
    assert "structural/words apart" in out
    assert "own policy 0.50, as shipped 0.75" in out
    assert "12 merges were counted" in err
    files = (str(tmp_path / "page.html"), str(tmp_path / "policy.json"))
    code, out, _ = run("--repository", "shop", "--newest", "--out", files[0], "--policy", files[1], "--json")
    assert (code, json.loads(out)["report"]) == (0, REPORT)
    assert Path(files[0]).read_text().startswith("<!doctype html>")
    assert json.loads(Path(files[1]).read_text()) == REPORT["policy"]
    for words, expected in (
        (("--repository", "nowhere", "--newest"), "no repository named"),
        (("--repository", "shop", "--out", "/nowhere/x"), "cannot be written"),
        (("--repository", "shop", "--k", "1"), "k: Input should be greater than 1"),
    ):
        code, out, err = run(*words)
        assert (code, out) == (2, ""), (words, err)
        assert expected in " ".join(err.split())
    assert run("--repository", "shop", "--timeout", "0.2")[0] == 8  # no worker is there
    code, _, err = run("--repository", "shop", "--timeout", "0.2")
    assert (code, "is calibrating this repository" in " ".join(err.split())) == (2, True)


def test_a_folder_is_the_other_verbs() -> None:
    assert earning.served(["."]) is None
    assert earning.served(["--help"]) is None
