"""`flowforge budget` and the money of `flowforge job show` against a real server."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from flowforge.cli import budget as budget_verbs
from flowforge.cli import job as job_verbs
from flowforge.cli import repo as repo_verbs
from flowforge.cli.app import run_verb
from flowforge.core.spend import Usage
from flowforge.store import ledger
from flowforge.store.ids import make_ids
from flowforge.store.ledger import Call, Spender
from flowforge.store.scope import Scope
from tests.conftest import TestDatabase
from tests.integration.api.served import Run, Running, serving, signed_in, speaker

pytestmark = pytest.mark.services

IDS = make_ids()


@pytest.fixture
def running(database: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with serving(database, tmp_path) as running:
        signed_in(running, tmp_path, monkeypatch)
        yield running


def spend(database: TestDatabase, running: Running, job: UUID, cost: str) -> bool:
    who = Spender(organization=running.first.organization, user=running.first.user, job=job)
    id_ = IDS()
    with database.system.transaction(Scope.system()) as tx:
        if ledger.reserve(tx, id_=id_, spender=who, amount=Decimal(cost)) is not None:
            return False
        ledger.settle(tx, id_, Decimal(cost))
        call = Call(
            provider="anthropic",
            model="claude",
            operation="resolve",
            usage=Usage(input=1200, output=34),
            cost=Decimal(cost),
            milliseconds=9,
            request_id="req_1",
        )
        ledger.record_call(tx, who, call, id_)
        stored = Call(**{**vars(call), "cost": Decimal(0), "usage": Usage(), "cache_hit": True})
        ledger.record_call(tx, who, stored)
    return True


def what_is_wrong_is_refused(run: Run) -> None:
    for words, code, said in (
        (("set", "5,50"), 2, "is no amount of US dollars"),
        (("set", "NaN"), 2, "is no amount of US dollars"),
        (("set", "1e400"), 2, "is no amount of US dollars"),
        (("set", "9" * 5000), 2, "is no amount of US dollars"),
        (("set", "--", "-5"), 2, "is no amount of US dollars"),
        (("set", "-5"), 2, "No such option"),
        (("set", "5", "--period", "yearly"), 2, "yearly"),
        (("set", "5", "--alert", "101"), 2, "equal to 100"),
        (("set", "5", "--user", "a@b", "--installation"), 2, "two budgets"),
        (("set", "5", "--user", "nobody@example.org"), 2, "no such user"),
        (("remove", "--period", "daily"), 2, "there is no daily budget"),
        (("usage", "--from", "yesterday"), 2, "is no day"),
        (("usage", "--from", "2026-03-02", "--to", "2026-03-01"), 2, "ends before it begins"),
        (("usage", "--by", "week"), 2, "week"),
    ):
        found, out, err = run(*words)
        assert (found, out) == (code, ""), (words, err)
        assert said in err, (words, err)
        assert max(map(len, err.splitlines())) < 400, words


def test_a_month_with_the_verbs(
    running: Running, database: TestDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    """One server for all of them: starting it takes longer than they do."""
    run = speaker(budget_verbs.app, "budget", capsys)
    code, out, err = run("show")
    assert (code, out) == (0, "")
    assert "no budget is set" in err
    assert "next: flowforge budget set 50 --period monthly" in err
    assert run("show", "--json")[1].strip() == "[]"
    what_is_wrong_is_refused(run)

    assert (
        run("set", "10", "--alert", "50")[2]
        == "your organization, monthly: $10.00, of which $10.00 are left\n"
    )
    run("set", "2.50")
    assert run("set", "9", "--period", "daily", "--user", "operator@localhost")[0] == 0
    assert run("set", "100", "--installation", "--period", "weekly")[0] == 0

    assert run_verb(repo_verbs.app, "repo", ("add", "shop", "https://git.example.org/shop.git")) == 0
    capsys.readouterr()
    submit = speaker(job_verbs.app, "job", capsys)
    job = UUID(submit("submit", "shop", "feature", "--onto", "main")[1].strip())
    assert spend(database, running, job, "1.25")
    assert not spend(database, running, job, "1.30")

    code, out, err = run("show")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert re.search(r"your organization\s+monthly\s+2\.50\s+1\.25\s+0\.00\s+1\.25\s+20", out), out
    assert "operator@localhost" in out
    assert "the installation" in out
    assert "your organization, monthly: a call did not fit since" in err
    rows = json.loads(run("show", "--json")[1])
    assert [row["whose"] for row in rows] == ["installation", "organization", "user"]
    assert [row["alert_percent"] for row in rows] == [80, 50, 80], "a threshold that is not named stays"

    shown = submit("show", str(job))[1]
    assert "model     2 calls, 1,234 tokens, $1.25; 1 from store, saved $1.25" in shown.splitlines()
    whole = json.loads(submit("show", str(job), "--json")[1])
    assert [call["cost_usd"] for call in whole["receipt"]["calls"]] == ["1.25", "0.00"]
    assert whole["receipt"]["total"] == whole["cost"]

    code, out, err = run("usage", "--by", "repository")
    assert re.search(r"shop\s+2\s+1\s+1,200\s+34\s+1\.25", out), out
    assert max(map(len, out.splitlines())) <= 80
    assert json.loads(run("usage", "--json")[1])["total"]["cost_usd"] == "1.25"
    head, row = run("usage", "--by", "model", "--csv")[1].splitlines()
    assert head.startswith("key,name,calls,cached,")
    assert row.startswith("anthropic/claude,anthropic/claude,2,1,")
    assert "no model was asked" in run("usage", "--from", "2020-01-01", "--to", "2020-01-31")[2]

    assert "it was $2.50" in run("remove")[2]
    assert run("remove")[0] == 2
