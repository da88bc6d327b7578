import time
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.merge.lines import Changed, diff3, diff3_lines, match, merge_lines

WORDS = st.lists(st.sampled_from("abcdefgh"), max_size=30)
TEXTS = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"    d\n"]), max_size=20).map(b"".join)


@given(WORDS, WORDS)
def test_a_match_pairs_equal_symbols_in_rising_order(a: list[str], b: list[str]) -> None:
    pairs = match(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert all(i < k and j < m for (i, j), (k, m) in pairwise(pairs))


@given(WORDS)
def test_a_sequence_matches_itself_whole(a: list[str]) -> None:
    assert match(a, a) == [(i, i) for i in range(len(a))]


@given(WORDS, WORDS, WORDS)
def test_chunks_cover_the_three_sequences_in_order(a: list[str], b: list[str], c: list[str]) -> None:
    chunks = list(diff3(a, b, c))
    assert [x for chunk in chunks for x in a[chunk.base]] == a
    assert [x for chunk in chunks for x in b[chunk.upstream]] == b
    assert [x for chunk in chunks for x in c[chunk.commit]] == c


@given(WORDS, WORDS, WORDS)
def test_unchanged_chunks_are_equal_on_all_sides(a: list[str], b: list[str], c: list[str]) -> None:
    for chunk in diff3(a, b, c):
        if chunk.changed is Changed.NOBODY:
            assert a[chunk.base] == b[chunk.upstream] == c[chunk.commit]


@given(TEXTS, TEXTS)
def test_a_side_that_changed_nothing_gives_the_other(base: bytes, changed: bytes) -> None:
    assert merge_lines(base, base, changed) == changed
    assert merge_lines(base, changed, base) == changed
    assert merge_lines(base, changed, changed) == changed


@given(TEXTS, TEXTS, TEXTS)
def test_sides_may_change_places(base: bytes, one: bytes, two: bytes) -> None:
    assert merge_lines(base, one, two) == merge_lines(base, two, one)


@given(TEXTS, TEXTS, TEXTS)
def test_no_line_that_one_side_added_is_lost(base: bytes, one: bytes, two: bytes) -> None:
    merged = merge_lines(base, one, two)
    if merged is None:
        return
    old, new = Counter(base.splitlines()), Counter(merged.splitlines())
    first, second = Counter(one.splitlines()), Counter(two.splitlines())
    for line, count in first.items():
        if count > old[line] and second[line] >= old[line]:
            assert new[line] >= count


def test_edits_that_touch_are_one_conflict() -> None:
    chunks = list(diff3_lines(b"a\nb\nc\n", b"A\nb\nc\n", b"a\nB\nc\n"))
    assert [chunk.text for chunk in chunks] == [None, b"c\n"]
    assert (chunks[0].base, chunks[0].upstream, chunks[0].commit) == (b"a\nb\n", b"A\nb\n", b"a\nB\n")


def test_edits_with_a_kept_line_between_merge() -> None:
    assert merge_lines(b"a\nb\nc\n", b"A\nb\nc\n", b"a\nb\nC\n") == b"A\nb\nC\n"


def test_unique_lines_anchor_before_braces_do() -> None:
    base = ["f() {", "one", "}", "", "g() {", "two", "}", ""]
    new = ["f() {", "one", "}", "", "h() {", "new", "}", "", "g() {", "two", "}", ""]
    pairs = match(base, new)
    assert (4, 8) in pairs
    assert (5, 9) in pairs


@pytest.mark.parametrize("size", [3_000])
def test_hostile_texts_take_linear_patience_not_quadratic_time(size: int) -> None:
    started = time.process_time()
    a, b = ["x", "y"] * size, ["y", "x"] * size
    assert match(a, b)
    nested = [str(i) for i in range(size)]
    assert len(match(nested, nested[::-1])) >= 1
    assert time.process_time() - started < 20  # generous: the quadratic form takes minutes


def test_empty_texts_merge_to_an_empty_text() -> None:
    assert merge_lines(b"", b"", b"") == b""
    assert list(diff3([], [], [])) == []


def test_a_missing_line_end_is_a_change_like_any_other() -> None:
    assert merge_lines(b"a\nb", b"a\nb\n", b"a\nb") == b"a\nb\n"
