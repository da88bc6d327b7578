"""Three files merged by git itself, and what is open in them as a conflict."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from flowforge.core.conflict import Kind, splice
from flowforge.core.markers import Markers
from flowforge.git.conflicts import MARKER_SIZE, MAX_CONTENT
from flowforge.git.mergefile import ThreeFiles, merge_file
from flowforge.git.openfile import conflict_of

LINES = "".join(f"line {n}\n" for n in range(9))
UP, DOWN = LINES.replace("line 3", "up"), LINES.replace("line 3", "down")


def files(folder: Path, current: str | bytes, base: str | bytes | None, other: str | bytes) -> ThreeFiles:
    made = ThreeFiles(current=folder / "-current", base=folder / "base é", other=folder / "other")
    for place, text in ((made.current, current), (made.base, base), (made.other, other)):
        if text is not None:
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
    return made


def test_what_git_can_merge_is_merged_by_git(tmp_path: Path) -> None:
    three = files(tmp_path, UP, LINES, LINES + "more\n")
    merged = merge_file(three, Markers())
    assert merged is not None
    assert (merged.conflicts, merged.text) == (0, (UP + "more\n").encode())
    assert conflict_of(three, "a") is None


def test_what_it_cannot_is_counted_and_marked(tmp_path: Path) -> None:
    merged = merge_file(files(tmp_path, UP, LINES, DOWN), Markers(size=9, upstream="one", commit="two"))
    assert merged is not None
    assert merged.conflicts == 1
    assert b"<" * 9 + b" one\nup\n" in merged.text
    assert b"down\n" + b">" * 9 + b" two\n" in merged.text


@pytest.mark.parametrize("text", [b"a\0b", b"a\0c"])
def test_what_is_no_text_cannot_be_merged(tmp_path: Path, text: bytes) -> None:
    three = files(tmp_path, b"a\0z", b"a\0y", text)
    assert merge_file(three, Markers()) is None
    assert conflict_of(three, "a") is None


def test_a_file_that_is_not_there_cannot_be_merged_unless_it_is_the_base(tmp_path: Path) -> None:
    three = files(tmp_path, "up\n", None, "down\n")
    conflict = conflict_of(three, "a")
    assert conflict is not None
    assert (conflict.kind, conflict.base, len(conflict.hunks)) == (Kind.ADD_ADD, None, 1)
    three.other.unlink()
    assert merge_file(three, Markers()) is None


def test_lines_that_look_like_markers_are_text(tmp_path: Path) -> None:
    head = "".join(f"{mark * (MARKER_SIZE + n)}\n" for mark in "<|=>" for n in range(3))
    conflict = conflict_of(files(tmp_path, head + "up\n", head + "x\n", head + "down\n"), "a")
    assert conflict is not None
    assert [(hunk.upstream, hunk.commit) for hunk in conflict.hunks] == [(b"up\n", b"down\n")]


@pytest.mark.parametrize("big", ["current", "base", "other"])
def test_a_large_file_is_left_to_git(tmp_path: Path, big: str) -> None:
    three = files(tmp_path, UP, LINES, DOWN)
    place = {"current": three.current, "base": three.base, "other": three.other}[big]
    place.write_text(place.read_text() + "line\n" * (MAX_CONTENT // 5))
    assert conflict_of(three, "a") is None


def test_pointers_of_git_lfs_are_left_to_git(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
    assert conflict_of(files(tmp_path, *(pointer.format(n * 64, n) for n in "123")), "a.bin") is None


line = st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"d\r\n", b"<<<<<<< x\n", b"\xff\n"])
texts = st.builds(
    lambda lines, end: b"".join(lines) + end, st.lists(line, max_size=7), st.sampled_from([b"", b"e"])
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=texts, current=texts, other=texts)
def test_every_side_put_into_the_hunks_is_a_text_that_git_could_have_made(
    tmp_path: Path, base: bytes, current: bytes, other: bytes
) -> None:
    three = files(tmp_path, current, base, other)
    conflict = conflict_of(three, "a")
    merged = merge_file(three, Markers())
    assert merged is not None
    assert (conflict is not None) == (merged.conflicts > 0)
    if conflict is not None:
        known = {part.rstrip(b"\r\n") for text in (base, current, other) for part in text.split(b"\n")}
        for texts_ in ([h.upstream for h in conflict.hunks], [h.commit for h in conflict.hunks]):
            spliced = splice(conflict.segments, texts_)
            assert {part.rstrip(b"\r\n") for part in spliced.split(b"\n")} <= known | {b""}
