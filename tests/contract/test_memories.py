"""One suite for every form of `resolve.memory.Memory`: in one process, in a file, in Postgres under a job's fence."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from flowforge.jobs.memory import StoredMemory
from flowforge.jobs.recorder import FencedRecorder
from flowforge.resolve.memory import LARGEST, Confirmed, Given, Kept, Memory, Person, Refused, Remembered
from flowforge.store.answer_file import AnswerFile
from flowforge.vault.envelope import Vault
from flowforge.wiring.remembered import FileMemory
from tests.conftest import TestDatabase
from tests.integration.api.conftest import PlainKeys
from tests.integration.jobs.world import World, artifacts, make_world, session_of

ADA = Person(user=str(UUID(int=7)), name="Ada")


def given(key: str = "a", text: bytes = b"x\n", rung: str = "structural", **more: object) -> Given:
    values = {"path": "a.py", "rule": "words", "why": "both fit", "commit": "c1", **more}
    return Given(key=key * 64, text=text, rung=rung, **values)  # type: ignore[arg-type]  # a test's own


def person(text: bytes = b"hers\n", **more: object) -> Given:
    return given(text=text, rung="person", rule="edited", by=ADA, **more)


def stored(world: World, branch: str = "feature", vault: Vault | None = None) -> StoredMemory:
    job = world.claim(world.submit(branch=branch))
    assert job is not None
    recorder = FencedRecorder(
        database=world.database.system, job=job, session=session_of(job), artifacts=artifacts()
    )
    return StoredMemory(recorder=recorder, vault=vault or Vault(PlainKeys()))


@pytest.fixture(params=["one process", "a file", pytest.param("Postgres", marks=pytest.mark.services)])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    if request.param == "one process":
        yield Remembered()
        return
    if request.param == "a file":
        file = AnswerFile(path=tmp_path / "memory.sqlite3", say=pytest.fail)
        yield FileMemory(file=file, repository="/shop", say=pytest.fail)
        return
    database: TestDatabase = request.getfixturevalue("database")
    yield stored(make_world(database))


def kept(memory: Memory, key: str = "a") -> Kept | None:
    found = memory.find([key * 64])
    return found[key * 64].kept if found else None


def text(memory: Memory, key: str = "a") -> bytes | None:
    found = memory.find([key * 64])
    return found[key * 64].text if found else None


def test_what_was_never_kept_is_not_found(memory: Memory) -> None:
    assert memory.find([]) == {}
    assert memory.find(["a" * 64, "b" * 64]) == {}


def test_all_that_is_kept_under_many_keys_is_found_at_once(memory: Memory) -> None:
    memory.keep([given(key, text=key.encode()) for key in "abcdef"])
    found = memory.find([key * 64 for key in "abcf0"])
    assert {key[0]: one.text for key, one in found.items()} == {"a": b"a", "b": b"b", "c": b"c", "f": b"f"}


def test_an_answer_comes_back_byte_by_byte_with_all_that_is_known_of_it(memory: Memory) -> None:
    whole = bytes(range(1, 256)) + b"\r\n\xff\xfe"
    memory.keep([given(text=whole)])
    assert text(memory) == whole
    found = kept(memory)
    assert found is not None
    assert (found.rung, found.rule, found.why, found.commit) == ("structural", "words", "both fit", "c1")
    assert (found.confirmed, found.by, found.refused, found.uses) == (
        Confirmed.NOBODY,
        None,
        Refused.NOBODY,
        1,
    )


def test_an_empty_answer_is_one_too(memory: Memory) -> None:
    memory.keep([given(text=b"")])
    assert text(memory) == b""


@pytest.mark.parametrize("bad", [b"a\0b", b"<<<<<<< up\n", b"x\n>>>>>>> c\n", b"x" * (LARGEST + 1)])
def test_a_poisoned_text_is_not_kept_and_the_others_are(memory: Memory, bad: bytes) -> None:
    memory.keep([given("a", text=bad), given("b")])
    assert kept(memory, "a") is None
    assert kept(memory, "b") is not None


def test_the_largest_text_is_kept(memory: Memory) -> None:
    memory.keep([given(text=b"x" * LARGEST)])
    assert text(memory) == b"x" * LARGEST


def test_a_use_is_counted_once_a_commit(memory: Memory) -> None:
    memory.keep([given()])
    for commit in ("c1", "c2", "c2", "c3"):
        memory.keep([given(rung="memory", commit=commit)])
    found = kept(memory)
    assert found is not None
    assert (found.uses, found.rung, found.commit) == (3, "structural", "c1")


def test_what_memory_offered_is_not_kept_anew(memory: Memory) -> None:
    memory.keep([given(rung="memory")])
    assert kept(memory) is None


def test_passed_tests_confirm_and_red_ones_take_that_back(memory: Memory) -> None:
    memory.keep([given("a"), given("b")])
    memory.tested({given("a").mark}, passed=True)
    assert [one and one.confirmed for one in (kept(memory, "a"), kept(memory, "b"))] == ["tests", ""]
    marks = {given("a").mark, given("b").mark}
    memory.tested(marks, passed=False)
    first = kept(memory, "a")
    assert first is not None
    assert first.confirmed is Confirmed.NOBODY
    assert kept(memory, "b") is None


def test_tests_say_nothing_of_another_text_in_the_same_place(memory: Memory) -> None:
    memory.keep([given()])
    memory.tested({given(text=b"other").mark}, passed=False)
    memory.take_back({given(text=b"other").mark})
    found = kept(memory)
    assert found is not None
    assert found.refused is Refused.NOBODY


def test_a_persons_text_stands_above_a_rungs_whichever_came_first(memory: Memory) -> None:
    memory.keep([given()])
    memory.keep([person()])
    memory.keep([given(commit="c2")])
    found = kept(memory)
    assert found is not None
    assert (text(memory), found.rung, found.by, found.confirmed) == (b"hers\n", "person", ADA, "person")


def test_what_was_taken_back_stays_so_until_another_text_or_a_person_comes(memory: Memory) -> None:
    memory.keep([given()])
    memory.take_back({given().mark})
    memory.keep([given(commit="c2")])
    memory.tested({given().mark}, passed=True)
    found = kept(memory)
    assert found is not None
    assert (found.refused, found.confirmed) == (Refused.UNDONE, Confirmed.NOBODY)
    memory.keep([given(text=b"better\n")])
    assert text(memory) == b"better\n"
    memory.take_back({given(text=b"better\n").mark})
    memory.keep([person()])
    after = kept(memory)
    assert after is not None
    assert (after.refused, after.by) == (Refused.NOBODY, ADA)


def test_a_write_that_is_made_twice_changes_nothing(memory: Memory) -> None:
    def write() -> tuple[Kept | None, Kept | None]:
        memory.keep([given("a"), person(key="b")])
        memory.tested({given("a").mark}, passed=True)
        return kept(memory, "a"), kept(memory, "b")

    once = write()
    assert once[0] is not None
    assert write() == once
