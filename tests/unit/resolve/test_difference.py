"""How an answer differs from what people committed."""

import pytest

from flowforge.core.conflict import Conflict, Hunk, HunkAnswer, Kind, Version, resolve_with
from flowforge.resolve.difference import Difference, difference, of_file, of_path, of_resolution

BASE, UPSTREAM, COMMIT = b"paid = 1\n", b"paid = total(1)\n", b"paid = 1  # once\n"
ANSWER = b"paid = total(1)  # once\n"


def hunk(index: int = 0) -> Hunk:
    return Hunk(index=index, base=BASE, upstream=UPSTREAM, commit=COMMIT)


@pytest.mark.parametrize(
    ("human", "expected"),
    [
        (b"paid = total(\n    1)  # once\n", Difference.LAYOUT),
        (UPSTREAM, Difference.TOOK_UPSTREAM),
        (b"paid  = 1  #  once", Difference.TOOK_COMMIT),
        (BASE, Difference.TOOK_BASE),
        (b"paid = round(total(1))  # once\n", Difference.NEW_WORDS),
        (b"paid = total(1)  #\n", Difference.LESS),
        (b"paid = total(1)  # once\npaid = total(1)  # once\n", Difference.NEW_WORDS),
        (b"paid = 1 total\n", Difference.LESS),
        (b"", Difference.LESS),
    ],
)
def test_people_chose(human: bytes, expected: Difference) -> None:
    assert difference(hunk(), ANSWER, human) is expected


def test_what_the_answer_lacks_is_told_from_what_it_has_besides() -> None:
    sides = Hunk(index=0, base=b"a b c\n", upstream=b"a b c d\n", commit=b"a b c e\n")
    assert difference(sides, b"a b c d\n", b"a b c d e\n") is Difference.MORE
    assert difference(sides, b"a b c d\n", b"a b e d\n") is Difference.OTHERWISE


def test_one_side_taken_whole_is_told_before_words_that_are_missing() -> None:
    sides = Hunk(index=0, base=b"a\n", upstream=b"a b\n", commit=b"a c\n")
    assert difference(sides, b"a b c\n", b"a b\n") is Difference.TOOK_UPSTREAM


def test_the_gravest_place_speaks_for_the_file() -> None:
    found = [None, Difference.LAYOUT, Difference.NEW_WORDS, Difference.TOOK_COMMIT]
    assert of_file(found, placed=True) is Difference.NEW_WORDS


def test_a_file_whose_every_place_is_equal_was_changed_elsewhere() -> None:
    assert of_file([None, None], placed=True) is Difference.ELSEWHERE
    assert of_file([None], placed=False) is Difference.NO_PLACE


def conflict() -> Conflict:
    version = Version(path="pay.py", mode="100644", oid="0" * 40, content=b"")
    return Conflict(
        path="pay.py",
        kind=Kind.CONTENT,
        base=version,
        upstream=version,
        commit=version,
        segments=(b"first\n", hunk(0), b"second\n", hunk(1), b"third\n"),
    )


def test_a_resolution_is_told_by_the_places_that_differ() -> None:
    answers = [HunkAnswer(index=at, text=ANSWER, rung="r", rule="x", why="") for at in (0, 1)]
    resolution = resolve_with(conflict(), answers)
    assert of_resolution(resolution, {0: ANSWER, 1: UPSTREAM}, [0]) is Difference.TOOK_UPSTREAM
    assert of_resolution(resolution, {0: ANSWER, 1: ANSWER}, [0, 1]) is Difference.ELSEWHERE
    assert of_resolution(resolution, {0: ANSWER}, [0]) is Difference.NO_PLACE


def test_an_answer_for_a_whole_path_is_told_by_the_sides_files() -> None:
    texts = (b"one\n", b"one two\n", b"one three\n")
    base, upstream, commit = (Version(path="a", mode="100644", oid="0" * 40, content=t) for t in texts)
    found = Conflict(path="a", kind=Kind.CONTENT, base=base, upstream=upstream, commit=commit)
    assert of_path(found, b"one two three\n", b"one three\n") is Difference.TOOK_COMMIT


def test_every_class_has_words_that_fit_a_narrow_table() -> None:
    assert all(0 < len(one.words) <= 60 for one in Difference)
