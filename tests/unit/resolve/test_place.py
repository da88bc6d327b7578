"""Where people's text for one hunk stands: between the same neighbours, or nowhere that is certain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.core.conflict import Conflict, Hunk, Kind, Segment, splice
from flowforge.resolve.place import human_texts


def hunk(index: int, upstream: bytes = b"up\n", commit: bytes = b"mine\n") -> Hunk:
    return Hunk(index=index, base=b"base\n", upstream=upstream, commit=commit)


def conflict(*segments: Segment) -> Conflict:
    return Conflict(path="a", kind=Kind.CONTENT, base=None, upstream=None, commit=None, segments=segments)


def lines(*names: str) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


HEAD, TAIL = lines("a", "b", "c", "d"), lines("w", "x", "y", "z")
ONE = conflict(HEAD, hunk(0), TAIL)


def test_between_unchanged_bytes_the_text_is_what_stands_there() -> None:
    assert human_texts(ONE, HEAD + b"both\n" + TAIL) == {0: b"both\n"}
    assert human_texts(ONE, HEAD + TAIL) == {0: b""}


def test_a_change_elsewhere_does_not_hide_the_place() -> None:
    human = lines("new", "a", "b", "c", "d", "both", "w", "x", "y", "changed")
    assert human_texts(ONE, human) == {0: b"both\n"}


def test_fewer_neighbours_are_enough_where_they_are_the_only_ones() -> None:
    human = lines("a", "b", "else", "d", "both", "w", "else", "y", "z")
    assert human_texts(ONE, human) == {0: b"both\n"}


def test_a_neighbour_that_people_changed_leaves_the_place_unknown() -> None:
    assert human_texts(ONE, lines("a", "b", "c", "else", "both", "w", "x", "y", "z")) == {}
    assert human_texts(ONE, lines("a", "b", "c", "d", "both", "else", "x", "y", "z")) == {}


def test_neighbours_that_stand_twice_are_told_by_those_further_away() -> None:
    far = conflict(lines("first", "}", "}", "}", "second", "}", "}", "}"), hunk(0), TAIL)
    human = lines("first", "}", "}", "}", "second", "}", "}", "}", "both", "w", "x", "y", "else")
    assert human_texts(far, human) == {0: b"both\n"}


def test_neighbours_that_cannot_be_told_apart_leave_the_place_unknown() -> None:
    same = conflict(lines("}", "}", "}"), hunk(0), TAIL)
    human = lines("}", "}", "}", "}", "both", "w", "x", "y", "else")
    assert human_texts(same, human) == {}


def test_neighbours_that_git_has_twice_are_not_trusted_where_people_have_them_once() -> None:
    double = conflict(lines("n", "n", "n", "m", "n", "n", "n"), hunk(0), TAIL)
    assert human_texts(double, lines("n", "n", "n", "m", "both", "w", "x", "y", "else")) == {}


def test_a_hunk_at_an_end_of_the_file_reaches_to_that_end() -> None:
    first, last = conflict(b"", hunk(0), TAIL), conflict(HEAD, hunk(0), b"")
    assert human_texts(first, lines("both", "w", "x", "y", "else")) == {0: b"both\n"}
    assert human_texts(last, lines("else", "b", "c", "d", "both")) == {0: b"both\n"}
    assert human_texts(conflict(b"", hunk(0), b""), b"all\n") == {0: b"all\n"}


def test_each_hunk_has_its_own_text() -> None:
    two = conflict(HEAD, hunk(0), lines("m", "n", "o"), hunk(1), TAIL)
    assert human_texts(two, HEAD + b"1\n" + lines("m", "n", "o") + b"2\n" + TAIL) == {0: b"1\n", 1: b"2\n"}
    moved = lines("else", "b", "c", "d", "1", "m", "n", "o", "2", "w", "x", "y", "z")
    assert human_texts(two, moved) == {0: b"1\n", 1: b"2\n"}


def test_a_middle_that_fits_in_two_places_is_no_place() -> None:
    """Leftmost, the first text would be empty; rightmost, the second."""
    two = conflict(HEAD, hunk(0), b"}\n", hunk(1), TAIL)
    assert human_texts(two, HEAD + lines("}", "x = 1", "}") + TAIL) == {}


def test_a_file_without_a_last_line_end_has_its_place_too() -> None:
    short = conflict(HEAD, hunk(0), b"w\nx\ny")
    assert human_texts(short, lines("else", "b", "c", "d", "both") + b"w\nx\ny") == {0: b"both\n"}


@pytest.mark.parametrize("human", [b"", b"\n", b"else\n", b"\0\xff"])
def test_a_file_that_is_something_else_has_no_place(human: bytes) -> None:
    assert human_texts(ONE, human) == {}


_LINES = st.lists(st.sampled_from(["a", "b", "}", ""]), max_size=4).map(lambda names: lines(*names))


@given(st.lists(_LINES, min_size=2, max_size=4), st.lists(_LINES, min_size=3, max_size=3))
def test_a_text_that_is_found_would_put_the_file_together_again(
    plain: list[bytes], texts: list[bytes]
) -> None:
    """Of an untouched file every text that is claimed for all hunks at once is the one that people wrote, in place."""
    segments: list[Segment] = [plain[0]]
    for index, piece in enumerate(plain[1:]):
        segments += [hunk(index), piece]
    wrote = texts[: len(plain) - 1]
    human = splice(segments, wrote)
    found = human_texts(conflict(*segments), human)
    if len(found) == len(wrote):
        assert splice(segments, [found[index] for index in range(len(wrote))]) == human
