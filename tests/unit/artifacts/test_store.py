"""Blobs by name: whole, checked, and never outside their folder."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowforge.artifacts.store import Artifacts, known_identity
from flowforge.core.errors import Broken, Reason, Refused, Temporary


@pytest.fixture
def store(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts")


def test_what_was_put_is_there(store: Artifacts) -> None:
    stored = store.put("jobs/1/report.json", b"{}")
    assert (stored.size, stored.sha256) == (2, hashlib.sha256(b"{}").hexdigest())
    assert store.get(stored.reference) == store.get("jobs/1/report.json") == b"{}"
    assert store.names("jobs") == ["jobs/1/report.json"]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, (5 << 20) + 3])
def test_a_file_goes_in_and_comes_out(store: Artifacts, tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(bytes(range(256)) * (size // 256 + 1))
    with source.open("r+b") as file:
        file.truncate(size)
    stored = store.put("big", source)
    assert (stored.size, store.fetch(stored.reference, target)) == (size, size)
    assert target.read_bytes() == source.read_bytes()
    assert stored.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()


def test_damage_is_found_and_nothing_damaged_is_left(store: Artifacts, tmp_path: Path) -> None:
    stored = store.put("a", b"hello")
    (tmp_path / "artifacts" / "a").write_bytes(b"hellO")
    with pytest.raises(Broken, match="damaged"):
        store.get(stored.reference)
    with pytest.raises(Broken, match="damaged"):
        store.fetch(stored.reference, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))
    assert store.get("a") == b"hellO", "a bare name asks for whatever is there"


@pytest.mark.parametrize(
    "name",
    ["", "/", "/etc/passwd", "..", "../x", "a/../b", "a//b", "a/", ".hidden", "-x", "a\0b", "a b", "\u00e4", "x" * 129,
     "/".join("x" * 300), "a#b", "a\\b", "a%2fb"],
)  # fmt: skip
def test_a_name_that_could_lead_elsewhere_is_refused(store: Artifacts, tmp_path: Path, name: str) -> None:
    for attempt in (lambda: store.put(name, b"x"), lambda: store.get(name), lambda: store.delete(name)):
        with pytest.raises(Refused) as caught:
            attempt()
        assert caught.value.reason is Reason.INVALID_REQUEST
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_what_is_not_there_is_not_found(store: Artifacts) -> None:
    with pytest.raises(Refused) as caught:
        store.get("none")
    assert caught.value.reason is Reason.NOT_FOUND


def test_a_blob_is_removed_once(store: Artifacts) -> None:
    stored = store.put("a", b"x")
    assert (store.delete(stored.reference), store.delete(stored.reference)) == (True, False)


def test_more_than_asked_for_is_refused(store: Artifacts) -> None:
    store.put("a", b"x" * 11)
    assert store.get("a", limit=11)
    with pytest.raises(Refused) as caught:
        store.get("a", limit=10)
    assert caught.value.reason is Reason.TOO_LARGE


def test_the_folder_is_for_its_owner_only(store: Artifacts, tmp_path: Path) -> None:
    assert (tmp_path / "artifacts").stat().st_mode & 0o077 == 0


def test_a_source_that_is_not_there_says_so(store: Artifacts, tmp_path: Path) -> None:
    with pytest.raises((Refused, Temporary)):
        store.put("a", tmp_path / "none")
    assert store.names() == []


def test_all_who_share_a_store_know_it_by_one_word(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    assert known_identity(folder) == ""
    assert not folder.exists(), "who only looks makes nothing"
    with ThreadPoolExecutor(8) as pool:
        words = set(pool.map(lambda _number: Artifacts(folder).identity(), range(40)))
    assert words == {known_identity(folder)}
    assert Artifacts(tmp_path / "another").identity() not in words


def test_a_stores_word_is_no_artifact(store: Artifacts) -> None:
    store.identity()
    assert store.names() == []
    with pytest.raises(Refused):
        store.get(".store")
    with pytest.raises(Refused):
        store.put(".store", b"mine")
