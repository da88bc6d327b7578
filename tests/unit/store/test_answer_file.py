import multiprocessing
import sqlite3
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowforge.store.answer_file import VERSION, AnswerFile, Row, Unusable

ROW: Row = {
    "path": "a.py",
    "digest": "d",
    "text": b"x\n",
    "size": 2,
    "rung": "structural",
    "rule": "words",
    "why": "both fit",
    "confirmed": "tests",
    "by_user": None,
    "by_name": None,
    "refused": "",
    "commit_id": "c1",
    "last_commit": "c1",
    "uses": 1,
}


class Told(list[str]):
    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def file(tmp_path: Path, told: Told) -> AnswerFile:
    return AnswerFile(path=tmp_path / "state" / "memory.sqlite3", say=told)


def put(file: AnswerFile, *keys: str, repository: str = "/shop", **more: object) -> None:
    file.change(repository, keys, lambda _before: {key: {**ROW, **more} for key in keys})


def keys(file: AnswerFile, repository: str = "/shop") -> set[object]:
    return {row["key"] for row in file.of_repository(repository)}


def test_looking_makes_no_file(file: AnswerFile) -> None:
    assert file.find("/shop", ["a"]) == []
    assert file.of_repository("/shop") == []
    assert file.drop("/shop", ["a"]) == 0
    assert not file.path.parent.exists()


def test_a_row_comes_back_as_it_was_put(file: AnswerFile) -> None:
    put(file, "a", "b")
    (row,) = file.find("/shop", ["a", "x"])
    assert {name: row[name] for name in ROW} == ROW
    assert (row["repository"], row["key"]) == ("/shop", "a")
    assert "text" not in file.of_repository("/shop")[0]


def test_repositories_know_nothing_of_each_other(file: AnswerFile) -> None:
    put(file, "a")
    assert file.find("/other", ["a"]) == []
    assert file.drop("/other", ["a"]) == 0
    assert keys(file) == {"a"}


def test_what_is_decided_stands_instead_and_none_drops(file: AnswerFile) -> None:
    put(file, "a", "b", "c")
    seen: list[Mapping[str, Row]] = []

    def decide(before: Mapping[str, Row]) -> Mapping[str, Row | None]:
        seen.append(before)
        return {"a": None, "b": {**ROW, "rule": "other"}}

    file.change("/shop", ["a", "b", "z"], decide)
    assert set(seen[0]) == {"a", "b"}
    assert {(row["key"], row["rule"]) for row in file.of_repository("/shop")} == {
        ("b", "other"),
        ("c", "words"),
    }


def test_a_decision_that_raises_changes_nothing(file: AnswerFile) -> None:
    put(file, "a")

    def decide(_before: Mapping[str, Row]) -> Mapping[str, Row | None]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        file.change("/shop", ["a"], decide)
    assert keys(file) == {"a"}
    put(file, "b")  # nothing is left locked


def test_only_its_owner_may_read_it(file: AnswerFile) -> None:
    put(file, "a")
    file.path.chmod(0o644)
    put(file, "b")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_a_link_is_not_followed(file: AnswerFile, tmp_path: Path) -> None:
    file.path.parent.mkdir()
    (tmp_path / "elsewhere").write_bytes(b"")
    file.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unusable, match="no file of this user"):
        put(file, "a")
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_what_was_not_used_for_longest_makes_room(file: AnswerFile, told: Told) -> None:
    times = iter(range(100))
    small = AnswerFile(path=file.path, say=told, clock=lambda: float(next(times)), most=3)
    for key in "abc":
        put(small, key)
    put(small, "a")  # used again
    put(small, "d")
    assert keys(small) == {"a", "c", "d"}


def test_texts_are_bounded_together(file: AnswerFile, told: Told) -> None:
    times = iter(range(100))
    small = AnswerFile(path=file.path, say=told, clock=lambda: float(next(times)), most_bytes=5_000)
    for key in "abcde":
        put(small, key, text=b"y" * 1500, size=1500)
    assert keys(small) == {"d", "e"}


@pytest.mark.parametrize(
    "content", [b"no database at all, only text" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_damaged_file_is_set_aside_with_a_sentence(file: AnswerFile, told: Told, content: bytes) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(content)
    put(file, "a")
    assert keys(file) == {"a"}
    assert len(told) == 1
    assert "was damaged; it begins empty, and the old file is" in told[0]
    (aside,) = file.path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == content


def test_damage_that_is_found_late_is_a_sentence_and_the_next_one_begins_anew(
    file: AnswerFile, told: Told
) -> None:
    many = [f"{number:064x}" for number in range(200)]
    put(file, *many, text=b"z" * 400)
    with sqlite3.connect(file.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = bytearray(file.path.read_bytes())
    whole[4096:] = b"\xa5" * (len(whole) - 4096)
    file.path.write_bytes(bytes(whole))
    with pytest.raises(Unusable, match="cannot be used"):
        file.find("/shop", many)
    assert len(told) == 1
    put(file, "a")
    assert keys(file) == {"a"}


def test_few_damaged_files_are_kept(file: AnswerFile, told: Told) -> None:
    for day in range(6):
        late = AnswerFile(path=file.path, say=told, clock=lambda day=day: 86_400.0 * day)  # type: ignore[misc]  # bound here
        file.path.parent.mkdir(exist_ok=True)
        file.path.write_bytes(b"broken" * 500)
        put(late, "a")
    assert len(list(file.path.parent.glob("*.damaged-*"))) == 3


def test_a_file_of_a_newer_version_is_left_alone(file: AnswerFile, told: Told) -> None:
    put(file, "a")
    with sqlite3.connect(file.path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(Unusable, match="a newer FlowForge made it"):
        put(file, "b")
    assert told == []
    assert list(file.path.parent.glob("*.damaged-*")) == []


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, told: Told) -> None:
    (tmp_path / "taken").write_text("")
    file = AnswerFile(path=tmp_path / "taken" / "memory.sqlite3", say=told)
    with pytest.raises(Unusable, match="cannot be used"):
        put(file, "a")


def counted(before: Mapping[str, Row]) -> Mapping[str, Row | None]:
    uses = int(str(before["a"]["uses"])) if before else 0
    return {"a": {**ROW, "uses": uses + 1}}


def count(path: Path, times: int) -> None:
    file = AnswerFile(path=path, say=lambda _text: None)
    for _ in range(times):
        file.change("/shop", ["a"], counted)


def test_several_processes_change_it_one_after_the_other(file: AnswerFile) -> None:
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=count, args=(file.path, 20)) for _ in range(4)]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [0] * 4
    assert file.find("/shop", ["a"])[0]["uses"] == 80
