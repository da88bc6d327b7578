"""`flowforge init`, called as the entry point calls it, and what it finds."""

import resource
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flowforge.cli.init import write_new
from flowforge.core.errors import Reason, Refused
from flowforge.hooks.manager import Registry
from flowforge.pipeline.check import Catalog
from flowforge.pipeline.load import load_pipeline
from flowforge.pipeline.proposal import detect, propose
from flowforge.wiring.main import main

Said = pytest.CaptureFixture[str]
PYTEST = "[project]\ndependencies = ['pytest>=8']\n"

DETECTED: list[tuple[dict[str, str], list[str]]] = [
    ({"pytest.ini": ""}, ["python -m pytest -q"]),
    ({"pyproject.toml": PYTEST}, ["python -m pytest -q"]),
    ({"pyproject.toml": PYTEST, "uv.lock": ""}, ["uv run --offline --frozen pytest -q"]),
    ({"pyproject.toml": PYTEST, "tox.ini": "[tox]\n"}, ["python -m pytest -q"]),
    ({"setup.cfg": "", "tox.ini": "[tox]\n"}, ["tox run -q"]),
    ({"pyproject.toml": "[tool.tox]\n"}, ["tox run -q"]),
    ({"setup.py": "", "tests/test_a.py": ""}, ["python -m unittest discover"]),
    ({"tests/deep/conftest.py": "", "tests/deep/test_a.py": ""}, ["python -m unittest discover"]),
    ({"setup.py": ""}, []),
    ({"package.json": '{"scripts": {"test": "vitest run"}}'}, ["npm test"]),
    ({"package.json": '{"scripts": {"test": "jest"}}', "pnpm-lock.yaml": ""}, ["pnpm test"]),
    ({"package.json": '{"scripts": {"test": "jest"}}', "yarn.lock": ""}, ["yarn test"]),
    ({"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'}, []),
    ({"package.json": '{"scripts": []}'}, []),
    ({"package.json": "[" * 100_000}, []),
    ({"package.json": "\udcff{"}, []),
    ({"go.mod": "module m\n"}, ["go test ./..."]),
    ({"Cargo.toml": ""}, ["cargo test --offline"]),
    ({"pom.xml": ""}, ["mvn -o -q test"]),
    ({"pom.xml": "", "mvnw": ""}, ["./mvnw -o -q test"]),
    ({"build.gradle.kts": "", "gradlew": ""}, ["./gradlew --offline test"]),
    ({"go.mod": "", "pytest.ini": ""}, ["python -m pytest -q", "go test ./..."]),
    ({}, []),
]


IDS = [f"{number} {'+'.join(files) or 'nothing'}" for number, (files, _) in enumerate(DETECTED)]


def made(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    return folder


@pytest.mark.parametrize(("files", "commands"), DETECTED, ids=IDS)
def test_a_command_is_proposed_for_what_is_found(
    tmp_path: Path, files: dict[str, str], commands: list[str]
) -> None:
    found = detect(made(tmp_path, files))
    assert [one.command for one in found] == commands


@pytest.mark.parametrize(("files", "commands"), DETECTED, ids=IDS)
def test_every_proposal_is_valid_and_runs_the_commands_before_the_push(
    tmp_path: Path, files: dict[str, str], commands: list[str]
) -> None:
    text = propose(detect(made(tmp_path, files)))
    loaded = load_pipeline(text.encode(), catalog=Catalog.of(Registry()))
    pipeline = loaded.required()
    uses = [stage.uses for stage in pipeline.stages]
    assert uses[-1] == "push"
    assert [stage.run for stage in pipeline.stages if stage.uses == "test"] == commands
    assert pipeline.stages[-1].options["require"] == ("tested" if commands else "validated")


def test_every_line_of_a_proposal_has_a_comment(tmp_path: Path) -> None:
    text = propose(detect(made(tmp_path, {"go.mod": "", "pytest.ini": ""})))
    assert [line for line in text.splitlines() if "#" not in line] == []


def test_what_looks_like_a_file_and_is_none_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "package.json").mkdir()
    (tmp_path / "pytest.ini").symlink_to(tmp_path / "gone")
    assert detect(tmp_path) == ()


# --- the verb


def test_the_file_is_written_valid_and_two_commands_are_named(tmp_path: Path, capsys: Said) -> None:
    made(tmp_path, {"pytest.ini": ""})
    assert main(["init", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    following = [
        line.removeprefix("next: ") for line in captured.err.splitlines() if line.startswith("next: ")
    ]
    assert len(following) == 2
    program, *words = shlex.split(following[0])
    assert program == "flowforge"
    assert main(words) == 0


def test_a_file_that_is_there_is_never_touched(tmp_path: Path, capsys: Said) -> None:
    (tmp_path / ".flowforge.yml").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert (tmp_path / ".flowforge.yml").read_text() == "mine"
    assert "reason: conflict_of_state" in capsys.readouterr().err


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path: Path, capsys: Said) -> None:
    (tmp_path / ".flowforge.yml").symlink_to(tmp_path / "elsewhere")
    assert main(["init", str(tmp_path)]) == 2
    assert not (tmp_path / "elsewhere").exists()


def test_stdout_gets_the_proposal_and_nothing_is_written(tmp_path: Path, capsys: Said) -> None:
    assert main(["init", str(tmp_path), "--stdout"]) == 0
    text = capsys.readouterr().out
    assert load_pipeline(text.encode(), catalog=Catalog.of(Registry())).pipeline is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["missing", "a\0b", "x" * 5000, "file"])
def test_what_is_no_folder_is_refused_in_a_sentence(tmp_path: Path, name: str, capsys: Said) -> None:
    (tmp_path / "file").touch()
    assert main(["init", f"{tmp_path}/{name}"]) == 2
    said = capsys.readouterr().err
    assert "reason: not_found" in said
    assert "Traceback" not in said


def test_a_folder_that_is_no_repository_is_said(tmp_path: Path, capsys: Said) -> None:
    assert main(["init", str(tmp_path)]) == 0
    assert "not the root of a repository" in capsys.readouterr().err


@contextmanager
def no_byte_may_be_written() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_leaves_no_half_a_file(tmp_path: Path) -> None:
    with no_byte_may_be_written(), pytest.raises(Refused) as caught:
        write_new(tmp_path / "new", "text")
    assert caught.value.reason is Reason.NOT_ALLOWED
    assert list(tmp_path.iterdir()) == []
