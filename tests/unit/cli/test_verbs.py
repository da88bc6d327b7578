"""The verbs pipeline, explain, help and plugins, called as the entry point calls them."""

import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest

from flowforge.cli import topics
from flowforge.cli.pipeline import root_of
from flowforge.core.errors import Reason
from flowforge.pipeline.problems import CODES
from flowforge.wiring.main import main

GOOD = "version: 1\nname: n\nstages: [{uses: clone}]\n"
Said = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


# --- pipeline validate


def test_a_valid_definition_is_told_on_stderr_only(folder: Path, capsys: Said) -> None:
    write(folder / ".flowforge.yml", GOOD)
    assert main(["pipeline", "validate"]) == 0
    assert capsys.readouterr() == ("", ".flowforge.yml: valid\n")


def test_problems_are_data_one_a_line_and_the_code_is_2(folder: Path, capsys: Said) -> None:
    write(folder / "a.yml", GOOD + "nme: x\nenv: {PATH: x}\n")
    assert main(["pipeline", "validate", "a.yml"]) == 2
    captured = capsys.readouterr()
    assert [line.split(" ")[:2] for line in captured.out.splitlines()] == [
        ["a.yml:4:1:", "FF012"],
        ["a.yml:5:7:", "FF023"],
    ]
    assert "2 problems" in captured.err


def test_problems_as_json_have_their_place(folder: Path, capsys: Said) -> None:
    write(folder / "a.yml", GOOD + "nme: x\n")
    assert main(["pipeline", "validate", "a.yml", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is False
    assert told["problems"] == [
        {
            "path": "a.yml",
            "line": 4,
            "column": 1,
            "code": "FF012",
            "message": "unknown key 'nme'",
            "suggestion": "name",
        }
    ]


def test_several_files_are_checked_in_one_go(folder: Path, capsys: Said) -> None:
    write(folder / "a.yml", GOOD)
    write(folder / "b.yml", "[]")
    assert main(["pipeline", "validate", "a.yml", "b.yml"]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("b.yml:1:1: FF010")
    assert "a.yml: valid" in captured.err


def test_a_definition_may_come_from_stdin(
    folder: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"name: x\n")))
    assert main(["pipeline", "validate", "-"]) == 2
    assert "stdin:1:1: FF013" in capsys.readouterr().out


def test_extends_reads_from_the_root_of_the_repository(folder: Path, capsys: Said) -> None:
    (folder / ".git").mkdir()
    write(folder / "ci" / "parent.yml", GOOD)
    write(folder / "deep" / "a.yml", "version: 1\nname: a\nextends: [ci/parent.yml]\n")
    assert root_of(folder / "deep" / "a.yml") == folder.resolve()
    assert main(["pipeline", "validate", "deep/a.yml"]) == 0


def test_a_link_out_of_the_repository_is_not_read(folder: Path, capsys: Said) -> None:
    outside = write(folder / "secret.yml", GOOD)
    root = folder / "repository"
    (root / ".git").mkdir(parents=True)
    (root / "link.yml").symlink_to(outside)
    name = write(root / "a.yml", "version: 1\nname: a\nextends: [link.yml]\n")
    assert main(["pipeline", "validate", name]) == 2
    assert "FF031" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["missing.yml", ".", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(folder: Path, capsys: Said, name: str) -> None:
    assert main(["pipeline", "validate", name]) == 2
    captured = capsys.readouterr()
    assert "reason: pipeline_missing" in captured.err
    assert "Traceback" not in captured.err


def test_a_file_without_an_end_is_read_no_further_than_its_limit(capsys: Said) -> None:
    assert main(["pipeline", "validate", "/dev/zero"]) == 2
    assert "FF002" in capsys.readouterr().out


# --- pipeline schema, show


def test_the_schema_is_printed_as_json(capsys: Said) -> None:
    assert main(["pipeline", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft7Validator.check_schema(schema)


def test_a_shipped_definition_is_shown_by_its_name(capsys: Said) -> None:
    assert main(["pipeline", "show", "rebase-and-resolve"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("- ")] == [
        "- clone", "- rebase", "- resolve", "- validate", "- push", "- report",
    ]  # fmt: skip
    assert "    rungs: memory, mechanical, lockfile, document, structural, model" in lines


def test_what_is_shown_as_json_has_matrices_expanded(folder: Path, capsys: Said) -> None:
    test = '{uses: test, run: x, matrix: {v: ["1", "2"]}}'
    write(
        folder / ".flowforge.yml",
        f"version: 1\nname: n\nstages: [{{uses: clone}}, {{uses: rebase}}, {test}]\n",
    )
    assert main(["pipeline", "show", "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert [stage["id"] for stage in stages] == ["clone", "rebase", "test (v=1)", "test (v=2)"]
    assert stages[2]["env"] == {"MATRIX_V": "1"}


def test_an_invalid_definition_is_not_shown(folder: Path, capsys: Said) -> None:
    write(folder / ".flowforge.yml", "name: 3\n")
    assert main(["pipeline", "show"]) == 2
    assert "reason: pipeline_invalid" in capsys.readouterr().err


# --- explain


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(code: str, capsys: Said) -> None:
    assert main(["explain", code.lower()]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{code}: ")
    assert "Better:" in text


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained(reason: Reason, capsys: Said) -> None:
    assert main(["explain", reason]) == 0
    assert "Next: " in capsys.readouterr().out


def test_an_explanation_may_be_json(capsys: Said) -> None:
    assert main(["explain", "FF012", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "FF012"
    assert main(["explain", "pushed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reason"] == "pushed"


def test_an_unknown_word_is_refused_with_a_suggestion(capsys: Said) -> None:
    assert main(["explain", "tests_faild"]) == 2
    assert "did you mean 'tests_failed'?" in capsys.readouterr().err


# --- help, plugins


def test_every_page_is_listed_and_shown(capsys: Said) -> None:
    assert main(["help"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == sorted(topics.topics())
    assert {"cli", "pipelines", "problems", "reasons"} <= set(listed)
    for name in listed:
        assert main(["help", name]) == 0
        assert capsys.readouterr().out.startswith("# ")


def test_an_unknown_page_is_refused_with_the_known_ones(capsys: Said) -> None:
    assert main(["help", "../../etc/passwd"]) == 2
    assert "problems" in capsys.readouterr().err


def test_plugins_are_listed_with_what_they_add(capsys: Said) -> None:
    assert main(["plugins", "list"]) == 0
    captured = capsys.readouterr()
    assert "python" in captured.out
    assert "plugins loaded" in captured.err
    assert max(map(len, captured.out.splitlines())) <= 80


def test_plugins_as_json_name_the_failed_ones(capsys: Said) -> None:
    assert main(["plugins", "list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["failed"] == []
    assert "python" in told["adds"]["languages"]
