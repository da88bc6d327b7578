"""Cuts: whole files, whole changes, whole lines; and a line for what is left out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.resolve.portions import cut_diff, cut_lines, one_line, tokens


def file(path: str, changes: int = 1, lines: int = 3) -> str:
    body = "".join(
        f"@@ -{n},{lines} +{n},{lines} @@ def f{n}():\n"
        + "".join(f"-old {n} {i}\n+new {n} {i}\n" for i in range(lines))
        for n in range(changes)
    )
    return f"diff --git a/{path} b/{path}\nindex 1..2 100644\n--- a/{path}\n+++ b/{path}\n{body}"


def test_what_fits_stays_as_it_is() -> None:
    diff = file("a.py") + file("b.py")
    assert cut_diff(diff, 1000) == diff.rstrip("\n")


def test_files_with_conflicts_come_first_and_small_ones_before_large_ones() -> None:
    diff = file("a.py", lines=60) + file("b.py", lines=5) + file("wanted.py", lines=60)
    cut = cut_diff(diff, tokens(file("wanted.py", lines=60)) + 150, ["wanted.py"])
    assert "+++ b/wanted.py" in cut
    assert "+++ b/b.py" in cut
    assert "+++ b/a.py" not in cut
    assert "[left out: a.py +60 -60]" in cut
    assert cut.index("b/b.py") < cut.index("b/wanted.py")


@pytest.mark.parametrize(
    "path",
    ["package-lock.json", "yarn.lock", "go.sum", "dist/a.js", "a.min.js", "x/Cargo.lock", "vendor/a/b.go"],
)
def test_what_tools_wrote_is_left_out_first(path: str) -> None:
    cut = cut_diff(file(path, lines=20) + file("a.py", lines=40), tokens(file("a.py", lines=40)) + 60)
    assert "+++ b/a.py" in cut
    assert f"[left out: {path} +20 -20]" in cut


def test_of_a_file_that_does_not_fit_whole_changes_are_kept() -> None:
    cut = cut_diff(file("a.py", changes=20, lines=5), 400)
    kept = cut.count("\n@@ ")
    assert 0 < kept < 20
    assert f"[left out: {20 - kept} of 20 changes of this file]" in cut
    for number in range(20):
        assert len(re.findall(rf"^[-+](?:old|new) {number} ", cut, re.MULTILINE)) in {0, 10}


def test_many_files_that_are_left_out_are_counted() -> None:
    cut = cut_diff("".join(file(f"f{n}.py", lines=50) for n in range(40)), 300)
    assert cut.count("[left out: f") == 12
    assert "[left out: 28 more files]" in cut


@given(st.text(max_size=400), st.integers(0, 120))
def test_any_text_is_cut_between_lines(text: str, most: int) -> None:
    lines = text.removesuffix("\n").split("\n")
    cut = cut_lines(text, most)
    kept = cut.split("\n")
    if kept != lines:
        assert re.fullmatch(r"\[left out: \d+ lines\]", kept.pop())
        assert kept == lines[: len(kept)]
        assert tokens("\n".join(kept)) <= most
    cut_diff(text, most)


def test_a_line_longer_than_all_is_left_out_whole() -> None:
    assert cut_lines("x" * 9000, 100) == "[left out: 1 lines]"


def test_one_line_is_one_whatever_the_bytes() -> None:
    assert one_line("a\nb\r\n\u2028c \udcff") == "a b c ?"
