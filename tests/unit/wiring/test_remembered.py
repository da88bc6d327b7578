import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from flowforge.cli import memory as verbs
from flowforge.cli.app import run_verb
from flowforge.core.masking import Mask
from flowforge.core.places import memory_file
from flowforge.resolve.memory import Confirmed, Found, Given, Person, Refused, told
from flowforge.store.answer_file import AnswerFile
from flowforge.wiring.keeping import keeper_of
from flowforge.wiring.remembered import FileMemory, repository_at, switched_on
from tests.gitrepo import git

ADA = Person(user="u", name="Ada")
ONE = Given(key="a" * 64, path="a.py", text=b"x\n", rung="structural", rule="r", why="w", commit="c1")


def memory(folder: Path, **more: object) -> FileMemory:
    """As another process would open it."""
    file = AnswerFile(path=folder / "memory.sqlite3", say=pytest.fail)
    values = {"file": file, "repository": "/shop", "say": pytest.fail, **more}
    return FileMemory(**values)  # type: ignore[arg-type]  # a test's own


def seen(folder: Path, **more: object) -> Found | None:
    return memory(folder, **more).find([ONE.key]).get(ONE.key)


def test_what_nobody_has_agreed_to_is_known_to_this_run_only(tmp_path: Path) -> None:
    first = memory(tmp_path)
    first.keep([ONE])
    assert first.find([ONE.key])[ONE.key].text == b"x\n"
    assert seen(tmp_path) is None


def test_what_tests_have_confirmed_is_known_to_the_next_run(tmp_path: Path) -> None:
    first = memory(tmp_path)
    first.keep([ONE])
    first.tested([ONE.mark], passed=True)
    found = seen(tmp_path)
    assert found is not None
    assert (found.text, found.kept.confirmed, found.kept.rule) == (b"x\n", Confirmed.TESTS, "r")
    assert told(found.kept).startswith(
        f"answered before by structural on {found.kept.day} (confirmed by tests)"
    )
    assert memory(tmp_path).file.of_repository("/shop")[0]["path"] == "a.py"
    assert seen(tmp_path, repository="/other") is None


def test_what_a_person_wrote_is_kept_at_once(tmp_path: Path) -> None:
    memory(tmp_path).keep([replace(ONE, rung="person", by=ADA)])
    found = seen(tmp_path)
    assert found is not None
    assert found.kept.by == ADA


def confirmed(folder: Path, one: Given = ONE) -> None:
    first = memory(folder)
    first.keep([one])
    first.tested([one.mark], passed=True)


def test_red_tests_make_it_forgotten(tmp_path: Path) -> None:
    confirmed(tmp_path)
    memory(tmp_path).tested([ONE.mark], passed=False)
    found = seen(tmp_path)
    assert found is not None
    assert not found.kept.confirmed  # it stood before, so it is a proposal again
    memory(tmp_path).tested([ONE.mark], passed=False)
    assert seen(tmp_path) is None


def test_what_was_taken_back_is_not_offered_again(tmp_path: Path) -> None:
    confirmed(tmp_path)
    memory(tmp_path).take_back([ONE.mark])
    found = seen(tmp_path)
    assert found is not None
    assert found.kept.refused is Refused.UNDONE


def test_another_answer_that_nobody_confirmed_leaves_what_stands(tmp_path: Path) -> None:
    confirmed(tmp_path)
    later = memory(tmp_path)
    later.keep([replace(ONE, text=b"other\n")])
    found = seen(tmp_path)
    assert found is not None
    assert found.text == b"x\n"


def test_a_use_is_counted_once_a_commit(tmp_path: Path) -> None:
    confirmed(tmp_path)
    again = replace(ONE, rung="memory", commit="c2")
    for _ in range(2):
        memory(tmp_path).keep([again])
    assert memory(tmp_path).file.find("/shop", [ONE.key])[0]["uses"] == 2


def test_memory_itself_brings_nothing_back_that_was_forgotten(tmp_path: Path) -> None:
    memory(tmp_path).keep([replace(ONE, rung="memory")])
    assert seen(tmp_path) is None


@pytest.mark.parametrize("text", [b"a\0b", b"<<<<<<< one\n", b"the key is hunter2-hunter2\n"])
def test_what_must_not_be_kept_is_not(tmp_path: Path, text: bytes) -> None:
    hiding = memory(tmp_path, mask=Mask(["hunter2-hunter2"]))
    hiding.keep([replace(ONE, text=text, rung="person", by=ADA)])
    assert seen(tmp_path) is None


def test_a_frozen_memory_reads_and_writes_nothing(tmp_path: Path) -> None:
    confirmed(tmp_path)
    frozen = memory(tmp_path, frozen=True)
    assert ONE.key in frozen.find([ONE.key])
    frozen.take_back([ONE.mark])
    found = seen(tmp_path)
    assert found is not None
    assert not found.kept.refused


def test_a_text_that_was_changed_in_the_file_is_as_if_never_seen(tmp_path: Path) -> None:
    confirmed(tmp_path)
    row = memory(tmp_path).file.find("/shop", [ONE.key])[0]
    memory(tmp_path).file.change("/shop", [ONE.key], lambda _before: {ONE.key: {**row, "text": b"evil\n"}})
    assert seen(tmp_path) is None


def test_trouble_is_said_once_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    said: list[str] = []
    broken = FileMemory(
        file=AnswerFile(path=tmp_path / "taken" / "memory.sqlite3", say=said.append),
        repository="/shop",
        say=said.append,
    )
    broken.keep([ONE])
    broken.tested([ONE.mark], passed=True)
    assert broken.find([ONE.key])[ONE.key].kept.confirmed is Confirmed.TESTS
    assert len(said) == 1
    assert "the memory of this machine" in said[0]


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, True),
        ({"FLOWFORGE_LOCAL_MEMORY": "false"}, False),
        ({"FLOWFORGE_LOCAL_MEMORY": "1"}, True),
        ({"FLOWFORGE_CONFIG": "off.toml"}, False),
        ({"FLOWFORGE_CONFIG": "off.toml", "FLOWFORGE_LOCAL_MEMORY": "true"}, True),
        ({"FLOWFORGE_CONFIG": "broken.toml"}, True),
    ],
)
def test_it_is_switched_off_by_the_setting(tmp_path: Path, environment: dict[str, str], on: bool) -> None:
    (tmp_path / "off.toml").write_text("local_memory = false\n")
    (tmp_path / "broken.toml").write_text("= =")
    named = {
        name: str(tmp_path / text) if text.endswith("toml") else text for name, text in environment.items()
    }
    assert switched_on({"HOME": str(tmp_path), **named}) is on


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"HOME": "/h"}, "linux", "/h/.local/state/flowforge/memory.sqlite3"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/s"}, "linux", "/s/flowforge/memory.sqlite3"),
        (
            {"HOME": "/h", "XDG_STATE_HOME": "not/absolute"},
            "linux",
            "/h/.local/state/flowforge/memory.sqlite3",
        ),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/flowforge/memory.sqlite3"),
    ],
)
def test_it_is_where_the_platform_keeps_state(
    environment: dict[str, str], platform: str, expected: str
) -> None:
    assert memory_file(environment, platform) == Path(expected)


def test_all_work_trees_of_a_repository_share_it(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    git(tmp_path / "shop", "init", "-q")
    git(tmp_path / "shop", "commit", "-q", "--allow-empty", "-m", "first")
    git(tmp_path / "shop", "worktree", "add", "-q", "../other")
    (tmp_path / "shop" / "deep").mkdir()
    named = str((tmp_path / "shop").resolve())
    places = (tmp_path / "shop", tmp_path / "shop" / "deep", tmp_path / "other", (tmp_path / "shop").as_uri())
    assert {repository_at(str(place)) for place in places} == {named}
    assert repository_at("https://me:secret@host.example/a.git?x") == "https://host.example/a.git"
    assert repository_at(str(tmp_path / "nowhere")) == ""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository with two answers, where no server is named."""
    for name in ("FLOWFORGE_URL", "FLOWFORGE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    subprocess.run(["git", "init", "-q", str(tmp_path / "shop")], check=True)
    place = str((tmp_path / "shop").resolve())
    folder = tmp_path / "state" / "flowforge"
    file = AnswerFile(path=folder / "memory.sqlite3", say=pytest.fail)
    mine = FileMemory(file=file, repository=place, say=pytest.fail)
    mine.keep([replace(ONE, rung="person", by=ADA), replace(ONE, key="b" * 64, path="docs/b.md")])
    mine.tested([replace(ONE, key="b" * 64).mark], passed=True)
    return place


def test_the_verbs_speak_of_this_machine_where_no_server_is_named(
    shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> tuple[int, str, str]:
        code = run_verb(verbs.app, "memory", words, keeper_of)
        out, err = capsys.readouterr()
        return code, out, " ".join(err.split())

    code, out, err = said("list", shop)
    assert code == 0, err
    assert len(out.splitlines()) == 3
    assert "agreed: Ada" in " ".join(out.split())
    assert len(said("list", shop, "--path", "docs/")[1].splitlines()) == 2
    assert len(said("list", shop, "--person", "ada")[1].splitlines()) == 2
    assert len(said("list", shop, "--before", "2020-01-01")[1].splitlines()) == 1
    assert said("list", shop, "--before", "soon")[0] == 2
    assert said("show", shop, "aa")[1].splitlines()[-2:] == ["text", "  x"]
    assert said("show", shop, "c") == (
        2,
        "",
        said("show", shop, "c")[2],
    )
    assert "no key begins with 'c'" in said("show", shop, "c")[2]
    assert "nothing is kept under" in said("show", shop, "f" * 64)[2]
    assert "no server is named" in said("list", "nowhere")[2]
    assert said("reject", shop, "b")[2] == "bbbbbbbbbbbb of docs/b.md: rejected"
    assert said("reject", shop, "a")[2] == "aaaaaaaaaaaa of a.py: a proposal"  # what a person wrote
    assert "nothing is kept under" in said("reject", shop, "f" * 64)[2]
    assert said("forget", shop, "aaa")[2].endswith("forgot 1 answer")
    assert said("forget", shop, "--all")[2].endswith("forgot 1 answer")
    assert said("list", shop)[1].splitlines()[1:] == []


def test_a_server_that_is_named_is_asked_unless_this_machine_is_meant(
    shop: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWFORGE_URL", "http://127.0.0.1:1")
    assert run_verb(verbs.app, "memory", ("list", shop), keeper_of) != 0
    assert run_verb(verbs.app, "memory", ("list", shop, "--here"), keeper_of) == 0
    assert run_verb(verbs.app, "memory", ("reject", shop, "b", "--here"), keeper_of) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
