"""`flowforge replay --model` and `calibrate --model`: the same history, with a model above the rungs, under a cap."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flowforge.wiring.main import main
from flowforge.wiring.model_setup import shipped_prices
from tests.gitrepo import Repository
from tests.modelserver import ModelServer, Reply, model_server, refuse

Said = pytest.CaptureFixture[str]
START = "def price(cents):\n    return cents\n"
UP = "def price(cents):\n    return cents + 5\n"
MINE = "def price(cents):\n    return cents * 2\n"
BOTH = "def price(cents):\n    return cents * 2 + 5\n"
NAME = "claude-haiku-5-5"


def merged(repo: Repository, number: int, person: str) -> str:
    """A merge about which no rung below the model says anything."""
    name = f"shop{number}/price.py"
    start = repo.commit({name: START}, message=f"Begin {number}")
    one = repo.commit({name: UP}, start, message="Add the fee")
    two = repo.commit({name: MINE}, start, message="Count two")
    return repo.commit({name: person}, one, two, branch=f"shop{number}")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "origin.git")
    merged(made, 0, MINE)
    merged(made, 1, BOTH)
    merged(made, 2, MINE)
    return made


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWFORGE_MODEL_PROVIDER", "scripted")
    monkeypatch.setenv("FLOWFORGE_MODEL_NAME", "commit")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with model_server() as made:
        monkeypatch.setenv("FLOWFORGE_MODEL_PROVIDER", "anthropic")
        monkeypatch.setenv("FLOWFORGE_MODEL_KEY", made.key)
        monkeypatch.setenv("FLOWFORGE_MODEL_BASE_URL", made.url)
        monkeypatch.setenv("FLOWFORGE_MODEL_NAME", NAME)
        made.answer(Reply(text=json.dumps({"hunks": [ROW]})))
        yield made


ROW = {
    "id": 0,
    "action": "merged",
    "text": "    return cents * 2 + 5\n",
    "kept": ["the fee", "the doubling"],
    "dropped": [],
    "why": "the fee is added to the doubled price",
    "elsewhere": [],
}


def replayed(repo: Repository, capsys: Said, *words: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    assert main(["replay", str(repo.path), "--json", *words]) == 0
    *rows, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    return rows, last["summary"]


@pytest.mark.usefixtures("scripted")
def test_a_model_is_asked_only_where_it_is_wished_and_its_answers_are_proposals(
    repo: Repository, capsys: Said
) -> None:
    rows, summary = replayed(repo, capsys)
    assert {row["outcome"] for row in rows} == {"handed_back"}
    assert summary["model"] is None
    rows, summary = replayed(repo, capsys, "--model")
    assert [(row["outcome"], row["rung"]) for row in rows] == [("proposed", "model")] * 3
    assert sorted(row["equal"] for row in rows) == ["different", "exact", "exact"]
    assert summary["rungs"]["model"]["precision"] == pytest.approx(2 / 3, abs=1e-4)
    assert summary["acted"]["answered"] == 0
    assert (summary["model"]["calls"], summary["model"]["scripted"]) == (3, True)


@pytest.mark.usefixtures("scripted")
def test_a_person_is_told_what_it_came_to(repo: Repository, capsys: Said) -> None:
    assert main(["replay", str(repo.path), "--model"]) == 0
    assert "model: 3 calls of commit (scripted, answers by script), $0" in capsys.readouterr().err


def test_a_branch_is_asked_about_as_one_commit_onto_the_other_parent(
    repo: Repository, server: ModelServer, capsys: Said
) -> None:
    rows, summary = replayed(repo, capsys, "--model")
    assert sorted(row["equal"] for row in rows) == ["different", "different", "exact"]
    sent = json.dumps([seen.body for seen in server.messages])
    assert sent.count("Count two") >= 3
    assert "+    return cents * 2" in sent
    assert Decimal(summary["model"]["cost_usd"]) == server.cost(shipped_prices()) > 0


def test_the_cap_ends_the_replay_and_only_what_was_asked_in_full_is_counted(
    repo: Repository, server: ModelServer, capsys: Said
) -> None:
    server.answer(Reply(text=json.dumps({"hunks": [ROW]}), output_tokens=2000))  # a third of the sum each
    rows, summary = replayed(repo, capsys, "--model", "--spend", "0.003")
    assert len(rows) <= len(server.messages) < 3  # two are asked at once, and counted in order
    assert "of the budget" in summary["model"]["stopped"]
    assert Decimal(summary["model"]["cost_usd"]) <= Decimal("0.003")


def test_a_key_that_is_refused_is_an_error_and_no_figure(
    repo: Repository, server: ModelServer, capsys: Said
) -> None:
    server.answer(refuse(401, message="invalid"))
    assert main(["replay", str(repo.path), "--model"]) == 3
    said = capsys.readouterr()
    assert "did not accept the API key" in said.err
    assert not said.out


def test_recorded_answers_make_a_replay_again_without_a_key_or_a_service(
    repo: Repository, server: ModelServer, capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWFORGE_MODEL_CASSETTE", str(tmp_path / "answers.jsonl"))
    monkeypatch.setenv("FLOWFORGE_MODEL_CASSETTE_MODE", "record")
    first, summary = replayed(repo, capsys, "--model")
    asked = len(server.messages)
    monkeypatch.setenv("FLOWFORGE_MODEL_CASSETTE_MODE", "replay")
    monkeypatch.delenv("FLOWFORGE_MODEL_KEY")
    again, told = replayed(repo, capsys, "--model")
    assert _untimed(again) == _untimed(first)
    assert (told["model"]["calls"], told["model"]["cost_usd"]) == (asked, summary["model"]["cost_usd"])
    assert len(server.messages) == asked == 3


def _untimed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "ms"} for row in rows]


def test_without_a_model_in_the_settings_there_is_none_to_ask(repo: Repository, capsys: Said) -> None:
    assert main(["replay", str(repo.path), "--model"]) != 0
    assert "no model is configured" in capsys.readouterr().err


@pytest.mark.parametrize("amount", ["0", "-1", "nan", "1e9", "lots", "inf"])
def test_a_sum_that_is_none_is_refused(repo: Repository, capsys: Said, amount: str) -> None:
    assert main(["replay", str(repo.path), "--model", f"--spend={amount}"]) == 2
    assert "is no sum of US dollars" in capsys.readouterr().err


@pytest.mark.usefixtures("scripted")
def test_calibrate_counts_the_model_like_any_rung_and_never_lets_it_act(
    repo: Repository, capsys: Said
) -> None:
    for number in range(3, 30):
        merged(repo, number, MINE)
    assert main(["calibrate", str(repo.path), "--model", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (line,) = [line for line in found["rules"] if line["rule"].startswith("model/")]
    assert (line["kind"], line["cases"]) == ("source", pytest.approx(1, abs=1))
    assert found["later"]["own"]["acted"]["answered"] == 0
    assert found["model"]["calls"] >= 1
