import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from flowforge import __version__
from flowforge.cli.app import single
from flowforge.wiring import main as entry
from flowforge.wiring.main import VERBS, main, overview, resolve

HEAVY = {
    "peewee", "dramatiq", "falcon", "anthropic", "kubernetes", "redis", "psycopg2", "gunicorn", "spectree",
    "pydantic", "ruamel", "cel", "rich", "typer", "tree_sitter", "cryptography", "httpx2", "obstore",
}  # fmt: skip
PROBE = """
import json, sys
from flowforge.wiring.main import main
code = main(sys.argv[1:])
print(json.dumps([code, sorted({name.split(".")[0] for name in sys.modules})]), file=sys.stderr)
"""


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowforge.wiring.main", *words]
    env = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=env)


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_nothing_heavy_is_imported_for(word: str) -> None:
    probe = [sys.executable, "-c", PROBE, word]
    said = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=True).stderr
    code, modules = json.loads(said.splitlines()[-1])
    assert code == 0
    assert HEAVY & set(modules) == set()
    assert "flowforge" in modules


def test_a_verb_imports_no_server_and_no_sdk() -> None:
    probe = [sys.executable, "-c", PROBE, "explain", "FF012"]
    said = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=True).stderr
    servers = {"peewee", "dramatiq", "falcon", "anthropic", "kubernetes", "redis", "psycopg2"}
    assert servers & set(json.loads(said.splitlines()[-1])[1]) == set()


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"flowforge {__version__}\n"


def test_help_names_every_verb_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text == overview(VERBS) + "\n"
    assert all(f"  {name} " in text for name in VERBS)
    assert max(map(len, text.splitlines())) <= 80


def test_without_a_verb_help_is_talk_and_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage:" in captured.err


def test_an_unknown_verb_is_a_usage_error_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipelin"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "did you mean 'pipeline'?" in captured.err


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_of_the_table_can_be_resolved_and_asked_for_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Usage: flowforge {name}" in text


@pytest.mark.parametrize("name", sorted(VERBS))
def test_the_parts_of_every_verb_exist(name: str) -> None:
    verb = VERBS[name]
    assert verb.summary.endswith(".")
    if verb.parts:
        assert resolve(verb.parts) is not None


def test_parts_reach_the_verb_as_its_context(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = entry.Verb(app=f"{__name__}_verb:app", summary="Try.", parts=f"{__name__}_verb:PARTS")
    module = type(sys)(f"{__name__}_verb")
    vars(module).update(PARTS="a part", app=single(show_parts))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(entry, "VERBS", {"try": verb})
    assert main(["try"]) == 0
    assert capsys.readouterr().out == "a part\n"


def show_parts(ctx: typer.Context) -> None:
    print(ctx.obj)


def test_a_verb_whose_parts_are_not_installed_is_refused_in_three_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = entry.Verb(app="flowforge_absent.verb:app", summary="Try.")
    monkeypatch.setattr(entry, "VERBS", {"try": verb, "explain": VERBS["explain"]})
    assert main(["try"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(":")[0] for line in captured.err.splitlines()] == ["error", "reason", "next"]


@pytest.mark.parametrize("words", [["explain", "FF012"], ["try"]])
def test_garbage_is_looked_for_again_once_a_verb_was_imported_or_could_not_be(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = entry.Verb(app="flowforge_absent.verb:app", summary="Try.")
    monkeypatch.setattr(entry, "VERBS", {**VERBS, "try": absent})
    main(words)
    assert gc.isenabled()


def test_parts_are_not_built_for_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = entry.Verb(app=VERBS["explain"].app, summary="Try.", parts="flowforge_absent.parts:PARTS")
    monkeypatch.setattr(entry, "VERBS", {"try": verb})
    assert main(["try", "--help"]) == 0
    assert "Usage: flowforge try" in capsys.readouterr().out


def test_the_module_runs_as_a_command() -> None:
    done = run("explain", "FF012")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("FF012: unknown key")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "flowforge.wiring.main", "help", "reasons"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert done.stderr == b""


def test_a_shell_gets_its_completions() -> None:
    env = {"_FLOWFORGE_COMPLETE": "complete_bash", "COMP_WORDS": "flowforge pip", "COMP_CWORD": "1"}
    assert run(**env).stdout.split() == ["pipeline"]
    env = {"_FLOWFORGE_COMPLETE": "complete_bash", "COMP_WORDS": "flowforge pipeline ", "COMP_CWORD": "2"}
    assert set(run(**env).stdout.split()) == {"validate", "schema", "show"}
